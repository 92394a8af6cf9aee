"""Closing a shift: fence, ask what stands in the way, wait for the figures, close or go on.

Others are asked before the transaction of the close. New visits are fenced off from before they
are asked until the shift is closed, so that what was not in the way stays out of it.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from pourline.contracts.evening import Alert
from pourline.contracts.shifts import (
    Blocker,
    Blockers,
    CloseShift,
    FenceVisits,
    GetBlockers,
    GetHeldPours,
    GetPrecheck,
    GetShiftReport,
    HeldPours,
    Lifted,
    LiftFence,
    Precheck,
    ReportLine,
    ShiftClosed,
    ShiftReopened,
    ShiftReport,
)
from pourline.kit.db import Database, Row, UnitOfWork
from pourline.kit.errors import Retryable
from pourline.kit.ids import new_id, parse_id
from pourline.kit.inbox import Inbox
from pourline.kit.nats import Caller, Context
from pourline.shift import domain, errors, store
from pourline.shift.handlers.opening import shift_of
from pourline.shift.handlers.record import on_record
from pourline.shift.handlers.standing import standing_alerts

FIGURES_WITHIN_S = 8.0
FORGOTTEN_AFTER_S = 60.0
OTHER_WITHIN_S = 4.0
"""So long is waited for somebody else's closing: who asked over HTTP waits no longer."""
LOOK_AGAIN_S = 0.1
NEWS_STAYS_OUT = "Figures of this shift are still coming in; try again."


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the owners said, when it was asked for, and under which fence."""

    blockers: Sequence[Blocker]
    at_s: float
    attempt_id: UUID | None = None
    alerts: Sequence[Alert] = ()
    is_refused: bool = False


class Closing:
    """Carries out what needs other services' words; `ask_…` runs before its handler."""

    def __init__(self, *, database: Database, caller: Caller, inbox: Inbox) -> None:
        self._database = database
        self._caller = caller
        self._inbox = inbox
        self._asked: dict[int, Asked] = {}

    async def ask_before_precheck(self, query: GetPrecheck, context: Context) -> None:
        """Ask the owners what stands in the way now."""
        del context
        own = await self._caller.ask(GetBlockers(), Blockers)
        held = await self._caller.ask(GetHeldPours(), HeldPours)
        alerts = await standing_alerts(self._caller)
        self._keep(
            query,
            Asked(blockers=[*own.blockers, *held.blockers], at_s=time.monotonic(), alerts=alerts),
        )

    async def precheck(self, query: GetPrecheck, unit: UnitOfWork, context: Context) -> Precheck:
        """Return whether the shift can close; raises `ShiftUnknown`, `ShiftClosed`."""
        del context
        asked = self._asked[id(query)]
        row = await store.find_shift(unit, _id(query.shift_id))
        if row is None:
            raise errors.ShiftUnknown
        if row["status"] == "closed":
            raise errors.ShiftClosed
        blocks = await _blockers_block(unit)
        return Precheck(
            can_close=not (blocks and asked.blockers),
            blockers=list(asked.blockers),
            alerts=list(asked.alerts),
        )

    async def ask_before_close(self, order: CloseShift, context: Context) -> None:
        """Fence new visits off, ask the owners, wait for the figures; a shift that is over: no."""
        del context
        attempt_id = new_id()
        shift_id = parse_id(order.shift_id)
        if shift_id is None or not order.equipment_checked:
            self._keep(order, Asked(blockers=(), at_s=time.monotonic()))
            return
        if not await self._begin(shift_id, attempt_id):
            self._keep(order, Asked(blockers=(), at_s=time.monotonic()))
            return
        try:
            asked = await self._ask_behind_fence(attempt_id)
        except BaseException:
            await self._go_on(attempt_id, why="not_asked")
            raise
        if asked.blockers and await self._blockers_block():
            await self._go_on(attempt_id, why="blocked")
            asked = replace(asked, is_refused=True)
        self._keep(order, asked)

    async def _begin(self, shift_id: UUID, attempt_id: UUID) -> bool:
        """Begin to close, after whoever closes it now; return False where nothing is to close.

        Raises `ShiftClosing` when the other takes long.
        """
        deadline_s = time.monotonic() + OTHER_WITHIN_S
        while time.monotonic() < deadline_s:
            async with self._database.transaction() as unit:
                now = unit.clock.now()
                if await store.begin_closing(
                    unit,
                    shift_id=shift_id,
                    attempt_id=attempt_id,
                    at=now,
                    left_before=now - domain.ATTEMPT_LASTS,
                ):
                    return True
                row = await store.find_shift(unit, shift_id)
            if row is None or row["status"] == "closed":
                return False
            await asyncio.sleep(LOOK_AGAIN_S)
        raise errors.ShiftClosing

    async def _ask_behind_fence(self, attempt_id: UUID) -> Asked:
        at_s = time.monotonic()
        for_s = int(domain.CLOSES_WITHIN.total_seconds())
        fence = FenceVisits(attempt_id=str(attempt_id), for_s=for_s)
        own = await self._caller.ask(fence, Blockers)
        held = await self._caller.ask(GetHeldPours(), HeldPours)
        newest = [UUID(one) for one in held.newest]
        if not await self._inbox.wait_for(self._database, newest, FIGURES_WITHIN_S):
            raise Retryable(NEWS_STAYS_OUT)
        blockers = [*own.blockers, *held.blockers]
        return Asked(blockers=blockers, at_s=at_s, attempt_id=attempt_id)

    async def close_shift(
        self, order: CloseShift, unit: UnitOfWork, context: Context
    ) -> ShiftReport:
        """Close the shift, or let it go on.

        Raises `ShiftUnknown`, `ShiftClosed`, `EquipmentUnchecked`, `ShiftBlocked` (with the
        blockers), `Retryable` when it took too long or somebody else closes it.
        """
        asked = self._asked[id(order)]
        row = await store.lock_shift(unit, _id(order.shift_id))
        if row is None:
            raise errors.ShiftUnknown
        if row["status"] == "closed":
            raise errors.ShiftClosed
        if not order.equipment_checked:
            raise errors.EquipmentUnchecked
        if asked.is_refused:
            raise errors.ShiftBlocked(blockers=[one.model_dump() for one in asked.blockers])
        attempt_id = asked.attempt_id
        if attempt_id is None or row["attempt_id"] != attempt_id or _is_too_late(asked):
            raise Retryable("Somebody else closes this shift, or it took too long; try again.")
        closed = await store.save_closed(
            unit,
            {
                "shift_id": row["id"],
                "at": unit.clock.now(),
                "actor": context.actor,
                "counted_cash": order.counted_cash,
                "comment": order.comment,
            },
        )
        unit.announce(
            ShiftClosed(
                shift_id=str(row["id"]),
                location=row["location"],
                attempt_id=str(attempt_id),
                closed_by=context.actor,
                closed_at=closed["closed_at"],
            ),
            aggregate=f"shift:{row['id']}",
            version=2,
        )
        on_record(
            unit,
            "shift_closed",
            f"shift:{row['id']}",
            actor=context.actor,
            reason=order.comment,
            after={"counted_cash": order.counted_cash, "location": row["location"]},
        )
        return await report_of(unit, closed)

    async def _blockers_block(self) -> bool:
        async with self._database.transaction() as unit:
            return await _blockers_block(unit)

    async def _go_on(self, attempt_id: UUID, *, why: str) -> None:
        async with self._database.transaction() as unit:
            await _reopen(unit, attempt_id, why=why)
        await self._lift(attempt_id)

    async def _lift(self, attempt_id: UUID) -> None:
        """Let visits open again; a fence that nobody could lift falls by itself."""
        try:
            await self._caller.ask(LiftFence(attempt_id=str(attempt_id)), Lifted)
        except Retryable:
            return

    def _keep(self, order: object, asked: Asked) -> None:
        """Keep what was asked for the handler; what no handler took is forgotten."""
        old_s = time.monotonic() - FORGOTTEN_AFTER_S
        self._asked = {key: one for key, one in self._asked.items() if one.at_s > old_s}
        self._asked[id(order)] = asked


async def reopen_left(unit: UnitOfWork) -> int:
    """Let shifts go on whose closing nobody finished (SH-2); return how many."""
    before: datetime = unit.clock.now() - domain.CLOSES_WITHIN
    rows = await store.left_closing(unit, before=before)
    for row in rows:
        await _reopen(unit, row["attempt_id"], why="not_finished")
    return len(rows)


async def _reopen(unit: UnitOfWork, attempt_id: UUID, *, why: str) -> None:
    row = await store.reopen(unit, attempt_id=attempt_id)
    if row is None:
        return
    unit.announce(
        ShiftReopened(
            shift_id=str(row["id"]), location=row["location"], why=why, at=unit.clock.now()
        ),
        aggregate=f"shift:{row['id']}",
    )


async def get_report(query: GetShiftReport, unit: UnitOfWork, context: Context) -> ShiftReport:
    """Return what happened in a shift; raises `ShiftUnknown`."""
    del context
    row = await store.find_shift(unit, _id(query.shift_id))
    if row is None:
        raise errors.ShiftUnknown
    return await report_of(unit, row)


async def report_of(unit: UnitOfWork, row: Row) -> ShiftReport:
    """Return a stored shift's report."""
    shift = await shift_of(unit, row)
    lines = await store.list_lines(unit, row["id"])
    expected = domain.cash_expected(
        row["opening_float"],
        [(line["by"], line["key"], line["what"], line["amount"]) for line in lines],
    )
    counted = row["counted_cash"]
    return ShiftReport(
        **shift.model_dump(),
        closed_by=row["closed_by"],
        comment=row["comment"],
        cash_expected=expected,
        counted_cash=counted,
        cash_difference=None if counted is None else counted - expected,
        alerts_opened=sum(line["count"] for line in lines if line["what"] == "alerts"),
        lines=[ReportLine(**line) for line in lines],
    )


async def _blockers_block(unit: UnitOfWork) -> bool:
    return await store.find_config(unit, domain.AUTHORITY, default=True) is not False


def _is_too_late(asked: Asked) -> bool:
    took_s = time.monotonic() - asked.at_s
    return took_s > (domain.CLOSES_WITHIN - domain.FENCE_LEAVES).total_seconds()


def _id(text: str) -> UUID:
    found = parse_id(text)
    if found is None:
        raise errors.ShiftUnknown
    return found
