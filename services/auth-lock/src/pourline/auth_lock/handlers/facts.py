"""What the database knows of a card on a tap, as the rules read it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, time
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

from pourline.auth_lock.domain import (
    CONFIG,
    AskedCard,
    AskedTap,
    AskingVisit,
    Denied,
    Deny,
    Eligible,
    Enforced,
    GrantId,
    GuestId,
    House,
    LockHeld,
    TapState,
    VisitId,
    decide,
)
from pourline.auth_lock.domain.limits import Limit, Scope, Standing, Used
from pourline.auth_lock.handlers.answers import Asked
from pourline.auth_lock.store import limits, locks
from pourline.auth_lock.store.locks import Question
from pourline.contracts.base import in_calendar
from pourline.contracts.cards import AS_PRINTED, UnreadableCardError, canonical_uid
from pourline.contracts.limits import LimitProfile
from pourline.kit.db import Row, UnitOfWork


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What was asked and all that bears on it; `unreadable` says why the card is no card."""

    question: Question
    row: Row
    unreadable: str | None


class Look:
    """Looks at a tap's question; it remembers how each tap's reader writes a card's UID."""

    def __init__(self) -> None:
        self._readers: dict[str, str] = {}

    async def __call__(self, unit: UnitOfWork, asked: Asked) -> Seen | None:
        """Return what bears on a question, None for an unknown tap.

        It is one statement; one more where the visit has limits, where the tap's reader is not
        the one remembered, or where no visit is open and a flag lets the last one pour.
        """
        for _ in range(2):
            reader = self._readers.get(asked.tap_id, AS_PRINTED)
            card_uid, unreadable = _read(asked.request.card_uid, reader)
            question = Question(
                tap_id=asked.tap_id,
                location=asked.location,
                request_id=asked.request.request_id,
                card_uid=card_uid,
                at=unit.clock.now(),
            )
            row = await locks.find_asked(unit, question)
            if row is None or row["reader_profile"] == reader:
                break
            self._readers[asked.tap_id] = row["reader_profile"]
        if row is None:
            return None
        if row["visit_id"] is None and config_of(row)["FF_VISIT_ENFORCEMENT"] is False:
            row = await locks.find_asked(unit, question, last_visit=True) or row
        if row["profile"]:
            row["used"] = await limits.find_used(
                unit, visit_id=row["visit_id"], tap_id=asked.tap_id, at=question.at
            )
        return Seen(question=question, row=row, unreadable=unreadable)


def _read(text: str, reader: str) -> tuple[str, str | None]:
    try:
        return canonical_uid(text, reader), None
    except UnreadableCardError as error:
        return "", str(error)


def verdict_on(seen: Seen) -> Denied | Eligible:
    """Return what the rules say."""
    row, at = seen.row, seen.question.at
    if seen.unreadable:
        return Denied(reason=Deny.UNREADABLE_CARD, message=seen.unreadable)
    verdict = decide(
        tap=asked_tap(row),
        visit=asking_visit(row),
        card=asked_card(row, at, is_staff=_is_staff(seen)),
        house=house_of(config_of(row), at),
    )
    if isinstance(verdict, Denied):
        return replace(verdict, visit_id=row["visit_id"], card_uid=seen.question.card_uid)
    return verdict


def config_of(row: Row) -> dict[str, object]:
    """Return every configuration value, set or default."""
    return {key: rule.default for key, rule in CONFIG.items()} | (row["config"] or {})


def _is_staff(seen: Seen) -> bool:
    cards = config_of(seen.row)["staff_cards"]
    return isinstance(cards, list) and seen.question.card_uid in cards


def asked_card(row: Row, at: datetime, *, is_staff: bool = False) -> AskedCard:
    """Return what is known of the card; an override by a manager lets a lost one pour."""
    until = row["override_until"]
    let_pour = until is not None and at < until
    return AskedCard(
        was_seen=row["card_was_seen"],
        lost=row["card_is_lost"] and not let_pour,
        let_pour_until=until if row["card_is_lost"] and let_pour else None,
        is_staff=is_staff,
    )


def house_of(config: Mapping[str, object], at: datetime) -> House:
    """Return the bar's rules, and its clock in its own time zone."""
    return House(
        enforced=Enforced(
            visit=config["FF_VISIT_ENFORCEMENT"] is True,
            active_tap_lock=config["FF_ACTIVE_TAP_LOCK"] is True,
            sync_status=config["FF_SYNC_STATUS_ENFORCEMENT"] is True,
            lost_card=config["FF_LOST_CARD_ENFORCEMENT"] is True,
        ),
        local_time=in_calendar(at).astimezone(ZoneInfo(str(config["timezone"]))).time(),
        serves=_hours(str(config["serving_hours"])),
    )


def _hours(text: str) -> tuple[time, time] | None:
    if not text:
        return None
    begins, ends = text.split("-")
    return time.fromisoformat(begins), time.fromisoformat(ends)


def asked_tap(row: Row) -> AskedTap:
    """Return the asked tap and the lock on it."""
    return AskedTap(
        tap_id=row["tap_id"],
        name=row["tap_name"],
        location=row["location"],
        state=TapState(row["state"]),
        beverage_id=row["beverage_id"],
        keg_id=row["keg_id"],
        remaining_ml=row["remaining_ml"],
        price_per_litre=row["price_per_litre"],
        kind=row["kind"],
        abv=row["abv"],
        lock=_held(row["tap_lock_visit"], row["tap_id"], row["tap_name"], row["tap_lock_grant"]),
    )


def asking_visit(row: Row) -> AskingVisit | None:
    """Return the visit of the card that may pour, if there is one, its lock and its limits."""
    if row["visit_id"] is None:
        return None
    profile = LimitProfile.model_validate(row["profile"]) if row["profile"] else None
    return AskingVisit(
        visit_id=VisitId(row["visit_id"]),
        guest_id=GuestId(row["guest_id"]),
        guest_name=row["guest_name"],
        age_verified=row["age_verified"],
        is_closed=row["visit_status"] == "closed",
        is_cut_off=row["is_cut_off"],
        limits=standings(profile, row) if profile else (),
        assumed_abv=(profile and profile.assumed_abv) or Decimal(0),
        lock=_held(
            row["visit_id"],
            row["visit_lock_tap"],
            row["visit_lock_tap_name"],
            row["visit_lock_grant"],
        ),
    )


def standings(profile: LimitProfile, row: Row) -> tuple[Standing, ...]:
    """Return each limit beside what is used of it."""
    people = 1 + row["companions"] if profile.counts_companions else 1
    return tuple(
        Standing(
            limit=Limit(**limit.model_dump() | {"per": Scope(limit.per.value)}),
            used=Used(**used),
            people=people,
        )
        for limit, used in zip(profile.limits, row["used"], strict=True)
    )


def _held(
    visit_id: UUID | None, tap_id: str | None, tap_name: str | None, grant_id: UUID | None
) -> LockHeld | None:
    if visit_id is None or tap_id is None or grant_id is None:
        return None
    return LockHeld(
        visit_id=VisitId(visit_id),
        tap_id=tap_id,
        tap_name=tap_name or tap_id,
        grant_id=GrantId(grant_id),
    )
