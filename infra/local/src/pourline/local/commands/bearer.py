"""`pourline token`: a bearer token for a person or a program, without a login."""

import argparse
import os
from datetime import UTC, datetime, timedelta

import jwt
from uuid_utils import uuid7

from pourline.local import credentials
from pourline.local.environment import Surroundings
from pourline.local.paths import DataDir

ISSUER = "pourline"
ALGORITHM = "HS256"
VALID_FOR = timedelta(days=30)


def run(arguments: argparse.Namespace) -> int:
    """Print a token; the data directory is given its secrets now if it has none."""
    data_dir = DataDir(arguments.data_dir)
    surroundings = Surroundings(
        environ=dict(os.environ), secrets=credentials.load_or_make(data_dir), facts=None
    )
    print(mint(key=surroundings.token_key, subject=arguments.subject, level=arguments.level))
    return 0


def mint(*, key: str, subject: str, level: int) -> str:
    """Return a token that lets `subject` act at `level` (1 service to 5 owner)."""
    now = datetime.now(UTC)
    claims = {
        "iss": ISSUER,
        "sub": subject,
        "level": level,
        "iat": now,
        "exp": now + VALID_FOR,
        "jti": uuid7().hex,
    }
    return jwt.encode(claims, key, algorithm=ALGORITHM)
