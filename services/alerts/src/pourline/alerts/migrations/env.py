"""Alembic's entry for alerts."""

from pourline.alerts.tables import metadata
from pourline.kit.migrations import run_env

run_env(metadata)
