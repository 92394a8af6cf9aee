"""alerts's environment."""

from pydantic import Field

from pourline.kit.settings import ServiceSettings


class Settings(ServiceSettings):
    """What alerts needs to know."""

    service: str = Field(default="alerts", description="This service's name.")
