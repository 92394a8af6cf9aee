"""The console's MQTT edge: the retained alert topics, as every screen of the bar sees them."""

from pourline.console.store import Board, Link
from pourline.contracts.subjects import ALERT_TOPICS
from pourline.kit.trust import SYSTEMS, Trust
from pourline.upkeep.mqtt import MqttLink

CLIENT_ID = "service-console"


def link(url: str, board: Board, trust: Trust = SYSTEMS) -> MqttLink:
    """Return the link that feeds `board` with alerts; its `run` is a loop of the service."""

    async def on_message(topic: str, payload: bytes) -> None:
        board.alert(topic, payload)

    async def on_connect() -> None:
        board.broker_connected()

    found = MqttLink(
        url=url,
        client_id=CLIENT_ID,
        subscribe=(ALERT_TOPICS,),
        on_message=on_message,
        trust=trust,
    )
    found.on_connect = on_connect
    board.broker = Link(is_up=lambda: found.connected)
    return found
