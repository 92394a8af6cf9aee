from datetime import datetime

import orjson
import pytest
from pourline.console.pages.views import alert_views, strip_view
from pourline.console.store import Board
from pourline.console.store.alerts import STANDING_MAX
from pourline.testkit.clock import FakeClock


def payload(clock: FakeClock, **fields: object) -> bytes:
    alert: dict[str, object] = {
        "alert_id": "a1",
        "severity": "warning",
        "kind": "keg_low",
        "title": "Pale Ale is low",
        "message": "Tap 3 has 4,100 ml left.",
        "subject": {"type": "tap", "id": "3"},
        "state": "open",
        "opened_at": clock.now().isoformat(),
    }
    return orjson.dumps(alert | fields)


def tell(board: Board, clock: FakeClock, alert_id: str, **fields: object) -> None:
    topic = f"bar/main/alerts/{fields.get('severity', 'warning')}/{alert_id}"
    board.alert(topic, payload(clock, alert_id=alert_id, **fields))


def shown(board: Board) -> list[str]:
    return [view.alert_id for view in alert_views(board)]


def test_an_empty_payload_takes_the_alert_down(board: Board, clock: FakeClock) -> None:
    tell(board, clock, "a1")
    assert shown(board) == ["a1"]
    board.alert("bar/main/alerts/warning/a1", b"")
    assert shown(board) == []


def test_the_newest_critical_comes_first_and_what_somebody_has_comes_last(
    board: Board, clock: FakeClock
) -> None:
    tell(board, clock, "seen", severity="critical", state="acknowledged", acknowledged_by="mira")
    tell(board, clock, "old", severity="critical")
    clock.advance(minutes=1)
    tell(board, clock, "low")
    tell(board, clock, "new", severity="critical")
    assert shown(board) == ["new", "old", "low", "seen"]
    strip = strip_view(board)
    assert (strip.critical, strip.warning, strip.info) == (2, 1, 0)


@pytest.mark.parametrize("bad", [b"{", b'{"alert_id": 3}', b"x" * 9000])
def test_what_is_no_alert_is_not_shown(board: Board, bad: bytes) -> None:
    board.alert("bar/main/alerts/warning/a1", bad)
    assert shown(board) == []


def test_an_alert_resolved_while_the_broker_was_away_goes_after_the_reconnect(
    board: Board, clock: FakeClock
) -> None:
    tell(board, clock, "gone")
    tell(board, clock, "stays")
    board.broker_connected()
    tell(board, clock, "stays")
    assert set(shown(board)) == {"gone", "stays"}
    clock.advance(seconds=13)
    assert shown(board) == ["stays"]


def test_a_broker_gone_wild_does_not_fill_the_memory(board: Board, clock: FakeClock) -> None:
    for number in range(STANDING_MAX + 3):
        tell(board, clock, f"a{number}")
    assert len(shown(board)) == STANDING_MAX


def test_a_link_that_is_down_is_told_with_its_last_word(board: Board, clock: FakeClock) -> None:
    up = True
    board.bus.is_up = board.broker.is_up = lambda: up
    assert (strip_view(board).taps_stale, strip_view(board).alerts_stale) == ("", "")
    last: datetime = clock.now()
    up = False
    clock.advance(minutes=5)
    as_of = last.strftime("%H:%M:%S")
    strip = strip_view(board)
    assert (strip.taps_stale, strip.alerts_stale) == (
        f"Bus away: taps as of {as_of}",
        f"Broker away: alerts as of {as_of}",
    )
