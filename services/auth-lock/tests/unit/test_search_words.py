"""How a name and a phone are brought into the one form in which they are compared."""

import pytest
from pourline.auth_lock.domain.search import canonical_phone, fold, sought


@pytest.mark.requirement("VI-1")
@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Zoë Müller-Lüdenscheidt", "zoe muller ludenscheidt"),
        ("STRASSE Straße", "strasse strasse"),
        ("Łukasz Gżegżółka", "lukasz gzegzolka"),
        ("Søren Kierkegaard", "soren kierkegaard"),
        ("Æsop İstanbul", "aesop istanbul"),
        ("O\u2019Brien o'brien", "obrien obrien"),
        ("  Jean - Luc ", "jean luc"),
        ("ΑΘΗΝΆ Жанна", "αθηνα жанна"),
        ("\uff2a\uff4f", "jo"),
        ("%", ""),
    ],
)
def test_a_name_is_folded_to_plain_small_letters(text: str, folded: str) -> None:
    assert fold(text) == folded


@pytest.mark.requirement("VI-1")
@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("+49 (0)170 / 123-45 67", "491701234567"),
        ("0049 170 1234567", "491701234567"),
        ("(+49) 170.1234567", "491701234567"),
        ("0170 1234567", "01701234567"),
        ("(0170) 1234567", "01701234567"),
        ("170 1234567", "1701234567"),
        ("+39 06 1234 5678", "390612345678"),
        ("no phone", ""),
    ],
)
def test_a_phone_is_its_digits_with_a_nought_before_national_ones(text: str, digits: str) -> None:
    assert canonical_phone(text) == digits


@pytest.mark.parametrize(
    ("text", "phone", "number"),
    [
        ("12", "", 12),
        ("#12", "", 12),
        ("1234", "1234", 1234),
        ("Guest 1234", "", None),
        ("04:19:ee:b2", "", None),
        ("1" * 30, "1" * 30, None),
        ("\u0661\u0662", "", None),
    ],
)
def test_digits_may_be_a_phone_and_a_number(text: str, phone: str, number: int | None) -> None:
    found = sought(text)

    assert (found.phone, found.number) == (phone, number)
