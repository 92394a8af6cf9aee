"""The system's health, for managers: each service, what waits for it, and how fast disks answer."""

from nicegui import ui

from pourline.console.pages import words
from pourline.console.pages.parts import Part, Words, fact, icon
from pourline.console.pages.shell import Screen
from pourline.console.store import upkeep
from pourline.contracts.upkeep import Figures, HealthReport, Queue

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400
BEHIND = 500
"""A queue longer than one batch of its reader is behind."""
AGAIN_S = 5.0


class SettingsSystem:
    """A card a service. What is not ready comes first."""

    place: ui.element

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._reports: list[HealthReport] = []
        self._shown: object = None
        with Part("div", "view-head"):
            Words("p", "soft", "Asked again every five seconds.")
        self._list = Part("section", "cards", aria_label="Services")
        ui.timer(AGAIN_S, self._ask_again)

    def _ask_again(self) -> None:
        if self.place.visible:
            self._screen.refresh()

    async def load(self) -> None:
        """Ask every service how it is, with its figures."""
        site = self._screen.site
        found = await upkeep.reports(site.caller, site.services)
        self._reports = sorted(found, key=lambda one: one.ready)

    def show(self) -> None:
        """Show the services, if something of them changed."""
        if self._reports == self._shown:
            return
        self._shown = self._reports
        self._list.clear()
        with self._list:
            for one in self._reports:
                _service(one)


def _service(one: HealthReport) -> None:
    tone, sign, word = state_of(one)
    with Part("article", f"card toned tone-{tone}", aria_label=one.service):
        with Part("header", "view-head"):
            Words("h2", text=one.service)
            with Part("span", f"tag tone-{tone}"):
                icon(sign)
                Words("span", text=word)
        with Part("dl", "facts"):
            for name, value in facts_of(one):
                fact(name, value)


def state_of(one: HealthReport) -> tuple[str, str, str]:
    """Return tone, icon and word: never the colour alone."""
    if one.ready:
        return "good", "check_circle", "Ready"
    if "service" in one.parts:
        return "bad", "cloud_off", "Not answering"
    return "warn", "error", "Alive, not ready"


def facts_of(one: HealthReport) -> list[tuple[str, str]]:
    """Return what is known of a service, each with its name."""
    found = [(name, state) for name, state in one.parts.items() if state != "ok"]
    if one.uptime_s is not None:
        found.append(("Up for", span(one.uptime_s)))
    if one.version:
        found.append(("Version", one.version))
    return found + (_figures(one.figures) if one.figures else [])


def _figures(figures: Figures) -> list[tuple[str, str]]:
    found = [(f"Waits: {one.name.partition('--')[2]}", _queue(one)) for one in figures.queues]
    if figures.outbox_unpublished is not None:
        found.append(("To be told", words.count(figures.outbox_unpublished, "event", "events")))
    if figures.dead_letters is not None:
        found.append(("Dead letters", f"{figures.dead_letters:,}"))
    if figures.publish_ms is not None:
        found.append(("Last events stored", f"in {figures.publish_ms:g} ms"))
    if figures.commit_ms is not None:
        found.append(("Last commit", f"in {figures.commit_ms:g} ms"))
    return found


def _queue(one: Queue) -> str:
    behind = " (behind)" if one.pending > BEHIND else ""
    return f"{one.pending:,}, in work {one.unacknowledged:,}{behind}"


def span(seconds: int) -> str:
    """Write how long a service has been up: `40 s`, `12 min`, `3 h 05`, `2 days`."""
    if seconds < MINUTE_S:
        return f"{seconds} s"
    if seconds < HOUR_S:
        return f"{seconds // MINUTE_S} min"
    if seconds < DAY_S:
        return f"{seconds // HOUR_S} h {seconds % HOUR_S // MINUTE_S:02}"
    return words.count(seconds // DAY_S, "day", "days")
