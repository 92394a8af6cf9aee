"""What happens to a tap (events) and what the machine then wants done (effects)."""

from dataclasses import dataclass

from pourline.controller.domain.values import Flow, Grant


@dataclass(frozen=True, slots=True)
class CardShown:
    """A card was held to the reader."""

    card_uid: str
    request_id: str


@dataclass(frozen=True, slots=True)
class CardTaken:
    """The guest is done."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """The backend's allow, for whichever question."""

    grant: Grant


@dataclass(frozen=True, slots=True)
class Denied:
    """The backend's deny, with its reason and its words for the guest."""

    request_id: str
    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class GrantStored:
    """The grant is durable; `in_time` says whether it may still open the valve."""

    in_time: bool = True


@dataclass(frozen=True, slots=True)
class GrantUnstorable:
    """The store refused the grant (disk full, say): nothing opens."""


@dataclass(frozen=True, slots=True)
class Metered:
    """The meter was read."""

    flow: Flow


@dataclass(frozen=True, slots=True)
class Ticked:
    """Time went on."""


@dataclass(frozen=True, slots=True)
class ValveShut:
    """The valve is shut though nobody told it to: its time was over, or its guard shut it."""


@dataclass(frozen=True, slots=True)
class PourStored:
    """The pour is durable and on its way."""


@dataclass(frozen=True, slots=True)
class StopOrdered:
    """The valve must shut and stay shut."""


@dataclass(frozen=True, slots=True)
class ResumeOrdered:
    """The tap may serve again."""


Event = (
    CardShown
    | CardTaken
    | Allowed
    | Denied
    | GrantStored
    | GrantUnstorable
    | Metered
    | Ticked
    | ValveShut
    | PourStored
    | StopOrdered
    | ResumeOrdered
)


@dataclass(frozen=True, slots=True)
class Ask:
    """Send (or repeat) an authorize."""

    request_id: str
    card_uid: str
    age_ms: int


@dataclass(frozen=True, slots=True)
class StoreGrant:
    """Make the grant durable, then say `GrantStored`."""

    grant: Grant


@dataclass(frozen=True, slots=True)
class OpenValve:
    """Open, for no longer than this even if nobody says close."""

    at_most_ms: int


@dataclass(frozen=True, slots=True)
class CloseValve:
    """Shut the valve now."""


@dataclass(frozen=True, slots=True)
class EndGrant:
    """Store and send the pour that ends a grant; `ended_ms`: elapsed clock, at the last drop."""

    grant: Grant
    flow: Flow
    ended_ms: int
    by: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """Tell the guest no; the valve stays shut."""

    reason: str
    message: str = ""


Effect = Ask | StoreGrant | OpenValve | CloseValve | EndGrant | Refuse
