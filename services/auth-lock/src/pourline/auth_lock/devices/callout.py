"""The broker's question "may this one connect?", answered from memory.

nats-server sends an authorization request as a JWT and takes a signed JWT with the permissions
back (NATS documentation, "Auth Callout"). Devices and operators come over MQTT only; services
have users of their own and never ask.
"""

import base64
import hashlib
import logging
from typing import Any

import jwt
import nkeys
import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg

from pourline.auth_lock.handlers.directory import OPERATOR, Credential, Directory
from pourline.kit.clock import Clock
from pourline.kit.ids import new_id

SUBJECT = "$SYS.REQ.USER.AUTH"
ACCOUNT = "BAR"
MQTT = "mqtt"
SERVICES_ARE = "service-"
"""How the client ids of the bar's own parts begin."""

log = logging.getLogger(__name__)


class AuthCallout:
    """Answers who may connect and what they may touch."""

    def __init__(
        self, *, bus: Client, directory: Directory, seed: str, token_key: str, clock: Clock
    ) -> None:
        self._bus = bus
        self._directory = directory
        self._key = nkeys.from_seed(seed.encode())
        self._token_key = token_key
        self._clock = clock

    async def start(self) -> None:
        """Begin to answer; several instances share the questions."""
        await self._bus.subscribe(SUBJECT, queue="auth-lock", cb=self._answer)

    async def _answer(self, question: Msg) -> None:
        asked = _claims(question.data)["nats"]
        who = asked.get("connect_opts", {})
        client = asked.get("client_info", {})
        client_id = client.get("mqtt_id", "")
        username = who.get("user", "")
        permissions = None
        if client.get("type") == MQTT:  # the server itself does not hold a token to its door
            permissions = self._permissions(username, who.get("pass", ""), client_id)
        if permissions is None:
            log.info("connection_refused", extra={"username": username, "client_id": client_id})
        else:
            permissions["sub"]["allow"] = list(dict.fromkeys(permissions["sub"].get("allow", [])))
        await question.respond(self._response(asked, username, permissions))

    def _permissions(self, username: str, password: str, client_id: str) -> dict[str, Any] | None:
        """Return what the asker may touch, or None to refuse it."""
        if username == OPERATOR:
            return None if self._is_taken(client_id) else self._operator(password)
        credential = self._directory.find(username)
        if credential is None or not credential.opens_with(password):
            return None
        if client_id != username:
            return None
        return _device(credential)

    def _is_taken(self, client_id: str) -> bool:
        """Return whether a client id is a device's or a service's, which would be thrown out."""
        return client_id.startswith(SERVICES_ARE) or self._directory.find(client_id) is not None

    def _operator(self, token: str) -> dict[str, Any] | None:
        try:
            claims = jwt.decode(
                token,
                self._token_key,
                algorithms=["HS256"],
                issuer="pourline",
                options={"require": ["exp", "sub", "level"]},
            )
        except jwt.InvalidTokenError:
            return None
        if self._directory.is_revoked(claims):
            return None
        return {
            "pub": {"deny": [">"]},
            "sub": {"allow": OPERATOR_READS},
            "expires": int(claims["exp"]),
            "name": badge_of(claims),
        }

    def _response(
        self, asked: dict[str, Any], username: str, permissions: dict[str, Any] | None
    ) -> bytes:
        issuer = self._key.public_key.decode()
        now = int(self._clock.now().timestamp())
        nats: dict[str, Any] = {"type": "authorization_response", "version": 2}
        if permissions is None:
            nats["error"] = "not authorized"
        else:
            nats["jwt"] = self._user(asked["user_nkey"], username, permissions)
        claims = {
            "iss": issuer,
            "sub": asked["user_nkey"],
            "aud": asked["server_id"]["id"],
            "iat": now,
            "nats": nats,
        }
        return self._signed(claims).encode()

    def _user(self, user_key: str, username: str, permissions: dict[str, Any]) -> str:
        claims: dict[str, Any] = {
            "iss": self._key.public_key.decode(),
            "sub": user_key,
            "aud": ACCOUNT,
            "name": permissions.get("name", username),
            "iat": int(self._clock.now().timestamp()),
            "nats": {
                "type": "user",
                "version": 2,
                "pub": permissions["pub"],
                "sub": permissions["sub"],
                "subs": -1,
                "data": -1,
                "payload": -1,
                "allowed_connection_types": ["MQTT", "MQTT_WS"],
            },
        }
        if "expires" in permissions:
            claims["exp"] = permissions["expires"]
        return self._signed(claims)

    def _signed(self, claims: dict[str, Any]) -> str:
        claims["jti"] = hashlib.sha256(str(new_id()).encode()).hexdigest()[:32]
        header = _encode({"typ": "JWT", "alg": "ed25519-nkey"})
        body = f"{header}.{_encode(claims)}"
        signature = base64.urlsafe_b64encode(self._key.sign(body.encode())).rstrip(b"=")
        return f"{body}.{signature.decode()}"


def badge_of(claims: dict[str, Any]) -> str:
    """Return the name under which the broker lists an operator: what a revocation may name."""
    badge = {name: claims[name] for name in ("jti", "staff", "ver") if name in claims}
    return OPERATOR + orjson.dumps(badge).decode()


OPERATOR_READS = [
    "bar.*.alerts",
    "bar.*.alerts.>",
    "bar.*.tap.*.flow",
    "bar.*.tap.*.state",
    "bar.*.tap.*.status",
]


def _device(credential: Credential) -> dict[str, Any]:
    """Return a device's permissions: its own topics and nothing else."""
    own = f"bar.{credential.location}.{credential.kind}.{credential.device_id}"
    says = {
        "tap": ("authorize", "flow", "pour", "status"),
        "spout": ("pour", "health"),
    }[credential.kind]
    return {
        "pub": {"allow": [f"{own}.{topic}" for topic in says]},
        "sub": {"allow": [own, f"{own}.>"]},
    }


def _claims(token: bytes) -> dict[str, Any]:
    """Return the claims of the server's own JWT; it came over the account's private subject."""
    body = token.split(b".")[1]
    claims: dict[str, Any] = orjson.loads(base64.urlsafe_b64decode(body + b"=" * (-len(body) % 4)))
    return claims


def _encode(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(part)).rstrip(b"=").decode()
