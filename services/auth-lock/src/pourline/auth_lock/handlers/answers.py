"""What a tap is answered: denials built, kept and put on record; answers repeated."""

from dataclasses import dataclass, replace
from datetime import datetime

import orjson

from pourline.auth_lock import domain
from pourline.auth_lock.domain import Denied, Deny
from pourline.auth_lock.handlers.cards import lookalikes
from pourline.auth_lock.store import audit, locks
from pourline.contracts.device import AuthorizeRequest, AuthorizeResult, Decision
from pourline.contracts.guests import AccessDenied, LostCardUsed
from pourline.kit.db import Row, UnitOfWork
from pourline.kit.errors import Retryable


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request as it arrived."""

    tap_id: str
    location: str
    request: AuthorizeRequest
    received_at: datetime


UNAVAILABLE = Denied(reason=Deny.UNAVAILABLE, message="Please try again in a moment.")


def denial(request_id: str, verdict: Denied) -> AuthorizeResult:
    """Return a denial as the tap hears it."""
    return AuthorizeResult(
        request_id=request_id,
        decision=Decision.DENY,
        reason=verdict.reason.value,
        message=verdict.message,
    )


async def deny(unit: UnitOfWork, asked: Asked, verdict: Denied) -> AuthorizeResult:
    """Keep a denial, so that a repeat hears it again, and put it on record."""
    verdict, resembled = await _look_closer(unit, verdict)
    answer = denial(asked.request.request_id, verdict)
    now = unit.clock.now()
    await locks.save_denied(
        unit,
        tap_id=asked.tap_id,
        request_id=asked.request.request_id,
        answer=answer.wire(),
        expires_at=now + domain.DENIAL_REPEATS_FOR,
    )
    await audit.record(
        unit,
        actor=f"tap-{asked.tap_id}",
        action="access_denied",
        subject=f"tap:{asked.tap_id}",
        reason=verdict.reason.value,
        after={"card_uid": asked.request.card_uid, "message": verdict.message}
        | ({"resembles": resembled} if resembled else {}),
    )
    _announce_denied(unit, asked, verdict, now)
    return answer


async def _look_closer(unit: UnitOfWork, verdict: Denied) -> tuple[Denied, list[str]]:
    """Return the denial and the known cards that an unknown one resembles, said in its message."""
    if verdict.reason is not Deny.UNKNOWN_CARD or not verdict.card_uid:
        return verdict, []
    resembled = await lookalikes(unit, verdict.card_uid)
    if not resembled:
        return verdict, []
    hint = " It resembles a card that we know: the reader may write in another order."
    return replace(verdict, message=verdict.message + hint), resembled


def _announce_denied(unit: UnitOfWork, asked: Asked, verdict: Denied, at: datetime) -> None:
    """Tell of a denial, and of a lost card by itself: that one needs a person."""
    visit_id = str(verdict.visit_id) if verdict.visit_id else None
    unit.announce(
        AccessDenied(
            tap_id=asked.tap_id,
            location=asked.location,
            request_id=asked.request.request_id,
            card_uid=asked.request.card_uid,
            reason=verdict.reason.value,
            message=verdict.message,
            visit_id=visit_id,
            denied_at=at,
        ),
        aggregate=f"tap:{asked.tap_id}",
    )
    if verdict.reason is Deny.LOST_CARD and verdict.card_uid:
        unit.announce(
            LostCardUsed(
                card_uid=verdict.card_uid,
                tap_id=asked.tap_id,
                location=asked.location,
                visit_id=visit_id,
                at=at,
            ),
            aggregate=f"card:{verdict.card_uid}",
        )


async def answered_meanwhile(unit: UnitOfWork, asked: Asked) -> AuthorizeResult:
    """Return what a sending of the same request, a moment earlier, was answered."""
    request_id = asked.request.request_id
    stored = await locks.find_answer(unit, tap_id=asked.tap_id, request_id=request_id)
    if stored is None or stored["known_state"] == "pending":
        raise Retryable("This request was given up a moment ago.")
    return repeat(stored, request_id, unit.clock.now())


def repeat(row: Row, request_id: str, now: datetime) -> AuthorizeResult:
    """Return the stored answer while it holds; later the request is a bad one."""
    fresh = row["known_until"] > now
    if fresh and (row["known_stands"] or row["known_state"] == "denied"):
        return AuthorizeResult.model_validate_json(orjson.dumps(row["known_answer"]))
    message = "This request was answered before. Please put the card on again."
    return denial(request_id, Denied(reason=Deny.BAD_REQUEST, message=message))
