"""Secrets from the environment that anybody could guess: no bar starts with one, but a demo."""

from collections.abc import Mapping

from pourline.local.environment import setting
from pourline.local.errors import MisuseError

LENGTH_MIN = {"TOKEN_KEY": 32, "CRON_SECRET": 1, "POS_WEBHOOK_SECRET": 24, "AUTH_CALLOUT_SEED": 58}
"""What we ourselves are opened or believed by. A seed of the bus has 58 characters.

`CRON_SECRET` only starts a check that anybody may see the outcome of, with a limit on how often: an
operator's short one is theirs to choose, one that was never chosen is refused.
"""
PLACEHOLDERS = frozenset(
    {
        *("admin", "changeit", "changeme", "changethis", "default", "insecure", "password"),
        *("placeholder", "replaceme", "replacethis", "setinitenv", "setme", "todo", "yoursecret"),
    }
)
"""What stands in examples until somebody chooses."""
DIFFERENT_MIN = 5
"""Fewer different characters in a long key are a key held down."""


def require_strong(environ: Mapping[str, str]) -> None:
    """Raise `MisuseError` for a secret that is a placeholder or too short, without its text."""
    for name, length in LENGTH_MIN.items():
        secret = setting(environ, name)
        if secret is None:
            continue
        if len(secret) < length:
            raise MisuseError(f"{name} is too short: {length} characters at least, made by chance")
        if _is_placeholder(secret) or (length > 1 and len(set(secret)) < DIFFERENT_MIN):
            raise MisuseError(
                f"{name} is a placeholder: make one by chance, `openssl rand -hex 32`"
            )


def _is_placeholder(secret: str) -> bool:
    plain = "".join(letter for letter in secret.lower() if letter.isalnum())
    return plain in PLACEHOLDERS
