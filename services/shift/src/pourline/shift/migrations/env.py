"""Alembic's entry for shift."""

from pourline.shift.tables import metadata
from pourline.upkeep.migrations import run_env

run_env(metadata)
