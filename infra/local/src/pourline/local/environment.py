"""Which servers and secrets a service is given: what the environment names, else the bar's own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from pourline.contracts.topology import BRIDGE, SERVICES
from pourline.kit.trust import Trust
from pourline.local.access import SYSTEM
from pourline.local.credentials import Secrets
from pourline.local.errors import MisuseError, UnavailableError
from pourline.local.paths import RunFacts
from pourline.local.ports import LOOPBACK
from pourline.local.tls import trust, variables

WITHOUT_DATABASE = frozenset({"console"})
WITH_DATABASE = tuple(service for service in SERVICES if service not in WITHOUT_DATABASE)

REPLICAS = ("1", "3", "5")
"""An even number would store more and survive no more."""


def snake(service: str) -> str:
    """Return the service's name as a module, role and database name."""
    return service.replace("-", "_")


def setting(environ: Mapping[str, str], name: str) -> str | None:
    """Return a setting, or the text of the file that `NAME_FILE` names."""
    if environ.get(name):
        return environ[name]
    path = environ.get(f"{name}_FILE")
    if not path:
        return None
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise UnavailableError(f"cannot read {name}_FILE {path}: {error.strerror}") from error


def foreign_broker(environ: Mapping[str, str]) -> str | None:
    """Return the broker of the bar's own to which devices connect, None where it is the bus's.

    `MQTT_BRIDGE_URL` says it plainly; `MQTT_URL` without `NATS_URL` cannot be the bus's broker.
    """
    named, bus = setting(environ, "MQTT_BRIDGE_URL"), setting(environ, "NATS_URL")
    broker = None if bus else setting(environ, "MQTT_URL")
    if named and broker and named != broker:
        raise MisuseError("MQTT_URL and MQTT_BRIDGE_URL name two brokers, and NATS_URL no bus")
    return named or broker


def inner_broker(environ: Mapping[str, str]) -> str | None:
    """Return the bus's own broker where the environment names both, None where it is ours."""
    return setting(environ, "MQTT_URL") if setting(environ, "NATS_URL") else None


def database_setting(environ: Mapping[str, str], service: str) -> str | None:
    """Return the database that the environment names for a service: its own name wins."""
    own = setting(environ, f"DATABASE_URL_{snake(service).upper()}")
    url = own or setting(environ, "DATABASE_URL")
    return url.replace("{service}", snake(service)) if url else None


def names_databases(environ: Mapping[str, str]) -> bool:
    """Return whether the environment names the databases; it must then name all of them."""
    named = {service: database_setting(environ, service) for service in WITH_DATABASE}
    missing = [service for service, url in named.items() if url is None]
    if missing and len(missing) < len(named):
        raise MisuseError(f"no database for {', '.join(missing)}: set DATABASE_URL as well")
    return not missing


def replicas(environ: Mapping[str, str]) -> int:
    """Return on how many servers of a cluster each stream is stored (`NATS_REPLICAS`, else 1)."""
    text = setting(environ, "NATS_REPLICAS") or "1"
    if text not in REPLICAS:
        raise MisuseError(f"NATS_REPLICAS is {text}: it must be {', '.join(REPLICAS)}")
    return int(text)


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """Environment, secrets and, while the bar runs, where its servers listen."""

    environ: Mapping[str, str] = field(repr=False)
    secrets: Secrets
    facts: RunFacts | None

    def of_service(self, service: str) -> dict[str, str]:
        """Return every variable that `service` is given beside those it inherits."""
        given = {"NATS_URL": self.nats_url(service), "MQTT_URL": self.mqtt_url(service)}
        given |= variables(self.environ, own=self.owns_bus)
        if service in WITH_DATABASE:
            given["DATABASE_URL"] = self.database_url(service)
        if service in {"auth-lock", "console"}:
            given["TOKEN_KEY"] = self.token_key
        if service == "auth-lock":
            given |= self._of_gatekeeper()
        if service == "console" and self.facts:
            given |= {"HTTP_HOST": self.facts.http_host, "HTTP_PORT": str(self.facts.http_port)}
        foreign = foreign_broker(self.environ)
        if service == "console" and foreign:
            given["MQTT_BRIDGE"] = "true"
        if service == BRIDGE:
            given["MQTT_BRIDGE_URL"] = self._required(foreign)
        return given

    @property
    def owns_bus(self) -> bool:
        """Whether the bus is the bar's own."""
        return not setting(self.environ, "NATS_URL")

    @property
    def trust(self) -> Trust:
        """Whom a command that speaks to the bus trusts."""
        return trust(self.environ, own=self.owns_bus)

    def nats_url(self, user: str) -> str:
        """Return the bus, with the credentials of a user."""
        own = self.facts.nats_url if self.facts else None
        return self._bus_url("NATS_URL", setting(self.environ, "NATS_URL"), user, own)

    def mqtt_url(self, user: str) -> str:
        """Return the broker, with the credentials of a user."""
        own = self.facts.mqtt_url if self.facts else None
        return self._bus_url("MQTT_URL", inner_broker(self.environ), user, own)

    def database_url(self, service: str) -> str:
        """Return a service's database, as the role it runs as."""
        return self._database_url(service, role=snake(service))

    def owner_url(self, service: str) -> str:
        """Return a service's database, as the role that owns and migrates it."""
        return self._database_url(service, role=f"{snake(service)}_owner")

    @property
    def token_key(self) -> str:
        """The key that signs bearer tokens."""
        return setting(self.environ, "TOKEN_KEY") or self.secrets.token_key

    def _of_gatekeeper(self) -> dict[str, str]:
        seed = setting(self.environ, "AUTH_CALLOUT_SEED") or self.secrets.callout_seed
        system = self.system_url()
        return {"AUTH_CALLOUT_SEED": seed} | ({"SYSTEM_NATS_URL": system} if system else {})

    def system_url(self) -> str:
        """Return the bus with its system account's credentials; empty where nobody names it."""
        system = setting(self.environ, "SYSTEM_NATS_URL")
        named = setting(self.environ, "NATS_URL") or ""
        if system:
            return system
        if "{service}" in named:
            return self.nats_url(SYSTEM)
        if self.facts and self.facts.nats_url:
            return self._with_user(self.facts.nats_url, SYSTEM)
        return ""

    @staticmethod
    def _required(foreign: str | None) -> str:
        if foreign is None:
            raise MisuseError("no foreign broker is named: set MQTT_BRIDGE_URL")
        return foreign

    def _bus_url(self, name: str, named: str | None, user: str, own: str | None) -> str:
        if named:
            password = self.secrets.password("nats", user)
            return named.replace("{service}", user).replace("{password}", password)
        if not own:
            raise UnavailableError(f"no bar runs in this data directory, and {name} is not set")
        return self._with_user(own, user)

    def _with_user(self, url: str, user: str) -> str:
        parts = urlsplit(url)
        credentials = f"{user}:{self.secrets.password('nats', user)}"
        return urlunsplit(parts._replace(netloc=f"{credentials}@{parts.netloc}"))

    def _database_url(self, service: str, *, role: str) -> str:
        named = database_setting(self.environ, service)
        if named:
            return named
        if not self.facts or not self.facts.postgres_port:
            raise UnavailableError(
                "no bar with a database of its own runs in this data directory, "
                "and DATABASE_URL is not set"
            )
        password = self.secrets.password("postgres", role)
        where = f"{LOOPBACK}:{self.facts.postgres_port}/{snake(service)}"
        return f"postgresql://{role}:{password}@{where}"
