"""keg-fifo's environment."""

from pydantic import Field

from pourline.kit.settings import ServiceSettings


class Settings(ServiceSettings):
    """What keg-fifo needs to know."""

    service: str = Field(default="keg-fifo", description="This service's name.")
    spout_vendor: str = Field(
        default="SANDBOX",
        description="Whose payload spouts of a vendor send that has neither a file nor a map.",
    )
    spout_verify: bool = Field(
        default=True, description="Whether spouts must sign what they report."
    )
    spout_verify_sandbox: bool = Field(
        default=True, description="Whether spouts of vendor SANDBOX must, too."
    )
