"""`pourline ca`: a bar's own authority, its servers' certificate, and one for each client."""

import argparse
import re
from pathlib import Path

from pourline.local import authority
from pourline.local.errors import OK, MisuseError

HERE = ("localhost", "127.0.0.1", "::1")
FIRST_CLIENTS = ("services", "devices")
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
TAKEN = frozenset({"ca", "server"})


def run(arguments: argparse.Namespace) -> int:
    """Make what is missing, and the server's and the named clients' certificates anew."""
    folder: Path = arguments.dir.absolute()
    named = tuple(arguments.client or ())
    if wrong := [one for one in named if not NAME.fullmatch(one) or one in TAKEN]:
        raise MisuseError(f"no name for a certificate: {', '.join(wrong)}")
    signer = authority.load_or_make(folder)
    hosts = dict.fromkeys((*(arguments.host or ()), *HERE))
    made = [signer.sign(folder, "server", hosts=tuple(hosts))]
    first = [one for one in FIRST_CLIENTS if not (folder / f"{one}.pem").exists()]
    made += [signer.sign(folder, one) for one in dict.fromkeys((*first, *named))]
    for path in (folder / "ca.pem", *made):
        print(path)
    return OK
