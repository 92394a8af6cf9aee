"""Finding guests and their visits by a name, a phone, a card or a visit's number."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from pourline.auth_lock.domain.search import Sought
from pourline.auth_lock.store.guests import GUEST_COLUMNS, VISIT_COLUMNS, VISIT_FROM
from pourline.kit.db import Row, UnitOfWork, as_json

BY_NAME = "guest.search_name LIKE ALL(%(words)s)"
BY_PHONE = "(guest.search_phone LIKE %(phone)s OR guest.search_phone = ANY(%(nationals)s))"
GUESTS_MEANT = 200
"""More guests than this are not meant by one name."""
NEXT_PAGE = "(%(after)s::uuid IS NULL OR guest.id > %(after)s)"


@dataclass(frozen=True, kw_only=True)
class Question:
    """What one input may mean: a name or a phone, a card, a visit's number."""

    text: str
    sought: Sought
    card_uid: str | None

    def parameters(self) -> dict[str, object]:
        """Return every parameter that the statements below name."""
        return {
            "words": [f"%{word.replace('_', chr(92) + '_')}%" for word in self.sought.words],
            "name_grams": list(self.sought.name_grams),
            "phone": f"%{self.sought.phone}%",
            "phone_grams": list(self.sought.phone_grams),
            "nationals": list(self.sought.national_phones),
            "card_uid": self.card_uid,
            "number": self.sought.number,
        }

    def searches(self) -> list[str]:
        """Return a query of guest ids for each thing that the input may mean."""
        return [*self.searches_of_guests(), *map(_of_visits, self.marks())]

    def searches_of_guests(self) -> list[str]:
        """Return a query of guest ids for each thing that the input may say of a guest."""
        found = []
        if self.sought.words:
            in_index = "guest.search_grams @> %(name_grams)s" if self.sought.name_grams else "true"
            found.append(f"SELECT guest.id FROM guest WHERE {in_index} AND {BY_NAME}")
        if self.sought.phone_grams:
            found.append(
                "SELECT guest.id FROM guest WHERE guest.search_grams @> %(phone_grams)s"
                " AND guest.search_phone LIKE %(phone)s"
            )
        if self.sought.national_phones:
            found.append("SELECT guest.id FROM guest WHERE guest.search_phone = ANY(%(nationals)s)")
        return found

    def marks(self) -> list[str]:
        """Return a condition on a visit for each of its marks that the input may be."""
        found = []
        if self.card_uid:
            found.append("visit.card_uid = %(card_uid)s")
        if self.sought.number is not None:
            found.append("visit.number = %(number)s")
        return found

    def meanings(self) -> list[str]:
        """Return a condition on a visit and its guest for each thing that the input may mean."""
        found = []
        if self.sought.words:
            found.append(BY_NAME)
        if self.sought.phone_grams:
            found.append(BY_PHONE)
        return [*found, *self.marks()]


def _of_visits(condition: str) -> str:
    return (
        "SELECT guest.id FROM guest WHERE guest.id IN"
        f" (SELECT visit.guest_id FROM visit WHERE {condition})"
    )


async def search_guests(
    unit: UnitOfWork, question: Question, *, after: UUID | None, limit: int
) -> list[Row]:
    """Return guests in order of id; an input that says nothing finds everybody.

    Each meaning is searched by an index of its own and gives its first page; the first page of
    those pages is the answer.
    """
    if not question.text:
        found = f"SELECT guest.id FROM guest WHERE {NEXT_PAGE} ORDER BY guest.id LIMIT %(limit)s"
    else:
        found = " UNION ".join(
            f"({one} AND {NEXT_PAGE} ORDER BY guest.id LIMIT %(limit)s)"
            for one in question.searches()
        )
    if not found:
        return []
    return await unit.all(
        f"""
        SELECT {GUEST_COLUMNS} FROM guest
        WHERE guest.id IN ({found}) ORDER BY guest.id LIMIT %(limit)s
        """,
        question.parameters() | {"after": after, "limit": limit},
    )


async def list_active_visits(
    unit: UnitOfWork, question: Question, *, after: int, limit: int
) -> list[Row]:
    """Return open visits in order of opening, those that the input means when there is one."""
    meant = " OR ".join(question.meanings()) or "false"
    condition = f"({meant})" if question.text else "true"
    return await unit.all(
        f"""
        SELECT {VISIT_COLUMNS} FROM {VISIT_FROM}
        WHERE visit.status = 'active' AND visit.number > %(after)s AND {condition}
        ORDER BY visit.number LIMIT %(limit)s
        """,
        question.parameters() | {"after": after, "limit": limit},
    )


async def list_closed_visits(
    unit: UnitOfWork, question: Question, *, before: int | None, limit: int
) -> list[Row]:
    """Return closed visits, newest first, those that the input means when there is one.

    Each meaning is searched by an index of its own, as guests are; of a name that very many have,
    the visits of the guests who were registered last.
    """
    closed = "visit.status = 'closed' AND (%(before)s::bigint IS NULL OR visit.number < %(before)s)"
    meanings = [
        f"visit.guest_id IN ({one} ORDER BY guest.id DESC LIMIT %(guests)s)"
        for one in question.searches_of_guests()
    ] + question.marks()
    if not question.text:
        meanings = ["true"]
    if not meanings:
        return []
    found = " UNION ".join(
        f"(SELECT visit.id FROM visit WHERE {closed} AND {one}"
        " ORDER BY visit.number DESC LIMIT %(limit)s)"
        for one in meanings
    )
    return await unit.all(
        f"""
        SELECT {VISIT_COLUMNS} FROM {VISIT_FROM}
        WHERE visit.id IN ({found}) ORDER BY visit.number DESC LIMIT %(limit)s
        """,
        question.parameters() | {"before": before, "guests": GUESTS_MEANT, "limit": limit},
    )


async def unsearchable(unit: UnitOfWork, *, limit: int) -> list[Row]:
    """Return guests who were registered by a version that kept nothing to search them by."""
    return await unit.all(
        """
        SELECT id, name, phone FROM guest WHERE search_name IS NULL
        ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
        """,
        (limit,),
    )


async def save_searchable(unit: UnitOfWork, guests: Sequence[Mapping[str, object]]) -> None:
    """Keep what guests are searched by."""
    await unit.execute(
        """
        UPDATE guest SET search_name = fresh.search_name, search_phone = fresh.search_phone,
                         search_grams = fresh.search_grams
        FROM json_to_recordset(%s) AS fresh (
            id uuid, search_name text, search_phone text, search_grams text[]
        ) WHERE guest.id = fresh.id
        """,
        (as_json(list(guests)),),
    )
