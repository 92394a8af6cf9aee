"""The floors: what the bare broker stores, what Postgres alone commits, what an echo takes."""

import asyncio
import secrets
import tempfile
import time
from pathlib import Path

import psycopg
from nats.aio.msg import Msg
from pourline.controller.simulator import Fleet
from pourline.kit.nats import connect
from pourline.local.servers import MqttListener, NatsServer, PostgresServer

from bench.figures import Figures, share

CONNECTIONS = 4
STORED = 8_000
BATCH = 500
BATCHES = 30
ECHOES = 400

SCHEMA = """
CREATE TABLE pour (id uuid PRIMARY KEY, visit_id uuid, volume_ml numeric(18,3), amount bigint);
CREATE TABLE entry (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, pour_id uuid,
                    account text, amount bigint);
CREATE TABLE account (id text PRIMARY KEY, balance bigint NOT NULL);
CREATE TABLE outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, payload text);
INSERT INTO account SELECT 'guest:' || n, 0 FROM generate_series(0, 99) AS n;
INSERT INTO account VALUES ('sales', 0);
"""
COMMIT = """
WITH new AS (
    SELECT gen_random_uuid() AS id, 'guest:' || n %% 100 AS account
    FROM generate_series(1, %(batch)s) AS n
), poured AS (
    INSERT INTO pour SELECT id, id, 300, 270 FROM new
), entered AS (
    INSERT INTO entry (pour_id, account, amount)
    SELECT id, account, -270 FROM new UNION ALL SELECT id, 'sales', 270 FROM new
), told AS (
    INSERT INTO outbox (payload) SELECT %(payload)s FROM new
)
UPDATE account SET balance = balance - spent.amount
FROM (SELECT account, count(*) * 270 AS amount FROM new GROUP BY account
      UNION ALL SELECT 'sales', -270 * %(batch)s) AS spent
WHERE account.id = spent.account
"""


async def measure(figures: Figures) -> None:
    """Measure every floor on servers of its own, with the bar's durable settings."""
    with tempfile.TemporaryDirectory() as folder:
        await _broker(Path(folder), figures)
        await _postgres(Path(folder), figures)


async def _broker(folder: Path, figures: Figures) -> None:
    server = NatsServer(folder / "nats", mqtt=MqttListener())
    await server.start()
    taps = [(f"t{number}", "") for number in range(CONNECTIONS)]
    bus = await connect(url=server.url, name="bench")
    await bus.jetstream().add_stream(name="POURS", subjects=["bar.*.tap.*.pour"])
    try:
        async with Fleet(mqtt_url=server.mqtt_url, taps=taps) as fleet:
            figures.broker_stores_per_s = await _stores(fleet, taps, bus.jetstream())
        await bus.jetstream().delete_stream("POURS")

        async def echo(message: Msg) -> None:
            await bus.publish(f"{message.subject}.result", message.data)

        await bus.subscribe("bar.*.tap.*.authorize", cb=echo)
        async with Fleet(mqtt_url=server.mqtt_url, taps=taps) as fleet:
            echoes = [await _echo(fleet) for _ in range(ECHOES)]
        figures.idle_echo_p50_ms = share(echoes, 0.5)
    finally:
        await bus.close()
        await server.stop()


async def _stores(fleet: Fleet, taps: list[tuple[str, str]], jetstream: object) -> float:
    """Return QoS 1 publishes a second that the broker stored on a stream."""
    begun = time.perf_counter()
    for number in range(STORED):
        tap_id = taps[number % CONNECTIONS][0]
        fleet.publish(tap_id, "pour", fleet.new_pour(tap_id))
        if number % 200 == 0:
            await asyncio.sleep(0)
    while (await jetstream.stream_info("POURS")).state.messages < STORED:  # type: ignore[attr-defined]  # noqa: ASYNC110 the broker tells only when asked
        await asyncio.sleep(0.02)
    return STORED / (time.perf_counter() - begun)


async def _echo(fleet: Fleet) -> float:
    begun = time.perf_counter()
    await fleet.authorize("t0", "04a1b2c3d4e5f6")
    return (time.perf_counter() - begun) * 1000


async def _postgres(folder: Path, figures: Figures) -> None:
    server = PostgresServer(folder / "postgres", password=secrets.token_hex(8))
    await server.start()
    try:
        connection = await psycopg.AsyncConnection.connect(server.url(), autocommit=True)
        async with connection:
            await connection.execute(SCHEMA)
            order = {"batch": BATCH, "payload": "x" * 600}
            await connection.execute(COMMIT, order)
            begun = time.perf_counter()
            for _ in range(BATCHES):
                await connection.execute(COMMIT, order)
            figures.postgres_commits_per_s = BATCH * BATCHES / (time.perf_counter() - begun)
    finally:
        await server.stop()
