"""Guest money, holds, prices and pours: what is asked of the ledger and what it tells."""

from typing import Annotated, ClassVar

from pydantic import Field

from pourline.contracts.base import (
    Amount,
    Command,
    Count,
    Event,
    Id,
    Instant,
    Message,
    NumberedPage,
    PositiveAmount,
    Price,
    Query,
    ShortId,
    StaffId,
    Text,
    Total,
    Volume,
)
from pourline.contracts.device import PourStatus


class TopUp(Command):
    """Put money on a guest's account."""

    OWNER: ClassVar[str] = "ledger"
    NAME: ClassVar[str] = "account.top_up"
    guest_id: Id
    amount: PositiveAmount
    method: Text = "cash"
    note: Text | None = None


class Refund(Command):
    """Pay money back; never what is held, never below zero."""

    OWNER: ClassVar[str] = "ledger"
    NAME: ClassVar[str] = "account.refund"
    guest_id: Id
    amount: PositiveAmount
    method: Text = "cash"
    note: Text | None = None


class Booked(Message):
    """The answer to a top-up or refund."""

    transaction_id: Id
    balance: Total


class ListStatement(NumberedPage):
    """A guest's entries, newest first."""

    OWNER: ClassVar[str] = "ledger"
    NAME: ClassVar[str] = "account.statement"
    guest_id: Id


class StatementLine(Message):
    """One entry of a guest's account with the balance after it."""

    id: Count
    amount: Amount
    balance: Total
    kind: str
    at: Instant
    reference: str


class GetVisitMoney(Query):
    """What a visit has poured and what its guest has."""

    OWNER: ClassVar[str] = "ledger"
    NAME: ClassVar[str] = "visit.money"
    visit_id: Id
    guest_id: Id


class Pour(Message):
    """A pour as the ledger keeps it."""

    client_tx_id: Id
    short_id: ShortId | None = None
    visit_id: Id | None = None
    tap_id: StaffId
    keg_id: Id | None = None
    guest_id: Id | None = None
    beverage_id: Id | None = None
    volume_ml: Volume
    amount: Amount
    price_per_litre: Price | None = None
    status: PourStatus
    sync_status: str
    offline: bool
    reason: str | None = None
    entered_by: str | None = None
    comment: str | None = None
    decision: str | None = None
    decided_by: str | None = None
    started_at: Instant
    ended_at: Instant


class VisitMoney(Message):
    """The money side of a visit."""

    balance: Total
    held: Total
    poured_ml: Volume
    pours: list[Pour]


class GetBalances(Query):
    """The balances of some guests."""

    OWNER: ClassVar[str] = "ledger"
    NAME: ClassVar[str] = "account.balances"
    guest_ids: list[Id]


class Balances(Message):
    """Balance in minor units by guest."""

    balances: dict[str, Total]


class PlaceHold(Command):
    """Set money aside for what one grant may cost; a visit's newer grant takes the hold over.

    `keg_limit_ml` bounds the volume beside the balance: what the keg holds and limits leave. The
    answer says what may be poured. With `shares_hold` grants of the visit at other taps stand
    beside this one, within the same money. `visit_closed` says that the visit may pour though
    it is closed. `renews` refuses the hold once that grant's pour is in the books: what may be
    poured was worked out without it.
    """

    OWNER: ClassVar[str] = "ledger"
    NAME: ClassVar[str] = "hold.place"
    grant_id: Id
    request_id: Id
    visit_id: Id
    guest_id: Id
    tap_id: StaffId
    location: StaffId
    card_uid: str | None = None
    beverage_id: Id | None = None
    keg_id: Id | None = None
    price_per_litre: Price
    keg_limit_ml: Volume
    min_pour_ml: Volume
    shares_hold: bool = False
    visit_closed: bool = False
    renews: Id | None = None


class Hold(Message):
    """A hold placed: its amount, what it buys and what the guest has."""

    grant_id: Id
    amount: Amount
    max_volume_ml: Volume
    balance: Total


class VoidHold(Command):
    """Give a grant's money free; one that comes before its hold refuses the hold."""

    OWNER: ClassVar[str] = "ledger"
    NAME: ClassVar[str] = "hold.void"
    grant_id: Id
    visit_id: Id


class GetGrant(Query):
    """Whether a grant is still held."""

    OWNER: ClassVar[str] = "ledger"
    NAME: ClassVar[str] = "grant.get"
    grant_id: Id


class Grant(Message):
    """`state`: unknown, pending, superseded, captured, held or voided; `pour` settled it."""

    grant_id: Id
    state: str
    pour: Pour | None = None


class SetPrice(Command):
    """Set a beverage's price from an instant on."""

    OWNER: ClassVar[str] = "ledger"
    NAME: ClassVar[str] = "price.set"
    beverage_id: Id
    price_per_litre: Price
    from_: Annotated[Instant | None, Field(alias="from")] = None


class ListPours(NumberedPage):
    """Pours, newest first."""

    OWNER: ClassVar[str] = "ledger"
    NAME: ClassVar[str] = "pour.list"
    status: PourStatus | None = None
    visit_id: Id | None = None
    tap_id: Id | None = None


class PriceChanged(Event):
    """A beverage costs something else from an instant on."""

    TYPE: ClassVar[str] = "price.changed"
    PRODUCER: ClassVar[str] = "ledger"
    beverage_id: Id
    price_per_litre: Price
    from_at: Instant


class PourSettled(Event):
    """Fields of every event about a pour.

    `settles_grant_id` is the grant whose lock this pour opens. `takes_keg` says whether the keg
    lost the volume; `replaces` is the pour, entered by hand, whose volume the keg has again.
    `ghost` is flow that nobody asked for. `pulses` are the meter's. `entered_by` entered it by
    hand, with a `comment`; `decided_by` decided it after it was held.
    """

    PRODUCER: ClassVar[str] = "ledger"
    client_tx_id: Id
    short_id: ShortId | None = None
    tap_id: StaffId
    location: StaffId
    visit_id: Id | None = None
    guest_id: Id | None = None
    settles_grant_id: Id | None = None
    beverage_id: Id | None = None
    volume_ml: Volume
    amount: Amount
    price_per_litre: Price | None = None
    balance: Total | None = None
    status: PourStatus
    reason: str | None = None
    offline: bool = False
    ghost: bool = False
    takes_keg: bool = True
    replaces: Id | None = None
    pulses: int | None = None
    entered_by: str | None = None
    comment: str | None = None
    decided_by: str | None = None
    started_at: Instant
    ended_at: Instant
    received_at: Instant
    accepted_at: Instant


class PourAccepted(PourSettled):
    """A pour is in the books."""

    TYPE: ClassVar[str] = "pour.accepted"


class PourHeld(PourSettled):
    """A pour is kept and not billed until a person decides."""

    TYPE: ClassVar[str] = "pour.held"


class PourMismatched(PourSettled):
    """A pour came again with other content; no money moved."""

    TYPE: ClassVar[str] = "pour.mismatched"


class GuestToppedUp(Event):
    """A guest paid in."""

    TYPE: ClassVar[str] = "guest.topped_up"
    PRODUCER: ClassVar[str] = "ledger"
    transaction_id: Id
    guest_id: Id
    amount: Amount
    balance: Total
    method: str
    actor: str
    at: Instant


class GuestRefunded(GuestToppedUp):
    """A guest was paid back."""

    TYPE: ClassVar[str] = "guest.refunded"
    PRODUCER: ClassVar[str] = "ledger"
