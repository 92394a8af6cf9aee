"""Spout devices and configuration."""

import re
import secrets
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from pourline.auth_lock.domain import CONFIG, LIST_MAX, fits, is_mail_address, wanted
from pourline.auth_lock.errors import (
    BadConfigValue,
    ConfigUnknown,
    CurrencyFixed,
    DeviceUnknown,
)
from pourline.auth_lock.handlers.limits import profile_value
from pourline.auth_lock.store import audit, devices
from pourline.contracts import taps as contract
from pourline.contracts.base import Listing
from pourline.contracts.books import Books, GetBooks
from pourline.contracts.limits import PROFILE_KEY
from pourline.contracts.spouts import MAP_KEY, SpoutMap
from pourline.contracts.taps import (
    ConfigEntry,
    SpoutDevice,
    SpoutDeviceWithSecret,
    SpoutKeys,
)
from pourline.kit.db import Database, Row, UnitOfWork
from pourline.kit.errors import first_fault
from pourline.kit.ids import new_id, parse_id
from pourline.kit.nats import Caller, Context

SECRET_BYTES = 32
CURRENCY = "currency"
RECIPIENTS = "notification_recipients"
BETWEEN_ADDRESSES = re.compile(r"[,;\s]+")


async def register_spout(
    order: contract.RegisterSpout, unit: UnitOfWork, context: Context
) -> SpoutDeviceWithSecret:
    """Register a spout and make its secret, shown this once."""
    values = {
        "id": new_id(),
        "name": order.name,
        "vendor": order.vendor,
        "location": order.location,
        "secret": secrets.token_hex(SECRET_BYTES),
    }
    row = await devices.insert_spout(unit, values=values)
    await _spout_changed(unit, row, context, "spout_registered")
    return _with_secret(row)


async def list_spouts(
    query: contract.ListSpouts, unit: UnitOfWork, context: Context
) -> Listing[SpoutDevice]:
    """Return all spouts in order of registration."""
    del context
    after = parse_id(query.cursor) if query.cursor else None
    rows = await devices.list_spouts(unit, after=after, limit=query.limit + 1)
    page = [_spout(row) for row in rows[: query.limit]]
    more = len(rows) > query.limit
    return Listing[SpoutDevice](items=page, next=page[-1].id if more else None)


async def rotate_spout_secret(
    order: contract.RotateSpoutSecret, unit: UnitOfWork, context: Context
) -> SpoutDeviceWithSecret:
    """Give a spout another secret; the one before stays valid beside it."""
    row = await devices.rotate_secret(
        unit,
        device_id=_id(order.device_id),
        secret=secrets.token_hex(SECRET_BYTES),
        at=unit.clock.now(),
    )
    if row is None:
        raise DeviceUnknown
    await _spout_changed(unit, row, context, "spout_secret_rotated")
    return _with_secret(row)


async def deactivate_spout(
    order: contract.DeactivateSpout, unit: UnitOfWork, context: Context
) -> SpoutDevice:
    """Refuse a spout from now on."""
    row = await devices.deactivate_spout(unit, _id(order.device_id))
    if row is None:
        raise DeviceUnknown
    await _spout_changed(unit, row, context, "spout_deactivated")
    return _spout(row)


async def spout_exists(raw: dict[str, Any], unit: UnitOfWork) -> bool:
    """Return whether the spout that a malformed message is about is there."""
    device_id = parse_id(str(raw.get("device_id", "")))
    return device_id is not None and await devices.find_spout(unit, device_id) is not None


async def get_spout_keys(
    query: contract.GetSpoutKeys, unit: UnitOfWork, context: Context
) -> SpoutKeys:
    """Return the keys that verify a spout's signatures."""
    del context
    row = await devices.find_spout(unit, _id(query.device_id))
    if row is None:
        raise DeviceUnknown
    valid = [row["secret"], row["previous_secret"]]
    return SpoutKeys(
        device_id=str(row["id"]),
        vendor=row["vendor"],
        location=row["location"],
        active=row["active"],
        secrets=[secret for secret in valid if secret],
    )


async def _spout_changed(unit: UnitOfWork, row: Row, context: Context, action: str) -> None:
    await audit.record(unit, actor=context.actor, action=action, subject=f"spout:{row['id']}")
    unit.announce(
        contract.SpoutChanged(
            device_id=str(row["id"]),
            name=row["name"],
            vendor=row["vendor"],
            location=row["location"],
            active=row["active"],
        ),
        aggregate=f"spout:{row['id']}",
        version=row["version"],
    )


def _id(text: str) -> UUID:
    found = parse_id(text)
    if found is None:
        raise DeviceUnknown
    return found


def _spout(row: Row) -> SpoutDevice:
    return SpoutDevice(
        id=str(row["id"]),
        name=row["name"],
        vendor=row["vendor"],
        location=row["location"],
        active=row["active"],
        created_at=row["created_at"],
    )


def _with_secret(row: Row) -> SpoutDeviceWithSecret:
    return SpoutDeviceWithSecret(**_spout(row).model_dump(), secret=row["secret"])


async def list_config(
    query: contract.ListConfig, unit: UnitOfWork, context: Context
) -> Listing[ConfigEntry]:
    """Return every key with its value, set or default."""
    del context
    values = {key: rule.default for key, rule in CONFIG.items()}
    values |= await devices.list_config(unit)
    rest = [
        ConfigEntry(key=key, value=value)
        for key, value in sorted(values.items())
        if key > (query.cursor or "")
    ]
    page = rest[: query.limit]
    more = len(rest) > query.limit
    return Listing[ConfigEntry](items=page, next=page[-1].key if more else None)


async def get_config(query: contract.GetConfig, unit: UnitOfWork, context: Context) -> ConfigEntry:
    """Return one value; raises `ConfigUnknown`."""
    del context
    values = {key: rule.default for key, rule in CONFIG.items()}
    values |= await devices.list_config(unit)
    if query.key not in values:
        raise ConfigUnknown
    return ConfigEntry(key=query.key, value=values[query.key])


class CurrencyStands:
    """Keeps the currency of books in which money has moved (contract 1)."""

    def __init__(self, *, database: Database, caller: Caller) -> None:
        self._database = database
        self._caller = caller

    async def __call__(self, order: contract.PutConfig, context: Context) -> None:
        """Raise `CurrencyFixed` for another currency than that of the books."""
        del context
        if order.key != CURRENCY:
            return
        value = _fitting(order.key, order.value)
        async with self._database.transaction() as unit:
            current = (await devices.list_config(unit)).get(CURRENCY, CONFIG[CURRENCY].default)
        if value == current:
            return
        if (await self._caller.ask(GetBooks(), Books)).has_entries:
            raise CurrencyFixed


async def first_recipients(unit: UnitOfWork, addresses: str) -> list[str]:
    """Set who is written to from the environment, unless anybody was ever named.

    Returns what is no address: it is left out, for a bar must open with a misspelt setting too.
    """
    named = [one for one in BETWEEN_ADDRESSES.split(addresses) if one]
    good = [one for one in named if is_mail_address(one)]
    if good and RECIPIENTS not in await devices.list_config(unit):
        order = contract.PutConfig(key=RECIPIENTS, value=good[:LIST_MAX])
        await put_config(order, unit, Context(actor="environment"))
    return [one for one in named if one not in good]


async def put_config(order: contract.PutConfig, unit: UnitOfWork, context: Context) -> ConfigEntry:
    """Set one value; raises `ConfigUnknown`, `BadConfigValue`."""
    value = _fitting(order.key, order.value)
    before = (await devices.list_config(unit)).get(order.key)
    version = await devices.set_config(unit, key=order.key, value=value, actor=context.actor)
    await audit.record_change(
        unit,
        actor=context.actor,
        action="config_set",
        subject=f"config:{order.key}",
        before={"value": before},
        after={"value": value},
    )
    unit.announce(
        contract.ConfigChanged(key=order.key, value=value),
        aggregate=f"config:{order.key}",
        version=version,
    )
    return ConfigEntry(key=order.key, value=value)


def _fitting(key: str, value: object) -> object:
    """Return the value as it is kept; raises `ConfigUnknown`, `BadConfigValue`."""
    if re.fullmatch(PROFILE_KEY, key):
        return profile_value(value)
    if re.fullmatch(MAP_KEY, key):
        return _map_value(value)
    rule = CONFIG.get(key)
    if rule is None:
        raise ConfigUnknown
    if not fits(rule, value):
        raise BadConfigValue(f"{key} takes {wanted(rule, value)}.")
    return value


def _map_value(value: object) -> object:
    """Return how a vendor's payload is read as it is kept; raises `BadConfigValue`."""
    try:
        found = SpoutMap.model_validate(value)
    except ValidationError as error:
        raise BadConfigValue(first_fault(error)) from error
    return found.model_dump(mode="json", exclude_none=True)


async def config_exists(raw: dict[str, Any], unit: UnitOfWork) -> bool:
    """Return whether the key that a malformed message is about is one."""
    del unit
    key = str(raw.get("key", ""))
    return key in CONFIG or re.fullmatch(f"{PROFILE_KEY}|{MAP_KEY}", key) is not None
