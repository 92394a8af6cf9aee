"""mqtt-bridge's environment."""

from typing import Literal

from pydantic import Field

from pourline.kit.settings import ServiceSettings
from pourline.kit.trust import Trust


class Settings(ServiceSettings):
    """What mqtt-bridge needs to know. It has no database."""

    service: str = Field(default="mqtt-bridge", description="This service's name.")
    mqtt_bridge_url: str = Field(
        default="mqtt://127.0.0.1:1883",
        repr=False,
        description="The foreign broker, with the bridge's user there; mqtts:// for TLS.",
    )
    bridge_mqtt_version: Literal["5", "3.1.1"] = Field(
        default="5", description="Which MQTT the bridge speaks with the foreign broker."
    )
    bridge_client_id: str = Field(
        default="mqtt-bridge", description="Client id there; the same at each start."
    )
    bridge_ca_file: str = Field(
        default="", description="Who signs the foreign broker's certificate; empty: the system's."
    )

    @property
    def foreign_trust(self) -> Trust:
        """Whom the connection to the foreign broker trusts."""
        return Trust(
            ca_file=self.bridge_ca_file or self.tls_ca_file,
            cert_file=self.tls_client_cert_file,
            key_file=self.tls_client_key_file,
        )
