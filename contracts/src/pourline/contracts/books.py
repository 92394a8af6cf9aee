"""What people do to the ledger's books: enter, decide and correct pours, close accounts."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, StringConstraints

from pourline.contracts.base import (
    AMOUNT_MAX,
    Amount,
    Command,
    Event,
    Id,
    Instant,
    Message,
    Price,
    Query,
    ShortId,
    StaffId,
    Text,
    Total,
    Volume,
)
from pourline.contracts.money import PourSettled

ENTERED_ML_MAX = 100_000
"""More than 100 l in one pour is no pour (contract, "Held")."""

Reason = Annotated[Text, StringConstraints(min_length=1)]
"""Why a person did it; never empty."""


def _not_nothing(amount: int) -> int:
    if amount == 0:
        raise ValueError("must not be 0")
    return amount


class Decision(StrEnum):
    """What becomes of a pour that waited for a person.

    `bill`: the guest pays it. `waste`: the beer is gone and nobody pays. `reject`: it never ran, or
    it is in the books already; the keg has it again.
    """

    BILL = "bill"
    WASTE = "waste"
    REJECT = "reject"


class ReconcilePour(Command):
    """Enter a pour by hand that its tap cannot send, as its display shows it (SY-4).

    `amount`, in minor units, is compared with what the tap says later, never charged.
    """

    OWNER: ClassVar[str] = "ledger"
    NAME: ClassVar[str] = "pour.reconcile"
    visit_id: Id
    short_id: ShortId
    tap_id: StaffId
    volume_ml: Annotated[Volume, Field(ge=0, le=ENTERED_ML_MAX)]
    amount: Annotated[int, Field(strict=True, ge=0, le=AMOUNT_MAX)] | None = None
    comment: Text | None = None


class DecidePour(Command):
    """Decide what becomes of a held pour; `visit_id` says whose it is where nobody knew."""

    OWNER: ClassVar[str] = "ledger"
    NAME: ClassVar[str] = "pour.decide"
    client_tx_id: Id
    decision: Decision
    visit_id: Id | None = None
    reason: Reason


class FindPour(Query):
    """One pour by its device's id."""

    OWNER: ClassVar[str] = "ledger"
    NAME: ClassVar[str] = "pour.get"
    client_tx_id: Id


class CorrectAccount(Command):
    """Set a guest's account right by an entry of its own; nothing booked is ever changed.

    `amount` is signed, in minor units: above zero in the guest's favour. With `client_tx_id` it
    sets that pour right: it gives back no more than the pour cost.
    """

    OWNER: ClassVar[str] = "ledger"
    NAME: ClassVar[str] = "account.correct"
    guest_id: Id
    amount: Annotated[Amount, AfterValidator(_not_nothing)]
    client_tx_id: Id | None = None
    reason: Reason


class PayOut(Command):
    """Pay a guest everything back that is free, at the end of the evening."""

    OWNER: ClassVar[str] = "ledger"
    NAME: ClassVar[str] = "account.pay_out"
    guest_id: Id
    method: Text = "cash"
    note: Text | None = None


class PaidOut(Message):
    """The answer to a pay-out: what was handed over, and the balance after it."""

    transaction_id: Id | None
    amount: Annotated[int, Field(ge=0)]
    balance: Total


class GetBooks(Query):
    """Whether money has moved yet."""

    OWNER: ClassVar[str] = "ledger"
    NAME: ClassVar[str] = "books.get"


class Books(Message):
    """`has_entries`: money has moved, so that the currency stays."""

    has_entries: bool


class GetReceipt(Query):
    """What a visit cost and what was paid, for paper."""

    OWNER: ClassVar[str] = "ledger"
    NAME: ClassVar[str] = "visit.receipt"
    visit_id: Id


class ReceiptPour(Message):
    """One pour of a receipt."""

    at: Instant
    tap_id: StaffId
    short_id: ShortId
    beverage_id: Id | None = None
    volume_ml: Volume
    price_per_litre: Price | None = None
    amount: Amount
    status: str


class ReceiptLine(Message):
    """Money that moved beside the pours: top-ups, refunds, corrections."""

    at: Instant
    kind: str
    amount: Amount
    reference: str
    note: str | None = None


class Receipt(Message):
    """A visit's account: what stood before, every pour and payment, what stands after.

    `balance_before` + the lines' amounts - the pours' amounts = `balance_after`, in minor units.
    `until` is null while the visit is open.
    """

    visit_id: Id
    guest_id: Id
    currency: str
    from_: Annotated[Instant, Field(alias="from")]
    until: Instant | None = None
    balance_before: Total
    pours: list[ReceiptPour]
    lines: list[ReceiptLine]
    poured_ml: Volume
    spent: Total
    balance_after: Total


class PourReconciled(PourSettled):
    """The tap sent a pour that staff had entered by hand, and both agree; no money moved."""

    TYPE: ClassVar[str] = "pour.reconciled"


class PourDecided(PourSettled):
    """A person decided what becomes of a held pour."""

    TYPE: ClassVar[str] = "pour.decided"
    decision: Decision
    actor: str
    why: str
    at: Instant


class GuestCorrected(Event):
    """A guest's account was set right."""

    TYPE: ClassVar[str] = "guest.corrected"
    PRODUCER: ClassVar[str] = "ledger"
    transaction_id: Id
    guest_id: Id
    amount: Amount
    balance: Total
    client_tx_id: Id | None = None
    actor: str
    reason: str
    at: Instant
