"""How quantities and money read in an alert: exact, without an exponent, with their unit."""

from decimal import Decimal

MINOR_DIGITS = {
    "BHD": 3,
    "CLP": 0,
    "IQD": 3,
    "ISK": 0,
    "JOD": 3,
    "JPY": 0,
    "KRW": 0,
    "KWD": 3,
    "LYD": 3,
    "OMR": 3,
    "PYG": 0,
    "TND": 3,
    "UGX": 0,
    "VND": 0,
    "XAF": 0,
    "XOF": 0,
}
"""Digits after the point where they are not two (ISO 4217)."""


def plain(quantity: Decimal) -> str:
    """Return a quantity without an exponent or zeros at its end."""
    text = f"{quantity:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def money(amount: int, currency: str) -> str:
    """Return minor units as money: `2.35 EUR`."""
    digits = MINOR_DIGITS.get(currency, 2)
    return f"{Decimal(amount).scaleb(-digits):.{digits}f} {currency}"
