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
