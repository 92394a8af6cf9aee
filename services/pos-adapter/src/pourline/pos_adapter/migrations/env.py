"""Alembic's entry for pos-adapter."""

from pourline.pos_adapter.tables import metadata
from pourline.upkeep.migrations import run_env

run_env(metadata)
