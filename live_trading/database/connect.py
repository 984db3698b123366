"""Connecting to MongoDB, and checking before the start that it can keep a journal."""

import re
from collections.abc import Mapping
from datetime import UTC
from typing import Any, Final

from bson import Int64
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import ConfigurationError, InvalidURI, OperationFailure, PyMongoError
from pymongo.write_concern import WriteConcern

from live_trading.database.errors import DatabaseError, RequirementsNotMet
from live_trading.domain.errors import InvalidInput

Client = AsyncMongoClient[dict[str, Any]]
Database = AsyncDatabase[dict[str, Any]]

NEEDED_ACTIONS: Final = (
    "find",
    "insert",
    "update",
    "remove",
    "createCollection",
    "createIndex",
    "collMod",
    "changeStream",
)
"""What the engine's user must be allowed to do in its database: readWrite and dbAdmin together have all of it."""

_SCRATCH: Final = "requirements_check"
_MINIMUM_VERSION: Final = (6, 0)
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_NO_PORT: Final = re.compile(r":(?!\d+(?:[/,?]|$))[^/,?]*")
_SECRET_OPTION: Final = re.compile(r"(?i)([?&;](?:[^=&;]*password|authMechanismProperties)=)[^&;]*")
_QUOTED: Final = re.compile(r'"[^"]*"')


def redact(url: str) -> str:
    """The URL without what must not be shown: ``mongodb://***@host/…``.

    Nothing is shown of what is no URL, or could be a password that was not escaped or stands where it should not."""
    scheme, separator, rest = url.partition("://")
    if not separator or not _SCHEME.fullmatch(scheme):
        return "***"
    _, at, address = rest.rpartition("@")  # up to the last @ there is, wherever it stands
    shown = f"***@{address}" if at else rest if rest.startswith("[") else _NO_PORT.sub(":***", rest)
    return f"{scheme}://{_SECRET_OPTION.sub(lambda option: option.group(1) + '***', shown)}"


def connect(url: str, *, timeout: float = 5.0, **options: Any) -> Client:
    """A client with what the journal relies on: aware UTC times, majority and journaled writes, bounded waits.

    ``timeout`` in seconds bounds finding the primary and opening a connection. ``options`` are the driver's; beware of
    ``socketTimeoutMS``, with which the driver loses cancellations on Python 3.11 (``asyncio.wait_for`` does there):
    bound a wait with ``asyncio.timeout``. Nothing is contacted yet. Raises :class:`InvalidInput` for a URL that cannot
    be read.
    """
    settings: dict[str, Any] = {
        "tz_aware": True,
        "tzinfo": UTC,
        "uuidRepresentation": "standard",
        "w": "majority",
        "journal": True,
        "readConcernLevel": "majority",
        "appname": "live-trading",
        "serverSelectionTimeoutMS": int(timeout * 1000),
        "connectTimeoutMS": int(timeout * 1000),
    }
    try:
        return AsyncMongoClient(url, **(settings | options))
    except (InvalidURI, ConfigurationError, ValueError) as error:
        raise InvalidInput(
            "MONGODB_URL",
            f"{redact(url)} cannot be used: {_QUOTED.sub('…', str(error))}",  # the driver quotes parts of the URL
            "It looks like mongodb://user:password@host:27017/?replicaSet=rs0",
        ) from None


async def check_requirements(client: Client, database_name: str) -> None:
    """Check that this MongoDB can keep a journal.

    It must be a replica set (one node is enough) of version 6.0 or later whose majority accepts journaled writes, and
    the user must have every right the engine uses. Raises :class:`RequirementsNotMet` with all that is missing and what
    would mend it, or :class:`DatabaseError` when it cannot be reached.
    """
    try:
        hello = await client.admin.command("hello")
        info = await client.server_info()
    except OperationFailure as error:
        raise DatabaseError(f"MONGODB_URL: MongoDB refused the log-in: {error.details or error}") from error
    except PyMongoError as error:
        raise DatabaseError(
            f"MONGODB_URL: MongoDB cannot be reached: {error}. Check the address, that it runs, and that it lets us in"
        ) from error
    problems: list[str] = []
    version = tuple(info["versionArray"][:2])
    if version < _MINIMUM_VERSION:
        problems.append(f"MongoDB {info['version']} is too old: clustered collections need 6.0 or later; upgrade it")
    if "setName" not in hello and hello.get("msg") != "isdbgrid":
        problems.append(
            "it is a standalone server: start it with --replSet rs0 and run rs.initiate() once (one node is enough)"
        )
    else:
        problems += await _missing_rights(client, database_name)
        if not problems:
            # Named by our connection: an engine and an api may be checking at the same moment.
            scratch = f"{_SCRATCH}_{hello.get('connectionId', 0)}"
            problems += await _try_writes(client[database_name], scratch)
    if problems:
        raise RequirementsNotMet(tuple(f"MONGODB_URL: {problem}" for problem in problems))


async def _missing_rights(client: Client, database_name: str) -> list[str]:
    status = await client.admin.command({"connectionStatus": 1, "showPrivileges": True})
    info = status["authInfo"]
    if not info["authenticatedUsers"]:
        return []  # without authentication there is nothing to be missing; trying it out tells
    allowed: set[str] = set()
    for privilege in info["authenticatedUserPrivileges"]:
        if _covers(privilege["resource"], database_name):
            allowed.update(privilege["actions"])
    missing = [action for action in NEEDED_ACTIONS if action not in allowed and "anyAction" not in allowed]
    if not missing:
        return []
    user = info["authenticatedUsers"][0]["user"]
    roles = ", ".join(f'{{role: "{role}", db: "{database_name}"}}' for role in ("readWrite", "dbAdmin"))
    lacking = f"the user {user!r} lacks {', '.join(missing)} on the database {database_name!r}"
    return [f'{lacking}; grant it roles that have them: db.grantRolesToUser("{user}", [{roles}])']


def _covers(resource: Mapping[str, Any], database_name: str) -> bool:
    if resource.get("anyResource"):
        return True
    return resource.get("db") in ("", database_name) and resource.get("collection") == ""


async def _try_writes(database: Database, name: str) -> list[str]:
    """Do once, on a collection of its own, everything the journal does."""
    step = "creating a collection"
    try:
        await database.drop_collection(name)
        await database.create_collection(name, clusteredIndex={"key": {"_id": 1}, "unique": True})
        step = "changing a collection's validator (collMod)"
        await database.command({"collMod": name, "validator": {"epoch": {"$gte": Int64(0)}}})
        step = "a write acknowledged by a majority, on disk, within 10 s"
        scratch = database.get_collection(name, write_concern=WriteConcern("majority", j=True, wtimeout=10_000))
        await scratch.insert_one({"_id": Int64(1), "epoch": Int64(0)})
        step = "opening a change stream"
        async with await scratch.watch(max_await_time_ms=1):
            pass
        step = "dropping a collection"
        await database.drop_collection(name)
    except PyMongoError as error:
        return [
            f"{step} failed: {error}. The user needs readWrite and dbAdmin on {database.name!r}, the set a majority"
        ]
    return []
