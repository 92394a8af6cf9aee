"""shift's environment."""

from pydantic import Field

from pourline.kit.settings import ServiceSettings


class Settings(ServiceSettings):
    """What shift needs to know."""

    service: str = Field(default="shift", description="This service's name.")
