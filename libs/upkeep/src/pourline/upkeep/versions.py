"""Which code may run on a database: told by the database, so that an older version can read it.

A database that a newer version migrated is at a revision that the older code has never heard of.
The word stands beside the revision, as the comment of Alembic's table: the oldest revision whose
code may run on these tables. Whoever migrates writes it; a backup carries it. Without Alembic, for
services ask too when they start.
"""

import importlib.resources
import re
from dataclasses import dataclass
from typing import Any

import psycopg

FIRST = "0001"
"""Migrations only add: unless one says otherwise, the very first code goes on beside it."""
_WORD = re.compile(r"runs with code from (\w+) on")
_FACTS = """
    SELECT (SELECT version_num FROM alembic_version),
           obj_description('alembic_version'::regclass, 'pg_class')
"""
CONNECT_WITHIN_S = 2
CODE = "database_too_new"


class TooNewError(Exception):
    """The database was changed so that this version may not run on it."""


@dataclass(frozen=True, kw_only=True)
class Newer:
    """A database that a newer version migrated: what it is at, and who may run on it.

    `code` is the newest revision that this version knows; `oldest` is None when nobody said.
    """

    service: str
    revision: str
    code: str
    oldest: str | None

    @property
    def is_fit(self) -> bool:
        """Whether this version may run on it."""
        return self.oldest is not None and self.oldest <= self.code

    def __str__(self) -> str:
        """Say it in one line."""
        said = f"takes code from {self.oldest} on" if self.oldest else "does not say whom it takes"
        line = (
            f"the database of {self.service} is at {self.revision}, newer than this version"
            f" ({self.code}), and {said}"
        )
        return line if self.is_fit else f"{CODE}: {line}"

    def require_fit(self) -> "Newer":
        """Return it; raises `TooNewError` when this version may not run on it."""
        if not self.is_fit:
            raise TooNewError(str(self))
        return self


def word(oldest: str) -> str:
    """Return what a database says when code from the revision `oldest` on may run on it."""
    return f"runs with code from {oldest} on"


def said(comment: str | None) -> str | None:
    """Return the oldest revision that a database's comment names, if it names one."""
    found = _WORD.search(comment or "")
    return found[1] if found else None


def newest_known(service: str) -> str:
    """Return the newest revision that this version of `service` knows."""
    package = importlib.resources.files(f"pourline.{service.replace('-', '_')}")
    versions = package.joinpath("migrations", "versions").iterdir()
    return max(one.name.partition("_")[0] for one in versions if one.name.endswith(".py"))


def newer(service: str, url: str) -> Newer | None:
    """Return what is newer about `service`'s database at `url`; None if nothing, or nobody knows.

    A database that is away, empty or closed to us is the service's own affair.
    """
    try:
        with psycopg.connect(url, connect_timeout=CONNECT_WITHIN_S) as connection:
            revision, comment = _facts(connection)
    except psycopg.Error:
        return None
    code = newest_known(service)
    if not revision or revision <= code:
        return None
    return Newer(service=service, revision=revision, code=code, oldest=said(comment))


def _facts(connection: psycopg.Connection[Any]) -> tuple[str | None, str | None]:
    row = connection.execute(_FACTS).fetchone()
    return (row[0], row[1]) if row else (None, None)
