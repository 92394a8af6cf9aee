"""The way to a guest's own page, for staff to show: a code for a phone, and the address."""

from nicegui import ui

from pourline.console.pages.guest_keys import address
from pourline.console.pages.parts import Part, Words
from pourline.console.pages.qr import qr_code
from pourline.console.pages.shell import Screen


def own_page(screen: Screen, visit_id: str) -> None:
    """Show the code, folded: it is shown to the guest, not left standing."""
    request = ui.context.client.request
    here = address(str(request.base_url), screen.site.guest_keys.key_of(visit_id))
    with Part("details", "own-code"):
        Words("summary", "button", "Guest's own page")
        ui.html(qr_code(here), sanitize=False)
        link = Part("a", href=here, target="_blank", rel="noopener")
        with link:
            Words("span", text=here)
