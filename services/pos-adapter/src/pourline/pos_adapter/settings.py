"""pos-adapter's environment."""

from pydantic import Field

from pourline.kit.settings import ServiceSettings


class Settings(ServiceSettings):
    """What pos-adapter needs to know."""

    service: str = Field(default="pos-adapter", description="This service's name.")
