"""Alembic's entry for pos-adapter."""

from pourline.kit.migrations import run_env
from pourline.pos_adapter.tables import metadata

run_env(metadata)
