"""Guests, cards and visits: what is asked of auth-lock and what it tells."""

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from pourline.contracts.base import (
    Command,
    Count,
    Event,
    Id,
    IdPage,
    Instant,
    Message,
    Name,
    NumberedPage,
    Page,
    Query,
    Text,
    Volume,
)
from pourline.contracts.device import CardText
from pourline.contracts.limits import COMPANIONS_MAX

CardUid = CardText


class Guest(Message):
    """A guest as staff see one."""

    id: Id
    name: str
    phone: str | None = None
    email: str | None = None
    notes: str | None = None
    age_verified: bool = False
    age_verified_at: Instant | None = None
    age_verified_by: str | None = None
    active_visit_id: Id | None = None
    created_at: Instant


class Visit(Message):
    """A visit as its owner keeps it; the money beside it comes from the ledger.

    `warnings` tell the member of staff who gave it a card what is odd about that card.
    """

    id: Id
    number: int
    status: str
    guest: Guest
    card_uid: str | None = None
    active_tap_id: str | None = None
    lock_set_at: Instant | None = None
    grant_id: Id | None = None
    opened_at: Instant
    closed_at: Instant | None = None
    close_reason: str | None = None
    limit_profile: str | None = None
    companions: Count = 0
    reactivations: Count = 0
    reactivated_at: Instant | None = None
    reactivated_by: str | None = None
    cut_off_at: Instant | None = None
    cut_off_by: str | None = None
    cut_off_reason: str | None = None
    warnings: list[str] = Field(default_factory=list)


class CreateGuest(Command):
    """Register a guest."""

    OWNER: ClassVar[str] = "auth-lock"
    NAME: ClassVar[str] = "guest.create"
    name: Name
    phone: Text | None = None
    email: Text | None = None
    notes: Text | None = None
    age_verified: Annotated[bool, Field(strict=True)] = False


class SearchGuests(IdPage):
    """Find guests: `q` is words of a name, a phone, a card UID or a visit number."""

    OWNER: ClassVar[str] = "auth-lock"
    NAME: ClassVar[str] = "guest.search"
    q: Text | None = None


class GetGuest(Query):
    """One guest."""

    OWNER: ClassVar[str] = "auth-lock"
    NAME: ClassVar[str] = "guest.get"
    guest_id: Id


class VerifyAge(Command):
    """Record that a member of staff has seen the guest's age proven."""

    OWNER: ClassVar[str] = "auth-lock"
    NAME: ClassVar[str] = "guest.verify_age"
    guest_id: Id


class OpenVisit(Command):
    """Open a guest's visit; the card may come later."""

    OWNER: ClassVar[str] = "auth-lock"
    NAME: ClassVar[str] = "visit.open"
    guest_id: Id
    card_uid: CardUid | None = None
    limit_profile: Text | None = None
    companions: Annotated[int, Field(strict=True, ge=0, le=COMPANIONS_MAX)] = 0


class ListActiveVisits(NumberedPage):
    """The visits that are open now; `q` finds them as it finds their guests."""

    OWNER: ClassVar[str] = "auth-lock"
    NAME: ClassVar[str] = "visit.list_active"
    q: Text | None = None


class ListClosedVisits(NumberedPage):
    """Visits that are over, the newest first; `q` finds them as it finds their guests."""

    OWNER: ClassVar[str] = "auth-lock"
    NAME: ClassVar[str] = "visit.list_closed"
    q: Text | None = None


class GetVisit(Query):
    """One visit."""

    OWNER: ClassVar[str] = "auth-lock"
    NAME: ClassVar[str] = "visit.get"
    visit_id: Id


class BindCard(Command):
    """Give a visit a card, or another one; `lost` reports the one before as lost."""

    OWNER: ClassVar[str] = "auth-lock"
    NAME: ClassVar[str] = "visit.bind_card"
    visit_id: Id
    card_uid: CardUid
    lost: Annotated[bool, Field(strict=True)] = False


class CloseVisit(Command):
    """Close a visit; its card is of no use from then on."""

    OWNER: ClassVar[str] = "auth-lock"
    NAME: ClassVar[str] = "visit.close"
    visit_id: Id
    reason: Name


class ForceUnlock(Command):
    """Open a visit's lock by hand."""

    OWNER: ClassVar[str] = "auth-lock"
    NAME: ClassVar[str] = "visit.force_unlock"
    visit_id: Id
    reason: Name


class CutOff(Command):
    """Serve a visit's guest nothing more, until it is lifted or the evening is over."""

    OWNER: ClassVar[str] = "auth-lock"
    NAME: ClassVar[str] = "visit.cut_off"
    visit_id: Id
    reason: Name


class LiftCutOff(Command):
    """Serve a visit's guest again."""

    OWNER: ClassVar[str] = "auth-lock"
    NAME: ClassVar[str] = "visit.lift_cut_off"
    visit_id: Id
    reason: Name


class Reactivate(Command):
    """Let a visit that reached its limit go on, as far as its limit profile grants that."""

    OWNER: ClassVar[str] = "auth-lock"
    NAME: ClassVar[str] = "visit.reactivate"
    visit_id: Id
    reason: Name


class LostCard(Message):
    """A card that was reported lost; until `override_until` it pours all the same."""

    id: Id
    card_uid: str
    note: str | None = None
    visit_id: Id | None = None
    reported_at: Instant
    reported_by: str
    override_until: Instant | None = None
    override_reason: str | None = None
    override_by: str | None = None
    restored_at: Instant | None = None
    restored_by: str | None = None


class ReportLostCard(Command):
    """Report a card as lost: no tap opens for it from then on."""

    OWNER: ClassVar[str] = "auth-lock"
    NAME: ClassVar[str] = "lost_card.report"
    card_uid: CardUid
    note: Text | None = None


class ListLostCards(Page):
    """The cards that are lost now, in order of their UID."""

    OWNER: ClassVar[str] = "auth-lock"
    NAME: ClassVar[str] = "lost_card.list"
    cursor: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8,20}$")] | None = None


class RestoreLostCard(Command):
    """Take a card off the list of lost ones."""

    OWNER: ClassVar[str] = "auth-lock"
    NAME: ClassVar[str] = "lost_card.restore"
    card_uid: Id
    reason: Text | None = None


class OverrideLostCard(Command):
    """Let a lost card pour until an instant."""

    OWNER: ClassVar[str] = "auth-lock"
    NAME: ClassVar[str] = "lost_card.override"
    card_uid: Id
    until: Instant
    reason: Name


class GuestRegistered(Event):
    """A guest is known."""

    TYPE: ClassVar[str] = "guest.registered"
    PRODUCER: ClassVar[str] = "auth-lock"
    guest_id: Id
    name: str


class VisitOpened(Event):
    """A guest's visit began."""

    TYPE: ClassVar[str] = "visit.opened"
    PRODUCER: ClassVar[str] = "auth-lock"
    visit_id: Id
    number: int
    guest_id: Id
    guest_name: str
    card_uid: str | None = None
    opened_at: Instant


class VisitCardBound(Event):
    """A visit has a card, or another one."""

    TYPE: ClassVar[str] = "visit.card_bound"
    PRODUCER: ClassVar[str] = "auth-lock"
    visit_id: Id
    guest_id: Id
    card_uid: str
    bound_at: Instant


class VisitClosed(Event):
    """A visit ended."""

    TYPE: ClassVar[str] = "visit.closed"
    PRODUCER: ClassVar[str] = "auth-lock"
    visit_id: Id
    guest_id: Id
    reason: str
    closed_at: Instant


class LockTaken(Event):
    """A visit may pour at one tap, under one grant."""

    TYPE: ClassVar[str] = "lock.taken"
    PRODUCER: ClassVar[str] = "auth-lock"
    visit_id: Id
    guest_id: Id
    guest_name: str
    tap_id: str
    location: str
    grant_id: Id
    lock_set_at: Instant


class LockReleased(Event):
    """A visit's lock is open; `why` is pour, zero_volume, reconcile, force or hold_refused."""

    TYPE: ClassVar[str] = "lock.released"
    PRODUCER: ClassVar[str] = "auth-lock"
    visit_id: Id
    tap_id: str
    location: str
    grant_id: Id
    why: str
    reason: str | None = None
    released_at: Instant


class AccessDenied(Event):
    """A card was refused at a tap."""

    TYPE: ClassVar[str] = "access.denied"
    PRODUCER: ClassVar[str] = "auth-lock"
    tap_id: str
    location: str
    request_id: Id
    card_uid: str
    reason: str
    message: str
    visit_id: Id | None = None
    denied_at: Instant


class LostCardUsed(Event):
    """A card that is reported lost was put on a tap, which stayed shut."""

    TYPE: ClassVar[str] = "card.lost_used"
    PRODUCER: ClassVar[str] = "auth-lock"
    card_uid: str
    tap_id: str
    location: str
    visit_id: Id | None = None
    guest_name: str | None = None
    at: Instant


class LockStale(Event):
    """A lock stands for longer than it should; `over` when it is open at last."""

    TYPE: ClassVar[str] = "lock.stale"
    PRODUCER: ClassVar[str] = "auth-lock"
    visit_id: Id
    tap_id: str
    location: str
    grant_id: Id
    lock_set_at: Instant
    over: bool = False
    at: Instant


class PourMissed(Event):
    """A tap's meter counted more than the tap reported: beer ran and no pour told of it."""

    TYPE: ClassVar[str] = "tap.pour_missed"
    PRODUCER: ClassVar[str] = "auth-lock"
    tap_id: str
    location: str
    volume_ml: Volume
    pulses: int
    lifetime_pulses: int
    at: Instant


class AuditEntry(Message):
    """One line of the append-only record: who did what to which subject, and why."""

    id: Count
    at: Instant
    actor: str
    action: str
    subject: str
    reason: str | None = None
    before: dict[str, object] | None = None
    after: dict[str, object] | None = None


class ListAudit(NumberedPage):
    """Audit entries, newest first; `from` is the first instant wanted, `to` the first not."""

    OWNER: ClassVar[str] = "auth-lock"
    NAME: ClassVar[str] = "audit.list"
    subject_: Annotated[Text | None, Field(alias="subject")] = None
    actor: Text | None = None
    action: Text | None = None
    from_: Annotated[Instant | None, Field(alias="from")] = None
    to: Instant | None = None
