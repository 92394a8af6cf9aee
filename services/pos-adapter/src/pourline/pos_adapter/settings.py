"""pos-adapter's environment."""

from pydantic import Field

from pourline.kit.settings import ServiceSettings


class Settings(ServiceSettings):
    """What pos-adapter needs to know."""

    service: str = Field(default="pos-adapter", description="This service's name.")
    pos_webhook_url: str = Field(
        default="", repr=False, description="Where the adapter `webhook` posts notifications."
    )
    pos_webhook_secret: str = Field(
        default="", repr=False, description="What its posts are signed with: `whsec_` and base64."
    )
