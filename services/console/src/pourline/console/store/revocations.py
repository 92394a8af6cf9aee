"""Which tokens no longer count, in memory: an event names each, the owner's list fills the rest.

What was once revoked stays so until it has expired, so that neither a lost event nor a list that is
older than an event lets a token in again.
"""

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NoReturn

from pydantic import ValidationError

from pourline.contracts.base import Listing
from pourline.contracts.staff import ListRevocations, Revocation, TokensRevoked, is_revoked
from pourline.kit.clock import Clock
from pourline.kit.errors import TROUBLE, Refusal
from pourline.kit.nats import Caller

FRESH_EVERY_S = 4.0
"""A revocation whose event was lost counts within ten seconds all the same."""
PAGE = 200

log = logging.getLogger(__name__)


class Revocations:
    """Knows every token that was revoked and has not expired."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[str, tuple[int, datetime]] = {}
        self._versions: dict[str, int] = {}
        self._is_loaded = False

    def refuses(self, claims: Mapping[str, Any]) -> bool:
        """Return whether a token with `claims` no longer counts."""
        return is_revoked(claims, self._versions)

    def hear(self, revoked: TokensRevoked | Revocation) -> None:
        """Know that the tokens of a key no longer count."""
        version, expires_at = self._known.get(revoked.key, (0, revoked.expires_at))
        newest = max(version, revoked.version), max(expires_at, revoked.expires_at)
        self._known[revoked.key] = newest
        self._versions[revoked.key] = newest[0]

    async def ensure(self, caller: Caller) -> None:
        """Know what was revoked before this process began; raises what asking raises."""
        if not self._is_loaded:
            await self.load(caller)

    async def load(self, caller: Caller) -> None:
        """Take in the owner's list and forget what has expired; raises what asking raises."""
        cursor = None
        while True:
            query = ListRevocations(limit=PAGE, cursor=cursor)
            page = await caller.ask(query, Listing[Revocation])
            for revoked in page.items:
                self.hear(revoked)
            cursor = page.next
            if cursor is None:
                break
        self._forget_expired()
        self._is_loaded = True

    async def keep_fresh(self, caller: Caller) -> NoReturn:
        """Take in the owner's list every few seconds."""
        while True:
            try:
                await self.load(caller)
            except (Refusal, ValidationError, *TROUBLE) as error:
                log.warning("revocations_not_loaded", extra={"error": repr(error)})
            await asyncio.sleep(FRESH_EVERY_S)

    def _forget_expired(self) -> None:
        now = self._clock.now()
        for key in [key for key, (_, expires_at) in self._known.items() if expires_at < now]:
            del self._known[key]
            del self._versions[key]
