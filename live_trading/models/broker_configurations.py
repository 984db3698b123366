"""The brokers that operations can name: kept in ``broker_configurations``, changed by people, their secrets encrypted.

A change and the command that has it journaled are one transaction: whatever is kept here is told by a
SETTINGS_CHANGED entry as soon as an engine is there, and nothing is told that is not kept. Secrets are in neither: an
entry says that one is set, or was replaced. A running engine takes changes up at its next start.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from live_trading.config.schema import BrokerType
from live_trading.domain.errors import InvalidInput
from live_trading.domain.values import AccountType, OperationStatus
from live_trading.models import commands
from live_trading.models.secret_box import SecretBox
from live_trading.projections.documents import OPERATIONS
from live_trading.runtime import Clock, IdSource

BROKER_CONFIGURATIONS: Final = "broker_configurations"
SECTION: Final = "brokers"
"""Under this ``section``, with the name behind a dot, SETTINGS_CHANGED tells of changes here."""
RESERVED: Final = frozenset(kind.value.lower() for kind in BrokerType)
"""What ``run --broker`` calls the brokers of the configuration file."""

_OPTIONS: Final[Mapping[BrokerType, frozenset[str]]] = {
    BrokerType.PAPER: frozenset({"url"}),
    BrokerType.IBKR: frozenset(),
    BrokerType.OANDA: frozenset({"rest_url", "stream_url", "always_open"}),
}
_CONFIRMATION: Final = "an account with real money needs a confirmation: its account_id, typed again"

Database = AsyncDatabase[dict[str, Any]]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$", description="what operations call it; unique")]


class UnknownBroker(InvalidInput):
    """There is no configuration of that name."""

    def __init__(self, name: str) -> None:
        super().__init__("broker", f"there is no broker configuration {name!r}", "live-trading brokers list shows them")


class BrokerFields(BaseModel):
    """How to reach one account at one broker, secrets apart."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: Name
    broker_name: BrokerType = Field(description="the adapter: PAPER, IBKR or OANDA")
    account_type: AccountType = Field(default=AccountType.PAPER, description="LIVE holds real money")
    host: str | None = Field(default=None, min_length=1, max_length=255, description="where its gateway listens (IBKR)")
    port: int | None = Field(default=None, ge=1, le=65_535, description="its gateway's port (IBKR)")
    client_id: int | None = Field(default=None, ge=0, le=2**31 - 1, description="our client number there (IBKR)")
    account_id: str | None = Field(default=None, min_length=1, max_length=64, description="the account at the broker")
    is_active: bool = Field(default=True, description="whether the engine connects to it")
    config: dict[str, str] = Field(
        default_factory=dict,
        description="url (PAPER); rest_url, stream_url (OANDA, in place of its own), always_open (no market hours)",
    )


class NewBroker(BrokerFields):
    """What a person gives. ``confirm_live``: for a LIVE account its ``account_id`` again, as an explicit yes."""

    api_key: SecretStr | None = Field(default=None, min_length=1, max_length=4096, description="the secret (OANDA)")
    confirm_live: str | None = Field(default=None, description="a LIVE account's account_id, typed again")

    @field_validator("name")
    @classmethod
    def _free(cls, name: str) -> str:
        if name in RESERVED:
            raise ValueError(f"{name} is what the configuration file's own broker is called: use another name")
        return name

    @field_validator("config")
    @classmethod
    def _addresses(cls, config: dict[str, str]) -> dict[str, str]:
        for key, value in config.items():
            if key == "always_open":
                if value not in ("true", "false"):
                    raise ValueError("always_open must be true or false")
            elif not value.startswith(("http://", "https://")) or "@" in value or len(value) > 255:
                raise ValueError(f"{key} must be an http:// or https:// address without a password")
        return config

    @model_validator(mode="after")
    def _complete(self) -> Self:
        kind = self.broker_name
        if unknown := sorted(set(self.config) - _OPTIONS[kind]):
            raise ValueError(f"config.{unknown[0]} means nothing to {kind.value}")
        if kind is BrokerType.PAPER and "url" not in self.config:
            raise ValueError("config.url is missing: the paper exchange's address")
        if kind is BrokerType.PAPER and self.account_type is AccountType.LIVE:
            raise ValueError("account_type LIVE: a paper exchange holds no real money")
        if kind is BrokerType.IBKR and (self.host is None or self.port is None):
            raise ValueError("host and port are missing: where TWS or IB Gateway listens")
        if kind is BrokerType.OANDA and self.account_id is None:
            raise ValueError("account_id is missing, such as 101-001-1234567-001")
        if len({key in self.config for key in ("rest_url", "stream_url")}) > 1:
            raise ValueError("config.rest_url and config.stream_url go together")
        if kind is not BrokerType.OANDA and self.api_key is not None:
            raise ValueError(f"api_key means nothing to {kind.value}")
        return self


class BrokerChange(BaseModel):
    """New values for a configuration; what is not given stays. Name and kind never change."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    account_type: AccountType | None = None
    host: str | None = None
    port: int | None = None
    client_id: int | None = None
    account_id: str | None = None
    is_active: bool | None = None
    config: dict[str, str] | None = None
    api_key: SecretStr | None = None
    confirm_live: str | None = None


class BrokerView(BrokerFields):
    """A configuration as it may be shown: that a secret is set, never which."""

    has_api_key: bool
    confirmed_live: bool
    changed_at: datetime
    changed_by: str


class BrokerConnection(BrokerFields):
    """A configuration as an adapter needs it: with its secret. Never shown, never logged."""

    api_key: SecretStr | None = None
    confirmed_live: bool = False


async def first_live(database: Database) -> str | None:
    """The name of an active configuration whose account holds real money; None where there is none."""
    wanted = {"account_type": AccountType.LIVE.value, "is_active": True}
    found = await database[BROKER_CONFIGURATIONS].find_one(wanted, {"name": 1}, sort=[("name", 1)])
    return None if found is None else str(found["name"])


class BrokerConfigurations:
    """The configurations in one database. Every change says who made it, and is journaled.

    Raises :class:`InvalidInput` (:class:`UnknownBroker` for a name there is none of), changing nothing then.
    """

    def __init__(self, database: Database, box: SecretBox, clock: Clock, ids: IdSource) -> None:
        self._database = database
        self._box = box
        self._clock = clock
        self._ids = ids

    async def prepare(self) -> None:
        """Create the index that keeps names unique, and what the commands need."""
        await self._collection().create_index("name", unique=True)
        await commands.prepare(self._database)

    async def all(self) -> list[BrokerView]:
        """Every configuration, by name."""
        return [_view(document) async for document in self._collection().find().sort("name")]

    async def get(self, name: str) -> BrokerView:
        """One configuration."""
        return _view(await self._document(name))

    async def connection(self, name: str) -> BrokerConnection:
        """One configuration with its secret, to connect by."""
        return self._connection(await self._document(name))

    async def active(self) -> list[BrokerConnection]:
        """What the engine connects to, by name."""
        found = self._collection().find({"is_active": True}).sort("name")
        return [self._connection(document) async for document in found]

    async def add(self, new: NewBroker, actor: str) -> BrokerView:
        """Keep a new configuration."""
        document = self._stored(new, actor, sealed=None)
        try:
            await self._commit(new.name, None, document, actor)
        except DuplicateKeyError:
            raise InvalidInput(
                "name", f"there is a broker configuration {new.name!r} already", "Use another name, or change that one"
            ) from None
        return _view(document)

    async def change(self, name: str, change: BrokerChange, actor: str) -> BrokerView:
        """Put new values in. One that open operations name cannot be put out of use or get another account."""
        before = await self._document(name)
        given = change.model_dump(exclude_unset=True)
        known = {field: before.get(field) for field in BrokerFields.model_fields}
        confirmation = {"confirm_live": before.get("account_id")} if self._stays_confirmed(before, given) else {}
        try:
            new = NewBroker.model_validate(
                {key: value for key, value in {**known, **confirmation, **given}.items() if value is not None}
            )
        except ValidationError as error:
            raise first_problem(error) from None
        moved = any(before.get(field) != getattr(new, field) for field in ("account_id", "account_type"))
        if moved or not new.is_active:
            await self._refuse_in_use(name, "is traded by open operations: close them first")
        document = self._stored(new, actor, sealed=before.get("api_key"))
        await self._commit(name, before, document, actor)
        return _view(document)

    async def remove(self, name: str, actor: str) -> None:
        """Forget a configuration that no open operation names."""
        before = await self._document(name)
        await self._refuse_in_use(name, "is traded by open operations: close them first")
        await self._commit(name, before, None, actor)

    # ---- what is kept ------------------------------------------------------------------------------------------------

    def _collection(self) -> AsyncCollection[dict[str, Any]]:
        return self._database.get_collection(
            BROKER_CONFIGURATIONS,
            read_concern=ReadConcern("majority"),
            write_concern=WriteConcern(w="majority", j=True),
        )

    async def _document(self, name: str) -> dict[str, Any]:
        document = await self._collection().find_one({"name": name})
        if document is None:
            raise UnknownBroker(name)
        return document

    def _stays_confirmed(self, before: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
        same = all(given.get(key, before.get(key)) == before.get(key) for key in ("account_id", "account_type"))
        return same and bool(before.get("confirmed_live"))

    def _stored(self, new: NewBroker, actor: str, sealed: str | None) -> dict[str, Any]:
        is_live = new.account_type is AccountType.LIVE
        wanted = new.account_id or new.name
        if is_live and new.confirm_live != wanted:
            raise InvalidInput("confirm_live", _CONFIRMATION, f"Give {wanted!r} if that is what you mean")
        if new.api_key is not None:
            sealed = self._box.seal(new.api_key)
        if new.broker_name is BrokerType.OANDA and sealed is None:
            raise InvalidInput("api_key", "is missing", "Give the personal access token")
        return {
            **new.model_dump(mode="json", include=set(BrokerFields.model_fields)),
            "api_key": sealed,
            "confirmed_live": is_live,
            "changed_at": self._clock.now(),
            "changed_by": actor,
        }

    def _connection(self, document: Mapping[str, Any]) -> BrokerConnection:
        sealed = document.get("api_key")
        return BrokerConnection.model_validate(
            {
                **_fields(document),
                "api_key": None if sealed is None else self._box.unseal(sealed),
                "confirmed_live": bool(document.get("confirmed_live")),
            }
        )

    async def _refuse_in_use(self, name: str, why: str) -> None:
        in_use = await self._database[OPERATIONS].find_one(
            {"broker": name, "status": {"$ne": OperationStatus.CLOSED.value}}
        )
        if in_use is not None:
            raise InvalidInput("broker", f"{name} {why}", "live-trading operations list shows them")

    async def _commit(
        self, name: str, before: Mapping[str, Any] | None, after: dict[str, Any] | None, actor: str
    ) -> None:
        """The change and the command that tells of it, both or neither."""
        record = commands.CommandRecord(
            id=self._ids.token(),
            kind="record_settings_changed",
            arguments={"section": f"{SECTION}.{name}", "before": _told(before), "after": _told(after, before)},
            actor=actor,
            created_at=self._clock.now(),
        )

        async def both(session: AsyncClientSession) -> None:
            collection = self._collection()
            if after is None:
                await collection.delete_one({"name": name}, session=session)
            elif before is None:
                await collection.insert_one(dict(after), session=session)
            else:
                await collection.update_one({"name": name}, {"$set": after}, session=session)
            await commands.submit(self._database, record, session=session)

        async with self._database.client.start_session() as session:
            await session.with_transaction(both)


def first_problem(error: ValidationError) -> InvalidInput:
    """The first thing that is wrong with what was given, never with its value."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    text = first["msg"].removeprefix("Value error, ")
    if not field:  # a rule over several fields begins with the field it is about
        field, _, text = text.partition(" ")
        field = field.rstrip(":")
    described = BrokerFields.model_fields.get(field)
    remedy = f"It is: {described.description}" if described is not None and described.description else ""
    return InvalidInput(field, text, remedy)


def _fields(document: Mapping[str, Any]) -> dict[str, Any]:
    return {key: document[key] for key in BrokerFields.model_fields if key in document}


def _view(document: Mapping[str, Any]) -> BrokerView:
    return BrokerView.model_validate(
        {
            **_fields(document),
            "has_api_key": document.get("api_key") is not None,
            "confirmed_live": bool(document.get("confirmed_live")),
            "changed_at": document["changed_at"],
            "changed_by": document["changed_by"],
        }
    )


_Secret = Literal["not set", "set", "replaced"]


def _told(document: Mapping[str, Any] | None, before: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A configuration as the journal tells it."""
    if document is None:
        return {}
    secret: _Secret = "not set" if document.get("api_key") is None else "set"
    if before is not None and secret == "set" and before.get("api_key") not in (None, document.get("api_key")):  # noqa: S105
        secret = "replaced"  # noqa: S105
    told = {key: value for key, value in _fields(document).items() if value is not None}
    return {**told, "api_key": secret, "confirmed_live": bool(document.get("confirmed_live"))}
