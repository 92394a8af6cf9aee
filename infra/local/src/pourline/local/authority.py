"""A bar's own certificate authority: what it signs, and for how long.

ECDSA over P-256, which browsers, nats-server and small controllers all speak.
"""

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pourline.local.errors import UnavailableError

AUTHORITY_FOR = timedelta(days=3650)
SIGNED_FOR = timedelta(days=397)
"""Browsers take no server certificate that is valid for longer (CA/Browser Forum, 6.3.2)."""
CLOCKS_DIFFER = timedelta(hours=1)
PRIVATE, PUBLIC = 0o600, 0o644

SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH


@dataclass(frozen=True, kw_only=True)
class Authority:
    """A key that signs, and the certificate by which others know it."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def sign(
        self, folder: Path, name: str, *, hosts: Sequence[str] = (), now: datetime | None = None
    ) -> Path:
        """Write `name.pem` and `name.key`: a server's with `hosts`, else a client's."""
        key = ec.generate_private_key(ec.SECP256R1())
        usage = SERVER if hosts else CLIENT
        draft = (
            _draft(name, key.public_key(), SIGNED_FOR, now)
            .issuer_name(self.certificate.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                critical=False,
            )
        )
        if hosts:
            draft = draft.add_extension(
                x509.SubjectAlternativeName([_host(one) for one in hosts]), critical=False
            )
        _write(folder / f"{name}.key", _private(key), PRIVATE)
        certificate = folder / f"{name}.pem"
        _write(certificate, _public(draft.sign(self.key, hashes.SHA256())), PUBLIC)
        return certificate


def load_or_make(folder: Path) -> Authority:
    """Return the authority of a folder, `ca.pem` and `ca.key`, made now if it has none."""
    known, secret = folder / "ca.pem", folder / "ca.key"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not secret.exists():
            _make(known, secret)
        key = serialization.load_pem_private_key(secret.read_bytes(), password=None)
        certificate = x509.load_pem_x509_certificate(known.read_bytes())
    except (OSError, ValueError) as error:
        raise UnavailableError(f"cannot use the authority in {folder}: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise UnavailableError(f"{secret} is no key on an elliptic curve")
    return Authority(key=key, certificate=certificate)


def _make(known: Path, secret: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    draft = _draft("Pourline bar", key.public_key(), AUTHORITY_FOR, None)
    certificate = (
        draft.issuer_name(_name("Pourline bar"))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_may_sign(), critical=True)
        .sign(key, hashes.SHA256())
    )
    _write(known, _public(certificate), PUBLIC)
    _write(secret, _private(key), PRIVATE)


def _draft(
    name: str, key: ec.EllipticCurvePublicKey, valid_for: timedelta, now: datetime | None
) -> x509.CertificateBuilder:
    begins = (now or datetime.now(UTC)) - CLOCKS_DIFFER
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + valid_for)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _may_sign() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _public(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _write(path: Path, text: bytes, mode: int) -> None:
    """Write all or nothing: a server may be reading it at this moment."""
    draft = path.with_suffix(f"{path.suffix}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text)
    draft.replace(path)
