"""Guests' money: top-ups, refunds, holds, statements."""

from uuid import UUID

from pourline.contracts.base import AMOUNT_MAX, Listing
from pourline.contracts.money import (
    Balances,
    Booked,
    GetBalances,
    GetGrant,
    GetVisitMoney,
    Grant,
    GuestRefunded,
    GuestToppedUp,
    Hold,
    ListPours,
    ListStatement,
    PlaceHold,
    Pour,
    PriceChanged,
    Refund,
    SetPrice,
    StatementLine,
    TopUp,
    VisitMoney,
    VoidHold,
)
from pourline.kit.db import Row, UnitOfWork
from pourline.kit.errors import NotFound
from pourline.kit.ids import new_id, parse_id
from pourline.kit.nats import Context
from pourline.ledger import domain
from pourline.ledger.domain import GrantState
from pourline.ledger.errors import BalanceLimit, GrantSettled, GrantVoided, InsufficientBalance
from pourline.ledger.handlers.record import on_record
from pourline.ledger.store import accounts, copies, holds, pours

POURS_OF_VISIT_MAX = 1000


def known_id(text: str) -> UUID:
    """Return `text` as an id; raises `NotFound` for one that can name nothing."""
    found = parse_id(text)
    if found is None:
        raise NotFound
    return found


async def top_up(order: TopUp, unit: UnitOfWork, context: Context) -> Booked:
    """Put money on a guest's account against takings of its method; raises `BalanceLimit`."""
    guest_id = known_id(order.guest_id)
    guest, takings = accounts.guest_account(guest_id), f"takings:{order.method}"
    balances = await accounts.lock_balances(unit, [guest, takings])
    if balances[guest] + order.amount > AMOUNT_MAX:
        raise BalanceLimit
    booked = await _book(unit, order, context, balances, kind="topup", amount=order.amount)
    unit.announce(
        GuestToppedUp(**_told(unit, order, context, booked)), aggregate=f"guest:{guest_id}"
    )
    _put_on_record(unit, "topped_up", order, context, booked)
    return booked


async def refund(order: Refund, unit: UnitOfWork, context: Context) -> Booked:
    """Pay money back; raises `InsufficientBalance` beyond what is free."""
    guest_id = known_id(order.guest_id)
    guest, takings = accounts.guest_account(guest_id), f"takings:{order.method}"
    balances = await accounts.lock_balances(unit, [guest, takings])
    free = balances[guest] - await holds.held_amount(unit, guest_id)
    if order.amount > free:
        raise InsufficientBalance("The balance, less what is held, does not cover the refund.")
    booked = await _book(unit, order, context, balances, kind="refund", amount=-order.amount)
    unit.announce(
        GuestRefunded(**_told(unit, order, context, booked)), aggregate=f"guest:{guest_id}"
    )
    _put_on_record(unit, "refunded", order, context, booked)
    return booked


def _put_on_record(
    unit: UnitOfWork, action: str, order: TopUp | Refund, context: Context, booked: Booked
) -> None:
    moved = -order.amount if isinstance(order, Refund) else order.amount
    on_record(
        unit,
        action,
        f"guest:{known_id(order.guest_id)}",
        actor=context.actor,
        reason=order.note,
        before={"balance": booked.balance - moved},
        after={
            "balance": booked.balance,
            "amount": order.amount,
            "method": order.method,
            "transaction_id": booked.transaction_id,
        },
    )


async def _book(
    unit: UnitOfWork,
    order: TopUp | Refund,
    context: Context,
    balances: dict[str, int],
    *,
    kind: str,
    amount: int,
) -> Booked:
    booking = accounts.Booking(
        id=new_id(), kind=kind, reference=order.method, actor=context.actor, note=order.note
    )
    guest, takings = accounts.guest_account(order.guest_id), f"takings:{order.method}"
    postings = [
        accounts.Posting(booking_id=booking.id, account_id=guest, amount=amount),
        accounts.Posting(booking_id=booking.id, account_id=takings, amount=-amount),
    ]
    after = await accounts.book(unit, [booking], postings, balances)
    return Booked(transaction_id=str(booking.id), balance=after[0])


def _told(
    unit: UnitOfWork, order: TopUp | Refund, context: Context, booked: Booked
) -> dict[str, object]:
    return {
        "transaction_id": booked.transaction_id,
        "guest_id": order.guest_id,
        "amount": order.amount,
        "balance": booked.balance,
        "method": order.method,
        "actor": context.actor,
        "at": unit.clock.now(),
    }


async def place_hold(order: PlaceHold, unit: UnitOfWork, context: Context) -> Hold:
    """Hold what a grant may cost; a visit's newer grant takes the older one's place.

    Raises `InsufficientBalance` when the balance does not cover `min_pour_ml`, `GrantVoided`
    when the void came first, `GrantSettled` when the pour of the grant that this one renews did.
    """
    del context
    guest_id, visit_id = known_id(order.guest_id), known_id(order.visit_id)
    seen = await holds.look_at_hold(
        unit,
        grant_id=known_id(order.grant_id),
        visit_id=visit_id,
        account=accounts.guest_account(guest_id),
    )
    if seen["state"]:
        return _placed_before(order, seen)
    await _not_settled(unit, order.renews)
    free = seen["free"]
    price = order.price_per_litre
    if domain.amount_of(order.min_pour_ml, price) > free:
        raise InsufficientBalance("Your balance does not cover a pour. Please top up.")
    payable = domain.volume_for(free, price)
    volume = order.keg_limit_ml if payable is None else min(payable, order.keg_limit_ml)
    amount = min(domain.amount_of(volume, price), free) if price else 0
    await holds.supersede_hold(unit, order)
    if not await holds.save_hold(unit, order=order, amount=amount, max_volume_ml=volume):
        raise GrantVoided  # at this very moment
    return Hold(
        grant_id=order.grant_id, amount=amount, max_volume_ml=volume, balance=seen["balance"]
    )


async def _not_settled(unit: UnitOfWork, renews: str | None) -> None:
    """Raise `GrantSettled` if a pour ended the grant; asked with the guest's account locked."""
    renewed = await holds.find_grant(unit, known_id(renews)) if renews else None
    if renewed and renewed["state"] in (GrantState.CAPTURED, GrantState.HELD):
        raise GrantSettled


def _placed_before(order: PlaceHold, seen: Row) -> Hold:
    if seen["state"] != GrantState.PENDING:
        raise GrantVoided
    return Hold(
        grant_id=order.grant_id,
        amount=seen["amount"],
        max_volume_ml=seen["max_volume_ml"],
        balance=seen["balance"],
    )


async def void_hold(order: VoidHold, unit: UnitOfWork, context: Context) -> Grant:
    """Give a grant's money free."""
    del context
    grant_id = known_id(order.grant_id)
    await holds.void_hold(unit, grant_id=grant_id, visit_id=known_id(order.visit_id))
    row = await holds.find_grant(unit, grant_id)
    return Grant(grant_id=order.grant_id, state=row["state"] if row else "unknown")


async def get_grant(query: GetGrant, unit: UnitOfWork, context: Context) -> Grant:
    """Return whether a grant is still held, and the pour that settled it."""
    del context
    grant_id = known_id(query.grant_id)
    row = await holds.find_grant(unit, grant_id)
    if row is None:
        return Grant(grant_id=query.grant_id, state="unknown")
    pour = None
    if row["state"] == GrantState.CAPTURED:
        pour = await holds.find_pour(unit, grant_id=grant_id, visit_id=row["visit_id"])
    return Grant(grant_id=query.grant_id, state=row["state"], pour=pour_of(pour) if pour else None)


async def set_price(order: SetPrice, unit: UnitOfWork, context: Context) -> PriceChanged:
    """Set a beverage's price; raises `NotFound` for a beverage never seen."""
    beverage_id = known_id(order.beverage_id)
    former = await copies.price_of(unit, beverage_id, at=unit.clock.now())
    if former is None:
        raise NotFound("There is no such beverage.")
    event = PriceChanged(
        beverage_id=order.beverage_id,
        price_per_litre=order.price_per_litre,
        from_at=order.from_ or unit.clock.now(),
    )
    await copies.save_price(
        unit,
        beverage_id=beverage_id,
        from_at=event.from_at,
        price_per_litre=event.price_per_litre,
    )
    unit.announce(event, aggregate=f"price:{beverage_id}")
    on_record(
        unit,
        "price_changed",
        f"beverage:{beverage_id}",
        actor=context.actor,
        before={"price_per_litre": former},
        after=event.model_dump(mode="json", include={"price_per_litre", "from_at"}),
    )
    return event


async def list_statement(
    query: ListStatement, unit: UnitOfWork, context: Context
) -> Listing[StatementLine]:
    """Return a guest's entries with the balance after each, newest first."""
    del context
    rows = await accounts.list_statement(
        unit,
        guest_id=known_id(query.guest_id),
        before=_number(query.cursor),
        limit=query.limit + 1,
    )
    lines = [StatementLine(**row) for row in rows[: query.limit]]
    more = len(rows) > query.limit
    return Listing[StatementLine](items=lines, next=str(lines[-1].id) if more else None)


async def get_visit_money(query: GetVisitMoney, unit: UnitOfWork, context: Context) -> VisitMoney:
    """Return the money side of a visit."""
    del context
    visit_id, guest_id = known_id(query.visit_id), known_id(query.guest_id)
    rows = await pours.list_of_visit(unit, visit_id, limit=POURS_OF_VISIT_MAX)
    poured = await pours.poured_ml(unit, visit_id)
    return VisitMoney(
        balance=await accounts.balance_of(unit, guest_id),
        held=await holds.held_amount(unit, guest_id),
        poured_ml=poured["poured_ml"],
        pours=[pour_of(row) for row in rows],
    )


async def get_balances(query: GetBalances, unit: UnitOfWork, context: Context) -> Balances:
    """Return the balances of the guests asked for; one without entries has nothing."""
    del context
    ids = [guest_id for text in query.guest_ids if (guest_id := parse_id(text))]
    found = await accounts.balances_of(unit, ids)
    return Balances(balances={text: found.get(text, 0) for text in query.guest_ids})


async def list_pours(query: ListPours, unit: UnitOfWork, context: Context) -> Listing[Pour]:
    """Return pours, newest first."""
    del context
    visit_id = parse_id(query.visit_id) if query.visit_id else None
    if query.visit_id and visit_id is None:
        return Listing[Pour](items=[])
    rows = await pours.list_pours(
        unit,
        status=query.status.value if query.status else None,
        visit_id=visit_id,
        tap_id=query.tap_id,
        before=_number(query.cursor),
        limit=query.limit + 1,
    )
    page = rows[: query.limit]
    more = len(rows) > query.limit
    return Listing[Pour](
        items=[pour_of(row) for row in page], next=str(page[-1]["number"]) if more else None
    )


def pour_of(row: Row) -> Pour:
    """Return a stored pour as the contract shows it."""
    return Pour(
        **{
            name: str(value) if isinstance(value := row[name], UUID) else value
            for name in Pour.model_fields
        }
    )


def _number(cursor: str | None) -> int | None:
    return int(cursor) if cursor and cursor.isdecimal() else None
