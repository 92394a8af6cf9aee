"""What a sale needs of each item."""

from decimal import Decimal

from pourline.pos_adapter.domain.sales import needed


def test_a_sale_needs_what_its_packages_and_its_single_items_are_made_of() -> None:
    found = needed(
        {"mojito": 2, "daiquiri": 1},
        {
            "mojito": {"rum": Decimal(40), "lime": Decimal("0.5")},
            "daiquiri": {"rum": Decimal(60)},
        },
        {"lime": Decimal(1), "crisps": Decimal(2)},
    )

    assert {one: (int(some.whole), int(some.loose)) for one, some in found.items()} == {
        "rum": (140, 0),
        "lime": (1, 1),
        "crisps": (0, 2),
    }
