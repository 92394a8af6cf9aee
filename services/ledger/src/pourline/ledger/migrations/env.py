"""Alembic's entry for the ledger."""

from pourline.ledger.tables import metadata
from pourline.upkeep.migrations import run_env

run_env(metadata)
