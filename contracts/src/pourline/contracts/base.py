"""The words every message is made of: exact numbers, aware instants, ids and the envelope.

No message lives here; each noun has its module. What a device or a person sends is parsed
with these types once, at the edge, and trusted afterwards.
"""

import json
import re
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import cache
from typing import Annotated, ClassVar, Generic, Self, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)

AMOUNT_MAX = 10**12
"""Largest amount in minor units that any message may carry (contract 1)."""

VOLUME_ML_MAX = Decimal(10) ** 12
"""Numbers beyond this are no volume: a cellar of 10^9 ml kegs stays far below."""

ID_CHARACTERS_MAX = 128
ECHO_CHARACTERS_MAX = 8192
"""What is no id of ours is told back all the same: its sender knows the answer by it."""

RFC_3339 = re.compile(
    r"(?P<minute>\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d):(?P<second>\d\d)(\.\d+)?"
    r"(?P<offset>[Zz]|[+-]\d\d:\d\d)",
    re.ASCII,
)
_THREE_DECIMALS = Decimal("0.001")
_SIX_DECIMALS = Decimal("0.000001")
_TWELVE_DECIMALS = Decimal("0.000000000001")


def _only_numbers(value: object) -> object:
    """Refuse text and booleans where the contract says JSON number."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError("must be a number")  # noqa: TRY004 pydantic turns ValueError into its error
    return value


def _only_text(value: object) -> object:
    """Refuse what is no RFC 3339 text; pydantic would take more: a count of seconds, say."""
    if isinstance(value, datetime):
        return value
    found = RFC_3339.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("must be an RFC 3339 text with offset")
    if found["second"] == "60":  # a leap second, which no clock here has
        return f"{found['minute']}:59.999999{found['offset']}"
    return value


def _rounded(step: Decimal) -> AfterValidator:
    def quantize(value: Decimal) -> Decimal:
        if abs(value) > VOLUME_ML_MAX:
            raise ValueError("is too large")
        try:
            return value.quantize(step, rounding=ROUND_HALF_UP)
        except InvalidOperation as error:
            raise ValueError("is not a usable number") from error

    return AfterValidator(quantize)


def _as_number(value: Decimal) -> int | float:
    """Write a decimal as a JSON number; up to 15 digits the shortest float is the same decimal."""
    return int(value) if value == value.to_integral_value() else float(value)


CALENDAR = datetime(1900, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
"""Between these any zone, day or span can be reckoned with; a device's clock may say any year."""


def in_calendar(at: datetime) -> datetime:
    """Return an instant to reckon days with: one beyond `CALENDAR` counts as its nearer end."""
    earliest, latest = CALENDAR
    return min(max(at, earliest), latest)


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("is before or after all time in UTC") from error


def _without_nul(value: str) -> str:
    """Refuse the one character that no database column takes."""
    if "\0" in value:
        raise ValueError("must not hold the NUL character")
    return value


def id_in(payload: bytes, name: str) -> str | None:
    """Return the id that a broken message gives under `name`, if an answer can carry it.

    Reads more than a message may hold, numbers beyond all numbers and any depth of brackets, so
    that whoever waits for the answer gets it. What is no JSON object has no id.
    """
    try:
        message = json.loads(payload.decode(), parse_int=str, parse_float=str)
    except RecursionError:
        member = re.search(rb'"%b"\s*:\s*"([^"\\]*)"' % name.encode(), payload)
        return readable_id(member[1].decode() if member else None)
    except ValueError:
        return None
    return readable_id(message.get(name)) if isinstance(message, dict) else None


def readable_id(found: object) -> str | None:
    """Return what stands for an id, if an answer can carry it."""
    if not isinstance(found, str) or len(found) > ECHO_CHARACTERS_MAX:
        return None
    return found if found.isascii() or found == found.encode(errors="replace").decode() else None


def _a_place(value: str) -> str:
    place_of(value)
    return value


_NUMBER = (
    BeforeValidator(_only_numbers),
    PlainSerializer(_as_number, return_type=int | float, when_used="json"),
    WithJsonSchema({"type": "number"}),
)
Volume = Annotated[Decimal, _rounded(_THREE_DECIMALS), *_NUMBER]
"""Millilitres, exact, 3 decimals, excess rounded half up."""
Quantity = Annotated[Decimal, _rounded(_SIX_DECIMALS), *_NUMBER]
"""A stock quantity in its item's unit, exact, 6 decimals, excess rounded half up."""
Factor = Annotated[Decimal, _rounded(_TWELVE_DECIMALS), *_NUMBER]
"""Millilitres a pulse, exact, 12 decimals, excess rounded half up."""
QuantitySum = Annotated[Decimal, *_NUMBER]
"""A sum of quantities; it may pass what a single one may be."""
Ratio = Annotated[Decimal, *_NUMBER, Field(ge=0, le=1)]
"""A share between 0 and 1."""
Amount = Annotated[int, Field(strict=True, ge=-AMOUNT_MAX, le=AMOUNT_MAX)]
"""Signed money in minor units."""
PositiveAmount = Annotated[int, Field(strict=True, gt=0, le=AMOUNT_MAX)]
Total = Annotated[int, Field(strict=True)]
"""A sum of amounts; it may pass what a single one may be."""
Price = Annotated[int, Field(strict=True, ge=0, le=AMOUNT_MAX)]
"""Minor units a litre."""
Count = Annotated[int, Field(strict=True, ge=0, le=2**53)]
Instant = Annotated[AwareDatetime, BeforeValidator(_only_text), AfterValidator(_in_utc)]
"""A moment with offset, kept in UTC."""
StaffId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
"""An id that staff choose: a tap or a location."""
_STORABLE = AfterValidator(_without_nul)
EchoedId = Annotated[str, StringConstraints(max_length=ECHO_CHARACTERS_MAX)]
Id = Annotated[str, StringConstraints(min_length=1, max_length=ID_CHARACTERS_MAX), _STORABLE]
"""An id made elsewhere; one that names nothing is unknown, never malformed."""
Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500), _STORABLE]
Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120), _STORABLE
]
ShortId = Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]

NumberCursor = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,18}$")]
IdCursor = Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F-]{36}$")]
PlaceCursor = Annotated[
    str, StringConstraints(pattern=r"^[0-9T:.-]{19,26}Z~[0-9a-f-]{1,36}$"), AfterValidator(_a_place)
]


def place(at: datetime, key: object) -> str:
    """Return a cursor for a list in order of time; it stands in an address as it is."""
    return f"{at.astimezone(UTC).isoformat().replace('+00:00', 'Z')}~{key}"


def place_of(cursor: str) -> tuple[datetime, str]:
    """Return the instant and the key in a cursor; raises `ValueError` for any other text."""
    at, _, key = cursor.partition("~")
    return datetime.fromisoformat(at), key


LONG_NUMBER = re.compile(rb"[0-9.]{16}")
"""What may be a number of more digits than a binary float keeps."""


def exact(text: str) -> Decimal:
    """Return a JSON number as it was written.

    An exponent beyond what a decimal can have is nothing, or more than any field takes.
    """
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal(0) if "e-" in text.lower() else Decimal("Infinity")


class Message(BaseModel):
    """Anything that crosses a process boundary: frozen, unknown fields ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    @classmethod
    def read(cls, payload: bytes) -> Self:
        """Return the message in JSON, each decimal as it was written.

        pydantic reads JSON numbers through a binary float, so long ones are parsed once more.
        Raises `pydantic.ValidationError`.
        """
        message = cls.model_validate_json(payload)
        if LONG_NUMBER.search(payload) is None:
            return message
        return cls.model_validate(json.loads(payload, parse_float=exact))

    def wire(self) -> bytes:
        """Return the JSON that travels; absent values are left out."""
        return self.model_dump_json(exclude_none=True, by_alias=True).encode()


class Event(Message):
    """Something that happened, told by its owner on JetStream."""

    TYPE: ClassVar[str]
    PRODUCER: ClassVar[str]

    @classmethod
    def subject(cls) -> str:
        """Return the NATS subject of the event."""
        return f"evt.{cls.TYPE}"


class Command(Message):
    """Something asked of the owner of the data, answered with a model or a problem."""

    OWNER: ClassVar[str]
    NAME: ClassVar[str]

    @classmethod
    def subject(cls) -> str:
        """Return the NATS subject that the owner answers on."""
        return f"cmd.{cls.OWNER}.{cls.NAME}"


class Query(Command):
    """A question that changes nothing."""

    @classmethod
    def subject(cls) -> str:
        """Return the NATS subject that the owner answers on."""
        return f"qry.{cls.OWNER}.{cls.NAME}"


class Page(Query):
    """A question for one page of a list: `limit` rows after `cursor`."""

    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    cursor: Annotated[str, StringConstraints(max_length=256)] | None = None


class NumberedPage(Page):
    """A page of a list in order of a running number."""

    cursor: NumberCursor | None = None


class IdPage(Page):
    """A page of a list in order of id."""

    cursor: IdCursor | None = None


class TimedPage(Page):
    """A page of a list in order of time."""

    cursor: PlaceCursor | None = None


Item = TypeVar("Item")
Data = TypeVar("Data", bound=Event)


class Listing(Message, Generic[Item]):
    """One page of a list and where the next one starts."""

    items: list[Item]
    next: str | None = None

    def wire(self) -> bytes:
        """Return the page; `next` is always there, null on the last page."""
        return self.model_dump_json(by_alias=True).encode()


class Envelope(Message, Generic[Data]):
    """An event as it travels: CloudEvents 1.0 attributes in the body, and its place in time.

    `aggregate` and `version` let a reader drop what is older than what it knows.
    """

    specversion: str = "1.0"
    id: str
    type: str
    source: str
    subject: str
    time: Instant
    aggregate: str
    version: int
    data: Data


def parse_event(model: type[Data], payload: bytes) -> Envelope[Data]:
    """Parse `payload` as an envelope around `model`; raises `pydantic.ValidationError`."""
    return _envelope_of(model).model_validate_json(payload)


@cache
def _envelope_of(model: type[Data]) -> type[Envelope[Data]]:
    """Return the envelope's model around `model`; looking it up costs half of a parse."""
    return Envelope[model]  # type: ignore[valid-type]
