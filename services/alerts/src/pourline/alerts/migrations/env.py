"""Alembic's entry for alerts."""

from pourline.alerts.tables import metadata
from pourline.upkeep.migrations import run_env

run_env(metadata)
