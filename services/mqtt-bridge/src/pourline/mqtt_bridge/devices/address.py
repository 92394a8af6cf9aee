"""Where the foreign broker listens, and who we are there."""

from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote, urlsplit

from paho.mqtt.enums import MQTTProtocolVersion

PORT, TLS_PORT = 1883, 8883
VERSIONS = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One broker, one client. `ca_file` is None for the certificates that the system trusts."""

    host: str
    port: int
    tls: bool
    username: str | None
    password: str | None
    client_id: str
    version: MQTTProtocolVersion
    ca_file: str | None

    @classmethod
    def parse(cls, url: str, *, client_id: str, version: str, ca_file: str) -> Self:
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
            ca_file=ca_file or None,
        )
