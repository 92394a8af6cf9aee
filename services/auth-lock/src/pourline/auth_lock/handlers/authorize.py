"""A card on a tap: decide, take the lock, have the money held, answer.

The lock is taken in one commit and the answer kept in another; the hold is asked for between
them, outside any transaction. No hold, no lock. What a crash leaves between the two is cleared
away by `handlers.repair`.
"""

import logging
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

import orjson

from pourline.auth_lock import domain
from pourline.auth_lock.domain import (
    Denied,
    Deny,
    Eligible,
    GrantId,
)
from pourline.auth_lock.handlers.facts import asked_tap, asking_visit
from pourline.auth_lock.handlers.locks import release, release_settled
from pourline.auth_lock.store import audit, locks, taps
from pourline.contracts.cards import UnreadableCardError, canonical_uid
from pourline.contracts.device import AuthorizeRequest, AuthorizeResult, Decision
from pourline.contracts.guests import AccessDenied, LockTaken
from pourline.contracts.money import Hold, PlaceHold
from pourline.kit.clock import Clock
from pourline.kit.db import Database, Row, UnitOfWork
from pourline.kit.errors import TROUBLE, Rejected, Retryable
from pourline.kit.ids import new_id
from pourline.kit.nats import Caller

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request as it arrived."""

    tap_id: str
    location: str
    request: AuthorizeRequest
    received_at: datetime


class Authorize:
    """Answers cards."""

    def __init__(self, *, database: Database, caller: Caller, clock: Clock) -> None:
        self._database = database
        self._caller = caller
        self._clock = clock

    async def __call__(self, asked: Asked) -> AuthorizeResult:
        """Return the answer for the guest; trouble is answered `unavailable`, never raised."""
        request = asked.request
        if domain.is_stale(
            received_at=asked.received_at, age_ms=request.age_ms, now=self._clock.now()
        ):
            return denial(request.request_id, UNAVAILABLE)
        try:
            return await self._answer(asked)
        except (Retryable, *TROUBLE) as error:
            log.warning("authorize_unavailable", extra={"error": repr(error)})
            return denial(request.request_id, UNAVAILABLE)

    async def _answer(self, asked: Asked) -> AuthorizeResult:
        try:
            card_uid = canonical_uid(asked.request.card_uid)
        except UnreadableCardError as error:
            return await self._deny(asked, Denied(reason=Deny.UNREADABLE_CARD, message=str(error)))
        stored, verdict = await self._begin(asked, card_uid)
        if await self._conflict_is_over(verdict):
            stored, verdict = await self._begin(asked, card_uid)
        if stored is not None:
            return stored
        if isinstance(verdict, Denied):
            return await self._deny(asked, verdict)
        return await self._with_hold(asked, card_uid, verdict)

    async def _conflict_is_over(self, verdict: "Denied | _Begun") -> bool:
        """Open the lock in the way if its pour is in the books already; return whether it was."""
        if not isinstance(verdict, Denied) or verdict.conflict is None:
            return False
        return await release_settled(self._database, self._caller, verdict.conflict.grant_id)

    async def _begin(
        self, asked: Asked, card_uid: str
    ) -> "tuple[AuthorizeResult | None, Denied | _Begun]":
        """Begin; who loses a race looks again and meets what the winner did."""
        try:
            return await self._begin_once(asked, card_uid)
        except _LostRace:
            return await self._begin_once(asked, card_uid)

    async def _begin_once(
        self, asked: Asked, card_uid: str
    ) -> "tuple[AuthorizeResult | None, Denied | _Begun]":
        """Answer a repeat from the store, deny, or take the lock: one transaction."""
        async with self._database.transaction() as unit:
            # The lock needs no flush of its own: nobody is answered before the next commit, and
            # that one flushes this one too.
            await unit.execute("SET LOCAL synchronous_commit = off")
            question = locks.Question(
                tap_id=asked.tap_id,
                location=asked.location,
                request_id=asked.request.request_id,
                card_uid=card_uid,
                at=unit.clock.now(),
            )
            row = await locks.find_asked(unit, question)
            if row is None:
                return None, Denied(reason=Deny.BAD_REQUEST, message="There is no such tap.")
            if row["known_state"] in ("allowed", "denied"):
                return _repeat(row, asked.request.request_id, question.at), UNAVAILABLE
            verdict = domain.decide(
                tap=asked_tap(row), visit=asking_visit(row), card_was_seen=row["card_was_seen"]
            )
            if isinstance(verdict, Denied):
                if row["known_grant"]:  # left by a crash, with its lock
                    await release(unit, [row["known_grant"]], why="hold_unanswered")
                return None, verdict
            return None, await _lock(unit, question, verdict, row)

    async def _with_hold(self, asked: Asked, card_uid: str, begun: "_Begun") -> AuthorizeResult:
        """Have the money held and keep the answer; without a hold the lock is given back."""
        try:
            hold = await self._caller.ask(_order(asked, card_uid, begun), Hold)
        except Rejected as refused:
            reason = Deny.INSUFFICIENT_BALANCE
            if refused.wire_code != reason.value:
                await self._give_up(asked, begun, why="hold_refused")
                return denial(asked.request.request_id, UNAVAILABLE)
            await self._give_back(asked, begun, why="hold_refused")
            return await self._deny(asked, Denied(reason=reason, message=refused.detail))
        except Retryable:
            await self._give_up(asked, begun, why="hold_unanswered")
            raise
        return await self._allow(asked, begun, hold)

    async def _allow(self, asked: Asked, begun: "_Begun", hold: Hold) -> AuthorizeResult:
        async with self._database.transaction() as unit:
            if begun.eligible.renews:
                await _renew(unit, begun, begun.eligible.renews)
            standing = await locks.lock_of_grant(unit, begun.grant_id)
            if standing is None:
                raise Retryable("The lock was opened or taken meanwhile.")
            expires_at = unit.clock.now() + domain.GRANT_OPENS_WITHIN
            answer = _allowance(asked, begun, hold, expires_at)
            if not await locks.save_allowed(
                unit, grant_id=begun.grant_id, answer=answer.wire(), expires_at=expires_at
            ):
                return await _answered_meanwhile(unit, asked)
            await _record_allowed(unit, begun, standing["lock_set_at"])
        return answer

    async def _give_up(self, asked: Asked, begun: "_Begun", *, why: str) -> None:
        """Give back what this request took, where nobody knows whether the money is held.

        A grant that was to renew a lock has none of its own, so that no release would void its
        hold: its request stays unanswered for `handlers.repair`, which asks the ledger to.
        """
        if begun.eligible.renews is None:
            await self._give_back(asked, begun, why=why)

    async def _give_back(self, asked: Asked, begun: "_Begun", *, why: str) -> None:
        """Open the lock that this request took, which voids its hold; a repeat starts anew.

        A lock that it only renews stands.
        """
        async with self._database.transaction() as unit:
            await release(unit, [begun.grant_id], why=why)
            await locks.forget_request(
                unit, tap_id=asked.tap_id, request_id=asked.request.request_id
            )

    async def _deny(self, asked: Asked, verdict: Denied) -> AuthorizeResult:
        """Keep the denial, so that a repeat hears it again, and put it on record."""
        answer = denial(asked.request.request_id, verdict)
        async with self._database.transaction() as unit:
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
                after={"card_uid": asked.request.card_uid, "message": verdict.message},
            )
            unit.announce(
                AccessDenied(
                    tap_id=asked.tap_id,
                    location=asked.location,
                    request_id=asked.request.request_id,
                    card_uid=asked.request.card_uid,
                    reason=verdict.reason.value,
                    message=verdict.message,
                    denied_at=now,
                ),
                aggregate=f"tap:{asked.tap_id}",
            )
        return answer


class _LostRace(Retryable):
    """Another request was first."""


UNAVAILABLE = Denied(reason=Deny.UNAVAILABLE, message="Please try again in a moment.")


@dataclass(frozen=True, kw_only=True)
class _Begun:
    """A request whose lock is taken and whose money is not held yet."""

    grant_id: GrantId
    eligible: Eligible
    config: dict[str, object]


def _order(asked: Asked, card_uid: str, begun: _Begun) -> PlaceHold:
    tap, visit = begun.eligible.tap, begun.eligible.visit
    return PlaceHold(
        grant_id=str(begun.grant_id),
        request_id=asked.request.request_id,
        visit_id=str(visit.visit_id),
        guest_id=str(visit.guest_id),
        tap_id=tap.tap_id,
        location=tap.location,
        card_uid=card_uid,
        beverage_id=str(tap.beverage_id),
        keg_id=str(tap.keg_id),
        price_per_litre=begun.eligible.price_per_litre,
        keg_limit_ml=begun.eligible.keg_limit_ml,
        min_pour_ml=Decimal(str(begun.config["min_pour_ml"])),
    )


def _allowance(asked: Asked, begun: _Begun, hold: Hold, expires_at: datetime) -> AuthorizeResult:
    visit = begun.eligible.visit
    return AuthorizeResult(
        request_id=asked.request.request_id,
        decision=Decision.ALLOW,
        reason="allowed",
        message=f"Welcome, {visit.guest_name}.",
        grant_id=str(begun.grant_id),
        visit_id=str(visit.visit_id),
        guest_name=visit.guest_name,
        balance=hold.balance,
        currency=str(begun.config["currency"]),
        price_per_litre=begun.eligible.price_per_litre,
        max_volume_ml=hold.max_volume_ml,
        max_duration_s=domain.POUR_S_MAX,
        expires_at=expires_at,
    )


async def _answered_meanwhile(unit: UnitOfWork, asked: Asked) -> AuthorizeResult:
    """Return what a sending of the same request, a moment earlier, was answered."""
    request_id = asked.request.request_id
    stored = await locks.find_answer(unit, tap_id=asked.tap_id, request_id=request_id)
    if stored is None or stored["known_state"] == "pending":
        raise Retryable("This request was given up a moment ago.")
    return _repeat(stored, request_id, unit.clock.now())


def denial(request_id: str, verdict: Denied) -> AuthorizeResult:
    """Return a denial as the tap hears it."""
    return AuthorizeResult(
        request_id=request_id,
        decision=Decision.DENY,
        reason=verdict.reason.value,
        message=verdict.message,
    )


async def _lock(unit: UnitOfWork, question: locks.Question, eligible: Eligible, row: Row) -> _Begun:
    """Take the lock, or go on with the one this request took before a crash."""
    config = {key: rule.default for key, rule in domain.CONFIG.items()}
    config |= row["config"] or {}
    if row["known_grant"]:
        grant_id = GrantId(row["known_grant"])
        return _Begun(grant_id=grant_id, eligible=_own(eligible, grant_id), config=config)
    begun = _Begun(grant_id=GrantId(new_id()), eligible=eligible, config=config)
    if not await locks.begin_grant(
        unit,
        question,
        grant_id=begun.grant_id,
        visit_id=eligible.visit.visit_id,
        renews=eligible.renews,
    ):
        raise _LostRace("Another request took the lock at this moment.")
    return begun


async def _renew(unit: UnitOfWork, begun: _Begun, old: GrantId) -> None:
    """Take the old grant's place, or the lock anew if the old one's pour opened it meanwhile."""
    visit_id, tap_id, new = begun.eligible.visit.visit_id, begun.eligible.tap.tap_id, begun.grant_id
    if not await locks.renew_lock(unit, visit_id=visit_id, tap_id=tap_id, old=old, new=new):
        await locks.take_lock(unit, visit_id=visit_id, tap_id=tap_id, grant_id=new)


def _own(eligible: Eligible, grant_id: GrantId) -> Eligible:
    """Return `eligible` without renewing when the standing lock is this request's own."""
    return replace(eligible, renews=None) if eligible.renews == grant_id else eligible


def _repeat(row: Row, request_id: str, now: datetime) -> AuthorizeResult:
    """Return the stored answer while it holds; later the request is a bad one."""
    fresh = row["known_until"] > now
    if fresh and (row["known_stands"] or row["known_state"] == "denied"):
        return AuthorizeResult.model_validate_json(orjson.dumps(row["known_answer"]))
    message = "This request was answered before. Please put the card on again."
    return denial(request_id, Denied(reason=Deny.BAD_REQUEST, message=message))


async def _record_allowed(unit: UnitOfWork, begun: _Begun, lock_set_at: datetime) -> None:
    visit, tap = begun.eligible.visit, begun.eligible.tap
    await audit.record(
        unit,
        actor=f"tap-{tap.tap_id}",
        action="access_allowed",
        subject=f"visit:{visit.visit_id}",
        after={"tap_id": tap.tap_id, "grant_id": str(begun.grant_id)},
    )
    unit.announce(
        LockTaken(
            visit_id=str(visit.visit_id),
            guest_id=str(visit.guest_id),
            guest_name=visit.guest_name,
            tap_id=tap.tap_id,
            location=tap.location,
            grant_id=str(begun.grant_id),
            lock_set_at=lock_set_at,
        ),
        aggregate=f"grant:{begun.grant_id}",
    )
    await taps.touch(unit, tap.tap_id)
