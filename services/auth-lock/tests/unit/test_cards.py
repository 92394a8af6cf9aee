"""Card identities against readings seen in the field (`reference/domain.md`, 3.6)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pourline.contracts.cards import (
    READER_PROFILES,
    UnreadableCardError,
    aliases,
    canonical_uid,
)

pytestmark = pytest.mark.requirement("VI-5")


@pytest.mark.parametrize(
    ("reading", "canonical"),
    [
        ("1EA68671", "1ea68671"),
        ("04:19:EE:B2:75:71:81", "0419eeb2757181"),
        ("04-19-ee-b2-75-71-81", "0419eeb2757181"),
        ("04 19 EE B2 75 71 81", "0419eeb2757181"),
        ("04.19.EE.B2.75.71.81", "0419eeb2757181"),
        ("0419_EEB2_757181", "0419eeb2757181"),
        ("0x5FA1DD4C", "5fa1dd4c"),
        ("  5FA1DD4C\n", "5fa1dd4c"),
        ("0102030405060708090A", "0102030405060708090a"),
        ("E004010012345678", "e004010012345678"),
        ("78003E5C1E", "78003e5c1e"),
        ("80A1B2C3", "80a1b2c3"),
    ],
)
def test_a_uid_has_one_form_whatever_the_reader_writes(reading: str, canonical: str) -> None:
    assert canonical_uid(reading) == canonical


def test_an_appended_checksum_byte_is_dropped() -> None:
    assert canonical_uid("DD17380AF8") == canonical_uid("DD17380A") == "dd17380a"


def test_a_fifth_byte_that_is_no_checksum_stays() -> None:
    assert canonical_uid("DD17380AF9") == "dd17380af9"


@pytest.mark.parametrize(
    ("reading", "why"),
    [
        ("08A1B2C3", "random id"),
        ("08A1B2C3D8", "random id"),
        ("880419EE", "cuts 7-byte ids short"),
        ("88:04:19:EE:7B", "cuts 7-byte ids short"),
        ("", "pairs of hex"),
        ("0x", "pairs of hex"),
        ("123", "pairs of hex"),
        ("card 7", "pairs of hex"),
        ("04é1dd4c", "pairs of hex"),
        ("12", "4, 7 or 10"),
        ("123456", "4, 7 or 10"),
        ("112233445566", "4, 7 or 10"),
        ("112233445566778899", "4, 7 or 10"),
        ("112233445566778899aabb", "4, 7 or 10"),
        ("E1040100123456FF", "4, 7 or 10"),
        ("78563412000104E0", "4, 7 or 10"),
    ],
)
def test_what_identifies_no_card_is_refused_with_the_reason(reading: str, why: str) -> None:
    with pytest.raises(UnreadableCardError, match=why):
        canonical_uid(reading)


def read(text: str) -> str:
    """Return the canonical form, or a word of its own for what is refused."""
    try:
        return canonical_uid(text)
    except UnreadableCardError:
        return f"refused {text}"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("7186A61E", "1EA68671"),
        ("4CDDA15F", "5FA1DD4C"),
        ("1432822573", "55-67-23-2D"),
        ("1002701960", "04c43bc21c2680"),
        ("1712142", "15065073"),
        ("0004086814", "0004086815"),
        ("0004086814", "78003E5C1E"),
        ("04:19:EE:B2:75:71:81", "880419EE"),
        ("123", "1 23"),
    ],
)
def test_two_readings_that_only_resemble_each_other_are_never_one_card(
    one: str, other: str
) -> None:
    assert read(one) != read(other) or read(one).startswith("refused")


UIDS = st.one_of(*(st.binary(min_size=size, max_size=size) for size in (4, 5, 7, 10)))


@given(uid=UIDS, separator=st.sampled_from(["", ":", "-", " ", "."]))
def test_the_canonical_form_is_its_own_canonical_form(uid: bytes, separator: str) -> None:
    reading = separator.join(f"{byte:02X}" for byte in uid)
    try:
        canonical = canonical_uid(reading)
    except UnreadableCardError:
        return
    assert canonical_uid(canonical) == canonical
    assert uid.hex().startswith(canonical)


@given(st.text(max_size=40))
def test_any_text_is_a_card_or_refused(text: str) -> None:
    try:
        canonical = canonical_uid(text)
    except UnreadableCardError:
        return
    assert canonical == canonical.lower()
    assert canonical_uid(canonical) == canonical


@given(uid=st.binary(min_size=7, max_size=7))
def test_a_card_read_backwards_is_another_card(uid: bytes) -> None:
    assert (read(uid.hex()) == read(uid[::-1].hex())) is (uid == uid[::-1])


@pytest.mark.parametrize(
    ("reading", "profile", "canonical"),
    [
        ("7186A61E", "hex-reversed", "1ea68671"),
        ("4CDDA15F", "hex-reversed", "5fa1dd4c"),
        ("1432822573", "decimal", "5567232d"),
        ("760062335", "decimal-reversed", "7fa14d2d"),
        ("0004086814", "em4100-decimal", "00003e5c1e"),
        ("78003E5C1E", "em4100-hex", "78003e5c1e"),
        ("DD17380AF8", "em4100-hex", "dd17380af8"),
        ("DD17380AF8", "iso14443a-hex", "dd17380a"),
        ("F80A3817DD", "iso14443a-hex-reversed", "dd17380a"),
        ("7856341200 0104E0", "iso15693-hex-reversed", "e004010012345678"),
        ("1154412893794689", "decimal", "0419eeb2757181"),
    ],
)
def test_a_readers_profile_says_how_it_writes(reading: str, profile: str, canonical: str) -> None:
    assert canonical_uid(reading, profile) == canonical


@pytest.mark.parametrize(
    ("reading", "profile", "why"),
    [
        ("C3B2A108", "hex-reversed", "random id"),
        ("EE190488", "hex-reversed", "cuts 7-byte ids short"),
        ("1002701960", "decimal-reversed", "cuts 7-byte ids short"),
        ("145044931", "decimal", "random id"),
        ("5567232D", "decimal", "decimal number"),
        ("9" * 25, "decimal", "too large"),
        ("9" * 26, "decimal", "decimal number"),
        ("5567232D", "em4100-hex", "has 5 bytes"),
        ("78003E5C1E", "iso14443a-hex", "4 or 7 or 10 bytes"),
        ("E104010012345678", "iso15693-hex", "begin with E0"),
    ],
)
def test_what_a_reader_cannot_have_read_is_refused(reading: str, profile: str, why: str) -> None:
    with pytest.raises(UnreadableCardError, match=why):
        canonical_uid(reading, profile)


@pytest.mark.parametrize(
    ("uid", "alias"),
    [
        ("1ea68671", "7186a61e"),
        ("5fa1dd4c", "4cdda15f"),
        ("5567232d", "1432822573"),
        ("1432822573", "5567232d"),
        ("78003e5c1e", "0004086814"),
        ("04c43bc21c2680", "1002701960"),
    ],
)
def test_what_another_reader_makes_of_a_card_is_an_alias_of_it(uid: str, alias: str) -> None:
    assert alias in aliases(uid)
    assert uid not in aliases(uid)


PROFILES = st.sampled_from(sorted(READER_PROFILES))


@given(text=st.text(max_size=40), profile=PROFILES)
def test_any_text_from_any_reader_is_a_card_or_refused(text: str, profile: str) -> None:
    try:
        canonical = canonical_uid(text, profile)
    except UnreadableCardError:
        return
    assert len(canonical) in (8, 10, 14, 16, 20)
    assert bytes.fromhex(canonical).hex() == canonical


@given(uid=st.binary(min_size=7, max_size=7).filter(lambda uid: uid[0] != 0))
def test_one_card_is_the_same_from_readers_that_write_it_differently(uid: bytes) -> None:
    number, backwards = int.from_bytes(uid), uid[::-1]
    readings = {
        canonical_uid(uid.hex()),
        canonical_uid(backwards.hex(), "hex-reversed"),
        canonical_uid(str(number), "iso14443a-decimal") if number >= 2**32 else uid.hex(),
    }
    assert readings == {uid.hex()}


@given(uid=UIDS)
def test_a_card_turned_round_is_an_alias_both_ways(uid: bytes) -> None:
    one, other = read(uid.hex()), read(uid[::-1].hex())
    if one.startswith("refused") or other.startswith("refused") or one == other:
        return
    if len(one) == len(other) == 2 * len(uid):
        assert other in aliases(one)
        assert one in aliases(other)
