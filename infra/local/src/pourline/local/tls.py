"""What the listeners of a bar show and ask for, and what its own parts connect with."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pourline.kit.trust import Trust
from pourline.local.errors import MisuseError, UnavailableError

LISTENERS = frozenset({"http", "mqtt", "nats"})
NOT = frozenset({"", "false", "none"})


@dataclass(frozen=True, kw_only=True)
class Listeners:
    """A certificate with its key, and from whom a client's certificate is asked for.

    `ca_file` signs the clients; `verified` names the listeners that ask.
    """

    certificate: Path
    key: Path
    ca_file: Path | None
    verified: frozenset[str]


def listeners(environ: Mapping[str, str]) -> Listeners | None:
    """Return what the environment says of the listeners, None where they speak in the open.

    Raises `MisuseError` for what contradicts itself, `UnavailableError` for a missing file.
    """
    certificate, key = _file(environ, "TLS_CERT_FILE"), _file(environ, "TLS_KEY_FILE")
    verified = _verified(environ.get("TLS_VERIFY_CLIENTS", ""))
    if bool(certificate) != bool(key):
        raise MisuseError("TLS_CERT_FILE and TLS_KEY_FILE belong together")
    client = [_file(environ, f"TLS_CLIENT_{one}_FILE") for one in ("CERT", "KEY")]
    if bool(client[0]) != bool(client[1]):
        raise MisuseError("TLS_CLIENT_CERT_FILE and TLS_CLIENT_KEY_FILE belong together")
    authority = _file(environ, "TLS_CA_FILE")
    if verified and not (certificate and authority and client[0]):
        raise MisuseError(
            "TLS_VERIFY_CLIENTS needs TLS_CERT_FILE, TLS_CA_FILE, which signs the clients, and "
            "TLS_CLIENT_CERT_FILE for the bar's own parts"
        )
    if not certificate or not key:
        return None
    _require_good(certificate, key)
    return Listeners(certificate=certificate, key=key, ca_file=authority, verified=verified)


def trust(environ: Mapping[str, str], *, own: bool) -> Trust:
    """Return whom a part of the bar trusts: of its own servers only that certificate."""
    given = variables(environ, own=own)
    return Trust(
        ca_file=given.get("TLS_CA_FILE", ""),
        cert_file=given.get("TLS_CLIENT_CERT_FILE", ""),
        key_file=given.get("TLS_CLIENT_KEY_FILE", ""),
        own_file=given.get("TLS_OWN_CERT_FILE", ""),
    )


def variables(environ: Mapping[str, str], *, own: bool) -> dict[str, str]:
    """Return the same as variables for a process."""
    names = ("TLS_CA_FILE", "TLS_CLIENT_CERT_FILE", "TLS_CLIENT_KEY_FILE")
    given = {name: environ[name] for name in names if environ.get(name)}
    if own and environ.get("TLS_CERT_FILE"):
        given["TLS_OWN_CERT_FILE"] = environ["TLS_CERT_FILE"]
    return given


def _require_good(certificate: Path, key: Path) -> None:
    """Say at once what every client would say later; raises `UnavailableError`."""
    from cryptography import x509  # noqa: PLC0415 some megabytes that only a bar with TLS needs

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
        ends_at = x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
    except (OSError, ValueError) as error:
        raise UnavailableError(f"{certificate} and {key} are no pair: {error}") from error
    if ends_at <= datetime.now(UTC):
        raise UnavailableError(f"the certificate {certificate} expired on {ends_at:%Y-%m-%d}")


def _verified(text: str) -> frozenset[str]:
    asked = {one.strip().lower() for one in text.split(",")} - NOT
    if asked == {"true"}:
        return LISTENERS
    if not asked <= LISTENERS:
        raise MisuseError("TLS_VERIFY_CLIENTS is true, or some of http, mqtt, nats with commas")
    return frozenset(asked)


def _file(environ: Mapping[str, str], name: str) -> Path | None:
    if not environ.get(name):
        return None
    path = Path(environ[name]).absolute()
    if not path.is_file():
        raise UnavailableError(f"no such file: {path}")
    return path
