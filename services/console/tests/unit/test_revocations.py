"""Which tokens count: what was heard, what the owner lists, and what has expired."""

from datetime import timedelta
from typing import Any, TypeVar

import jwt
import pytest
from pourline.console.api.tokens import Tokens
from pourline.console.errors import Unauthorized
from pourline.console.store import Revocations
from pourline.contracts.base import Command, Listing
from pourline.contracts.base import Message as Contract
from pourline.contracts.staff import ListRevocations, Revocation, TokensRevoked
from pourline.kit.errors import Retryable
from pourline.kit.nats import Caller
from pourline.testkit.clock import FakeClock

Answer = TypeVar("Answer", bound=Contract)
KEY = "a key that is long enough to sign tokens with"


class Owner(Caller):
    """Lists revocations in pages of one; away while `away`."""

    def __init__(self) -> None:
        self.revoked: list[Revocation] = []
        self.away = False

    async def ask(
        self, command: Command, answer: type[Answer], *, actor: str = "system", key: str = ""
    ) -> Answer:
        del actor, key
        if self.away:
            raise Retryable("auth-lock is not answering.")
        assert isinstance(command, ListRevocations)
        rest = [one for one in self.revoked if one.key > (command.cursor or "")]
        page = Listing[Revocation](items=rest[:1], next=rest[0].key if rest[1:] else None)
        return answer.model_validate_json(page.wire())


def revoked(clock: FakeClock, key: str, version: int = 1, *, lasts_s: int = 3600) -> Revocation:
    expires_at = clock.now() + timedelta(seconds=lasts_s)
    return Revocation(key=key, version=version, expires_at=expires_at)


def heard(one: Revocation) -> TokensRevoked:
    return TokensRevoked(key=one.key, version=one.version, expires_at=one.expires_at)


async def test_what_was_revoked_before_is_known_once_the_list_is_loaded(clock: FakeClock) -> None:
    owner, revocations = Owner(), Revocations(clock=clock)
    owner.revoked = [revoked(clock, "staff:s", 2), revoked(clock, "token:a"), revoked(clock, "x")]
    owner.away = True
    with pytest.raises(Retryable):
        await revocations.ensure(owner)
    owner.away = False

    await revocations.ensure(owner)
    owner.away = True
    await revocations.ensure(owner)

    assert revocations.refuses({"jti": "a"})
    assert revocations.refuses({"jti": "b", "staff": "s", "ver": 1})
    assert revocations.refuses({"staff": "s"})
    assert not revocations.refuses({"jti": "b", "staff": "s", "ver": 2})
    assert not revocations.refuses({"jti": "b"})
    assert not revocations.refuses({})


async def test_an_older_list_lets_no_token_in_again(clock: FakeClock) -> None:
    owner, revocations = Owner(), Revocations(clock=clock)
    owner.revoked = [revoked(clock, "staff:s", 2)]
    revocations.hear(heard(revoked(clock, "staff:s", 3)))
    revocations.hear(heard(revoked(clock, "token:a")))

    await revocations.load(owner)

    assert revocations.refuses({"staff": "s", "ver": 2})
    assert revocations.refuses({"jti": "a"})


async def test_what_has_expired_by_itself_is_forgotten(clock: FakeClock) -> None:
    owner, revocations = Owner(), Revocations(clock=clock)
    revocations.hear(heard(revoked(clock, "token:a", lasts_s=10)))
    clock.advance(seconds=11)

    await revocations.load(owner)

    assert not revocations.refuses({"jti": "a"})


async def test_a_revoked_token_is_nobodys(clock: FakeClock) -> None:
    revocations = Revocations(clock=clock)
    tokens = Tokens(key=KEY, revocations=revocations)
    claims: dict[str, Any] = {"sub": "anna", "level": 3, "iss": "pourline", "exp": 2**40}
    token = jwt.encode(claims | {"jti": "a"}, KEY, algorithm="HS256")
    bearer = tokens.verify(token)
    revocations.hear(heard(revoked(clock, "token:a")))

    assert (bearer.subject, bearer.level, bearer.token_id) == ("anna", 3, "a")
    with pytest.raises(Unauthorized, match="revoked"):
        tokens.verify(token)
