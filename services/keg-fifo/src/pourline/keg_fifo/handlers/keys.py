"""The keys that spouts sign with: asked of auth-lock, kept in memory, never stored."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from pourline.contracts.base import Envelope
from pourline.contracts.taps import GetSpoutKeys, SpoutChanged, SpoutKeys
from pourline.keg_fifo import domain
from pourline.keg_fifo.errors import SignatureWrong, SpoutInactive, SpoutUnknown
from pourline.kit.errors import Retryable
from pourline.kit.ids import parse_id
from pourline.kit.nats import Caller
from pourline.kit.nats.requests import Refused

AWAY_S = 2.0
"""How long nobody is asked who could not be: each message would wait for an answer again."""


@dataclass(frozen=True, kw_only=True)
class Signing:
    """Whose pours must be signed."""

    verify: bool = True
    verify_sandbox: bool = True


class Keyring:
    """Each device's keys, asked for once and again when they may be others."""

    def __init__(self, *, caller: Caller, signing: Signing) -> None:
        self._caller = caller
        self._signing = signing
        self._keys: dict[UUID, SpoutKeys] = {}
        self._admitted: dict[UUID, SpoutKeys] = {}
        self._away: Retryable | None = None
        self._away_until_s = 0.0

    @property
    def verifies(self) -> bool:
        """Return whether a pour must be signed, as far as its device is not known."""
        return self._signing.verify

    async def find(self, device: str) -> SpoutKeys:
        """Return a device's keys; raises `SpoutUnknown`, or `Retryable` without auth-lock."""
        device_id = parse_id(device)
        if device_id is None:
            raise SpoutUnknown
        return self._keys.get(device_id) or await self._ask(device_id)

    async def vendor_of(self, device: str) -> str | None:
        """Return a device's vendor, None for an unknown device; `Retryable` without auth-lock."""
        try:
            return (await self.find(device)).vendor
        except SpoutUnknown:
            return None

    def admitted(self, device: str) -> SpoutKeys:
        """Return the keys under which a device was admitted last.

        They may have been forgotten since: its news came in that moment, and who was admitted is.
        """
        return self._admitted[UUID(device)]

    def forget(self, devices: Iterable[UUID]) -> None:
        """Ask for these devices' keys again when they are needed."""
        for device_id in devices:
            self._keys.pop(device_id, None)

    async def hear(self, event: Envelope[SpoutChanged]) -> None:
        """Forget the keys of a spout that changed."""
        self.forget([UUID(event.data.device_id)])

    async def admit(
        self, device: str, message: bytes, signature: str | None, *, renewed: set[str]
    ) -> SpoutKeys:
        """Return the keys of a device that may speak and has signed `message`.

        Keys that do not fit are asked for anew, once a device and round: those in `renewed` were.
        Raises `SpoutUnknown`, `SignatureWrong`, `SpoutInactive`, or `Retryable` without auth-lock.
        """
        keys = await self.find(device)
        if not self._fits(keys, message, signature) and device not in renewed:
            keys = await self._ask(UUID(keys.device_id))
            renewed.add(device)
        if not self._fits(keys, message, signature):
            raise SignatureWrong
        if not keys.active:
            raise SpoutInactive
        self._admitted[UUID(keys.device_id)] = keys
        return keys

    def _fits(self, keys: SpoutKeys, message: bytes, signature: str | None) -> bool:
        needed = domain.must_be_signed(
            keys.vendor, verify=self._signing.verify, verify_sandbox=self._signing.verify_sandbox
        )
        return not needed or domain.is_signed(message, signature, keys.secrets)

    async def _ask(self, device_id: UUID) -> SpoutKeys:
        now = asyncio.get_running_loop().time
        if self._away and now() < self._away_until_s:
            raise Retryable(self._away.detail, **self._away.members)
        try:
            keys = await self._caller.ask(GetSpoutKeys(device_id=str(device_id)), SpoutKeys)
        except Retryable as error:
            self._away, self._away_until_s = error, now() + AWAY_S
            raise
        except Refused as error:
            if error.problem.status != SpoutUnknown.status:
                raise
            raise SpoutUnknown from error
        self._keys[device_id] = keys
        return keys
