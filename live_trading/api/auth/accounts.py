"""Users and their log-ins, in MongoDB: ``users``, ``logins``, ``login_failures``.

The journal is the engine's alone to write. So whatever is to be in it (a log-in, a refusal, a change of a user) is put
down as a command in the same transaction as the change itself: both are durable or neither, before anyone is answered,
and the engine makes the entry of it exactly once, now or when it is back.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from pymongo import ASCENDING, IndexModel, ReturnDocument
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import CollectionInvalid, DuplicateKeyError

from live_trading.api.auth.passwords import Passwords, check_password
from live_trading.api.auth.roles import Role
from live_trading.api.auth.tokens import Claims, Tokens, digest, refresh_secret, same, unauthorized
from live_trading.api.problems import Problem, not_found
from live_trading.config import ApiSettings
from live_trading.domain.errors import InvalidInput
from live_trading.models import commands
from live_trading.runtime import Runtime

USERS: Final = "users"
LOGINS: Final = "logins"
FAILURES: Final = "login_failures"
LOCKS: Final = "user_locks"
FIRST_ADMIN: Final = "admin"

NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")
_LONGEST_LOCK: Final = 3600.0
_CACHED_SECONDS: Final = 1.0
_CACHED_MOST: Final = 10_000

Database = AsyncDatabase[dict[str, Any]]
Fields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks."""

    name: str
    role: Role
    session: str
    address: str = ""

    @property
    def actor(self) -> str:
        """As the journal calls them."""
        return f"user:{self.name}"


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """What a log-in gives."""

    caller: Caller
    access_token: str
    expires_in: int
    refresh_token: str
    refresh_expires_at: datetime


def check_name(name: str) -> str:
    """The name as it is kept; :class:`InvalidInput`."""
    if not NAME.fullmatch(name):
        raise InvalidInput("name", "is not a user's name", "Use 1 to 32 of a-z, 0-9, dot, dash, underscore")
    return name


class Accounts:
    """All that is done with users. Stateless but for a second's memory of who is logged in."""

    def __init__(self, database: Database, settings: ApiSettings, tokens: Tokens | None, runtime: Runtime) -> None:
        """``tokens`` None: for managing users only, as the command line does."""
        self._database = database
        self._settings = settings
        self._tokens = tokens
        self._clock, self._ids = runtime.clock, runtime.ids
        self._passwords = Passwords()
        self._known: dict[str, tuple[float, str, Role]] = {}

    async def prepare(self) -> None:
        """Make the collections and indexes that are missing."""
        names = await self._database.list_collection_names()
        for name in (USERS, LOGINS, FAILURES, LOCKS):
            if name not in names:
                try:
                    await self._database.create_collection(name)
                except CollectionInvalid:
                    continue  # another process was faster
        await commands.prepare(self._database)
        expires = IndexModel([("expires_at", ASCENDING)], expireAfterSeconds=0)
        await self._database[LOGINS].create_indexes([expires, IndexModel([("user", ASCENDING)])])
        await self._database[FAILURES].create_indexes([expires])

    async def first_admin(self) -> str | None:
        """Make the first admin where there is no user at all; the password, to be shown this once."""
        if await self._database[USERS].find_one({}, {"_id": 1}) is not None:
            return None
        password = self._ids.token(24)
        user = await self._user(FIRST_ADMIN, Role.ADMIN, password)
        try:
            await self._database[USERS].insert_one(user)
        except DuplicateKeyError:
            return None
        return password

    # ---- logging in and out -----------------------------------------------------------------------------------------

    async def log_in(self, name: str, password: str, address: str) -> LoggedIn:
        """Begin a log-in. Raises :class:`Problem`: the same for a wrong password and for a user that is not there."""
        name = name.strip().lower()
        failures = self._database[FAILURES]
        known = await failures.find_one({"_id": name}) if NAME.fullmatch(name) else None
        now = self._clock.now()
        if known is not None and known.get("locked_until") is not None and known["locked_until"] > now:
            seconds = max(1, round((known["locked_until"] - now).total_seconds()))
            raise Problem(429, "LOCKED_OUT", "too many wrong passwords: wait", headers={"Retry-After": str(seconds)})
        user = await self._database[USERS].find_one({"_id": name}) if NAME.fullmatch(name) else None
        active = user is not None and not user["disabled"]
        matches = await self._passwords.verify(password, user["password_hash"] if user is not None and active else None)
        if not matches or user is None:
            await self._failed(name, address)
            raise Problem(401, "WRONG_CREDENTIALS", "the name or the password is wrong")
        session, secret = self._ids.token(32), refresh_secret(self._ids)
        expires_at = now + timedelta(days=self._settings.refresh_token_days)
        login = {
            "_id": session,
            "user": name,
            "refresh": digest(secret),
            "created_at": now,
            "refreshed_at": now,
            "expires_at": expires_at,
            "address": address,
        }

        async def begin(transaction: AsyncClientSession) -> None:
            await self._database[LOGINS].insert_one(login, session=transaction)
            await self._audit(
                transaction, "record_user_authenticated", {"user": name, "address": address}, f"user:{name}"
            )

        await self._atomically(begin)
        if known is not None:
            await failures.delete_one({"_id": name})
        return self._logged_in(Caller(name, Role(user["role"]), session, address), secret, expires_at)

    def _logged_in(self, caller: Caller, secret: str, expires_at: datetime) -> LoggedIn:
        assert self._tokens is not None
        access = self._tokens.access(caller.name, caller.session)
        return LoggedIn(caller, access, self._tokens.lifetime, f"{caller.session}.{secret}", expires_at)

    async def _failed(self, name: str, address: str) -> None:
        """Count a wrong password, and lock the name when there were too many in a row."""
        if not NAME.fullmatch(name):
            return
        now = self._clock.now()
        after = await self._database[FAILURES].find_one_and_update(
            {"_id": name},
            {"$inc": {"count": 1}, "$set": {"expires_at": now + timedelta(days=1)}},
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
        count, most = int((after or {"count": 1})["count"]), self._settings.lock_after_failures
        reason = "wrong name or password"
        if count % most == 0:
            seconds = min(60.0 * 2.0 ** min(count // most - 1, 10), _LONGEST_LOCK)
            locked_until = now + timedelta(seconds=seconds)
            await self._database[FAILURES].update_one({"_id": name}, {"$set": {"locked_until": locked_until}})
            reason = f"wrong name or password, {count} times in a row: locked for {seconds:g} s"
        await self.note_refusal(name, address, reason)

    async def note_refusal(self, name: str, address: str, reason: str) -> None:
        """Have the journal say that somebody was refused."""
        facts = {"user": name, "address": address, "reason": reason}

        async def note(transaction: AsyncClientSession) -> None:
            await self._audit(transaction, "record_user_refused", facts, "api")

        await self._atomically(note)

    async def refresh(self, token: str, address: str) -> LoggedIn:
        """Fresh tokens for a refresh token, which is used up by that.

        One that was used before means that two have it: the whole log-in is ended, whoever of them asks.
        """
        session, _, secret = token.partition(".")
        now = self._clock.now()
        fresh = refresh_secret(self._ids)
        expires_at = now + timedelta(days=self._settings.refresh_token_days)
        before = await self._database[LOGINS].find_one_and_update(
            {"_id": session, "refresh": digest(secret), "expires_at": {"$gt": now}},
            {"$set": {"refresh": digest(fresh), "refreshed_at": now, "expires_at": expires_at}},
        )
        if before is None:
            await self._refuse_refresh(session, secret, address)
            raise unauthorized("TOKEN_INVALID", "the refresh token is not good any more: log in")
        user = await self._database[USERS].find_one({"_id": before["user"]})
        if user is None or user["disabled"]:
            await self._database[LOGINS].delete_one({"_id": session})
            raise unauthorized("TOKEN_REVOKED", "the user may not log in any more")
        return self._logged_in(Caller(user["_id"], Role(user["role"]), session, address), fresh, expires_at)

    async def _refuse_refresh(self, session: str, secret: str, address: str) -> None:
        login = await self._database[LOGINS].find_one({"_id": session})
        if login is None or same(login["refresh"], digest(secret)):
            return
        reason = "a refresh token was used twice: the log-in was ended"
        facts = {"user": login["user"], "address": address, "reason": reason}

        async def end(transaction: AsyncClientSession) -> None:
            ended = await self._database[LOGINS].delete_one({"_id": session}, session=transaction)
            if ended.deleted_count:
                await self._audit(transaction, "record_user_refused", facts, "api")

        await self._atomically(end)
        self._known.pop(session, None)

    async def log_out(self, caller: Caller) -> None:
        """End the caller's log-in: its tokens are worth nothing from now on."""
        await self._database[LOGINS].delete_one({"_id": caller.session})
        self._known.pop(caller.session, None)

    async def identify(self, claims: Claims, address: str, *, fresh: bool = False) -> Caller:
        """Who the holder of a valid access token is now. A log-in that was ended is :class:`Problem` (401).

        The answer is remembered for a second in this process, so a revocation in another one takes that long.
        """
        known = None if fresh else self._known.get(claims.session)
        if known is not None and known[0] > self._clock.monotonic() and known[1] == claims.user:
            return Caller(claims.user, known[2], claims.session, address)
        login = await self._database[LOGINS].find_one({"_id": claims.session, "user": claims.user}, {"_id": 1})
        user = None
        if login is not None:
            user = await self._database[USERS].find_one({"_id": claims.user}, {"role": 1, "disabled": 1})
        if user is None or user["disabled"]:
            self._known.pop(claims.session, None)
            raise unauthorized("TOKEN_REVOKED", "the log-in was ended: log in again")
        role = Role(user["role"])
        if len(self._known) >= _CACHED_MOST:
            self._known.clear()
        self._known[claims.session] = (self._clock.monotonic() + _CACHED_SECONDS, claims.user, role)
        return Caller(claims.user, role, claims.session, address)

    # ---- managing users ---------------------------------------------------------------------------------------------

    async def users(self) -> list[Fields]:
        """Every user, by name; never with a password's hash."""
        return [_told(user) async for user in self._database[USERS].find().sort("_id", ASCENDING)]

    async def user(self, name: str) -> Fields:
        """One user; :class:`Problem` (404)."""
        found = await self._database[USERS].find_one({"_id": name})
        if found is None:
            raise not_found(f"user {name}", "name")
        return _told(found)

    async def add(self, name: str, role: Role, password: str, actor: str) -> Fields:
        """Make a user. Raises :class:`InvalidInput`, or :class:`Problem` (409) where there is one of that name."""
        check_password(password, check_name(name))
        user = await self._user(name, role, password)

        async def insert(transaction: AsyncClientSession) -> None:
            if await self._database[USERS].find_one({"_id": name}, session=transaction) is not None:
                raise Problem(409, "USER_EXISTS", f"there is a user {name} already", field="name")
            await self._database[USERS].insert_one(user, session=transaction)
            await self._changed(transaction, name, f"added as {role.value}", actor)

        await self._atomically(insert)
        return _told(user)

    async def change(
        self,
        name: str,
        actor: str,
        *,
        role: Role | None = None,
        password: str | None = None,
        disabled: bool | None = None,
    ) -> Fields:
        """Change a user. A new password, another role or disabling ends the user's log-ins."""
        what: list[str] = []
        fields: Fields = {"updated_at": self._clock.now()}
        if password is not None:
            check_password(password, name)
            fields["password_hash"] = await self._passwords.hash(password)
            what.append("password changed")
        if role is not None:
            fields["role"] = role.value
            what.append(f"role {role.value}")
        if disabled is not None:
            fields["disabled"] = disabled
            what.append("disabled" if disabled else "enabled")
        if not what:
            raise InvalidInput("user", "nothing to change", "Give role, password or disabled")

        async def update(transaction: AsyncClientSession) -> None:
            await self._database[USERS].update_one({"_id": name}, {"$set": fields}, session=transaction)
            await self._database[LOGINS].delete_many({"user": name}, session=transaction)
            await self._changed(transaction, name, ", ".join(what), actor)

        return await self._managed(name, update)

    async def remove(self, name: str, actor: str) -> Fields:
        """Remove a user and all log-ins."""

        async def delete(transaction: AsyncClientSession) -> None:
            await self._database[USERS].delete_one({"_id": name}, session=transaction)
            await self._database[LOGINS].delete_many({"user": name}, session=transaction)
            await self._changed(transaction, name, "removed", actor)

        return await self._managed(name, delete)

    async def revoke(self, name: str, actor: str) -> Fields:
        """End every log-in of a user."""

        async def end(transaction: AsyncClientSession) -> None:
            await self._database[LOGINS].delete_many({"user": name}, session=transaction)
            await self._changed(transaction, name, "log-ins revoked", actor)

        return await self._managed(name, end)

    async def _managed(self, name: str, work: Callable[[AsyncClientSession], Awaitable[None]]) -> Fields:
        """The user after ``work`` (before it, where it is gone then). Refused where it would leave no admin."""
        after: list[Fields] = []

        async def checked(transaction: AsyncClientSession) -> None:
            after.clear()
            users = self._database[USERS]
            # Two such changes at once write the same document, so one of them is made to look again.
            await self._database[LOCKS].update_one(
                {"_id": "users"}, {"$inc": {"changes": 1}}, upsert=True, session=transaction
            )
            before = await users.find_one({"_id": name}, session=transaction)
            if before is None:
                raise not_found(f"user {name}", "name")
            await work(transaction)
            admin = await users.find_one({"role": Role.ADMIN.value, "disabled": False}, session=transaction)
            if admin is None:
                raise Problem(409, "LAST_ADMIN", "there would be no admin left: make another one first")
            after.append(await users.find_one({"_id": name}, session=transaction) or before)

        await self._atomically(checked)
        self._known = {key: known for key, known in self._known.items() if known[1] != name}
        return _told(after[0])

    async def _user(self, name: str, role: Role, password: str) -> Fields:
        now = self._clock.now()
        return {
            "_id": name,
            "role": role.value,
            "password_hash": await self._passwords.hash(password),
            "disabled": False,
            "created_at": now,
            "updated_at": now,
        }

    # ---- for the journal --------------------------------------------------------------------------------------------

    async def _changed(self, transaction: AsyncClientSession, user: str, change: str, actor: str) -> None:
        await self._audit(transaction, "record_user_changed", {"user": user, "change": change}, actor)

    async def _audit(self, transaction: AsyncClientSession, kind: str, facts: Mapping[str, Any], actor: str) -> None:
        record = commands.CommandRecord(
            id=self._ids.token(), kind=kind, arguments=dict(facts), actor=actor, created_at=self._clock.now()
        )
        await commands.submit(self._database, record, session=transaction)

    async def _atomically(self, work: Callable[[AsyncClientSession], Awaitable[None]]) -> None:
        async with self._database.client.start_session() as session:
            await session.with_transaction(work)


def _told(user: Mapping[str, Any]) -> Fields:
    return {
        "name": user["_id"],
        "role": user["role"],
        "disabled": user["disabled"],
        "created_at": user["created_at"],
        "updated_at": user["updated_at"],
    }
