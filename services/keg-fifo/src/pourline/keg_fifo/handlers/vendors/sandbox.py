"""SANDBOX: the contract's own payload, as it is."""

from pourline.keg_fifo.handlers.vendors.reading import Fields, Reading

NAME = "SANDBOX"


def normal(fields: Fields) -> Reading:
    """Return the fields as they came."""
    return Reading(fields=fields, sent_at=fields.get("occurred_at", ""))
