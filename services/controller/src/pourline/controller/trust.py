"""Whom a device trusts over TLS, and with which certificate it says who it is."""

import os
import ssl
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from pathlib import Path

END = "-----END CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class Trust:
    """Files of certificates; the system's authorities where none is named.

    `own_file` is the server's certificate itself, for devices on the bar's own machine: then that
    one and no other is accepted, whatever names it carries.
    """

    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    own_file: str = ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Trust":
        """Read TLS_CA_FILE, TLS_CLIENT_CERT_FILE, TLS_CLIENT_KEY_FILE and TLS_OWN_CERT_FILE."""
        names = ("TLS_CA_FILE", "TLS_CLIENT_CERT_FILE", "TLS_CLIENT_KEY_FILE", "TLS_OWN_CERT_FILE")
        return cls(*(environment.get(name, "") for name in names))

    def beside(self, other: "Trust") -> "Trust":
        """Return this with what it leaves open as `other` says."""
        return Trust(
            *(mine or theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True))
        )

    def context(self) -> ssl.SSLContext:
        """Return what the server is checked with, read anew; raises `OSError`."""
        context = ssl.create_default_context(cafile=self.ca_file or None)
        if self.own_file:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            leaf, end, _ = Path(self.own_file).read_text().partition(END)
            context.load_verify_locations(cadata=leaf + end)
        if self.cert_file:
            context.load_cert_chain(self.cert_file, self.key_file or None)
        return context
