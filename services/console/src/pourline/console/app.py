"""The console's composition root."""

import asyncio
import contextlib
import logging
import signal
import socket
import ssl
from collections.abc import Iterator
from functools import partial

import uvicorn
from nats.aio.client import Client

from pourline.console import consumers, devices, pages
from pourline.console.api import make_application
from pourline.console.api.cron import CronDoor
from pourline.console.api.gateway import Gateway
from pourline.console.api.limits import SIGNATURES_MAX, FailureLimit, LoginLimit, MonitorLimit
from pourline.console.api.metrics import Counting, MetricsDoor, add_metrics
from pourline.console.api.patience import KEEP_ALIVE_S, BoundedRequest
from pourline.console.api.stream import StockStream
from pourline.console.pages.guest_keys import GuestKeys
from pourline.console.pages.shell import Site
from pourline.console.pages.staff import Badges
from pourline.console.settings import Settings
from pourline.console.store import Board, Revocations, StockFeed
from pourline.console.store.metrics import Metrics
from pourline.contracts.base import Command
from pourline.contracts.staff import PinLogin
from pourline.contracts.taps import Login, Session
from pourline.contracts.topology import BRIDGE, SERVICES
from pourline.kit.clock import Clock
from pourline.kit.health import Health
from pourline.kit.nats import Caller, connect
from pourline.kit.run import Service
from pourline.upkeep import otlp
from pourline.upkeep.figures import OwnMeasures
from pourline.upkeep.instruments import Instruments
from pourline.upkeep.mqtt import MqttLink

STOP_WAIT_S = 2
"""What was asked before a stop is answered, within this; the kit waits for it a second longer.
Live pages hold their connections for ever: those are closed.
"""


log = logging.getLogger(__name__)


class HttpServer(uvicorn.Server):
    """Uvicorn as one loop among others: signals are the service's own affair."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._ended = asyncio.Event()

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until told to leave."""
        try:
            await super().serve(sockets)
        finally:
            self._ended.set()

    async def leave(self) -> None:
        """Take nobody in any more, and answer what was asked already."""
        self.should_exit = True
        await self._ended.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield

    def renew_certificate(self) -> None:
        """Show the certificate that stands in the files by now; a broken one changes nothing."""
        if self.config.ssl is None or self.config.ssl_certfile is None:
            return
        try:
            self.config.ssl.load_cert_chain(self.config.ssl_certfile, self.config.ssl_keyfile)
        except OSError as error:
            log.warning("certificate_not_renewed", extra={"error": str(error)})
        else:
            log.info("certificate_renewed")


async def build(*, settings: Settings, clock: Clock) -> Service:
    """Connect the console's parts and return it ready to run."""
    bus = await connect(url=settings.nats_url, name=settings.service, trust=settings.trust)
    caller = Caller(bus=bus)
    board = Board()
    link = devices.link(settings.mqtt_url, board, settings.trust)

    health = _health(bus, link, settings)
    logins = LoginLimit(clock=clock)
    revocations = Revocations(clock=clock)
    monitor = MonitorLimit(clock=clock)
    gateway = Gateway(
        caller=caller,
        token_key=settings.token_key,
        revocations=revocations,
        logins=logins,
        signatures=FailureLimit(clock=clock, tries_max=SIGNATURES_MAX),
        monitor=monitor,
    )
    stream, others = StockStream(feed=(feed := StockFeed())), _others(settings)
    app = make_application(
        gateway=gateway,
        cron=CronDoor(caller=caller, secret=settings.cron_secret, calls=monitor),
        bus=bus,
        report=health.report,
        others=others,
        stream=stream,
    )
    site = Site(
        board=board,
        caller=caller,
        badges=Badges(token_key=settings.token_key, revocations=revocations),
        guest_keys=GuestKeys(token_key=settings.token_key),
        services=(settings.service, *others),
    )
    metrics = Metrics(
        bus=bus,
        clock=clock,
        services=site.services,
        own=otlp.instruments(settings),
        backup_note=settings.backup_note,
    )
    add_metrics(app, gateway, MetricsDoor(token=settings.metrics_token), metrics)
    pages.mount(app, site=site, login=partial(_login, caller, logins))
    app.add_middleware(Counting, instruments=metrics.own)  # outermost: it sees every answer
    await consumers.subscribe(bus, board, revocations, feed)
    await health.start()
    server = _server(settings, app)
    return Service(
        loops={
            "http": server.serve,
            "mqtt": link.run,
            "board": partial(board.keep_fresh, caller),
            "shift": partial(board.shift.keep_fresh, caller, board.news),
            "revocations": partial(revocations.keep_fresh, caller),
            "stock": partial(feed.keep_fresh, caller),
        },
        finishers=[stream.close, server.leave],
        closers=[bus.close],
    )


def _others(settings: Settings) -> list[str]:
    """Return whose health is asked beside the console's own."""
    others = [name for name in SERVICES if name != settings.service]
    return [*others, BRIDGE] if settings.mqtt_bridge else others


def _health(bus: Client, link: MqttLink, settings: Settings) -> Health:
    """Return the console's own health; what it counts it tells under /metrics only."""

    async def bus_is_up() -> None:
        if not bus.is_connected:
            raise ConnectionError("the bus is away")

    async def broker_is_up() -> None:
        if not link.connected:
            raise ConnectionError("the broker is away")

    return Health(
        bus=bus,
        service=settings.service,
        parts={"bus": bus_is_up, "broker": broker_is_up},
        measure=OwnMeasures(Instruments()),
    )


async def _login(
    caller: Caller, logins: LoginLimit, username: str, secret: str, *, by_pin: bool
) -> Session:
    """Log in from the page; its tries are counted apart from those over HTTP."""
    who = (username, "page")
    logins.take(who)
    order: Command = Login(username=username, password=secret)
    if by_pin:
        order = PinLogin(username=username, pin=secret)
    session = await caller.ask(order, Session)
    logins.give_back(who)
    return session


def _server(settings: Settings, app: object) -> HttpServer:
    server = HttpServer(_configuration(settings, app))
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, server.renew_certificate)
    return server


def _configuration(settings: Settings, app: object) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]  # any ASGI application
        http=BoundedRequest,
        host=settings.http_host,
        port=settings.http_port,
        log_config=None,
        access_log=False,
        log_level="warning",  # below it uvicorn logs the ids of live clients
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=STOP_WAIT_S,
        ssl_certfile=settings.tls_cert_file or None,
        ssl_keyfile=settings.tls_key_file or None,
        ssl_ca_certs=settings.tls_ca_file or None,
        ssl_cert_reqs=ssl.CERT_REQUIRED if settings.http_verifies_clients else ssl.CERT_NONE,
        server_header=False,
    )
