"""A secret that is shown once, with a button that copies it."""

from collections.abc import Callable

from nicegui import ui

from pourline.console.pages.parts import Part, Words, bring_into_view, button, icon

COPY = """() => {
  const field = getHtmlElement(%d);
  field.select();
  if (navigator.clipboard) navigator.clipboard.writeText(field.value);
  else document.execCommand("copy");
}"""
"""Without TLS a browser has no clipboard to write to, and copies what is selected."""


class SecretCard:
    """The place where a new secret is shown until somebody has it."""

    def __init__(self) -> None:
        self._root = Part("section", "chosen", aria_label="Secret")

    def show(self, title: str, secret: str, *, seen: Callable[[], None] | None = None) -> None:
        """Show a secret; `seen` is told when it is put away."""
        self._root.clear()
        with self._root, Part("article", "card toned tone-warn", aria_label=title):
            Words("h2", text=title)
            Words("p", "soft", "It is shown this once. Put it into the device's configuration.")
            with Part("label", "field"):
                Words("span", text="Secret")
                shown = Part("input", "secret", type="text", readonly="", value=secret)
            with Part("div", "card-actions"):
                _copy(shown)
                button("I have it", "primary", lambda: self._put_away(seen), "done")
        bring_into_view(self._root)

    def _put_away(self, seen: Callable[[], None] | None) -> None:
        self._root.clear()
        if seen is not None:
            seen()


def _copy(shown: ui.element) -> None:
    copy = Part("button", "button", type="button")
    with copy:
        icon("content_copy")
        Words("span", text="Copy")
    copy.on("click", js_handler=COPY % shown.id)
