"""The console's environment."""

from pydantic import Field

from pourline.kit.settings import ServiceSettings


class Settings(ServiceSettings):
    """What the console needs to know."""

    service: str = Field(default="console", description="This service's name.")
    token_key: str = Field(
        default="", description="Key that verifies bearer tokens; at least 32 characters."
    )
    http_host: str = Field(default="127.0.0.1", description="Where HTTP is listened for.")
    http_port: int = Field(default=8080, description="The one HTTP port.")
    tls_cert_file: str = Field(default="", description="Certificate chain; empty: plain HTTP.")
    tls_key_file: str = Field(default="", description="The certificate's key.")
    mqtt_bridge: bool = Field(
        default=False, description="Whether a bridge to a foreign broker runs; readiness asks it."
    )
