"""The console's composition root."""

import contextlib
from collections.abc import Iterator
from functools import partial

import uvicorn

from pourline.console import consumers, devices, pages
from pourline.console.api import make_application
from pourline.console.api.gateway import Gateway
from pourline.console.api.limits import SIGNATURES_MAX, FailureLimit, LoginLimit
from pourline.console.api.stream import StockStream
from pourline.console.pages.staff import Badges
from pourline.console.settings import Settings
from pourline.console.store import Board, Revocations, StockFeed
from pourline.contracts.taps import Login, Session
from pourline.contracts.topology import BRIDGE, SERVICES
from pourline.kit.clock import Clock
from pourline.kit.health import Health
from pourline.kit.nats import Caller, connect
from pourline.kit.run import Service

STOP_WAIT_S = 1
"""Live pages hold their connections for ever; stopping does not wait for them."""


class HttpServer(uvicorn.Server):
    """Uvicorn as one loop among others: signals are the service's own affair."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


async def build(*, settings: Settings, clock: Clock) -> Service:
    """Connect the console's parts and return it ready to run."""
    bus = await connect(url=settings.nats_url, name=settings.service)
    caller = Caller(bus=bus)
    board = Board()
    link = devices.link(settings.mqtt_url, board)

    async def bus_is_up() -> None:
        if not bus.is_connected:
            raise ConnectionError("the bus is away")

    async def broker_is_up() -> None:
        if not link.connected:
            raise ConnectionError("the broker is away")

    health = Health(
        bus=bus, service=settings.service, parts={"bus": bus_is_up, "broker": broker_is_up}
    )
    logins = LoginLimit(clock=clock)
    revocations = Revocations(clock=clock)
    gateway = Gateway(
        caller=caller,
        token_key=settings.token_key,
        revocations=revocations,
        logins=logins,
        signatures=FailureLimit(clock=clock, tries_max=SIGNATURES_MAX),
    )
    others = [name for name in SERVICES if name != settings.service]
    others += [BRIDGE] if settings.mqtt_bridge else []
    feed = StockFeed()
    stream = StockStream(feed=feed)
    app = make_application(
        gateway=gateway, bus=bus, report=health.report, others=others, stream=stream
    )
    pages.mount(
        app,
        board=board,
        login=partial(_login, caller, logins),
        caller=caller,
        badges=Badges(token_key=settings.token_key, revocations=revocations),
    )
    await consumers.subscribe(bus, board, revocations, feed)
    await health.start()
    server = HttpServer(_configuration(settings, app))
    return Service(
        loops={
            "http": server.serve,
            "mqtt": link.run,
            "board": partial(board.keep_fresh, caller),
            "revocations": partial(revocations.keep_fresh, caller),
            "stock": partial(feed.keep_fresh, caller),
        },
        closers=[bus.close, stream.close],
    )


async def _login(caller: Caller, logins: LoginLimit, username: str, password: str) -> Session:
    """Log in from the page; its tries are counted apart from those over HTTP."""
    who = (username, "page")
    logins.take(who)
    session = await caller.ask(Login(username=username, password=password), Session)
    logins.give_back(who)
    return session


def _configuration(settings: Settings, app: object) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]  # any ASGI application
        host=settings.http_host,
        port=settings.http_port,
        log_config=None,
        access_log=False,
        log_level="warning",  # below it uvicorn logs the ids of live clients
        timeout_graceful_shutdown=STOP_WAIT_S,
        ssl_certfile=settings.tls_cert_file or None,
        ssl_keyfile=settings.tls_key_file or None,
        server_header=False,
    )
