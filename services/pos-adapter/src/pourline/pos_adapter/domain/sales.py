"""What a sale needs of each item. Source: requirement PO-4."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

NOTHING = Decimal(0)


@dataclass(frozen=True, kw_only=True)
class Needed:
    """What a sale takes of an item: for packages, and as single items."""

    whole: Decimal = NOTHING
    loose: Decimal = NOTHING


def needed(
    packages: Mapping[str, int],
    parts: Mapping[str, Mapping[str, Decimal]],
    singles: Mapping[str, Decimal],
) -> dict[str, Needed]:
    """Return what a sale of so many `packages`, made of `parts`, and `singles` takes an item."""
    whole: dict[str, Decimal] = {}
    for package_id, count in packages.items():
        for item_id, quantity in parts[package_id].items():
            whole[item_id] = whole.get(item_id, NOTHING) + count * quantity
    return {
        item_id: Needed(whole=whole.get(item_id, NOTHING), loose=singles.get(item_id, NOTHING))
        for item_id in (*whole, *(one for one in singles if one not in whole))
    }
