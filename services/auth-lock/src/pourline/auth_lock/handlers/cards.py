"""A card's one form, and what is odd about a card that is given to a visit or put on a tap."""

from pourline.auth_lock.errors import UnreadableCard
from pourline.auth_lock.store import lost_cards
from pourline.contracts.cards import UnreadableCardError, aliases, canonical_uid
from pourline.kit.db import UnitOfWork


def uid_of(text: str) -> str:
    """Return a card's canonical UID; raises `UnreadableCard`."""
    try:
        return canonical_uid(text)
    except UnreadableCardError as error:
        raise UnreadableCard(str(error)) from error


def readable(text: str) -> str | None:
    """Return a card's canonical UID, or None for what is none."""
    try:
        return canonical_uid(text)
    except UnreadableCardError:
        return None


async def lookalikes(unit: UnitOfWork, card_uid: str) -> list[str]:
    """Return known cards that another reader could write as this UID: a warning, never a match."""
    return await lost_cards.known_among(unit, aliases(card_uid))


async def oddities(unit: UnitOfWork, card_uid: str) -> list[str]:
    """Return what staff should know before they give a card away."""
    found = [
        f"This card reads like {known} with its bytes in another order or as decimal: check the "
        "reader's profile."
        for known in await lookalikes(unit, card_uid)
    ]
    if await lost_cards.find_lost(unit, card_uid):
        found.append("This card is reported lost: no tap opens for it.")
    return found
