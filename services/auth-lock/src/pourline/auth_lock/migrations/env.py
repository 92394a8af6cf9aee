"""Alembic's entry for auth-lock."""

from pourline.auth_lock.tables import metadata
from pourline.upkeep.migrations import run_env

run_env(metadata)
