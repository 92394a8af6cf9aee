"""Alembic's entry for keg-fifo."""

from pourline.keg_fifo.tables import metadata
from pourline.upkeep.migrations import run_env

run_env(metadata)
