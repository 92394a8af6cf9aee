"""What the page shows of the board: values only, so that a change is a comparison."""

import re
from dataclasses import dataclass
from datetime import datetime

from pourline.console.pages import words
from pourline.console.store import Board, TapLine
from pourline.contracts.device import AlertMessage, Severity, TapState
from pourline.contracts.evening import AlertState


@dataclass(frozen=True, kw_only=True)
class Face:
    """A state's word, icon and tone: never the colour alone."""

    word: str
    icon: str
    tone: str


OFFLINE = Face(word="Offline", icon="cloud_off", tone="off")
READY = Face(word="Ready", icon="check_circle", tone="good")
LOCKED = Face(word="Locked", icon="lock", tone="held")
POURING = Face(word="Pouring", icon="sports_bar", tone="live")
RESTING: dict[TapState, Face] = {
    TapState.PROCESSING_SYNC: Face(word="Processing sync", icon="sync", tone="warn"),
    TapState.OUT_OF_KEG: Face(word="Out of keg", icon="no_drinks", tone="bad"),
    TapState.MAINTENANCE: Face(word="Maintenance", icon="build", tone="rest"),
    TapState.CLEANING: Face(word="Cleaning", icon="cleaning_services", tone="rest"),
    TapState.STOPPED: Face(word="Stopped", icon="pan_tool", tone="bad"),
}
GAS = Face(word="Gas, keg is empty", icon="air", tone="bad")
"""The tap's meter counted gas: the keg is blown, whatever the books still have in it."""
RESUMABLE = frozenset({TapState.STOPPED, TapState.CLEANING, TapState.MAINTENANCE})

SEVERITIES: dict[Severity, Face] = {
    Severity.CRITICAL: Face(word="Critical", icon="error", tone="bad"),
    Severity.WARNING: Face(word="Warning", icon="warning", tone="warn"),
    Severity.INFO: Face(word="Info", icon="info", tone="rest"),
}
URGENCY = {severity: place for place, severity in enumerate(SEVERITIES)}


@dataclass(frozen=True, kw_only=True)
class TapView:
    """One tile."""

    tap_id: str
    name: str
    beverage: str
    price: str
    face: Face
    note: str
    level: str
    percent: int | None
    warning: str
    guest: str
    poured: str
    cost: str
    foot: str
    can_resume: bool


@dataclass(frozen=True, kw_only=True)
class AlertView:
    """One line of the alert board."""

    alert_id: str
    face: Face
    title: str
    message: str
    subject: str
    age: str
    acknowledged: str


@dataclass(frozen=True, kw_only=True)
class StripView:
    """The strip at the top: what needs a person, and how far the page can be believed."""

    critical: int
    warning: int
    info: int
    offline: int
    taps: int
    pending: int
    taps_stale: str
    alerts_stale: str
    shift: str
    """The open shift and its age, or that none is open; empty while nobody knows."""
    is_shift_open: bool


def tap_views(board: Board) -> list[TapView]:
    """Return every tile, tap 2 before tap 10."""
    lines = sorted(board.lines.values(), key=lambda line: natural(line.tap.id))
    return [tap_view(board, line) for line in lines]


def tap_view(board: Board, line: TapLine) -> TapView:
    """Return a tap's tile."""
    tap, now = line.tap, board.now()
    flow = line.shown_flow(now)
    price = tap.price_per_litre
    remaining, whole = tap.remaining_ml, tap.volume_ml
    running_cost = ""
    if flow is not None and price is not None:
        running_cost = words.money(words.cost(flow.volume_ml, price), board.currency)
    return TapView(
        tap_id=tap.id,
        name="" if tap.name == tap.id else tap.name,
        beverage=tap.beverage or "Nothing on tap",
        price="" if price is None else f"{words.money(price, board.currency)} / litre",
        face=_face(line, now),
        note=_note(line, now),
        level=words.volume(remaining, board.volume_unit)
        if remaining is not None
        else "No keg connected",
        percent=words.percent(remaining, whole) if remaining is not None and whole else None,
        warning=_warning(board, line),
        guest=(tap.guest_name or "Guest") if tap.locked_by_visit else "",
        poured=words.volume(flow.volume_ml, board.volume_unit) if flow else "",
        cost=running_cost,
        foot=_foot(board, line, now),
        can_resume=tap.state in RESUMABLE,
    )


def alert_views(board: Board) -> list[AlertView]:
    """Return standing alerts: unseen ones first, most severe first, newest first."""
    now = board.now()
    standing = sorted(board.alerts.standing(now), key=lambda alert: alert.opened_at, reverse=True)
    standing.sort(key=lambda alert: (_is_acknowledged(alert), URGENCY[alert.severity]))
    return [_alert_view(alert, now) for alert in standing]


def strip_view(board: Board) -> StripView:
    """Return the strip's counts; an acknowledged alert is somebody's already."""
    now = board.now()
    fresh = [a.severity for a in board.alerts.standing(now) if not _is_acknowledged(a)]
    taps = [line.tap for line in board.lines.values()]
    return StripView(
        critical=fresh.count(Severity.CRITICAL),
        warning=fresh.count(Severity.WARNING),
        info=fresh.count(Severity.INFO),
        offline=sum(not tap.online for tap in taps),
        taps=len(taps),
        pending=sum(tap.pending_sync for tap in taps),
        taps_stale=_taps_stale(board),
        alerts_stale=_alerts_stale(board),
        shift=_shift(board),
        is_shift_open=board.shift.shift is not None,
    )


def _shift(board: Board) -> str:
    if not board.shift.is_known:
        return ""
    shift = board.shift.shift
    if shift is None:
        return "No shift open"
    day = shift.business_day or shift.opened_at.astimezone(board.timezone).date()
    return f"Shift {day:%a %d %b} · {words.age(shift.opened_at, board.now()).removesuffix(' ago')}"


def _taps_stale(board: Board) -> str:
    bus, taps = board.bus.as_of(board.now()), board.taps_as_of()
    if bus is not None:
        return f"Bus away: taps as of {words.clock_time(bus, board.timezone)}"
    if taps is not None:
        return f"Taps not answering: as of {words.clock_time(taps, board.timezone)}"
    return ""


def _alerts_stale(board: Board) -> str:
    broker = board.broker.as_of(board.now())
    if broker is None:
        return ""
    return f"Broker away: alerts as of {words.clock_time(broker, board.timezone)}"


def _face(line: TapLine, now: datetime) -> Face:
    tap = line.tap
    if not tap.online:
        return OFFLINE
    if tap.state is TapState.OUT_OF_KEG and tap.gas:
        return GAS
    if tap.state is not TapState.ACTIVE:
        return RESTING[tap.state]
    if line.pours(now):
        return POURING
    return LOCKED if tap.locked_by_visit else READY


def _warning(board: Board, line: TapLine) -> str:
    """Say in a word that a keg ends."""
    remaining, whole = line.tap.remaining_ml, line.tap.volume_ml
    if remaining is None or not whole:
        return ""
    if remaining <= 0:
        return "Empty"
    return "Low" if remaining <= whole * board.keg_low_ratio else ""


def _note(line: TapLine, now: datetime) -> str:
    """Say why a tap rests and what it still owes."""
    tap = line.tap
    said = []
    if not tap.online and tap.state is not TapState.ACTIVE:
        said.append(RESTING[tap.state].word)
    if tap.reason and tap.state is not TapState.ACTIVE:
        said.append(tap.reason)
    if tap.pending_sync:
        said.append(words.count(tap.pending_sync, "pour to sync", "pours to sync"))
    if tap.cleaning_due_at and tap.cleaning_due_at <= now and tap.state is not TapState.CLEANING:
        said.append("Cleaning due")
    return " · ".join(said)


def _foot(board: Board, line: TapLine, now: datetime) -> str:
    """Say what a tap that pours nothing did last."""
    tap, last = line.tap, line.last_pour
    if tap.locked_by_visit:
        return f"Card {words.age(tap.lock_set_at, now)}" if tap.lock_set_at else "Card accepted"
    if line.pours(now):
        return "Nobody asked for this flow"
    if last is None:
        return ""
    paid = words.money(last.amount, board.currency)
    poured = words.volume(last.volume_ml, board.volume_unit)
    return f"Last: {poured} · {paid}\n{words.age(last.ended_at, now)}"


def _alert_view(alert: AlertMessage, now: datetime) -> AlertView:
    acknowledged = ""
    if _is_acknowledged(alert):
        acknowledged = f"Acknowledged by {alert.acknowledged_by or 'somebody'}"
    return AlertView(
        alert_id=alert.alert_id,
        face=SEVERITIES[alert.severity],
        title=alert.title,
        message=alert.message,
        subject=f"{alert.subject.type} {alert.subject.id}" if alert.subject.type == "tap" else "",
        age=words.age(alert.opened_at, now),
        acknowledged=acknowledged,
    )


def _is_acknowledged(alert: AlertMessage) -> bool:
    return alert.state == AlertState.ACKNOWLEDGED


def natural(text: str) -> list[tuple[int, int, str]]:
    """Return a sort key that reads digits as numbers, and those before letters."""
    found = re.findall(r"\d+|\D+", text)
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in found]
