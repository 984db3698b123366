"""MongoDB: ours, started when there is none, or the one given; connected to and checked."""

from live_trading.database.connect import check_requirements, connect, redact
from live_trading.database.embedded import EmbeddedMongo
from live_trading.database.errors import DatabaseError, MongodFailed, NoMongod, RequirementsNotMet

__all__ = [
    "DatabaseError",
    "EmbeddedMongo",
    "MongodFailed",
    "NoMongod",
    "RequirementsNotMet",
    "check_requirements",
    "connect",
    "redact",
]
