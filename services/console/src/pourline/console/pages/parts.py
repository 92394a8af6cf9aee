"""Small pieces of markup that NiceGUI has no name for; they tell the browser real changes only."""

from collections.abc import Callable
from typing import Any

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement


class Part(ui.element):
    """An element of a tag with classes and attributes."""

    def __init__(self, tag: str, classes: str = "", **attributes: str) -> None:
        super().__init__(tag)
        dress(self, classes, attributes)


class Words(TextElement):
    """A tag that holds text only; setting the same text again costs nothing."""

    def __init__(self, tag: str, classes: str = "", text: str = "", **attributes: str) -> None:
        super().__init__(tag=tag, text=text)
        dress(self, classes, attributes)


def dress(element: ui.element, classes: str, attributes: dict[str, str]) -> None:
    """Give `element` classes and attributes; `aria_label` is `aria-label`."""
    if classes:
        element.classes(classes)
    for name, value in attributes.items():
        element.props[name.rstrip("_").replace("_", "-")] = value


def set_prop(element: ui.element, name: str, value: str | None) -> None:
    """Set an attribute, or take it away, if that is a change."""
    if element.props.get(name) == value:
        return
    if value is None:
        del element.props[name]
    else:
        element.props[name] = value
    element.update()


def set_classes(element: ui.element, classes: str) -> None:
    """Make `classes` the element's only ones, if that is a change."""
    if element.classes != classes.split():
        element.classes(replace=classes)


def set_width(element: ui.element, percent: int) -> None:
    """Make `element` this wide, if that is a change."""
    if element.style.get("width") != f"{percent}%":
        element.style(replace=f"width: {percent}%")


def icon(name: str) -> ui.icon:
    """Show an icon that a screen reader passes over; the word stands beside it."""
    shown = ui.icon(name)
    shown.props["aria-hidden"] = "true"
    return shown


def set_icon(shown: ui.icon, name: str) -> None:
    """Show another icon, if it is another one."""
    if shown.name != name:
        shown.set_name(name)


def button(label: str, classes: str, on_click: Callable[[], Any], sign: str = "") -> ui.element:
    """Return a plain button, reachable by keyboard like any other."""
    made = Part("button", f"button {classes}", type="button")
    with made:
        if sign:
            icon(sign)
        Words("span", text=label)
    made.on("click", on_click, args=[])
    return made


def icon_button(label: str, sign: str, on_click: Callable[[], Any]) -> ui.element:
    """Return a round button that is an icon; `label` is its name."""
    made = Part("button", "button round", type="button", aria_label=label, title=label)
    with made:
        icon(sign)
    made.on("click", on_click, args=[])
    return made


def field(label: str, *, kind: str = "text", hint: str = "", length: int = 120) -> ui.input:
    """Return a labelled input; its value is `value`."""
    made = ui.input(label, placeholder=hint).props(f"outlined type={kind} maxlength={length}")
    made.classes("reason")
    return made


def pressed(element: ui.element, *, is_on: bool) -> None:
    """Show a choice as taken or not, in its look and to a screen reader."""
    set_prop(element, "aria-pressed", "true" if is_on else "false")


def fact(name: str, value: str) -> None:
    """Write one line of a list of facts."""
    Words("dt", text=name)
    Words("dd", text=value)


def bring_into_view(element: ui.element) -> None:
    """Scroll a panel that was just opened to where it is seen."""
    behaviour = "{block: 'nearest'}"
    ui.run_javascript(f"getHtmlElement({element.id})?.scrollIntoView({behaviour})")
