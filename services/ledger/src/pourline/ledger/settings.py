"""The ledger's environment."""

from pydantic import Field

from pourline.kit.settings import ServiceSettings


class Settings(ServiceSettings):
    """What the ledger needs to know."""

    service: str = Field(default="ledger", description="This service's name.")
