"""The link over which last words go out: retained, and back for ever."""

import asyncio

import aiomqtt
from pourline.local.servers import NatsServer
from pourline.testkit.ending import end
from pourline.testkit.until import until
from pourline.upkeep.mqtt import MqttLink


async def test_a_retained_message_is_there_for_who_comes_later(nats_server: NatsServer) -> None:
    link = MqttLink(url=nats_server.mqtt_url, client_id="service-test")
    running = asyncio.create_task(link.run())

    async def connected() -> bool:
        return link.connected

    await until(connected)
    await link.publish("bar/main/tap/1/state", b"active")

    async with aiomqtt.Client("127.0.0.1", nats_server.mqtt_port) as late:
        await late.subscribe("bar/main/tap/1/state")
        message = await anext(late.messages)
    await end(running)
    assert message.payload == b"active"
    assert message.retain


async def test_an_mqtt_link_comes_back_and_tells_everything_again(
    nats_server: NatsServer,
) -> None:
    told = 0

    async def tell() -> None:
        nonlocal told
        told += 1

    link = MqttLink(url=nats_server.mqtt_url, client_id="service-test")
    link.on_connect = tell
    running = asyncio.create_task(link.run())

    async def times() -> int:
        return told

    await until(times, lambda count: count == 1)
    nats_server.kill()
    await nats_server.start()
    await until(times, lambda count: count == 2, within_s=20)

    await end(running)
