import asyncio
import subprocess
from collections.abc import AsyncIterator

import nats
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from pourline.contracts.topology import BRIDGE, SERVICES
from pourline.local.access import OPERATOR, SYSTEM, authorization
from pourline.local.credentials import Secrets
from pourline.local.paths import DataDir
from pourline.local.servers import NatsServer
from pourline.local.servers.nats_server import executable


@pytest.fixture
async def server(data_dir: DataDir, bar_secrets: Secrets) -> AsyncIterator[NatsServer]:
    server = NatsServer(data_dir.nats, authorization=authorization(bar_secrets))
    await server.start()
    yield server
    await server.stop()


def address(server: NatsServer, user: str, password: str) -> str:
    return server.url.replace("//", f"//{user}:{password}@")


def test_nats_server_finds_its_configuration_valid(server: NatsServer) -> None:
    told = subprocess.run(
        [executable(), "-t", "--config", str(server.configuration)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert "is valid" in told.stderr


@pytest.mark.parametrize("user", [*SERVICES, BRIDGE, OPERATOR, SYSTEM])
async def test_the_bars_own_users_log_in_without_the_callout(
    server: NatsServer, bar_secrets: Secrets, user: str
) -> None:
    bus = await nats.connect(
        address(server, user, bar_secrets.password("nats", user)), allow_reconnect=False
    )
    assert bus.is_connected
    await bus.close()


async def test_a_known_user_with_a_wrong_password_is_refused(server: NatsServer) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    await reader.readline()
    writer.write(b'CONNECT {"user": "ledger", "pass": "guess", "verbose": true}\r\n')
    assert b"Authorization Violation" in await reader.readline()
    writer.close()


async def test_a_service_may_not_speak_for_another(
    server: NatsServer, bar_secrets: Secrets
) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def hear(error: Exception) -> None:
        heard.put_nowait(str(error))

    url = address(server, "shift", bar_secrets.password("nats", "shift"))
    bus = await nats.connect(url, error_cb=hear)
    await bus.publish("bar.main.tap.t1.pour.result", b"{}")
    async with asyncio.timeout(30):
        assert "permissions violation" in (await heard.get()).lower()
    await bus.close()


async def test_mqtt_refuses_the_anonymous(server: NatsServer) -> None:
    assert mqtt_answer(server, None, None) == "Not authorized"


async def test_a_service_logs_in_over_mqtt(server: NatsServer, bar_secrets: Secrets) -> None:
    assert mqtt_answer(server, "console", bar_secrets.password("nats", "console")) == "Success"


def mqtt_answer(server: NatsServer, user: str | None, password: str | None) -> str:
    answers: list[str] = []
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="test")
    client.on_connect = lambda *told: answers.append(str(told[3]))
    client.username_pw_set(user, password)
    client.connect("127.0.0.1", server.mqtt_port)
    while not answers:
        client.loop(timeout=0.1)
    client.disconnect()
    client.loop(timeout=0.1)
    return answers[0]
