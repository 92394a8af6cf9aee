"""auth-lock's environment."""

from pydantic import Field

from pourline.kit.settings import ServiceSettings


class Settings(ServiceSettings):
    """What auth-lock needs to know."""

    service: str = Field(default="auth-lock", description="This service's name.")
    token_key: str = Field(
        default="", repr=False, description="Key that signs bearer tokens; at least 32 characters."
    )
    admin_notification_emails: str = Field(
        default="",
        description="Who is written to until `notification_recipients` is set; with commas.",
    )
    auth_callout_seed: str = Field(
        default="",
        repr=False,
        description="Seed of the account key that answers the broker's auth callout; empty: off.",
    )
    system_nats_url: str = Field(
        default="",
        repr=False,
        description="The bus with its system account's user, to disconnect revoked devices.",
    )
