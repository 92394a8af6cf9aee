"""A card on a tap: decide, take the lock, have the money held, answer.

The lock is taken in one commit and the answer kept in another; the hold is asked for between
them, outside any transaction. No hold, no lock. What a crash leaves between the two is cleared
away by `handlers.repair`.
"""

import asyncio
import logging
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID
from weakref import WeakValueDictionary

from pourline.auth_lock import domain
from pourline.auth_lock.domain import (
    Denied,
    Deny,
    Eligible,
    GrantId,
)
from pourline.auth_lock.handlers import answers
from pourline.auth_lock.handlers.answers import UNAVAILABLE, Asked, denial, repeat
from pourline.auth_lock.handlers.facts import Look, Seen, config_of, verdict_on
from pourline.auth_lock.handlers.locks import announce_states, release, release_settled
from pourline.auth_lock.store import audit, limits, locks, taps
from pourline.contracts.device import AuthorizeResult, Decision
from pourline.contracts.guests import LockTaken
from pourline.contracts.money import Grant, Hold, PlaceHold, VoidHold
from pourline.kit.clock import Clock
from pourline.kit.db import Database, UnitOfWork
from pourline.kit.errors import TROUBLE, Rejected, Retryable
from pourline.kit.ids import new_id
from pourline.kit.nats import Caller

log = logging.getLogger(__name__)


class Authorize:
    """Answers cards."""

    def __init__(self, *, database: Database, caller: Caller, clock: Clock) -> None:
        self._database = database
        self._caller = caller
        self._clock = clock
        self._look = Look()
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def __call__(self, asked: Asked) -> AuthorizeResult:
        """Return the answer for the guest; trouble is answered `unavailable`, never raised.

        A tap's questions are answered one after another: of several at once the last would have its
        money held while the first has the lock.
        """
        turn = self._turns.setdefault(asked.tap_id, asyncio.Lock())
        async with turn:
            return await self._in_turn(asked)

    async def _in_turn(self, asked: Asked) -> AuthorizeResult:
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
        """Answer; a request that a pour overtook starts anew and meets what the pour left."""
        for _ in range(STARTS_MAX):
            try:
                return await self._answer_once(asked)
            except _Overtaken:
                continue
        raise Retryable("Pours of this visit come faster than its questions.")

    async def _answer_once(self, asked: Asked) -> AuthorizeResult:
        stored, verdict = await self._begin(asked)
        if await self._is_over(stored) or await self._conflict_is_over(verdict):
            stored, verdict = await self._begin(asked)
        if stored is not None:
            return stored
        if isinstance(verdict, Denied):
            return await self._deny(asked, verdict)
        return await self._with_hold(asked, verdict)

    async def _is_over(self, stored: AuthorizeResult | None) -> bool:
        """Open the lock of an answer given before if its pour is in the books already."""
        if stored is None or stored.grant_id is None:
            return False
        return await release_settled(self._database, self._caller, UUID(stored.grant_id))

    async def _conflict_is_over(self, verdict: "Denied | _Begun") -> bool:
        """Open the lock in the way if its pour is in the books already; return whether it was."""
        if not isinstance(verdict, Denied) or verdict.conflict is None:
            return False
        return await release_settled(self._database, self._caller, verdict.conflict.grant_id)

    async def _begin(self, asked: Asked) -> "tuple[AuthorizeResult | None, Denied | _Begun]":
        """Begin; who loses a race looks again and meets what the winner did."""
        try:
            return await self._begin_once(asked)
        except _LostRace:
            return await self._begin_once(asked)

    async def _begin_once(self, asked: Asked) -> "tuple[AuthorizeResult | None, Denied | _Begun]":
        """Answer a repeat from the store, deny, or take the lock: one transaction."""
        async with self._database.transaction() as unit:
            # The lock needs no flush of its own: nobody is answered before the next commit, and
            # that one flushes this one too.
            await unit.execute("SET LOCAL synchronous_commit = off")
            seen = await self._look(unit, asked)
            if seen is None:
                return None, Denied(reason=Deny.BAD_REQUEST, message="There is no such tap.")
            if seen.row["known_state"] in ("allowed", "denied"):
                return repeat(seen.row, asked.request.request_id, seen.question.at), UNAVAILABLE
            verdict = verdict_on(seen)
            if isinstance(verdict, Eligible) and _may_have_company(verdict, seen):
                await limits.queue_up(unit, verdict.visit.visit_id)
                seen = await self._look(unit, asked) or seen
                verdict = verdict_on(seen)
            if isinstance(verdict, Eligible):
                return None, await _lock(unit, seen, verdict)
            if seen.row["known_grant"]:  # left by a crash, with its lock
                await release(unit, [seen.row["known_grant"]], why="hold_unanswered")
            return None, verdict

    async def _with_hold(self, asked: Asked, begun: "_Begun") -> AuthorizeResult:
        """Have the money held and keep the answer; without a hold the lock is given back."""
        try:
            hold = await self._hold(_order(asked, begun))
        except Rejected as refused:
            if refused.wire_code == GRANT_SETTLED and begun.eligible.renews:
                await self._give_back(asked, begun, why="hold_refused")
                await release_settled(self._database, self._caller, begun.eligible.renews)
                raise _Overtaken from refused
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

    async def _hold(self, order: PlaceHold) -> Hold:
        """Have money held, asking twice: a ledger that dies takes what it was asked with it.

        Its next life is back within a second. One hold comes of both, as of a repeated card.
        """
        try:
            return await self._caller.waiting(HASTY).ask(order, Hold)
        except Retryable:
            return await self._caller.waiting(1 - HASTY).ask(order, Hold)

    async def _allow(self, asked: Asked, begun: "_Begun", hold: Hold) -> AuthorizeResult:
        async with self._database.transaction() as unit:
            # The tap before its lock, as everywhere: events of a pour hold the tap already.
            is_offline = await taps.touch(unit, asked.tap_id)
            renewed = not begun.eligible.renews or await _renew(unit, begun)
            if renewed:
                answer = await _save_allowed(unit, asked, begun, hold)
                if is_offline:  # locked while offline: its pour may come late
                    await announce_states(unit, [asked.tap_id])
                return answer
        order = VoidHold(grant_id=str(begun.grant_id), visit_id=str(begun.eligible.visit.visit_id))
        await self._caller.ask(order, Grant)
        await self._give_back(asked, begun, why="overtaken")
        raise _Overtaken

    async def _deny(self, asked: Asked, verdict: Denied) -> AuthorizeResult:
        async with self._database.transaction() as unit:
            return await answers.deny(unit, asked, verdict)

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


STARTS_MAX = 3
GRANT_SETTLED = "grant_settled"
HASTY = 0.3
"""The share of the time for the ledger's answer after which it is asked again."""
"""The ledger's word that the grant which was to be renewed has its pour in the books."""


class _Overtaken(Retryable):
    """A pour was booked while this request was on its way: what it was told is old."""


class _LostRace(Retryable):
    """Another request was first."""


@dataclass(frozen=True, kw_only=True)
class _Begun:
    """A request whose lock is taken and whose money is not held yet."""

    grant_id: GrantId
    eligible: Eligible
    config: dict[str, object]
    card_uid: str
    card_is_lost: bool


def _order(asked: Asked, begun: _Begun) -> PlaceHold:
    tap, visit = begun.eligible.tap, begun.eligible.visit
    return PlaceHold(
        grant_id=str(begun.grant_id),
        request_id=asked.request.request_id,
        visit_id=str(visit.visit_id),
        guest_id=str(visit.guest_id),
        tap_id=tap.tap_id,
        location=tap.location,
        card_uid=begun.card_uid,
        beverage_id=str(tap.beverage_id),
        keg_id=str(tap.keg_id),
        price_per_litre=begun.eligible.price_per_litre,
        keg_limit_ml=begun.eligible.at_most_ml,
        min_pour_ml=Decimal(str(begun.config["min_pour_ml"])),
        shares_hold=begun.config["FF_ACTIVE_TAP_LOCK"] is False,
        visit_closed=visit.is_closed,
        renews=str(begun.eligible.renews) if visit.limits and begun.eligible.renews else None,
    )


def _allowance(asked: Asked, begun: _Begun, hold: Hold, at: datetime) -> AuthorizeResult:
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
        expires_at=at + domain.GRANT_OPENS_WITHIN,
        sync_timeout_s=int(str(begun.config["sync_timeout_s"])),
        at=at,
    )


async def _save_allowed(
    unit: UnitOfWork, asked: Asked, begun: _Begun, hold: Hold
) -> AuthorizeResult:
    """Keep the answer, if the grant still has its lock, and put it on record."""
    standing = await locks.lock_of_grant(unit, begun.grant_id)
    if standing is None:
        raise Retryable("The lock was opened or taken meanwhile.")
    now = unit.clock.now()
    answer = _allowance(asked, begun, hold, now)
    if not await locks.save_allowed(
        unit,
        grant_id=begun.grant_id,
        answer=answer.wire(),
        expires_at=now + domain.GRANT_OPENS_WITHIN,
        may_pour_ml=hold.max_volume_ml,
    ):
        return await answers.answered_meanwhile(unit, asked)
    await _record_allowed(unit, begun, standing["lock_set_at"])
    return answer


def _may_have_company(eligible: Eligible, seen: Seen) -> bool:
    """Return whether another tap may ask for the same limits at this moment: only by a flag."""
    alone = config_of(seen.row)["FF_ACTIVE_TAP_LOCK"] is True
    return bool(eligible.visit.limits) and not alone


async def _lock(unit: UnitOfWork, seen: Seen, eligible: Eligible) -> _Begun:
    """Take the lock, or go on with the one this request took before a crash."""
    known = seen.row["known_grant"]
    begun = _Begun(
        grant_id=GrantId(known or new_id()),
        eligible=eligible,
        config=config_of(seen.row),
        card_uid=seen.question.card_uid,
        card_is_lost=bool(seen.row["card_is_lost"]),
    )
    if known:
        return replace(begun, eligible=_own(eligible, begun.grant_id))
    if not await locks.begin_grant(unit, seen.question, _new_grant(begun)):
        raise _LostRace("Another request took the lock at this moment.")
    return begun


def _new_grant(begun: _Begun) -> locks.NewGrant:
    eligible = begun.eligible
    return locks.NewGrant(
        grant_id=begun.grant_id,
        visit_id=eligible.visit.visit_id,
        renews=eligible.renews,
        is_beside=eligible.is_beside,
        visit_was_closed=eligible.visit.is_closed,
        may_pour_ml=eligible.at_most_ml,
        price_per_litre=eligible.price_per_litre,
        beverage_id=eligible.tap.beverage_id,
    )


async def _renew(unit: UnitOfWork, begun: _Begun) -> bool:
    """Take the old grant's place, or the lock anew if the old one's pour opened it meanwhile.

    Returns False where that pour counts against a limit: then all is to be asked anew.
    """
    eligible, old = begun.eligible, begun.eligible.renews
    if old and await locks.renew_lock(
        unit,
        visit_id=eligible.visit.visit_id,
        tap_id=eligible.tap.tap_id,
        old=old,
        new=begun.grant_id,
    ):
        return True
    if eligible.visit.limits:
        return False
    await locks.take_lock(unit, tap_id=eligible.tap.tap_id, grant=_new_grant(begun))
    return True


def _own(eligible: Eligible, grant_id: GrantId) -> Eligible:
    """Return `eligible` without renewing when the standing lock is this request's own."""
    return replace(eligible, renews=None) if eligible.renews == grant_id else eligible


async def _record_allowed(unit: UnitOfWork, begun: _Begun, lock_set_at: datetime) -> None:
    visit, tap = begun.eligible.visit, begun.eligible.tap
    await audit.record(
        unit,
        actor=f"tap-{tap.tap_id}",
        action="access_allowed",
        subject=f"visit:{visit.visit_id}",
        after={"tap_id": tap.tap_id, "grant_id": str(begun.grant_id)}
        | ({"lost_card": True, "severity": "high"} if begun.card_is_lost else {})
        | ({"visit_closed": True} if visit.is_closed else {})
        | ({"beside_another_tap": True} if begun.eligible.is_beside else {}),
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
