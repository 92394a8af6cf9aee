"""Keys of guests' own pages: a visit's id and what proves that we gave it out."""

import base64
import binascii
import hashlib
import hmac
import secrets
from datetime import datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

PROOF_BYTES = 16
"""128 bits: nobody guesses one, and the address still fits a small QR code."""
ID_BYTES = 16


class GuestKeys:
    """Makes and reads keys; nothing is stored, so a console that was started again knows them."""

    def __init__(self, *, token_key: str) -> None:
        seed = token_key.encode() or secrets.token_bytes(32)  # no key: links end with us
        self._key = hashlib.sha256(b"pourline guest page\0" + seed).digest()

    def key_of(self, visit_id: str) -> str:
        """Return the key of a visit's page; raises `ValueError` for what is no visit's id."""
        number = UUID(visit_id).bytes
        return base64.urlsafe_b64encode(number + self._proof(number)).decode().rstrip("=")

    def visit_of(self, key: str) -> str | None:
        """Return the visit that a key of ours names, or None."""
        try:
            raw = base64.b64decode(key + "=" * (-len(key) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        number, proof = raw[:ID_BYTES], raw[ID_BYTES:]
        if len(number) != ID_BYTES or not hmac.compare_digest(proof, self._proof(number)):
            return None
        return str(UUID(bytes=number))

    def _proof(self, number: bytes) -> bytes:
        return hmac.new(self._key, number, hashlib.sha256).digest()[:PROOF_BYTES]


def evening_ends(closed_at: datetime, begins: time, zone: ZoneInfo) -> datetime:
    """Return when the evening in which a visit closed is over: as the next bar day begins."""
    local = closed_at.astimezone(zone)
    ends = local.replace(hour=begins.hour, minute=begins.minute, second=0, microsecond=0, fold=0)
    return ends if ends > local else ends + timedelta(days=1)


def address(base_url: str, key: str) -> str:
    """Return the address of a guest's page as this browser reaches the console."""
    return f"{base_url.rstrip('/')}/g/{key}"
