"""Whom a connection with TLS trusts, and with which certificate it says who it is."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nats.aio.client import Client
from nats.errors import SecureConnRequiredError


@dataclass(frozen=True)
class Trust:
    """Files of certificates; the system's authorities where none is named.

    `own_file` is a server's certificate itself: then that one and no other is accepted, whatever
    names it carries.
    """

    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    own_file: str = ""

    def context(self) -> ssl.SSLContext:
        """Return what a client checks servers with, read anew; raises `OSError`."""
        context = ssl.create_default_context(cafile=self.ca_file or None)
        if self.own_file:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        self.renew(context)
        return context

    def renew(self, context: ssl.SSLContext | None) -> None:
        """Take what stands in the files by now into a context of ours; raises `OSError`."""
        if self.own_file and context:
            leaf, end, _ = Path(self.own_file).read_text().partition(ssl.PEM_FOOTER)
            context.load_verify_locations(cadata=leaf + end)
        if self.cert_file and context:
            context.load_cert_chain(self.cert_file, self.key_file or None)


SYSTEMS = Trust()


class SafeClient(Client):
    """A client that tells a server of `tls://` nothing in the open, and leaves no socket behind.

    nats-py asks the server whether to use TLS, and whoever stands between can answer no. It also
    forgets a connection that failed before it stood without closing it, at each new attempt.
    """

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:  # noqa: FBT001, FBT002 nats-py's own
        server = self._current_server
        if server and server.uri.scheme == "tls" and not info.get("tls_required"):
            raise SecureConnRequiredError
        await super()._process_info(info, initial_connection)

    async def _process_connect_init(self) -> None:
        try:
            await super()._process_connect_init()
        except BaseException:
            self._transport.close()  # type: ignore[union-attr] # it is what was greeted over
            raise
