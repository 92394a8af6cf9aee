"""alerts's environment."""

from datetime import timedelta
from decimal import Decimal
from typing import Literal

from pydantic import Field, field_validator

from pourline.alerts.domain.notices import RETRY_AFTER_MINUTES
from pourline.kit.settings import ServiceSettings

RETRIES_MAX = 20


class Settings(ServiceSettings):
    """What alerts needs to know."""

    service: str = Field(default="alerts", description="This service's name.")
    smtp_host: str = Field(
        default="", description="Mail server; empty: notifications are written to the log."
    )
    smtp_port: int = Field(
        default=0, description="Its port; 0: 465 for `tls`, 25 for `none`, else 587."
    )
    smtp_user: str = Field(default="", description="Whom to log in as; empty: no login.")
    smtp_password: str = Field(default="", repr=False, description="The password of that user.")
    smtp_from: str = Field(default="pourline@localhost", description="Whom mail is from.")
    smtp_tls: Literal["auto", "starttls", "tls", "none"] = Field(
        default="auto",
        description="How mail is protected: where offered, by STARTTLS, from the start, not.",
    )
    smtp_ca_file: str = Field(
        default="",
        description="Who signs the server's certificate; empty: the system's authorities.",
    )
    notify_urls: str = Field(
        default="",
        repr=False,
        description="Other ways to people, as Apprise URLs with blanks between them.",
    )
    notification_retry_minutes: str = Field(
        default=",".join(map(str, RETRY_AFTER_MINUTES)),
        description="After how many minutes a notification that failed is tried again, each time.",
    )

    @field_validator("notification_retry_minutes")
    @classmethod
    def _is_a_schedule(cls, value: str) -> str:
        minutes = _minutes(value)
        if len(minutes) > RETRIES_MAX or any(not 0 < one <= 24 * 60 for one in minutes):
            raise ValueError("needs at most 20 numbers of minutes, each above 0 and within a day")
        return value

    @property
    def retry_after(self) -> tuple[timedelta, ...]:
        """How long after each failed try the next one comes."""
        seconds = [one * 60 for one in _minutes(self.notification_retry_minutes)]
        return tuple(timedelta(milliseconds=int(one * 1000)) for one in seconds)


def _minutes(text: str) -> list[Decimal]:
    try:
        return [Decimal(one) for one in text.split(",") if one.strip()]
    except ArithmeticError as error:
        raise ValueError("needs numbers with commas between them") from error
