"""The ways to people: mail by SMTP, and whatever Apprise reaches."""

import asyncio
import contextlib
import logging
import socket
import ssl
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.errors import MessageError
from email.message import EmailMessage
from email.utils import localtime, parseaddr
from typing import Any, Literal

import aiosmtplib

from pourline.alerts.errors import NotDelivered

STEP_WITHIN_S = 8.0
"""A mail server that is silent for longer in the middle of a talk is taken for hung."""
BYE_WITHIN_S = 1.0
UNSENDABLE = (aiosmtplib.SMTPException, OSError, ValueError, LookupError, MessageError)
"""What servers, lines, certificates and addresses raise: one mail must not stop the others."""
PORTS = {"tls": 465, "none": 25, "starttls": 587, "auto": 587}
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
STARTTLS: dict[str, bool | None] = {"starttls": True, "none": False, "tls": False, "auto": None}
"""As aiosmtplib takes it: None means where the server offers it."""


@dataclass(frozen=True, kw_only=True)
class MailServer:
    """Where mail is handed over, and how; no `host`: nowhere."""

    host: str = ""
    port: int = 0
    user: str = ""
    password: str = field(default="", repr=False)
    sender: str = "pourline@localhost"
    tls: Literal["auto", "starttls", "tls", "none"] = "auto"
    ca_file: str = ""
    step_within_s: float = STEP_WITHIN_S


class Mail:
    """Mail by SMTP; what is not configured is not open."""

    name = "mail"

    def __init__(self, server: MailServer) -> None:
        self._server = server
        self._sender = parseaddr(server.sender)[1] or server.sender

    @property
    def is_open(self) -> bool:
        """Whether a mail server is named."""
        return bool(self._server.host)

    def recipients(self, configured: Sequence[str]) -> Sequence[str]:
        """Return the configured addresses, each once."""
        return list(dict.fromkeys(configured))

    async def send(
        self, *, key: str, subject: str, text: str, recipients: Sequence[str]
    ) -> Sequence[str]:
        """Hand a mail over and return who has it; raises `NotDelivered`."""
        try:
            message = self._message(key=key, subject=subject, text=text, recipients=recipients)
            refused = await self._hand_over(message, recipients)
        except aiosmtplib.SMTPRecipientsRefused as error:
            raise NotDelivered("; ".join(str(one) for one in error.recipients)) from error
        except UNSENDABLE as error:
            raise NotDelivered(f"{type(error).__name__}: {error}") from error
        taken = tuple(one for one in recipients if one not in refused)
        if refused:
            why = "; ".join(
                f"{who}: {answer.code} {answer.message}" for who, answer in refused.items()
            )
            raise NotDelivered(why, delivered_to=taken)
        return taken

    async def _hand_over(
        self, message: EmailMessage, recipients: Sequence[str]
    ) -> Mapping[str, aiosmtplib.SMTPResponse]:
        """Talk to the server; return who was refused, with its answer."""
        client = self._client()
        try:
            await client.connect()
            await self._log_in(client)
            refused, _ = await client.send_message(
                message, sender=self._sender, recipients=list(recipients)
            )
        finally:
            await _leave(client)
        return refused

    def _message(
        self, *, key: str, subject: str, text: str, recipients: Sequence[str]
    ) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self._server.sender
        message["To"] = ", ".join(recipients)
        message["Subject"] = " ".join(subject.split())  # a name may hold line ends; this may not
        message["Date"] = localtime()
        message["Message-ID"] = f"<{key}@{self._sender.rpartition('@')[2] or 'pourline'}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's vacation may answer
        message.set_content(text)
        return message

    def _client(self) -> aiosmtplib.SMTP:
        mode, port = self._server.tls, self._server.port or PORTS[self._server.tls]
        if mode == "auto" and port == PORTS["tls"]:
            mode = "tls"
        return aiosmtplib.SMTP(
            hostname=self._server.host,
            port=port,
            local_hostname=socket.gethostname(),  # its default asks the name server, and waits
            timeout=self._server.step_within_s,
            use_tls=mode == "tls",
            start_tls=STARTTLS[mode],
            tls_context=self._trust(),
        )

    def _trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self._server.ca_file or None)

    async def _log_in(self, client: aiosmtplib.SMTP) -> None:
        """Log in where a user is named; `auto` sends no password over an open line."""
        if not self._server.user:
            return
        is_safe = client.get_transport_info("sslcontext") is not None
        is_here = self._server.host in LOOPBACK
        if self._server.tls == "auto" and not (is_safe or is_here):
            raise NotDelivered("The server offers no TLS, so it is not told the password.")
        await client.login(self._server.user, self._server.password)


async def _leave(client: aiosmtplib.SMTP) -> None:
    """Say goodbye; what was handed over stands, however that goes."""
    with contextlib.suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
        async with asyncio.timeout(BYE_WITHIN_S):
            if client.is_connected:
                await client.quit()
    client.close()


class Push:
    """Chats and push services by Apprise, each URL a recipient of its own."""

    name = "push"

    def __init__(self, urls: Sequence[str]) -> None:
        self._services = _services(urls)

    @property
    def is_open(self) -> bool:
        """Whether any service is named."""
        return bool(self._services)

    def recipients(self, configured: Sequence[str]) -> Sequence[str]:
        """Return the services, their secrets left out."""
        del configured
        return list(self._services)

    async def send(
        self, *, key: str, subject: str, text: str, recipients: Sequence[str]
    ) -> Sequence[str]:
        """Hand it to each service and return which took it; raises `NotDelivered`."""
        del key
        taken = await asyncio.gather(
            *(self._services[one].async_notify(body=text, title=subject) for one in recipients)
        )
        has = tuple(one for one, did in zip(recipients, taken, strict=True) if did)
        if len(has) < len(recipients):
            missing = ", ".join(one for one in recipients if one not in has)
            raise NotDelivered(f"Not taken by {missing}.", delivered_to=has)
        return has


def _services(urls: Sequence[str]) -> dict[str, Any]:
    """Return each service by its address without secrets; raises `ValueError` for no URL."""
    if not urls:
        return {}
    with warnings.catch_warnings(action="ignore"):  # of what its plugins import
        import apprise  # noqa: PLC0415 a hundred plugins: only who wants them pays their memory

        found = {}
        for number, url in enumerate(urls, start=1):
            service = apprise.Apprise()
            if not service.add(url):
                raise ValueError(f"NOTIFY_URLS: number {number} is no Apprise URL")
            found[f"{number}: {service[0].service_name}"] = service

    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # what failed is in our own log
    return found
