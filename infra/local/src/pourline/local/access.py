"""Who may connect to the bus, and what they may say there, as nats-server configuration.

Services and the supervisor log in with passwords of their own; everybody else (devices, operators)
is decided by auth-lock through the auth callout; nobody is anonymous.
"""

from collections.abc import Sequence

from pourline.contracts.topology import BRIDGE, SERVICES, Permissions, permissions
from pourline.local.credentials import Secrets
from pourline.local.servers.nats_server import quoted

ACCOUNT = "BAR"
OPERATOR = "system-operator"
SYSTEM = "system"
"""The user of nats-server's own account, by which auth-lock disconnects a revoked device."""

OPERATOR_PERMISSIONS = Permissions(
    # evt and bar: a replayed dead letter is said again on the subject it came from.
    publish=("health.>", "_INBOX.>", "$JS.API.>", "cmd.>", "qry.>", "evt.>", "bar.>"),
    subscribe=("_INBOX.>",),
)

CONFIGURATION = """\
accounts {{
  {account} {{
    jetstream: enabled
    users: [
{users}
    ]
  }}
  SYS {{ users: [ {{ user: {system}, password: {system_password} }} ] }}
}}
system_account: SYS
authorization {{
  timeout: 2
  auth_callout {{ issuer: {issuer}, account: {account}, auth_users: {names} }}
}}
"""

USER = """\
      {{ user: {name}, password: {password}, permissions {{
          publish {{ allow: {publish} }}
          subscribe {{ allow: {subscribe} }}
      }} }}"""


def authorization(secrets: Secrets) -> str:
    """Render accounts, users and callout for a nats-server."""
    known = {service: permissions(service) for service in (*SERVICES, BRIDGE)}
    users = {**known, OPERATOR: OPERATOR_PERMISSIONS}
    return CONFIGURATION.format(
        account=ACCOUNT,
        users="\n".join(_user(secrets, name, allowed) for name, allowed in users.items()),
        system=SYSTEM,
        system_password=quoted(secrets.password("nats", SYSTEM)),
        issuer=secrets.callout_issuer,
        names=_list([*users, SYSTEM]),
    )


def _user(secrets: Secrets, name: str, allowed: Permissions) -> str:
    return USER.format(
        name=quoted(name),
        password=quoted(secrets.password("nats", name)),
        publish=_list(allowed.publish),
        subscribe=_list(allowed.subscribe),
    )


def _list(values: Sequence[str]) -> str:
    return "[" + ", ".join(quoted(value) for value in values) + "]"
