"""auth-lock's timers: telling tap states and orders, repairing, keeping revoked devices out."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import nats.errors
import orjson
from nats.aio.client import Client

from pourline.auth_lock.handlers import meters
from pourline.auth_lock.handlers.directory import OPERATOR, Directory
from pourline.auth_lock.handlers.locks import announce_states, tell_stale
from pourline.auth_lock.store import beverages, taps
from pourline.contracts.device import TapCommand, TapStateReport
from pourline.contracts.subjects import tap_command, tap_state_topic
from pourline.kit.clock import Clock
from pourline.kit.db import Database, Row, UnitOfWork
from pourline.upkeep.telling import Retained

STATES_A_ROUND = 200
REPAIR_EVERY_S = 2.0
SWEEP_EVERY_S = 4.0
"""A revoked token is of no use after 10 s, its connection included; a device has 60."""
LINK_EVERY_S = 0.5
"""What is done is in the chain of the record within a second."""
SEARCH_EVERY_S = 60.0
PRICES_EVERY_S = 2.0
STOP_EVERY_S = 1.0
STALE_EVERY_S = 2.0
METERS_EVERY_S = 5.0
STOP_CONFIRMED_WITHIN = timedelta(seconds=5)
"""A tap that has not closed its valve by then is a person's business (contract, "Pours")."""
ORDER_IS_NEW = timedelta(seconds=1)
"""An order is told at least this long, whatever the valve's last word."""
CONNECTIONS_MAX = 4096
SERVICE_WAIT_S = 2.0
OTHERS_WAIT_S = 0.5
"""After one server's answer the others' are here this soon."""

log = logging.getLogger(__name__)


class TapStates:
    """Each tap's state as its retained topic says it."""

    async def untold(self, unit: UnitOfWork) -> list[Retained]:
        """Return taps whose newest state was not told yet."""
        rows = await taps.untold_states(unit, limit=STATES_A_ROUND)
        return [
            Retained(
                key=row["id"],
                version=row["state_version"],
                topic=tap_state_topic(row["location"], row["id"]),
                payload=_report(row).wire(),
            )
            for row in rows
        ]

    async def mark_told(self, unit: UnitOfWork, told: Sequence[tuple[str, int]]) -> None:
        """Remember which version of each tap's state was told."""
        await taps.mark_told(unit, told)

    async def tell_all_again(self, unit: UnitOfWork) -> None:
        """Forget what was told."""
        await taps.tell_all_again(unit)


def _report(row: Row) -> TapStateReport:
    return TapStateReport(
        state=row["state"],
        beverage=row["beverage"],
        price_per_litre=row["price_per_litre"],
        keg_id=str(row["keg_id"]) if row["keg_id"] else None,
        remaining_ml=row["remaining_ml"],
        reason=row["reason"],
    )


class Repricing:
    """Has taps told again when a price that was set for later begins."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._until = clock.now()

    async def __call__(self) -> None:
        """Look at the prices that began since the last look."""
        now = self._clock.now()
        async with self._database.transaction() as unit:
            await beverages.touch_repriced(unit, since=self._until, until=now)
        self._until = now


class StopOrders:
    """Tells taps staff's orders: a stop each second until the tap says that its valve is closed."""

    def __init__(self, *, bus: Client, database: Database, clock: Clock) -> None:
        self._bus = bus
        self._database = database
        self._clock = clock

    async def __call__(self) -> None:
        """Tell every order that is new or not confirmed; who waits too long is announced."""
        now = self._clock.now()
        async with self._database.transaction() as unit:
            orders = await taps.commands_to_tell(
                unit, since=now - ORDER_IS_NEW, limit=STATES_A_ROUND
            )
            overdue = [row["id"] for row in orders if _is_overdue(row, now)]
            if overdue:
                await taps.mark_overdue(unit, overdue)
                await announce_states(unit, overdue, relinked=overdue)
        for row in orders:
            command = TapCommand(
                command_id=str(row["order_id"]), command="resume" if row["resumed"] else "stop"
            )
            await self._bus.publish(tap_command(row["location"], row["id"]), command.wire())


class StaleLocks:
    """Tells of locks that stand too long; opening them is a person's business."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def __call__(self) -> None:
        """Look once."""
        async with self._database.transaction() as unit:
            await tell_stale(unit)


class Meters:
    """Looks for pours that were never told, at taps that rest."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def __call__(self) -> None:
        """Look once."""
        async with self._database.transaction() as unit:
            await meters.look(unit)


def _is_overdue(order: Row, now: datetime) -> bool:
    waits = not order["resumed"] and not order["shut"] and not order["stop_overdue"]
    return waits and now - order["ordered_at"] >= STOP_CONFIRMED_WITHIN


class RevokedSweep:
    """Disconnects MQTT clients whose device or token is no longer good (system account)."""

    def __init__(self, *, system: Client, directory: Directory) -> None:
        self._system = system
        self._directory = directory

    async def __call__(self) -> None:
        """Look through the connections of every broker of the cluster once."""
        for answer in await self._connections():
            server_id = answer["server"]["id"]
            for connection in answer["data"].get("connections", []):
                if self._is_revoked(connection):
                    await self._disconnect(server_id, connection)

    async def _connections(self) -> list[dict[str, Any]]:
        """Ask all servers at once: how many there are only their answers tell."""
        inbox = self._system.new_inbox()
        answers = await self._system.subscribe(inbox)
        question = orjson.dumps({"auth": True, "limit": CONNECTIONS_MAX})
        await self._system.publish("$SYS.REQ.SERVER.PING.CONNZ", question, reply=inbox)
        found, wait_s = [], SERVICE_WAIT_S
        try:
            while True:
                found.append(orjson.loads((await answers.next_msg(timeout=wait_s)).data))
                wait_s = OTHERS_WAIT_S
        except nats.errors.TimeoutError:
            if not found:
                raise
        finally:
            await answers.unsubscribe()
        return found

    def _is_revoked(self, connection: dict[str, Any]) -> bool:
        badge: str = connection.get("authorized_user", "")
        if badge.startswith(OPERATOR + "{"):
            return self._directory.is_revoked(orjson.loads(badge.removeprefix(OPERATOR)))
        client_id: str = connection.get("mqtt_client", "")
        is_device = client_id.startswith(("tap-", "spout-"))
        return is_device and not self._directory.is_known(client_id)

    async def _disconnect(self, server_id: str, connection: dict[str, Any]) -> None:
        log.warning("revoked_client_disconnected", extra={"client": connection["mqtt_client"]})
        await self._system.request(
            f"$SYS.REQ.SERVER.{server_id}.KICK",
            orjson.dumps({"cid": connection["cid"]}),
            timeout=SERVICE_WAIT_S,
        )
