from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pourline.console.store import Board
from pourline.contracts.base import Envelope
from pourline.contracts.cellar import KegConnected, KegDisconnected, KegLevelChanged, KegStatus
from pourline.contracts.device import FlowReport, PourStatus, TapState
from pourline.contracts.guests import LockReleased, LockTaken
from pourline.contracts.money import PourAccepted, PriceChanged
from pourline.contracts.taps import ConfigChanged, TapRegistered, TapStateChanged
from pourline.testkit.clock import FakeClock

if TYPE_CHECKING:
    from services.console.tests.unit.conftest import FakeOwners

Envelop = Callable[..., Envelope[Any]]


def lock(clock: FakeClock, grant: str = "g1", visit: str = "v1") -> LockTaken:
    return LockTaken(
        visit_id=visit,
        guest_id="guest",
        guest_name="Anna",
        tap_id="1",
        location="main",
        grant_id=grant,
        lock_set_at=clock.now(),
    )


def release(clock: FakeClock, grant: str = "g1", visit: str = "v1") -> LockReleased:
    return LockReleased(
        visit_id=visit,
        tap_id="1",
        location="main",
        grant_id=grant,
        why="pour",
        released_at=clock.now(),
    )


def flow(volume_ml: int, grant: str | None = "g1") -> FlowReport:
    return FlowReport(grant_id=grant, volume_ml=Decimal(volume_ml), pulses=1, rate_ml_s=Decimal(40))


def pour(clock: FakeClock, grant: str | None = "g1", volume_ml: int = 412) -> PourAccepted:
    now = clock.now()
    return PourAccepted(
        client_tx_id="tx",
        tap_id="1",
        location="main",
        settles_grant_id=grant,
        volume_ml=Decimal(volume_ml),
        amount=255,
        status=PourStatus.ACCEPTED,
        started_at=now,
        ended_at=now,
        received_at=now,
        accepted_at=now,
    )


def level(remaining_ml: int, keg: str = "keg-1") -> KegLevelChanged:
    return KegLevelChanged(
        keg_id=keg,
        beverage_id="pils",
        beverage_name="Pilsner",
        tap_id="1",
        volume_ml=Decimal(30_000),
        remaining_ml=Decimal(remaining_ml),
    )


def state(clock: FakeClock, to: TapState, *, online: bool = True) -> TapStateChanged:
    return TapStateChanged(
        tap_id="1", location="main", state=to, online=online, pending_sync=0, at=clock.now()
    )


def tap_state(board: Board) -> TapState:
    return board.lines["1"].tap.state


def test_a_lock_shows_the_guest_until_its_pour_is_in_the_books(
    board: Board, clock: FakeClock, envelop: Envelop
) -> None:
    board.hear(envelop(lock(clock)))
    board.flow("1", flow(200))
    assert board.lines["1"].tap.guest_name == "Anna"
    board.hear(envelop(pour(clock)))
    board.hear(envelop(release(clock)))
    line = board.lines["1"]
    assert (line.tap.locked_by_visit, line.tap.guest_name, line.flow) == (None, None, None)
    assert line.last_pour is not None
    assert line.last_pour.amount == 255


def test_a_late_release_never_opens_a_newer_lock(
    board: Board, clock: FakeClock, envelop: Envelop
) -> None:
    board.hear(envelop(lock(clock, grant="g1")))
    board.hear(envelop(lock(clock, grant="g2", visit="v2")))
    board.hear(envelop(release(clock, grant="g1")))
    assert board.lines["1"].tap.locked_by_visit == "v2"


def test_a_replayed_event_changes_nothing(board: Board, clock: FakeClock, envelop: Envelop) -> None:
    board.hear(envelop(lock(clock)))
    board.hear(envelop(release(clock), at=clock.now() + timedelta(seconds=9)))
    board.hear(envelop(lock(clock)))
    assert board.lines["1"].tap.locked_by_visit is None


def test_flow_is_fresh_for_three_seconds_and_stands_while_the_lock_does(
    board: Board, clock: FakeClock, envelop: Envelop
) -> None:
    board.hear(envelop(lock(clock)))
    board.flow("1", flow(200))
    assert board.lines["1"].pours(clock.now())
    clock.advance(seconds=4)
    shown = board.lines["1"].shown_flow(clock.now())
    assert not board.lines["1"].pours(clock.now())
    assert shown is not None
    assert shown.volume_ml == 200


def test_a_late_flow_report_does_not_reopen_a_booked_pour(
    board: Board, clock: FakeClock, envelop: Envelop
) -> None:
    board.hear(envelop(lock(clock)))
    board.hear(envelop(pour(clock)))
    board.flow("1", flow(300))
    assert board.lines["1"].flow is None


def test_flow_of_an_unknown_tap_is_not_shown(board: Board) -> None:
    board.flow("99", flow(300))
    assert "99" not in board.lines


def test_a_keg_level_is_shown_and_another_kegs_is_not(board: Board, envelop: Envelop) -> None:
    board.hear(envelop(level(4_000)))
    board.hear(envelop(level(29_000, keg="keg-9")))
    assert board.lines["1"].tap.remaining_ml == 4_000


def test_a_swapped_keg_is_shown(board: Board, clock: FakeClock, envelop: Envelop) -> None:
    gone = KegDisconnected(
        keg_id="keg-1",
        tap_id="1",
        status=KegStatus.EMPTY,
        swapped=True,
        remaining_ml=Decimal(0),
        disconnected_at=clock.now(),
    )
    board.hear(envelop(gone))
    assert board.lines["1"].tap.remaining_ml is None
    come = KegConnected(
        keg_id="keg-2",
        tap_id="1",
        beverage_id="pils",
        beverage_name="Pilsner",
        volume_ml=Decimal(50_000),
        remaining_ml=Decimal(50_000),
        connected_at=clock.now(),
    )
    board.hear(envelop(come))
    assert board.lines["1"].tap.remaining_ml == 50_000


def test_a_price_is_shown_on_every_tap_of_its_beverage_once_it_is_in_force(
    board: Board, clock: FakeClock, envelop: Envelop
) -> None:
    later = clock.now() + timedelta(hours=1)
    board.hear(envelop(PriceChanged(beverage_id="ale", price_per_litre=900, from_at=later)))
    board.hear(envelop(PriceChanged(beverage_id="pils", price_per_litre=700, from_at=clock.now())))
    prices = {line.tap.id: line.tap.price_per_litre for line in board.lines.values()}
    assert prices == {"1": 700, "2": 620}


def test_configuration_is_followed(board: Board, envelop: Envelop) -> None:
    board.hear(envelop(ConfigChanged(key="currency", value="USD")))
    board.hear(envelop(ConfigChanged(key="timezone", value="nowhere/at all")))
    assert (board.currency, str(board.timezone)) == ("USD", "UTC")


async def test_a_snapshot_older_than_an_event_does_not_undo_it(
    board: Board, owners: "FakeOwners", clock: FakeClock, envelop: Envelop
) -> None:
    owners.meanwhile = lambda: board.hear(envelop(state(clock, TapState.STOPPED)))
    await board.load(owners)
    assert tap_state(board) is TapState.STOPPED
    clock.advance(seconds=30)
    owners.meanwhile = lambda: None
    await board.load(owners)
    assert tap_state(board) is TapState.ACTIVE


async def test_without_an_answer_the_board_says_as_of_when(
    board: Board, owners: "FakeOwners", clock: FakeClock
) -> None:
    heard = clock.now()
    assert board.taps_as_of() is None
    owners.silent = True
    clock.advance(seconds=30)
    await board.load(owners)
    assert board.taps_as_of() == heard
    assert set(board.lines) == {"1", "2"}


async def test_an_answer_that_is_no_tap_leaves_the_board_as_it_was(
    board: Board, owners: "FakeOwners"
) -> None:
    owners.taps = [owners.taps[0].model_copy(update={"id": "no id at all!"})]
    await board.load(owners)
    assert set(board.lines) == {"1", "2"}
    assert board.taps_as_of() is not None


async def test_every_watcher_is_woken_by_a_change(board: Board) -> None:
    with board.watched() as first, board.watched() as second:
        board.flow("1", flow(10))
        assert first.is_set()
        assert second.is_set()


async def test_a_new_tap_makes_the_board_ask_again_at_once(
    board: Board,
    owners: "FakeOwners",
    envelop: Envelop,
) -> None:
    board.hear(envelop(TapRegistered(tap_id="3", name="Third", location="main")))
    await board._until_due()  # noqa: SLF001 the loop around it never ends
    await board.load(owners)
    assert owners.asked == 2
