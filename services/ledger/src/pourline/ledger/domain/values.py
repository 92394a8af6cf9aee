"""What the ledger's rules speak of: pours, grants, visits, kegs, prices, entries by hand."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import NewType
from uuid import UUID

GuestId = NewType("GuestId", UUID)
VisitId = NewType("VisitId", UUID)
GrantId = NewType("GrantId", UUID)

VOLUME_ML_MAX = Decimal(100_000)
"""More than 100 l in one pour is no pour."""
RATE_ML_S_MAX = Decimal(250)
"""No tap runs faster; a higher mean rate is a broken meter."""
AMOUNT_MAX = 10**12
"""A pour that costs more cannot be said to anybody (contract 1); a person must decide."""
FUTURE_MAX = timedelta(seconds=120)
"""A device's clock may be this far ahead of the broker's."""
AGE_MAX = timedelta(days=36_500)
"""An age beyond a century is no age; it is taken as this much."""


class GrantState(StrEnum):
    """Where a grant's money is."""

    PENDING = "pending"
    SUPERSEDED = "superseded"
    CAPTURED = "captured"
    HELD = "held"
    VOIDED = "voided"


class Status(StrEnum):
    """What becomes of a pour that is kept."""

    ACCEPTED = "accepted"
    RECONCILED = "reconciled"
    MISMATCH = "mismatch"
    HELD = "held"


@dataclass(frozen=True, kw_only=True)
class Report:
    """A pour as its tap told it; `received_at` is when the broker took the message."""

    client_tx_id: str
    short_id: str
    tap_id: str
    location: str
    volume_ml: Decimal
    received_at: datetime
    grant_id: str | None = None
    request_id: str | None = None
    visit_id: str | None = None
    card_uid: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    duration_ms: int | None = None
    age_ms: int | None = None
    pulses: int | None = None
    offline: bool = False
    digest: bytes = b""

    @property
    def names_nobody(self) -> bool:
        """Return whether the tap named neither grant, request, visit nor card."""
        named = (self.grant_id, self.request_id, self.visit_id, self.card_uid)
        return all(one is None for one in named)


@dataclass(frozen=True, kw_only=True)
class Grant:
    """What an allowed card may pour, and the money set aside for it.

    `visit_was_closed`: it was given to a closed visit, which only a flag allows.
    """

    grant_id: GrantId
    request_id: str
    visit_id: VisitId
    guest_id: GuestId
    tap_id: str
    price_per_litre: int
    state: GrantState
    beverage_id: UUID | None = None
    visit_was_closed: bool = False
    placed_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Visit:
    """A visit as far as money needs to know it."""

    visit_id: VisitId
    guest_id: GuestId
    opened_at: datetime
    closed_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Connection:
    """A keg on a tap from an instant on, until another one or for now."""

    keg_id: UUID
    beverage_id: UUID
    connected_at: datetime
    disconnected_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class PriceStep:
    """A beverage's price from an instant on."""

    from_at: datetime
    price_per_litre: int


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A pour that staff entered by hand and whose tap has not sent it yet.

    `stated_amount` is what they read on the display, in minor units.
    """

    client_tx_id: str
    visit_id: VisitId
    tap_id: str
    short_id: str
    volume_ml: Decimal
    amount: int
    entered_at: datetime
    stated_amount: int | None = None


@dataclass(kw_only=True)
class Knowledge:
    """What the ledger knows that bears on a batch of pours."""

    grants: dict[str, Grant] = field(default_factory=dict)
    requests: dict[tuple[str, str], Grant] = field(default_factory=dict)
    tap_grants: dict[str, Grant] = field(default_factory=dict)
    visits: dict[str, Visit] = field(default_factory=dict)
    card_visits: dict[str, Visit] = field(default_factory=dict)
    kegs: dict[str, list[Connection]] = field(default_factory=dict)
    tap_beverages: dict[str, UUID] = field(default_factory=dict)
    prices: dict[UUID, list[PriceStep]] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)

    def of_all_visits(self) -> list[Visit]:
        """Return every visit that one of the pours may be of."""
        return [*self.visits.values(), *self.card_visits.values()]


@dataclass(frozen=True, kw_only=True)
class Span:
    """When a pour began and ended; `timed` says whether its length is known."""

    started_at: datetime
    ended_at: datetime
    timed: bool

    @property
    def duration_s(self) -> Decimal:
        """Return the length in seconds."""
        return Decimal(str((self.ended_at - self.started_at).total_seconds()))


@dataclass(frozen=True, kw_only=True)
class Settlement:
    """What becomes of one pour; `entry` is what staff had entered for it by hand."""

    report: Report
    status: Status
    reason: str | None
    span: Span
    amount: int = 0
    price_per_litre: int | None = None
    visit: Visit | None = None
    settles: Grant | None = None
    keg_id: UUID | None = None
    beverage_id: UUID | None = None
    ghost: bool = False
    takes_keg: bool = True
    entry: Entry | None = None
