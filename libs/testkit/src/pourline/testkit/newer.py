"""A newer version of this bar: its own code, with a migration more in every service.

Every table has columns that this version does not know, every event fields, and there are events
of an unknown kind; whether this version may go on beside it is for the migration to say.
"""

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import orjson

from pourline.contracts.topology import CONSUMERS
from pourline.kit.ids import new_id
from pourline.kit.nats import connect
from pourline.local import credentials
from pourline.local.access import OPERATOR
from pourline.local.bus import Bus
from pourline.local.environment import WITH_DATABASE, Surroundings, snake
from pourline.local.paths import DataDir
from pourline.local.topology import apply_topology
from pourline.testkit.bar import RunningBar
from pourline.upkeep.versions import newest_known

SERVICES = Path(__file__).parents[5] / "services"
REVISION = "9001"
UNKNOWN = "evt.newer.happened"

_MIGRATION = '''
"""What a newer version brings: columns in every table, a table, indexes, fields in every event."""

from alembic import op

revision = "{revision}"
down_revision = "{before}"
branch_labels = None
depends_on = None
{word}

def upgrade() -> None:
    op.execute("""
        DO $$ DECLARE name text; BEGIN
            FOR name IN SELECT tablename FROM pg_tables
                WHERE schemaname = 'public' AND tablename <> 'alembic_version'
            LOOP
                EXECUTE format('ALTER TABLE %I ADD newer_note text', name);
                EXECUTE format('ALTER TABLE %I ADD newer_count int NOT NULL DEFAULT 7', name);
                EXECUTE format('CREATE INDEX ON %I (newer_note)', name);
            END LOOP;
        END $$
    """)
    op.execute("CREATE TABLE newer_thing (id bigint PRIMARY KEY, note text NOT NULL)")
    op.execute("""
        CREATE FUNCTION grow_event() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.payload = jsonb_set(
                NEW.payload::jsonb || '{{"newer": {{"deep": [1, null]}}}}',
                '{{data,newer_field}}', '{{"deep": "of a newer version"}}'
            )::text;
            RETURN NEW;
        END $$
    """)
    op.execute("""
        CREATE TRIGGER outbox_grows BEFORE INSERT ON outbox
        FOR EACH ROW EXECUTE FUNCTION grow_event()
    """)


def downgrade() -> None:
    raise RuntimeError("nothing that a newer version keeps is thrown away")
'''


def newer_code(folder: Path, *, oldest: str | None = None) -> dict[str, str]:
    """Write the newer version and return the environment that runs it.

    `oldest` is what its migration says of the oldest code that can go on beside it.
    """
    for service in WITH_DATABASE:
        package = Path("pourline", snake(service))
        source = SERVICES / service / "src" / package
        shutil.copytree(source, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
        text = _MIGRATION.format(
            revision=REVISION,
            before=newest_known(service),
            word=f'oldest_code = "{oldest}"\n' if oldest else "",
        )
        versions = folder / package / "migrations" / "versions"
        (versions / f"{REVISION}_newer.py").write_text(text.lstrip())
    return {"PYTHONPATH": str(folder)}


def migrating(environment: dict[str, str], data_dir: Path) -> tuple[Sequence[str], dict[str, str]]:
    """Return command and environment by which the newer version migrates a bar."""
    argv = [sys.executable, "-m", "pourline.local", "migrate", "--data-dir", str(data_dir)]
    return argv, {**os.environ, **environment}


async def tell_unknown(bar: RunningBar) -> None:
    """Tell an event of a kind that nobody here knows, as each service."""
    surroundings = _surroundings(bar)
    bus = await connect(url=surroundings.nats_url(OPERATOR), name="newer", trust=surroundings.trust)
    try:
        for service in WITH_DATABASE:
            event = {
                "specversion": "1.0",
                "id": str(new_id()),
                "type": "newer.happened.v1",
                "source": service,
                "subject": "x",
                "time": datetime.now(UTC).isoformat(),
                "aggregate": "x",
                "version": 1,
                "data": {},
            }
            headers = {"Nats-Msg-Id": event["id"], "Pourline-Seq": "1"}
            await bus.jetstream().publish(UNKNOWN, orjson.dumps(event), headers=headers)
    finally:
        await bus.close()


async def read_unknown(bar: RunningBar) -> None:
    """Declare the bus as the newer version does: every service reads the new kind of event."""
    grown = [
        replace(one, filters=(*one.filters, UNKNOWN)) if one.name.endswith("--events") else one
        for one in CONSUMERS
    ]
    surroundings = _surroundings(bar)
    async with Bus(
        surroundings.nats_url(OPERATOR),
        topology=partial(apply_topology, consumers=grown),
        trust=surroundings.trust,
    ):
        pass


def database_url(bar: RunningBar, service: str) -> str:
    """Return a running bar's database, as its owner."""
    return _surroundings(bar).owner_url(service)


def _surroundings(bar: RunningBar) -> Surroundings:
    data_dir = DataDir(bar.data_dir)
    secrets = credentials.load_or_make(data_dir)
    return Surroundings(environ={}, secrets=secrets, facts=data_dir.facts())
