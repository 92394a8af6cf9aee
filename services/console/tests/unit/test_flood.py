"""Strangers get so much an address; staff, programs and other addresses never notice."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pourline.console.pages.flood import (
    ADDRESSES_MAX,
    LIVE,
    PAGE,
    SOCKETS_MAX,
    TOKENS_A_S,
    TOKENS_MAX,
    WRONG_KEY,
    Buckets,
    Flood,
    address_of,
)
from pourline.console.pages.staff import COOKIE, Badges
from pourline.console.store import Revocations
from pourline.contracts.taps import Session
from pourline.testkit.clock import FakeClock
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Message, Receive, Scope, Send

GUESTS = 60
BADGES = Badges(
    token_key="a key that only this test knows, long enough",
    revocations=Revocations(clock=FakeClock()),
)


class Seconds:
    """A clock of seconds."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def behind(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve any page; a key is wrong that says so; a socket stays open until it is told."""
    if scope["type"] == "websocket":
        while (await receive())["type"] != "websocket.disconnect":
            pass
        return
    wrong = scope["path"] == "/g/wrong"
    await PlainTextResponse("", 404 if wrong else 200)(scope, receive, send)


class Door:
    """The protected pages, asked from an address."""

    def __init__(self) -> None:
        self.seconds = Seconds()
        self.flood = Flood(behind, badges=BADGES, buckets=Buckets(now=self.seconds))

    async def ask(self, path: str, *, address: str = "10.0.0.9", cookie: str = "") -> Response:
        transport = httpx.ASGITransport(app=self.flood, client=(address, 1))
        headers = {"cookie": f"{COOKIE}={cookie}"} if cookie else {}
        async with httpx.AsyncClient(transport=transport, base_url="http://bar") as client:
            found = await client.get(path, headers=headers)
        return Response(found.content, found.status_code, headers=dict(found.headers))

    async def many(self, path: str, number: int, *, address: str = "10.0.0.9") -> list[int]:
        return [(await self.ask(path, address=address)).status_code for _ in range(number)]


@pytest.fixture
def door() -> Door:
    return Door()


def cookie() -> str:
    ends = FakeClock().now().replace(year=2099)
    response = Response()
    request = Request({"type": "http", "headers": [], "scheme": "http", "path": "/"})
    BADGES.give(request, response, Session(token="t", expires_at=ends, level=1), "mira")
    return response.headers["set-cookie"].partition("=")[2].partition(";")[0]


async def test_sixty_guests_behind_one_address_are_all_served(door: Door) -> None:
    opened = await door.many("/menu", GUESTS)
    for _ in range(8):
        door.seconds.now += 15
        opened += await door.many("/g/right", GUESTS)

    assert set(opened) == {200}


@pytest.mark.parametrize("path", ["/menu", "/tap/1", "/g/right", "/login", "/nowhere"])
async def test_a_flood_is_answered_429_and_told_when_to_come_back(door: Door, path: str) -> None:
    answers = await door.many(path, int(TOKENS_MAX / PAGE) + 1)
    refused = await door.ask(path)
    wait_s = int(refused.headers["retry-after"])
    other = await door.ask(path, address="10.0.0.10")
    door.seconds.now += wait_s
    later = await door.ask(path)

    assert answers[-1] == refused.status_code == 429
    assert b"try again" in refused.body
    assert 1 <= wait_s <= LIVE
    assert (other.status_code, later.status_code) == (200, 200)


async def test_a_flood_of_guests_pages_keeps_no_staff_from_signing_in(door: Door) -> None:
    await door.many("/g/right", int(TOKENS_MAX) + 1)

    assert (await door.ask("/login")).status_code == 200


async def test_who_is_signed_in_and_what_programs_ask_are_not_counted(door: Door) -> None:
    await door.many("/menu", int(TOKENS_MAX))
    badge = cookie()

    assert (await door.ask("/", cookie=badge)).status_code == 200
    assert (await door.ask("/", cookie=badge[:-4] + "AAAA")).status_code == 429
    for path in ("/api/taps", "/health/ready", "/hardware/spout/ingest", "/_nicegui/x.js"):
        assert set(await door.many(path, int(TOKENS_MAX) + 1)) == {200}


async def test_guessing_keys_ends_soon(door: Door) -> None:
    answers = await door.many("/g/wrong", 100)

    assert answers.count(404) <= TOKENS_MAX / WRONG_KEY + 1
    assert answers[-1] == 429


async def test_one_address_holds_so_many_live_sockets_and_gets_them_back(door: Door) -> None:
    door.flood._sockets["10.0.0.9"] = SOCKETS_MAX - 1  # noqa: SLF001 as if they were open
    told: list[str] = []

    async def socket(address: str) -> None:
        async def receive() -> Message:
            return {"type": "websocket.disconnect"}

        async def send(message: Message) -> None:
            told.append(message["type"])

        scope = {"type": "websocket", "path": "/_nicegui_ws/socket.io", "headers": []}
        await door.flood(scope | {"client": (address, 1)}, receive, send)

    await socket("10.0.0.9")
    after_one = list(told)
    door.flood._sockets["10.0.0.9"] += 1  # noqa: SLF001 as if one more were open
    await socket("10.0.0.9")
    await socket("10.0.0.10")

    assert (after_one, told) == ([], ["websocket.close"])
    assert door.flood._sockets == {"10.0.0.9": SOCKETS_MAX}  # noqa: SLF001 the others are forgotten


def test_addresses_are_remembered_in_bounded_memory() -> None:
    buckets = Buckets(now=Seconds())
    for number in range(ADDRESSES_MAX + 50):
        buckets.take(("pages", str(number)), PAGE)

    assert len(buckets._held) == ADDRESSES_MAX  # noqa: SLF001 that is what is bounded


@given(
    st.lists(st.tuples(st.floats(0, 30), st.sampled_from([PAGE, LIVE, WRONG_KEY])), max_size=300)
)
def test_nobody_takes_more_than_the_burst_and_what_time_gave(
    asked: list[tuple[float, float]],
) -> None:
    seconds, taken = Seconds(), 0.0
    buckets = Buckets(now=seconds)
    for after_s, tokens in asked:
        seconds.now += after_s
        taken += 0.0 if buckets.take(("pages", "a"), tokens) else tokens

    assert taken <= TOKENS_MAX + seconds.now * TOKENS_A_S + 0.001


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("10.0.0.9", "10.0.0.9"),
        ("::ffff:10.0.0.9", "10.0.0.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
    ],
)
def test_a_customers_whole_network_counts_as_one(host: str, counted: str) -> None:
    assert address_of({"client": (host, 1)}) == counted
