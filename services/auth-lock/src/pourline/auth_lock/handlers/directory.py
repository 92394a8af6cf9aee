"""Who may connect, in memory: devices, and which tokens no longer count.

The broker is answered while Postgres is down.
"""

import hashlib
import hmac
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pourline.auth_lock.store import devices, staff
from pourline.contracts.base import Envelope
from pourline.contracts.staff import is_revoked
from pourline.kit.db import Database

OPERATOR = "operator"
"""The username of staff and screens; their password is a bearer token."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Credential:
    """A device and the SHA-256 of each secret it may use."""

    kind: str
    device_id: str
    location: str
    secret_hashes: tuple[bytes, ...]

    def opens_with(self, password: str) -> bool:
        """Return whether `password` is one of the secrets, in constant time."""
        given = hashlib.sha256(password.encode()).digest()
        return any(hmac.compare_digest(given, known) for known in self.secret_hashes)


class Directory:
    """The devices and the revoked tokens, copied whenever they change."""

    def __init__(self, *, database: Database) -> None:
        self._database = database
        self._by_username: dict[str, Credential] = {}
        self._revoked: dict[str, int] = {}

    async def load(self) -> None:
        """Copy the tables; raises what the database raises when it is away."""
        async with self._database.transaction() as unit:
            rows = await devices.list_credentials(unit)
            self._revoked = await staff.all_revocations(unit)
        self._by_username = {
            f"{row['kind']}-{row['id']}": Credential(
                kind=row["kind"],
                device_id=row["id"],
                location=row["location"],
                secret_hashes=tuple(
                    bytes(row[name]) for name in ("secret", "previous") if row[name]
                ),
            )
            for row in rows
        }

    async def hear(self, event: Envelope[Any]) -> None:
        """Copy the tables again: something in them changed."""
        del event
        await self.load()

    def find(self, username: str) -> Credential | None:
        """Return the device that connects as `username`."""
        return self._by_username.get(username)

    def is_revoked(self, claims: Mapping[str, Any]) -> bool:
        """Return whether a token with `claims` no longer counts."""
        return is_revoked(claims, self._revoked)

    def is_known(self, username: str) -> bool:
        """Return whether a device may be connected as `username`."""
        return username in self._by_username
