"""Staff: accounts, logging in by password or PIN, and ending tokens before their time."""

import asyncio
import secrets
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from pourline.auth_lock.errors import PinHeldOff, StaffExists, StaffUnknown, WrongPassword
from pourline.auth_lock.store import audit, staff
from pourline.contracts import staff as contract
from pourline.contracts.base import Listing
from pourline.contracts.staff import (
    PIN_LEVEL_MAX,
    LoggedOut,
    Revocation,
    TokensRevoked,
    key_of_staff,
    key_of_token,
)
from pourline.contracts.taps import CreateStaff, Login, Session, Staff
from pourline.kit.db import Row, UnitOfWork
from pourline.kit.ids import new_id, parse_id
from pourline.kit.nats import Context

SESSION_LASTS = timedelta(hours=12)
"""A shift: nobody logs in twice in one."""
PIN_SESSION_LASTS = timedelta(minutes=15)
"""A shared screen that was left alone is nobody's soon."""
PIN_FAILURES_MAX = 5
PIN_HELD_OFF_FOR = timedelta(minutes=15)
"""Five tries a quarter of an hour: 10,000 PINs take three weeks, and the record shows them."""


class StaffAccounts:
    """Accounts and logins; passwords and PINs are hashed by Argon2, beside the event loop.

    An unknown name is checked against nobody's hash, so that it takes as long as a wrong password.
    """

    def __init__(self, *, token_key: str, hasher: PasswordHasher | None = None) -> None:
        self._token_key = token_key
        self._hasher = hasher or PasswordHasher()
        self._nobodys = self._hasher.hash(secrets.token_hex(32))

    async def create(self, order: CreateStaff, unit: UnitOfWork, context: Context) -> Staff:
        """Give a member of staff an account; raises `StaffExists`."""
        staff_id = new_id()
        saved = await staff.insert_staff(
            unit,
            staff_id=staff_id,
            username=order.username,
            password_hash=await self._hash(order.password),
            level=order.level,
        )
        if not saved:
            raise StaffExists
        row = await _account(unit, str(staff_id))
        await _on_record(unit, context, "staff_created", row, after={"level": order.level})
        return _staff(row)

    async def reset_password(
        self, order: contract.ResetPassword, unit: UnitOfWork, context: Context
    ) -> Staff:
        """Give an account another password and end its tokens; raises `StaffUnknown`."""
        row = await _account(unit, order.staff_id)
        await staff.set_password(unit, row["id"], await self._hash(order.password))
        await _on_record(unit, context, "staff_password_reset", row)
        await _end_tokens(unit, row["id"])
        return _staff(await _account(unit, order.staff_id))

    async def set_pin(self, order: contract.SetPin, unit: UnitOfWork, context: Context) -> Staff:
        """Give an account a PIN and its tries back; raises `StaffUnknown`."""
        row = await _account(unit, order.staff_id)
        await staff.set_pin(unit, row["id"], await self._hash(order.pin))
        await _on_record(unit, context, "staff_pin_set", row)
        return _staff(await _account(unit, order.staff_id))

    async def login(self, order: Login, unit: UnitOfWork, context: Context) -> Session:
        """Exchange name and password for a token; raises `WrongPassword`, on record."""
        del context
        row = await staff.find_by_name(unit, order.username)
        if not await self._matches(_of(row, "password_hash"), order.password) or row is None:
            raise await _refused(unit, order.username, "staff_login_refused")
        await _logged_in(unit, order.username, "staff_logged_in")
        return self._session(unit, row, level=row["level"], lasts=SESSION_LASTS)

    async def pin_login(
        self, order: contract.PinLogin, unit: UnitOfWork, context: Context
    ) -> Session:
        """Exchange name and PIN for a short token of level 2 at most.

        Raises `WrongPassword`, and `PinHeldOff` after too many wrong ones; both on record. An
        account's tries are counted one after the other, whichever way they come.
        """
        del context
        row = await staff.find_by_name(unit, order.username, for_update=True)
        failures = _recent_failures(row, unit.clock.now())
        if row and failures >= PIN_FAILURES_MAX:
            raise PinHeldOff
        if not await self._matches(_of(row, "pin_hash"), order.pin) or row is None:
            if row:
                await staff.count_pin_failures(unit, row["id"], failures + 1, unit.clock.now())
            raise await _refused(unit, order.username, "staff_pin_refused")
        await staff.count_pin_failures(unit, row["id"], 0, None)
        await _logged_in(unit, order.username, "staff_pin_logged_in")
        level = min(row["level"], PIN_LEVEL_MAX)
        return self._session(unit, row, level=level, lasts=PIN_SESSION_LASTS)

    async def _hash(self, text: str) -> str:
        return await asyncio.to_thread(self._hasher.hash, text)

    async def _matches(self, known: str | None, given: str) -> bool:
        """Return whether a password or PIN is right; nobody's takes as long as a wrong one."""
        try:
            await asyncio.to_thread(self._hasher.verify, known or self._nobodys, given)
        except VerificationError:
            return False
        return known is not None

    def _session(self, unit: UnitOfWork, row: Row, *, level: int, lasts: timedelta) -> Session:
        now = unit.clock.now()
        expires_at = now + lasts
        claims = {
            "sub": row["username"],
            "level": level,
            "staff": str(row["id"]),
            "ver": row["token_version"],
            "iat": int(now.timestamp()),
            "exp": int(expires_at.timestamp()),
            "jti": str(new_id()),
            "iss": "pourline",
        }
        token = jwt.encode(claims, self._token_key, algorithm="HS256")
        return Session(token=token, expires_at=expires_at, level=level)


async def list_staff(
    query: contract.ListStaff, unit: UnitOfWork, context: Context
) -> Listing[Staff]:
    """Return all accounts in order of id."""
    del context
    after = parse_id(query.cursor) if query.cursor else None
    rows = await staff.list_staff(unit, after=after, limit=query.limit + 1)
    page = [_staff(row) for row in rows[: query.limit]]
    more = len(rows) > query.limit
    return Listing[Staff](items=page, next=page[-1].id if more else None)


async def set_level(order: contract.SetStaffLevel, unit: UnitOfWork, context: Context) -> Staff:
    """Give an account another level and end its tokens; raises `StaffUnknown`."""
    row = await _account(unit, order.staff_id)
    await staff.set_level(unit, row["id"], order.level)
    await audit.record_change(
        unit,
        actor=context.actor,
        action="staff_level_set",
        subject=f"staff:{row['username']}",
        before={"level": row["level"]},
        after={"level": order.level},
    )
    await _end_tokens(unit, row["id"])
    return _staff(await _account(unit, order.staff_id))


async def deactivate(order: contract.DeactivateStaff, unit: UnitOfWork, context: Context) -> Staff:
    """Let nobody in by an account and end its tokens; raises `StaffUnknown`."""
    row = await _account(unit, order.staff_id)
    await staff.set_active(unit, row["id"], active=False)
    await _on_record(unit, context, "staff_deactivated", row)
    await _end_tokens(unit, row["id"])
    return _staff(await _account(unit, order.staff_id))


async def reactivate(order: contract.ReactivateStaff, unit: UnitOfWork, context: Context) -> Staff:
    """Let an account log in again; raises `StaffUnknown`."""
    row = await _account(unit, order.staff_id)
    await staff.set_active(unit, row["id"], active=True)
    await _on_record(unit, context, "staff_reactivated", row)
    return _staff(await _account(unit, order.staff_id))


async def revoke_token(
    order: contract.RevokeToken, unit: UnitOfWork, context: Context
) -> LoggedOut:
    """End one token before its time: its bearer logs out."""
    await _revoke(unit, key=key_of_token(order.token_id), version=1, expires_at=order.expires_at)
    await _logged_in(unit, context.actor, "staff_logged_out")
    return LoggedOut()


async def list_revocations(
    query: contract.ListRevocations, unit: UnitOfWork, context: Context
) -> Listing[Revocation]:
    """Return the revocations of tokens that have not expired."""
    del context
    rows = await staff.list_revocations(unit, after=query.cursor or "", limit=query.limit + 1)
    page = [Revocation(**row) for row in rows[: query.limit]]
    more = len(rows) > query.limit
    return Listing[Revocation](items=page, next=page[-1].key if more else None)


async def staff_exists(raw: dict[str, Any], unit: UnitOfWork) -> bool:
    """Return whether the account that a malformed message is about is there."""
    staff_id = parse_id(str(raw.get("staff_id", "")))
    return staff_id is not None and await staff.find(unit, staff_id) is not None


def _of(row: Row | None, column: str) -> str | None:
    return row[column] if row else None


def _recent_failures(row: Row | None, now: datetime) -> int:
    if row is None or row["pin_failed_at"] is None:
        return 0
    return int(row["pin_failures"]) if now - row["pin_failed_at"] < PIN_HELD_OFF_FOR else 0


async def _end_tokens(unit: UnitOfWork, staff_id: UUID) -> None:
    """End every token that an account was given so far."""
    version = await staff.next_token_version(unit, staff_id)
    expires_at = unit.clock.now() + SESSION_LASTS  # none lasts longer
    await _revoke(unit, key=key_of_staff(str(staff_id)), version=version, expires_at=expires_at)


async def _revoke(unit: UnitOfWork, *, key: str, version: int, expires_at: datetime) -> None:
    await staff.revoke(unit, key=key, version=version, expires_at=expires_at)
    unit.announce(
        TokensRevoked(key=key, version=version, expires_at=expires_at),
        aggregate=key,
        version=version,
    )


async def _refused(unit: UnitOfWork, username: str, action: str) -> WrongPassword:
    """Put a refused login on record and return the refusal; the record stands."""
    await audit.record(unit, actor=username, action=action, subject=f"staff:{username}")
    refused = WrongPassword()
    refused.on_record = True
    return refused


async def _logged_in(unit: UnitOfWork, username: str, action: str) -> None:
    await audit.record(unit, actor=username, action=action, subject=f"staff:{username}")


async def _on_record(
    unit: UnitOfWork,
    context: Context,
    action: str,
    row: Row,
    after: dict[str, object] | None = None,
) -> None:
    await audit.record(
        unit,
        actor=context.actor,
        action=action,
        subject=f"staff:{row['username']}",
        after=after,
    )


async def _account(unit: UnitOfWork, text: str) -> Row:
    staff_id = parse_id(text)
    row = await staff.find(unit, staff_id) if staff_id else None
    if row is None:
        raise StaffUnknown
    return row


def _staff(row: Row) -> Staff:
    return Staff(
        id=str(row["id"]),
        username=row["username"],
        level=row["level"],
        active=row["active"],
        has_pin=row["pin_hash"] is not None,
    )
