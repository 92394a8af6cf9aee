"""A mail server on the loopback that takes mail, or does what real ones do instead."""

import asyncio
import datetime as dt
import ipaddress
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from enum import Enum
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Mood(Enum):
    """How the server behaves."""

    TAKES = "takes"
    REFUSES = "refuses"
    GREYLISTS = "greylists"
    HANGS = "hangs"
    HALF_CLOSES = "half_closes"


@dataclass(kw_only=True)
class Mailbox:
    """What the server took, what it was ever given, and how it behaves now."""

    port: int = 0
    mood: Mood = Mood.TAKES
    unknown: set[str] = field(default_factory=set)
    mails: list[EmailMessage] = field(default_factory=list)
    given: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    said: list[tuple[dt.datetime, str]] = field(default_factory=list)
    """What it did, and when."""

    def say(self, what: str) -> None:
        """Note what it did."""
        self.said.append((dt.datetime.now(dt.UTC), what))

    @property
    def subjects(self) -> list[str]:
        """The subjects of what was taken."""
        return [str(mail["Subject"]) for mail in self.mails]

    async def handle_RCPT(  # noqa: N802 aiosmtpd's hook
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        address: str,
        rcpt_options: list[str],
    ) -> str:
        """Take a recipient or not."""
        del server, session, rcpt_options
        refusal = ""
        if self.mood is Mood.GREYLISTS:
            refusal = "451 4.7.1 Greylisted, come back in a minute"
        elif self.mood is Mood.REFUSES or address in self.unknown:
            refusal = "550 5.1.1 No such user here"
        if refusal:
            self.say(f"{address}: {refusal}")
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 aiosmtpd's hook
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Take a mail, or leave the other side without an answer."""
        del session
        content = envelope.content
        assert isinstance(content, bytes)
        mail = message_from_bytes(content, policy=default)
        assert isinstance(mail, EmailMessage)
        self.given.append(mail)
        known = f"{mail['Subject']} <…{str(mail['Message-ID']).split('@', maxsplit=1)[0][-12:]}>"
        if self.mood in {Mood.HANGS, Mood.HALF_CLOSES}:
            self.say(f"has {known} and {self.mood.value.replace('_', ' ')}")
        if self.mood is Mood.HALF_CLOSES:
            assert isinstance(server.transport, asyncio.WriteTransport)
            server.transport.write_eof()
        if self.mood in {Mood.HANGS, Mood.HALF_CLOSES}:
            await asyncio.Event().wait()
        self.mails.append(mail)
        self.recipients.append(list(envelope.rcpt_tos))
        self.say(f"250, took {known}")
        return "250 OK"


@dataclass(frozen=True, kw_only=True)
class Identity:
    """A self-made certificate for the loopback."""

    certificate: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """Return what a server shows."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context


def make_identity(folder: Path) -> Identity:
    """Make a key and a certificate that only who is told to will trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    identity = Identity(certificate=folder / "mail.pem", key=folder / "mail.key")
    identity.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    identity.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return identity


@asynccontextmanager
async def run_mailbox(
    *,
    identity: Identity | None = None,
    starttls: bool = True,
    login: tuple[str, str] | None = None,
) -> AsyncIterator[Mailbox]:
    """Run a mail server on a free port; with an identity it offers STARTTLS, or speaks TLS only.

    With a login it takes mail from that user and password alone.
    """
    mailbox = Mailbox()
    context = identity.context() if identity else None
    served: list[SMTP] = []

    def check(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:  # noqa: ANN401 aiosmtpd's hook
        del server, session, envelope, mechanism
        assert isinstance(data, LoginPassword)
        told = data.login.decode(), data.password.decode()
        return AuthResult(success=told == login, handled=False)

    def serve() -> SMTP:
        with warnings.catch_warnings(action="ignore"):  # of logins without TLS
            server = SMTP(
                mailbox,
                hostname="localhost",
                tls_context=context if starttls else None,
                auth_require_tls=False,
                auth_required=login is not None,
                authenticator=check if login else None,
            )
        served.append(server)
        return server

    loop = asyncio.get_running_loop()
    direct = context if context and not starttls else None
    listener = await loop.create_server(serve, "127.0.0.1", 0, ssl=direct)
    mailbox.port = listener.sockets[0].getsockname()[1]
    try:
        yield mailbox
    finally:
        listener.close()
        for server in served:
            if server.transport:
                server.transport.close()
