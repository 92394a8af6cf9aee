"""Forms: labelled fields and one button that does its work once, however often it is pressed."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Generic, TypeVar
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from nicegui import ui
from nicegui.events import GenericEventArguments
from pydantic import ValidationError

from pourline.console.pages import words
from pourline.console.pages.parts import Part, Words, button, field, set_prop
from pourline.console.pages.shell import Screen
from pourline.contracts.base import Command, Message
from pourline.kit.errors import first_fault
from pourline.kit.ids import new_id

Answer = TypeVar("Answer", bound=Message)
Values = Mapping[str, str]
"""What was filled in, by the field's name, without spaces around it."""
Make = Callable[[Values], Command]


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field; with `options` (value to word) it is a choice of one, else a text.

    `begins_row`: in a wide form it stands at the left.
    """

    name: str
    label: str
    kind: str = "text"
    hint: str = ""
    value: str | None = None
    options: Mapping[str, str] | None = None
    begins_row: bool = False


class Choice:
    """A native select: on a tablet it opens the system's own list."""

    def __init__(self, label: str, options: Mapping[str, str], value: str | None = None) -> None:
        self.value = value if value is not None and value in options else next(iter(options), "")
        self.changed: Callable[[], None] = _nothing
        with Part("label", "field") as self.root:
            Words("span", text=label)
            with Part("select", aria_label=label) as select:
                self._options = {
                    key: Words("option", text=word, value=key) for key, word in options.items()
                }
        self.set(self.value)
        select.on("change", self._choose, js_handler="(e) => emit(e.target.value)")

    def set(self, value: str) -> None:
        """Take a choice, as if it had been chosen here."""
        if value in self._options:
            self.value = value
            for key, option in self._options.items():
                set_prop(option, "selected", "" if key == value else None)

    def _choose(self, event: GenericEventArguments) -> None:
        self.value = str(event.args)
        self.changed()


class Form(Generic[Answer]):
    """Fields that make one command; a refusal stands below them, what was done is handed on.

    `make` turns what was filled in into the command and says with `ValueError` what is wrong.
    """

    def __init__(
        self,
        screen: Screen,
        *,
        level: int,
        make: Make,
        answer: type[Answer],
        done: Callable[[Answer], None],
    ) -> None:
        self._screen = screen
        self._level = level
        self._make = make
        self._answer = answer
        self._done = done
        self._fields: dict[str, ui.input | Choice] = {}
        self._key = str(new_id())
        self._is_sending = False

    def build(self, verb: str, fields: Sequence[Field], *, sign: str = "") -> None:
        """Lay the form out with the button `verb`."""
        self._first = {one.name: one.value or "" for one in fields}
        with Part("div", "form"):
            for one in fields:
                self._fields[one.name] = self._field(one)
            self._fault = Words("p", "fault", role="alert")
            with Part("div", "card-actions"):
                self._go = button(verb, "primary", self._send, sign)

    def set(self, name: str, value: str) -> None:
        """Fill a field in."""
        self._fields[name].value = value

    def _field(self, one: Field) -> ui.input | Choice:
        if one.options is not None:
            choice = Choice(one.label, one.options, one.value)
            choice.changed = self._changed
            if one.begins_row:
                choice.root.classes("begins-row")
            return choice
        made = field(one.label, kind=one.kind, hint=one.hint)
        if one.begins_row:
            made.classes("begins-row")
        made.value = one.value or ""
        made.on_value_change(lambda _: self._changed())
        made.on("keydown.enter", self._send, args=[])
        return made

    def _changed(self) -> None:
        """Another filling is another order."""
        self._key = str(new_id())

    async def _send(self) -> None:
        command = self._command()
        if command is None or self._is_sending:
            return
        self._is_sending = True
        set_prop(self._go, "disabled", "")
        try:
            done = await self._screen.order(command, self._answer, key=self._key)
        finally:
            self._is_sending = False
            set_prop(self._go, "disabled", None)
        if done is not None:
            self._empty()
            self._done(done)

    def _command(self) -> Command | None:
        self._fault.text = ""
        values = {name: str(one.value or "").strip() for name, one in self._fields.items()}
        if self._screen.staff.level < self._level:
            self._fault.text = f"This needs level {self._level}."
            return None
        try:
            return self._make(values)
        except ValidationError as error:
            self._fault.text = first_fault(error)
        except ValueError as error:
            self._fault.text = str(error)
        return None

    def _empty(self) -> None:
        self._changed()
        for name, one in self._fields.items():
            if isinstance(one, ui.input):
                one.value = self._first[name]


def once(
    label: str, classes: str, act: Callable[[str], Awaitable[object]], sign: str = ""
) -> ui.element:
    """Return a button whose work is done once: deaf while under way, one key till it is done.

    `act` takes the key and returns something that is not None once it is done.
    """
    state = {"key": str(new_id()), "busy": ""}

    async def press() -> None:
        if state["busy"]:
            return
        state["busy"] = "busy"
        set_prop(made, "disabled", "")
        try:
            done = await act(state["key"])
        finally:
            state["busy"] = ""
            if not made.is_deleted:
                set_prop(made, "disabled", None)
        if done is not None:
            state["key"] = str(new_id())

    made = button(label, classes, press, sign)
    return made


def key_for(key: str, what: object) -> str:
    """Return the key of one order out of several that a pressing may mean."""
    return str(uuid5(UUID(key), str(what)))


def number(text: str, what: str) -> Decimal:
    """Read a number as people write it; raises `ValueError` that says what is wanted."""
    found = words.number_of(text)
    if found is None:
        raise ValueError(f"{what}: a number like 20 or 0.7.")
    return found


def amount(text: str, currency: str, what: str) -> int:
    """Read money in minor units; raises `ValueError` that says what is wanted."""
    found = words.amount_of(text, currency)
    if found is None:
        raise ValueError(f"{what}: money like 6.50.")
    return found


def moment(text: str, zone: ZoneInfo) -> datetime | None:
    """Read what a date-and-time field gives as the bar's clock shows it; None for nothing."""
    return datetime.fromisoformat(text).replace(tzinfo=zone) if text else None


def _nothing() -> None:
    """Nobody wants to know."""
