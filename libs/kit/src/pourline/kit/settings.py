"""The environment that every service reads, typed; a secret may also stand in a file."""

import os
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import Field
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from pourline.kit.trust import Trust


class FileSource(PydanticBaseSettingsSource):
    """Reads `NAME_FILE` where `NAME` itself is not set: the way secrets are mounted."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the file's stripped text for `field_name`, if a file is named."""
        del field
        path = os.environ.get(f"{field_name.upper()}_FILE")
        return (Path(path).read_text().strip() if path else None), field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return every setting that a file holds."""
        fields = self.settings_cls.model_fields.items()
        found = {name: self.get_field_value(field, name)[0] for name, field in fields}
        return {name: value for name, value in found.items() if value is not None}


class ServiceSettings(BaseSettings):
    """What every service needs to know; each service adds its own."""

    model_config = SettingsConfigDict(
        extra="ignore", frozen=True, hide_input_in_errors=True, env_ignore_empty=True
    )

    service: str
    nats_url: str = Field("nats://127.0.0.1:4222", repr=False, description="The bus; our user.")
    mqtt_url: str = Field("mqtt://127.0.0.1:1883", repr=False, description="The retaining broker.")
    database_url: str = Field("", repr=False, description="Our database; `{service}` is us.")
    database_pool_max: int = Field(default=8, description="Database connections at most.")
    tls_ca_file: str = Field(default="", description="Who is trusted; empty: the system's.")
    tls_client_cert_file: str = Field(default="", description="What is shown over TLS.")
    tls_client_key_file: str = Field(default="", description="That certificate's key.")
    tls_own_cert_file: str = Field(default="", description="The only one taken; `up` sets it.")
    otel_exporter_otlp_endpoint: str = Field("", description="For traces, metrics; empty: off.")
    log_level: str = Field(default="INFO", description="Least severe level that is logged.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take constructor arguments first, then the environment, then secret files."""
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, FileSource(settings_cls)

    @property
    def trust(self) -> Trust:
        """Whom connections to the bus and the broker trust."""
        names = ("ca", "client_cert", "client_key", "own_cert")
        return Trust(*(getattr(self, f"tls_{name}_file") for name in names))

    @cached_property
    def dsn(self) -> str:
        """Return the database URL of this service, `DATABASE_URL_SERVICE` before the common one."""
        snake = self.service.replace("-", "_")
        own = os.environ.get(f"DATABASE_URL_{snake.upper()}")
        return (own or self.database_url).replace("{service}", snake)
