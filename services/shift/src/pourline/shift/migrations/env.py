"""Alembic's entry for shift."""

from pourline.kit.migrations import run_env
from pourline.shift.tables import metadata

run_env(metadata)
