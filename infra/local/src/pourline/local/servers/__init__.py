"""The embedded servers: a real nats-server and a real PostgreSQL, run from their wheels.

They know nothing of the bar; tests and the supervisor use the same two classes.
"""

from pourline.local.servers.nats_server import Member, MqttListener, NatsServer
from pourline.local.servers.postgres import PostgresServer

__all__ = ["Member", "MqttListener", "NatsServer", "PostgresServer"]
