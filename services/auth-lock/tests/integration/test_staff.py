"""Accounts, logins and revoked tokens against the real database."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import jwt
import pytest
from argon2 import PasswordHasher
from pourline.auth_lock.handlers import staff
from pourline.auth_lock.handlers.audit import list_audit
from pourline.auth_lock.handlers.directory import Directory
from pourline.auth_lock.handlers.staff import (
    PIN_FAILURES_MAX,
    PIN_HELD_OFF_FOR,
    PIN_SESSION_LASTS,
    SESSION_LASTS,
    StaffAccounts,
)
from pourline.contracts.guests import ListAudit
from pourline.contracts.staff import (
    DeactivateStaff,
    ListRevocations,
    ListStaff,
    PinLogin,
    ReactivateStaff,
    ResetPassword,
    RevokeToken,
    SetPin,
    SetStaffLevel,
)
from pourline.contracts.taps import CreateStaff, Login, Session, Staff
from pourline.kit.db import Database
from pourline.kit.errors import Rejected
from pourline.kit.ids import new_id
from pourline.kit.nats import Context
from pourline.testkit.clock import FakeClock
from pourline.testkit.plugin import FreshDatabase

OWNER = Context(actor="olga", level=5)
KEY = "a key that is long enough to sign tokens with"
PASSWORD = "correct horse"
AT_ONCE = 12
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""Argon2 as ever, without the cost that keeps strangers from guessing."""


@dataclass(frozen=True)
class Office:
    """Where accounts are kept."""

    database: Database
    directory: Directory
    clock: FakeClock
    accounts: StaffAccounts

    async def hire(self, username: str = "anna", level: int = 3, pin: str | None = None) -> Staff:
        async with self.database.transaction() as unit:
            order = CreateStaff(username=username, password=PASSWORD, level=level)
            account = await self.accounts.create(order, unit, OWNER)
            if pin:
                order_pin = SetPin(staff_id=account.id, pin=pin)
                account = await self.accounts.set_pin(order_pin, unit, OWNER)
        return account

    async def login(self, username: str = "anna", password: str = PASSWORD) -> Session | str:
        return await self._try(self.accounts.login, Login(username=username, password=password))

    async def pin(self, pin: str, username: str = "anna") -> Session | str:
        return await self._try(self.accounts.pin_login, PinLogin(username=username, pin=pin))

    async def order(self, handle: Any, order: Any) -> Any:  # noqa: ANN401 any handler and its order
        async with self.database.transaction() as unit:
            return await handle(order, unit, OWNER)

    async def _try(self, handle: Any, order: Any) -> Session | str:  # noqa: ANN401 as above
        try:
            session: Session = await self.order(handle, order)
        except Rejected as refused:
            return refused.wire_code
        return session

    async def counts(self, session: Session) -> bool:
        """Return whether a token counts for who keeps revocations in memory."""
        await self.directory.load()
        return not self.directory.is_revoked(claims_of(session))

    async def recorded(self, subject: str) -> list[str]:
        entries = (await self.order(list_audit, ListAudit(subject=subject))).items
        return [entry.action for entry in entries]


def claims_of(session: Session) -> dict[str, Any]:
    options: Any = {"verify_exp": False, "verify_iat": False}
    return jwt.decode(session.token, KEY, algorithms=["HS256"], issuer="pourline", options=options)


async def a_session(attempt: Session | str) -> Session:
    assert isinstance(attempt, Session), attempt
    return attempt


@pytest.fixture
async def office(fresh_database: FreshDatabase, clock: FakeClock) -> AsyncIterator[Office]:
    database = Database(url=fresh_database("auth-lock"), service="auth-lock", clock=clock)
    await database.open()
    directory = Directory(database=database)
    yield Office(database, directory, clock, StaffAccounts(token_key=KEY, hasher=QUICK))
    await database.close()


async def test_a_password_gives_a_token_for_a_shift_and_is_kept_as_a_hash(office: Office) -> None:
    account = await office.hire(level=4)

    session = await a_session(await office.login())

    claims = claims_of(session)
    assert (claims["sub"], claims["level"], claims["staff"]) == ("anna", 4, account.id)
    assert session.expires_at - office.clock.now() == SESSION_LASTS
    async with office.database.transaction() as unit:
        row = await unit.one("SELECT password_hash FROM staff")
    assert row["password_hash"].startswith("$argon2id$")
    assert PASSWORD not in row["password_hash"]


async def test_refused_logins_are_on_record(office: Office) -> None:
    await office.hire()

    refused = [await office.login(password="wrong"), await office.login("nobody")]

    assert refused == ["wrong_password", "wrong_password"]
    assert await office.recorded("staff:anna") == ["staff_login_refused", "staff_created"]
    assert await office.recorded("staff:nobody") == ["staff_login_refused"]


async def test_whatever_takes_rights_away_ends_an_accounts_tokens_and_no_others(
    office: Office,
) -> None:
    anna, ben = await office.hire(), await office.hire("ben")
    other = await a_session(await office.login("ben"))
    for handle, order in (
        (staff.set_level, SetStaffLevel(staff_id=anna.id, level=2)),
        (office.accounts.reset_password, ResetPassword(staff_id=anna.id, password=PASSWORD)),
        (staff.deactivate, DeactivateStaff(staff_id=anna.id)),
    ):
        before = await a_session(await office.login())
        assert await office.counts(before)
        await office.order(handle, order)
        assert not await office.counts(before), order
    assert await office.counts(other)
    assert await office.login() == "wrong_password"

    await office.order(staff.reactivate, ReactivateStaff(staff_id=anna.id))
    again = await a_session(await office.login())

    assert (again.level, await office.counts(again)) == (2, True)
    accounts = (await office.order(staff.list_staff, ListStaff())).items
    assert [(one.id, one.level, one.active) for one in accounts] == [
        (anna.id, 2, True),
        (ben.id, 3, True),
    ]


async def test_a_logout_ends_its_own_token_only(office: Office) -> None:
    await office.hire()
    here, there = await a_session(await office.login()), await a_session(await office.login())

    token_id = claims_of(here)["jti"]
    order = RevokeToken(token_id=token_id, expires_at=here.expires_at)
    await office.order(staff.revoke_token, order)

    assert [await office.counts(here), await office.counts(there)] == [False, True]


async def test_a_revocation_is_forgotten_once_its_tokens_have_expired(office: Office) -> None:
    anna = await office.hire()
    session = await a_session(await office.login())
    await office.order(staff.set_level, SetStaffLevel(staff_id=anna.id, level=2))
    listed = [(await office.order(staff.list_revocations, ListRevocations())).items]

    office.clock.advance(seconds=(SESSION_LASTS + timedelta(seconds=1)).total_seconds())
    listed.append((await office.order(staff.list_revocations, ListRevocations())).items)

    assert [len(one) for one in listed] == [1, 0]
    assert session.expires_at < office.clock.now()


async def test_a_pin_opens_a_shared_screen_for_minutes_and_to_level_two_at_most(
    office: Office,
) -> None:
    await office.hire("boss", level=5, pin="0815")
    await office.hire("new", level=1, pin="12345678")
    await office.hire("none")

    boss, new = [
        await a_session(await office.pin(pin, name))
        for name, pin in (("boss", "0815"), ("new", "12345678"))
    ]

    assert [boss.level, new.level] == [2, 1]
    assert claims_of(boss)["level"] == 2
    assert boss.expires_at - office.clock.now() == PIN_SESSION_LASTS
    wrong = [await office.pin("0816", "boss"), await office.pin("0815", "none")]
    wrong += [await office.pin("", "none"), await office.pin("0815", "nobody")]
    assert set(wrong) == {"wrong_password"}
    async with office.database.transaction() as unit:
        rows = await unit.all("SELECT pin_hash FROM staff WHERE pin_hash IS NOT NULL")
    assert all(row["pin_hash"].startswith("$argon2id$") for row in rows)


@pytest.mark.parametrize("pin", ["123", "123456789", "12a4", "", "١٢٣٤"])
def test_a_pin_is_four_to_eight_digits(pin: str) -> None:
    with pytest.raises(ValueError, match="pin"):
        SetPin(staff_id=str(new_id()), pin=pin)


async def test_wrong_pins_at_once_are_counted_one_by_one_and_hold_the_account_off(
    office: Office,
) -> None:
    anna = await office.hire(pin="0815")

    guesses = await asyncio.gather(*(office.pin(f"9{n:03}") for n in range(AT_ONCE)))

    assert guesses.count("wrong_password") == PIN_FAILURES_MAX
    assert guesses.count("too_often") == AT_ONCE - PIN_FAILURES_MAX
    assert await office.pin("0815") == "too_often"
    assert isinstance(await office.login(), Session)
    office.clock.advance(seconds=PIN_HELD_OFF_FOR.total_seconds())
    assert isinstance(await office.pin("0815"), Session)
    for _ in range(PIN_FAILURES_MAX):
        await office.pin("0000")
    await office.order(office.accounts.set_pin, SetPin(staff_id=anna.id, pin="4711"))
    assert isinstance(await office.pin("4711"), Session)


async def test_an_unknown_account_takes_no_order(office: Office) -> None:
    for staff_id in (str(new_id()), "nobody"):
        with pytest.raises(Rejected) as refused:
            await office.order(staff.deactivate, DeactivateStaff(staff_id=staff_id))
        assert refused.value.wire_code == "not_found"
