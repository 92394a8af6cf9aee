"""Running a service's Alembic migrations, and what every one of them may use."""

import importlib.resources

from alembic import command, context, op
from alembic.config import Config
from sqlalchemy import MetaData, create_engine, pool

LOCK_TIMEOUT_S = 5
"""A migration gives up rather than stand in the way of a running bar."""


def upgrade(service: str, url: str, revision: str = "head") -> None:
    """Bring `service`'s database at `url` to `revision`; raises what Alembic raises."""
    command.upgrade(configuration(service, url), revision)


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
    config.attributes["url"] = _driver(url)
    return config


def _driver(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://", 1)


def run_env(metadata: MetaData) -> None:
    """Be the body of a service's `env.py`."""
    engine = create_engine(context.config.attributes["url"], poolclass=pool.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"SET lock_timeout = '{LOCK_TIMEOUT_S}s'")
        connection.commit()
        context.configure(
            connection=connection, target_metadata=metadata, transaction_per_migration=True
        )
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


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
