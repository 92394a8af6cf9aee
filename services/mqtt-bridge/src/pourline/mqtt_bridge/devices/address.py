"""Where the foreign broker listens, and who we are there."""

from dataclasses import dataclass, field
from typing import Self
from urllib.parse import unquote, urlsplit

from paho.mqtt.enums import MQTTProtocolVersion

from pourline.kit.trust import Trust

PORT, TLS_PORT = 1883, 8883
VERSIONS = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One broker, one client. `trust` says whose certificates are taken."""

    host: str
    port: int
    tls: bool
    username: str | None
    password: str | None = field(repr=False)
    client_id: str
    version: MQTTProtocolVersion
    trust: Trust

    @classmethod
    def parse(cls, url: str, *, client_id: str, version: str, trust: Trust) -> Self:
        """Read `mqtt://[user:password@]host[:port]` or `mqtts://…`; raises `ValueError`."""
        parts = urlsplit(url)
        if parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname:
            raise ValueError("the foreign broker's address is no mqtt:// or mqtts:// address")
        tls = parts.scheme == "mqtts"
        return cls(
            host=parts.hostname,
            port=parts.port or (TLS_PORT if tls else PORT),
            tls=tls,
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            client_id=client_id,
            version=VERSIONS[version],
            trust=trust,
        )
