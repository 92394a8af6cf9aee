"""The alert board on a wall: read from three metres, by whoever walks past; nothing to press."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from nicegui import ui
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pourline.console.pages import words
from pourline.console.pages.panel import Panel
from pourline.console.pages.parts import (
    Part,
    Words,
    icon,
    icon_button,
    set_classes,
    set_icon,
    set_prop,
)
from pourline.console.pages.shell import Site
from pourline.console.pages.staff import Staff
from pourline.console.pages.views import SEVERITIES, URGENCY, Face, strip_view
from pourline.console.store import Board
from pourline.contracts.device import AlertMessage, Severity
from pourline.contracts.evening import AlertState

ROWS_MAX = 7
"""So many fit on a wall in letters that are read from three metres."""
KEEP_PAGE_S = 300.0
SOUND = """
<script>
  let panelSound = null;
  window.armSound = () => {
    panelSound = panelSound || new AudioContext();
    panelSound.resume();
    panelBeep(1);
    document.body.classList.add("armed");
  };
  window.panelBeep = (times) => {
    if (!panelSound) return;
    for (let i = 0; i < times; i++) {
      const tone = panelSound.createOscillator(), level = panelSound.createGain();
      const at = panelSound.currentTime + i * 0.45;
      tone.frequency.value = 880;
      level.gain.setValueAtTime(0.25, at);
      level.gain.exponentialRampToValueAtTime(0.001, at + 0.35);
      tone.connect(level).connect(panelSound.destination);
      tone.start(at);
      tone.stop(at + 0.36);
    }
  };
</script>
"""


@dataclass(frozen=True, kw_only=True)
class PanelRow:
    """One alert in large letters."""

    alert_id: str
    face: Face
    title: str
    message: str
    age: str
    seen: str


def panel_rows(alerts: Sequence[AlertMessage], now: datetime) -> list[PanelRow]:
    """Return what stands: unseen before seen, most severe first, the oldest of those first."""
    ordered = sorted(alerts, key=lambda one: one.opened_at)
    ordered.sort(key=lambda one: (one.state == AlertState.ACKNOWLEDGED, URGENCY[one.severity]))
    return [
        PanelRow(
            alert_id=one.alert_id,
            face=SEVERITIES[one.severity],
            title=one.title,
            message=one.message,
            age=words.age(one.opened_at, now),
            seen=f"{one.acknowledged_by or 'Somebody'} deals with it"
            if one.state == AlertState.ACKNOWLEDGED
            else "",
        )
        for one in ordered
    ]


class AlertPanel(Panel):
    """The screen; it lives off the retained alert topics alone."""

    def __init__(self, site: Site, staff: Staff) -> None:
        self._staff = staff
        self._shown: object = None
        self._critical: set[str] | None = None
        super().__init__(site)

    def build(self) -> None:
        """Lay out the head, the rows and the quiet."""
        ui.add_head_html(SOUND)
        with Part("main", "panel", id="main"):
            with Part("header", "panel-head"):
                Words("h1", "panel-title", "Alerts")
                self._counts = {
                    severity: self._count(face) for severity, face in SEVERITIES.items()
                }
                with Part("p", "panel-link", role="status") as self._link:
                    self._link_sign = icon("podcasts")
                    self._link_text = Words("span")
                self._clock = Words("p", "panel-clock")
                sound = icon_button("Sound on", "volume_up", lambda: None)
                sound.classes("panel-sound")
                sound.on("click", js_handler="() => armSound()")
                theme = icon_button("Light or dark", "contrast", lambda: None)
                theme.on("click", js_handler="() => toggleTheme()")
                back = Part("a", "button round", href="/", aria_label="Back to the floor")
                with back:
                    icon("close")
            self._rows = Part("ul", "panel-rows", aria_live="polite")
            self._more = Words("p", "panel-more")
            with Part("div", "panel-quiet") as self._quiet:
                icon("nightlight")
                Words("p", text="All quiet")
                Words("p", "soft", "Nothing needs you.")

    @staticmethod
    def _count(face: Face) -> tuple[ui.element, Words]:
        with Part("p", f"panel-count tone-{face.tone}") as made:
            icon(face.icon)
            number = Words("span", "strong", "0")
            Words("span", text=face.word)
        return made, number

    def show(self) -> None:
        """Show what stands, and beep once for each new critical one where sound is on."""
        board, now = self.board, self.board.now()
        rows = panel_rows(board.alerts.standing(now), now)
        self._clock.text = now.astimezone(board.timezone).strftime("%H:%M")
        self._show_head(board)
        self._beep(rows)
        if rows == self._shown:
            return
        self._shown = rows
        self._rows.clear()
        with self._rows:
            for row in rows[:ROWS_MAX]:
                self._row(row)
        more = len(rows) - ROWS_MAX
        self._more.text = f"and {more} more" if more > 0 else ""
        self._quiet.set_visibility(not rows)

    def is_over(self) -> bool:
        """Return whether the login that this screen hangs on has ended."""
        is_late = self.board.now() >= self._staff.expires_at
        return is_late or not self.site.badges.is_good(self._staff)

    def _show_head(self, board: Board) -> None:
        strip = strip_view(board)
        numbers = {
            Severity.CRITICAL: strip.critical,
            Severity.WARNING: strip.warning,
            Severity.INFO: strip.info,
        }
        for severity, (made, number) in self._counts.items():
            number.text = str(numbers[severity])
            tone = SEVERITIES[severity].tone
            zero = "" if numbers[severity] else " zero"
            set_classes(made, f"panel-count tone-{tone}{zero}")
        set_classes(self._link, "panel-link stale" if strip.alerts_stale else "panel-link")
        set_icon(self._link_sign, "link_off" if strip.alerts_stale else "podcasts")
        self._link_text.text = strip.alerts_stale or "Live"

    def _row(self, row: PanelRow) -> None:
        made = Part("li", f"panel-row tone-{row.face.tone}{' seen' if row.seen else ''}")
        set_prop(made, "data-alert", row.alert_id)
        with made:
            with Part("p", "panel-word"):
                icon(row.face.icon)
                Words("span", text=row.face.word)
            with Part("div", "panel-text"):
                Words("h2", text=row.title)
                Words("p", text=row.message)
            with Part("p", "panel-age"):
                Words("span", text=row.age)
                if row.seen:
                    Words("span", "panel-seen", row.seen)

    def _beep(self, rows: Sequence[PanelRow]) -> None:
        critical = {row.alert_id for row in rows if row.face.tone == "bad" and not row.seen}
        is_new = self._critical is not None and bool(critical - self._critical)
        self._critical = critical
        if is_new:
            ui.run_javascript("window.panelBeep && panelBeep(3)")


def mount(site: Site) -> None:
    """Add the alert board to the pages."""

    @ui.page("/board", title="Alerts · Pourline", reconnect_timeout=KEEP_PAGE_S)
    def page(request: Request) -> Response | None:
        staff = site.badges.read(request)
        if staff is None:
            return RedirectResponse("/login", 303)
        AlertPanel(site, staff).start("board")
        return None
