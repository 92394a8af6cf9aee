"""Lost cards: reported, listed, restored, and let pour for a while by a manager."""

from typing import Any

from pourline.auth_lock.errors import BadOverride, LostCardUnknown
from pourline.auth_lock.handlers.cards import readable, uid_of
from pourline.auth_lock.store import audit, lost_cards
from pourline.contracts import guests as contract
from pourline.contracts.base import Listing
from pourline.contracts.guests import LostCard
from pourline.kit.db import Row, UnitOfWork
from pourline.kit.ids import new_id
from pourline.kit.nats import Context

HIGH = {"severity": "high"}
"""How the audit marks what a manager must be able to answer for."""


async def report(order: contract.ReportLostCard, unit: UnitOfWork, context: Context) -> LostCard:
    """Report a card as lost; one that is lost already stays so. Raises `UnreadableCard`."""
    return lost_card_of(await mark_lost(unit, uid_of(order.card_uid), context, note=order.note))


async def mark_lost(
    unit: UnitOfWork, card_uid: str, context: Context, *, note: str | None = None
) -> Row:
    """Put a card on the list of lost ones, on record."""
    values = {
        "id": new_id(),
        "card_uid": card_uid,
        "note": note,
        "reported_at": unit.clock.now(),
        "reported_by": context.actor,
    }
    row = await lost_cards.report(unit, values=values)
    await audit.record(
        unit,
        actor=context.actor,
        action="card_reported_lost",
        subject=f"card:{card_uid}",
        reason=note,
        after={"visit_id": row["visit_id"]},
    )
    return row


async def list_lost(
    query: contract.ListLostCards, unit: UnitOfWork, context: Context
) -> Listing[LostCard]:
    """Return the cards that are lost now, in order of UID."""
    del context
    rows = await lost_cards.list_lost(unit, after=query.cursor or "", limit=query.limit + 1)
    page = [lost_card_of(row) for row in rows[: query.limit]]
    more = len(rows) > query.limit
    return Listing[LostCard](items=page, next=page[-1].card_uid if more else None)


async def restore(order: contract.RestoreLostCard, unit: UnitOfWork, context: Context) -> LostCard:
    """Take a card off the list; its alert stays until a person resolves it.

    Raises `LostCardUnknown`.
    """
    uid = readable(order.card_uid) or ""
    row = await lost_cards.restore(unit, card_uid=uid, at=unit.clock.now(), actor=context.actor)
    if row is None:
        raise LostCardUnknown
    await audit.record(
        unit,
        actor=context.actor,
        action="lost_card_restored",
        subject=f"card:{uid}",
        reason=order.reason,
        after={"reported_by": row["reported_by"], "reported_at": row["reported_at"]},
    )
    return lost_card_of(row)


async def override(
    order: contract.OverrideLostCard, unit: UnitOfWork, context: Context
) -> LostCard:
    """Let a lost card pour until an instant; raises `LostCardUnknown`, `BadOverride`."""
    uid = readable(order.card_uid) or ""
    if await lost_cards.find_lost(unit, uid) is None:
        raise LostCardUnknown
    if order.until <= unit.clock.now():
        raise BadOverride
    row = await lost_cards.override(
        unit, card_uid=uid, until=order.until, reason=order.reason, actor=context.actor
    )
    if row is None:
        raise LostCardUnknown
    await audit.record(
        unit,
        actor=context.actor,
        action="lost_card_overridden",
        subject=f"card:{uid}",
        reason=order.reason,
        after=HIGH | {"until": order.until},
    )
    return lost_card_of(row)


async def lost_card_exists(raw: dict[str, Any], unit: UnitOfWork) -> bool:
    """Return whether the card that a malformed message is about is lost."""
    uid = readable(str(raw.get("card_uid", ""))) or ""
    return await lost_cards.find_lost(unit, uid) is not None


def lost_card_of(row: Row) -> LostCard:
    """Return a lost card's row as the contract shows it."""
    return LostCard(
        **row
        | {
            "id": str(row["id"]),
            "visit_id": str(row["visit_id"]) if row["visit_id"] else None,
        }
    )
