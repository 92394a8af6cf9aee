"""Alembic's entry for the ledger."""

from pourline.kit.migrations import run_env
from pourline.ledger.tables import metadata

run_env(metadata)
