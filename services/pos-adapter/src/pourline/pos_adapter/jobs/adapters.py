"""The ways to a point of sale; a new one is a class with `notify` and a line in `adapters`."""

import base64
import binascii
import hashlib
import hmac
import logging
from collections.abc import Mapping
from typing import Protocol

import httpx
import orjson

from pourline.kit.clock import Clock
from pourline.pos_adapter.domain.notifications import Notification
from pourline.pos_adapter.errors import PosAway, PosRefused

ANSWER_WAIT_S = 5.0
"""A point of sale that takes longer counts as away; it is told again."""
BUSY = {408, 425, 429}
"""Answers that say: later."""
SECRET_PREFIX = "whsec_"  # noqa: S105 what a secret begins with

log = logging.getLogger(__name__)


class Adapter(Protocol):
    """Takes notifications to a point of sale.

    `is_at_once`: it neither waits nor fails, so that a batch is one transaction.
    """

    is_at_once: bool

    async def notify(self, notification: Notification, *, event_id: str) -> None:
        """Tell it; the same one may come twice after a crash, told by `event_id`.

        Raises `PosAway` when nothing can be told now, `PosRefused` when this one is not wanted.
        """
        ...


class NoopAdapter:
    """For a bar without a point of sale: takes everything and does nothing."""

    is_at_once = True

    async def notify(self, notification: Notification, *, event_id: str) -> None:
        """Take the notification."""
        del notification, event_id


class LogAdapter:
    """Writes each notification as a line of the log."""

    is_at_once = True

    async def notify(self, notification: Notification, *, event_id: str) -> None:
        """Log the notification."""
        log.info(
            "pos_notified",
            extra={
                "kind": notification.kind.value,
                "reference": notification.reference,
                "payload": notification.payload,
                "event_id": event_id,
            },
        )


class WebhookAdapter:
    """Posts each notification to an address, signed as the Standard Webhooks specification says.

    Source: Standard Webhooks 1.0, "Signature scheme": HMAC-SHA256 over `id.timestamp.body`, the
    key base64 after `whsec_`, the signature `v1,` and base64. A secret that is not written so is
    taken as its own text.
    """

    is_at_once = False

    def __init__(self, *, url: str, secret: str, clock: Clock) -> None:
        self._url = url
        self._key = _key(secret)
        self._clock = clock
        self._client = httpx.AsyncClient(
            timeout=ANSWER_WAIT_S, follow_redirects=False, trust_env=False
        )

    async def notify(self, notification: Notification, *, event_id: str) -> None:
        """Post the notification; 2xx is taken, 4xx refused, anything else away."""
        now = self._clock.now()
        body = orjson.dumps(
            {
                "type": notification.kind.value,
                "timestamp": now.isoformat(),
                "data": notification.payload | {"reference": notification.reference},
            }
        )
        try:
            answer = await self._client.post(
                self._url, content=body, headers=self._headers(event_id, int(now.timestamp()), body)
            )
        except httpx.HTTPError as error:
            raise PosAway(f"{type(error).__name__}: {error}".rstrip(": ")) from error
        if answer.is_success:
            return
        said = f"HTTP {answer.status_code}"
        if answer.is_client_error and answer.status_code not in BUSY:
            raise PosRefused(said)
        raise PosAway(said)

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.aclose()

    def _headers(self, event_id: str, at: int, body: bytes) -> dict[str, str]:
        signed = f"{event_id}.{at}.".encode() + body
        made = base64.b64encode(hmac.new(self._key, signed, hashlib.sha256).digest()).decode()
        return {
            "Content-Type": "application/json",
            "webhook-id": event_id,
            "webhook-timestamp": str(at),
            "webhook-signature": f"v1,{made}",
        }


def _key(secret: str) -> bytes:
    if secret.startswith(SECRET_PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
        except binascii.Error:
            log.warning("pos_webhook_secret_is_not_base64")
    return secret.encode()


def adapters(webhook: WebhookAdapter | None = None) -> Mapping[str, Adapter]:
    """Return the adapters by the name that the configuration key `pos_adapter` chooses."""
    found: dict[str, Adapter] = {"noop": NoopAdapter(), "log": LogAdapter()}
    return found | {"webhook": webhook} if webhook else found
