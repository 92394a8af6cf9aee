"""The secrets of one bar, made once and kept in its data directory.

Passwords are derived from one master key, so that a service added later has one too.
"""

import hmac
import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path

import nkeys

from pourline.local.paths import DataDir

PASSWORD_LENGTH = 40


@dataclass(frozen=True, kw_only=True)
class Secrets:
    """What only the bar itself may know. `callout_issuer` is the public half of the seed."""

    master_key: str = field(repr=False)
    token_key: str = field(repr=False)
    callout_seed: str = field(repr=False)
    callout_issuer: str

    def password(self, server: str, user: str) -> str:
        """Return the password of a user of `nats` or `postgres`."""
        digest = hmac.new(self.master_key.encode(), f"{server}:{user}".encode(), sha256)
        return digest.hexdigest()[:PASSWORD_LENGTH]


def load_or_make(data_dir: DataDir) -> Secrets:
    """Return the secrets of the data directory, made now if it has none."""
    data_dir.create()
    if not data_dir.secrets.exists():
        _write_once(data_dir.secrets, _make())
    return Secrets(**json.loads(data_dir.secrets.read_text()))


def _make() -> Secrets:
    seed = nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_ACCOUNT)
    return Secrets(
        master_key=secrets.token_hex(32),
        token_key=secrets.token_hex(32),
        callout_seed=seed.decode(),
        callout_issuer=nkeys.from_seed(bytearray(seed)).public_key.decode(),
    )


def _write_once(path: Path, made: Secrets) -> None:
    """Write all or nothing; when another process was first, its secrets stand."""
    draft = path.with_suffix(f".{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(asdict(made), file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        return
    finally:
        draft.unlink()
