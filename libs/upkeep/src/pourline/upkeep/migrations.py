"""Running a service's Alembic migrations, and what every one of them may use."""

import importlib.resources

from alembic import command, context, op
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, create_engine, pool

from pourline.upkeep.versions import FIRST, Newer, said, word

LOCK_KEY = 0x0B0D
LOCK_TIMEOUT_S = 5
"""A migration gives up rather than stand in the way of a running bar."""


def upgrade(service: str, url: str, revision: str = "head") -> Newer | None:
    """Bring `service`'s database at `url` to `revision`; raises what Alembic raises.

    One that a newer version migrated is left as it is, and returned if this version may run on
    it; raises `TooNewError` if not.
    """
    config = configuration(service, url)
    command.upgrade(config, revision)
    newer: Newer | None = config.attributes.get("newer")
    return newer


def downgrade(service: str, url: str, revision: str) -> None:
    """Take `service`'s database at `url` back to `revision`."""
    command.downgrade(configuration(service, url), revision)


def differences(service: str, url: str) -> None:
    """Raise `alembic.util.CommandError` when tables and migrations disagree."""
    command.check(configuration(service, url))


def configuration(service: str, url: str) -> Config:
    """Return the Alembic configuration of `service` against `url`."""
    package = f"pourline.{service.replace('-', '_')}"
    config = Config()
    config.set_main_option(
        "script_location", str(importlib.resources.files(package).joinpath("migrations"))
    )
    config.set_main_option("path_separator", "os")
    config.attributes |= {"url": _driver(url), "service": service}
    return config


def _driver(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://", 1)


def run_env(metadata: MetaData) -> None:
    """Be the body of a service's `env.py`."""
    engine = create_engine(context.config.attributes["url"], poolclass=pool.NullPool)
    with engine.connect() as connection:
        # Machines that start at once migrate one after the other; the lock goes with the session.
        connection.exec_driver_sql(f"SELECT pg_advisory_lock({LOCK_KEY})")
        connection.exec_driver_sql(f"SET lock_timeout = '{LOCK_TIMEOUT_S}s'")
        connection.commit()
        script = ScriptDirectory.from_config(context.config)
        if newer := _newer(connection, script):
            context.config.attributes["newer"] = newer.require_fit()
        else:
            _migrate(connection, metadata)
            _tell(connection, script)
    engine.dispose()


def _migrate(connection: Connection, metadata: MetaData) -> None:
    context.configure(
        connection=connection, target_metadata=metadata, transaction_per_migration=True
    )
    with context.begin_transaction():
        context.run_migrations()


def _newer(connection: Connection, script: ScriptDirectory) -> Newer | None:
    """Return what the database says when it is at a revision that this version does not know."""
    revision, comment = _facts(connection)
    known = {one.revision for one in script.walk_revisions()}
    if revision is None or revision in known:
        return None
    return Newer(
        service=context.config.attributes["service"],
        revision=revision,
        code=max(known),
        oldest=said(comment),
    )


def _tell(connection: Connection, script: ScriptDirectory) -> None:
    """Let the database say which code may run on it, for versions that do not know its revision.

    A migration after which older code cannot go on has `oldest_code = "0009"`, the revision whose
    code can.
    """
    revision, comment = _facts(connection)
    if revision is None:
        return
    steps = script.iterate_revisions(revision, "base")
    oldest = max(getattr(one.module, "oldest_code", FIRST) for one in steps)
    if said(comment) != oldest:
        connection.exec_driver_sql(f"COMMENT ON TABLE alembic_version IS '{word(oldest)}'")
    connection.commit()


def _facts(connection: Connection) -> tuple[str | None, str | None]:
    """Return the revision that the database is at, and what it says of it."""
    if not connection.exec_driver_sql("SELECT to_regclass('alembic_version')").scalar():
        connection.commit()
        return None, None
    revision = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    comment = connection.exec_driver_sql(
        "SELECT obj_description('alembic_version'::regclass, 'pg_class')"
    ).scalar()
    connection.commit()  # each migration begins a transaction of its own
    return revision, comment


def append_only(table: str) -> None:
    """Let rows of `table` be added and read, never changed: by privilege and by trigger.

    The runtime role has its database's name; where there is none (one role for all), the
    trigger still stands.
    """
    op.execute("""
        CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '% is append-only', TG_TABLE_NAME
                USING ERRCODE = 'insufficient_privilege';
        END $$
    """)
    op.execute(f"""
        CREATE TRIGGER {table}_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """)
    op.execute(f"""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM pg_roles
                       WHERE rolname = current_database() AND rolname <> current_user) THEN
                EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM %I',
                               current_database());
            END IF;
        END $$
    """)


def start_counter() -> None:
    """Begin the outbox's numbers at nought."""
    op.execute("INSERT INTO outbox_counter (value) VALUES (0)")


def add_closing_of_letters() -> None:
    """Let a dead letter say since when, by whom and why it waits no longer."""
    op.execute("""
        ALTER TABLE dead_letter
            ADD COLUMN closed_at timestamptz,
            ADD COLUMN closed_by text,
            ADD COLUMN closed_because text,
            ADD CONSTRAINT dead_letter_is_closed_whole
                CHECK (num_nonnulls(closed_at, closed_by, closed_because) IN (0, 3))
    """)


def drop_closing_of_letters() -> None:
    """Forget which dead letters were closed: they wait again."""
    op.execute("""
        ALTER TABLE dead_letter
            DROP CONSTRAINT dead_letter_is_closed_whole,
            DROP COLUMN closed_because,
            DROP COLUMN closed_by,
            DROP COLUMN closed_at
    """)
