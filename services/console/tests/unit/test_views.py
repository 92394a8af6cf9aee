from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, TypeVar
from zoneinfo import ZoneInfo

import jwt
import pytest
from pourline.console.pages import words
from pourline.console.pages.kegs_tile import outlook_words
from pourline.console.pages.settings_system import facts_of, state_of
from pourline.console.pages.shift import usual
from pourline.console.pages.staff import COOKIE, Badges
from pourline.console.pages.views import TapView, strip_view, tap_views
from pourline.console.store import Board, Revocations
from pourline.contracts.base import Command, Message
from pourline.contracts.device import FlowReport
from pourline.contracts.evening import Shift
from pourline.contracts.losses import KegForecast
from pourline.contracts.problems import Problem
from pourline.contracts.staff import TokensRevoked
from pourline.contracts.taps import Session
from pourline.contracts.upkeep import Figures, HealthReport, Queue
from pourline.kit.errors import Retryable
from pourline.kit.nats import Caller
from pourline.kit.nats.requests import Refused
from pourline.testkit.clock import FakeClock
from starlette.requests import Request
from starlette.responses import Response

Answer = TypeVar("Answer", bound=Message)

if TYPE_CHECKING:
    from services.console.tests.unit.conftest import FakeOwners


async def tile(board: Board, owners: "FakeOwners", **fields: object) -> TapView:
    owners.taps = [owners.taps[0].model_copy(update=fields)]
    await board.load(owners)
    return tap_views(board)[0]


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({}, "Ready"),
        ({"locked_by_visit": "v1"}, "Locked"),
        ({"state": "out_of_keg"}, "Out of keg"),
        ({"state": "out_of_keg", "gas": True}, "Gas, keg is empty"),
        ({"state": "processing_sync", "pending_sync": 2}, "Processing sync"),
        ({"state": "stopped"}, "Stopped"),
        ({"state": "cleaning"}, "Cleaning"),
        ({"state": "maintenance"}, "Maintenance"),
        ({"online": False}, "Offline"),
        ({"online": False, "state": "stopped"}, "Offline"),
    ],
)
async def test_a_state_has_a_word_and_an_icon(
    board: Board, owners: "FakeOwners", fields: dict[str, object], word: str
) -> None:
    owners.taps = [type(owners.taps[0]).model_validate(owners.taps[0].model_dump() | fields)]
    await board.load(owners)
    face = tap_views(board)[0].face
    assert face.word == word
    assert face.icon


async def test_a_pouring_tile_tells_millilitres_cost_and_guest(
    board: Board, owners: "FakeOwners"
) -> None:
    await tile(board, owners, locked_by_visit="v1", guest_name="Anna")
    report = FlowReport(volume_ml=Decimal("312.5"), pulses=1, rate_ml_s=Decimal(40))
    board.flow("1", report)
    view = tap_views(board)[0]
    told = (view.face.word, view.guest, view.poured, view.cost)
    assert told == ("Pouring", "Anna", "313 ml", "€1.94")


async def test_a_keg_at_fifteen_percent_is_low_and_one_at_nothing_is_empty(
    board: Board, owners: "FakeOwners"
) -> None:
    low = await tile(board, owners, remaining_ml=Decimal(4_500))
    empty = await tile(board, owners, remaining_ml=Decimal(0))
    fine = await tile(board, owners, remaining_ml=Decimal(4_501))
    assert (low.warning, low.percent, low.level) == ("Low", 15, "4,500 ml")
    assert (empty.warning, fine.warning) == ("Empty", "")


async def test_taps_stand_in_the_order_that_people_count(
    board: Board, owners: "FakeOwners"
) -> None:
    first = owners.taps[0]
    owners.taps = [first.model_copy(update={"id": name}) for name in ("b", "10", "2", "b10", "b9")]
    await board.load(owners)
    assert [view.tap_id for view in tap_views(board)] == ["2", "10", "b", "b9", "b10"]


async def test_the_strip_counts_what_needs_a_person(board: Board, owners: "FakeOwners") -> None:
    await tile(board, owners, online=False, pending_sync=3)
    strip = strip_view(board)
    assert (strip.offline, strip.pending, strip.taps) == (1, 3, 1)


def test_a_board_that_never_heard_anything_says_so(clock: FakeClock) -> None:
    assert strip_view(Board(clock=clock)).taps_stale == "Bus away: taps as of never"


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (650, "EUR", "€6.50"),
        (-5, "GBP", "-£0.05"),
        (123_456_789, "USD", "$1,234,567.89"),
        (650, "JPY", "JPY\N{NARROW NO-BREAK SPACE}650"),
    ],
)
def test_money_reads_as_money(amount: int, currency: str, text: str) -> None:
    assert words.money(amount, currency) == text


def test_a_rest_is_never_shown_as_nothing() -> None:
    assert words.percent(Decimal(1), Decimal(30_000)) == 1
    assert words.percent(Decimal(-5), Decimal(30_000)) == 0


@pytest.mark.parametrize(
    ("ago", "text"),
    [
        (timedelta(seconds=-5), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=4), "4 min ago"),
        (timedelta(hours=2, minutes=5), "2 h 05 min ago"),
        (timedelta(days=1), "1 day ago"),
    ],
)
def test_an_age_reads_as_people_say_it(ago: timedelta, text: str) -> None:
    now = datetime.now(UTC)
    assert words.age(now - ago, now) == text


def request(cookie: str = "") -> Request:
    headers = [(b"cookie", f"{COOKIE}={cookie}".encode())] if cookie else []
    return Request(
        {
            "type": "http",
            "method": "GET",
            "scheme": "http",
            "path": "/",
            "query_string": b"",
            "server": ("bar", 80),
            "headers": headers,
        }
    )


def given(badges: Badges, *, lasts: timedelta, token: str | None = None) -> str:
    response = Response()
    session = Session(token=token or "t", expires_at=datetime.now(UTC) + lasts, level=2)
    badges.give(request(), response, session, "mira")
    return response.headers["set-cookie"].split(";")[0].split("=", 1)[1]


def badges_of(key: str, revocations: Revocations | None = None) -> Badges:
    return Badges(token_key=key * 32, revocations=revocations or Revocations(clock=FakeClock()))


def test_a_badge_opens_the_page_until_its_end() -> None:
    badges = badges_of("k")
    staff = badges.read(request(given(badges, lasts=timedelta(hours=1))))
    assert staff is not None
    assert (staff.username, staff.level) == ("mira", 2)
    assert badges.read(request(given(badges, lasts=timedelta(hours=-1)))) is None


def test_a_badge_of_another_key_or_a_bearer_token_opens_nothing() -> None:
    badges = badges_of("k")
    bearer = jwt.encode({"sub": "mira", "level": 5, "exp": 2**31}, "k" * 32, algorithm="HS256")
    assert badges.read(request(bearer)) is None
    assert badges.read(request(given(badges_of("x"), lasts=timedelta(1)))) is None
    assert badges.read(request()) is None


@pytest.mark.parametrize(("key", "version"), [("token:a", 1), ("staff:s", 2)])
def test_a_badge_ends_with_its_token_or_its_accounts_rights(key: str, version: int) -> None:
    revocations = Revocations(clock=FakeClock())
    badges = badges_of("k", revocations)
    names = {"jti": "a", "staff": "s", "ver": 1}
    token = jwt.encode(names, "x" * 32, algorithm="HS256")
    cookie = given(badges, lasts=timedelta(hours=1), token=token)
    staff = badges.read(request(cookie))
    assert staff is not None
    expires_at = datetime.now(UTC) + timedelta(hours=1)

    revocations.hear(TokensRevoked(key=key, version=version, expires_at=expires_at))

    assert badges.read(request(cookie)) is None
    assert not badges.is_good(staff)


@pytest.mark.requirement("LK-6")
async def test_a_locked_tile_tells_who_holds_it_and_since_when(
    board: Board, owners: "FakeOwners", clock: FakeClock
) -> None:
    since = clock.now() - timedelta(minutes=3)
    view = await tile(board, owners, locked_by_visit="v1", guest_name="Anna", lock_set_at=since)

    assert (view.face.word, view.guest, view.foot) == ("Locked", "Anna", "Card 3 min ago")


async def test_a_tile_says_that_its_line_is_to_be_cleaned(
    board: Board, owners: "FakeOwners", clock: FakeClock
) -> None:
    later, now = clock.now() + timedelta(hours=1), clock.now()

    assert (await tile(board, owners, cleaning_due_at=later)).note == ""
    assert (await tile(board, owners, cleaning_due_at=now)).note == "Cleaning due"


async def test_the_strip_tells_the_open_shift_and_its_age_or_that_none_is_open(
    board: Board, clock: FakeClock
) -> None:
    unknown = strip_view(board)
    await board.shift.load(Shifts())
    none = strip_view(board)
    opened = shift_of(opened_at=clock.now())
    await board.shift.load(Shifts(opened))
    clock.advance(minutes=125)
    is_open = strip_view(board)
    is_kept = await board.shift.load(Shifts(is_silent=True))

    assert (unknown.shift, none.shift, none.is_shift_open) == ("", "No shift open", False)
    assert (is_open.shift, is_open.is_shift_open) == ("Shift Fri 01 May · 2 h 05 min", True)
    assert (is_kept, strip_view(board).shift) == (False, is_open.shift)


NO_FIGURES = dict.fromkeys(("pours", "volume_ml", "revenue", "topups", "refunds", "denials"), 0)


def shift_of(**fields: object) -> Shift:
    standard = {
        "id": "1",
        "location": "main",
        "status": "open",
        "opened_at": "2026-05-01T18:00:00Z",
        "opened_by": "anna",
        "opening_float": 0,
        "members": [],
        "figures": NO_FIGURES,
        "late": NO_FIGURES,
        "business_day": "2026-05-01",
    }
    return Shift.model_validate(standard | fields)


class Shifts(Caller):
    """The shifts' owner: it has one open, or none, or is silent."""

    def __init__(self, shift: Shift | None = None, *, is_silent: bool = False) -> None:
        self.shift = shift
        self.is_silent = is_silent

    async def ask(
        self, command: Command, answer: type[Answer], *, actor: str = "system", key: str = ""
    ) -> Answer:
        del command, actor, key
        if self.is_silent:
            raise Retryable("shift is not answering.")
        if self.shift is None:
            problem = {"title": "x", "status": 404, "code": "not_found", "detail": "None open."}
            raise Refused(Problem.model_validate(problem))
        return answer.model_validate_json(self.shift.model_dump_json())


def test_a_usual_shift_is_the_mean_of_those_that_poured() -> None:
    def shift(pours: int, revenue: int) -> Shift:
        figures = NO_FIGURES | {"pours": pours, "volume_ml": pours * 300, "revenue": revenue}
        return shift_of(figures=figures)

    shifts = [shift(10, 3_000), shift(0, 0), shift(21, 6_001)]

    assert usual([shift(0, 0)], "EUR", "ml") == []
    assert usual(shifts, "EUR", "oz")[1] == ("Volume", "157.2 oz")
    assert usual(shifts, "EUR", "ml") == [
        ("Pours", "16"),
        ("Volume", "4,650 ml"),
        ("Revenue", "€45.00"),
        ("Mean of", "2 shifts"),
    ]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"basis": "too little: 1 pours"}, "No forecast: too little: 1 pours"),
        ({"basis": "9 pours", "rate_ml_day": 10}, "Lasts for long: 9 pours"),
        (
            {"basis": "9 pours", "rate_ml_day": 10, "runs_out_at": "2026-05-02T20:00:00Z"},
            "Runs out about 02 May, 22:00 (9 pours)",
        ),
        ({"basis": "x", "fresh_days": 3}, "No forecast: x · open for 3 days"),
    ],
)
def test_a_keg_says_when_it_runs_out_in_its_owners_words(
    fields: dict[str, object], said: str
) -> None:
    standard = {"keg_id": "k", "tap_id": "1", "beverage_id": "b", "beverage": "P"}
    one = KegForecast.model_validate(standard | {"remaining_ml": 100} | fields)

    assert outlook_words(one, ZoneInfo("Europe/Berlin")) == said


def test_a_service_is_shown_with_what_it_says_and_no_more() -> None:
    silent = HealthReport(service="ledger", ready=False, parts={"service": "not answering"})
    sick = HealthReport(service="ledger", ready=False, parts={"database": "down: X", "bus": "ok"})
    figures = Figures(
        queues=[Queue(name="ledger--pour", pending=1_200, unacknowledged=4)],
        outbox_unpublished=1,
        dead_letters=0,
        publish_ms=3.2,
    )
    well = HealthReport(
        service="ledger", ready=True, parts={}, version="1.0", uptime_s=11_100, figures=figures
    )

    assert [state_of(one)[2] for one in (silent, sick, well)] == [
        "Not answering",
        "Alive, not ready",
        "Ready",
    ]
    assert facts_of(sick) == [("database", "down: X")]
    assert facts_of(well) == [
        ("Up for", "3 h 05"),
        ("Version", "1.0"),
        ("Waits: pour", "1,200, in work 4 (behind)"),
        ("To be told", "1 event"),
        ("Dead letters", "0"),
        ("Last events stored", "in 3.2 ms"),
    ]
