"""The console's environment."""

from pydantic import Field

from pourline.kit.settings import ServiceSettings


class Settings(ServiceSettings):
    """What the console needs to know."""

    service: str = Field(default="console", description="This service's name.")
    token_key: str = Field(
        default="",
        repr=False,
        description="Key that verifies bearer tokens; at least 32 characters.",
    )
    cron_secret: str = Field(
        default="",
        repr=False,
        description="What the timetable's end point asks for; empty: it is shut.",
    )
    metrics_token: str = Field(
        default="", description="What `GET /metrics` asks for; empty: only managers see it."
    )
    backup_note: str = Field(
        default="", description="The file in which `pourline backup` notes when it was made."
    )
    http_host: str = Field(default="127.0.0.1", description="Where HTTP is listened for.")
    http_port: int = Field(default=8080, description="The one HTTP port.")
    tls_cert_file: str = Field(default="", description="Certificate chain; empty: plain HTTP.")
    tls_key_file: str = Field(default="", description="The certificate's key.")
    tls_verify_clients: str = Field(
        default="",
        description="`true`, or which of `http`, `mqtt`, `nats` ask for a client's certificate.",
    )
    mqtt_bridge: bool = Field(
        default=False, description="Whether a bridge to a foreign broker runs; readiness asks it."
    )

    @property
    def http_verifies_clients(self) -> bool:
        """Whether who asks over HTTP must show a certificate of `TLS_CA_FILE`."""
        asked = self.tls_verify_clients.replace(",", " ").split()
        return "true" in asked or "http" in asked
