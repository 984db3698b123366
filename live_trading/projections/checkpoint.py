"""How far the read models are, and in what state: one document of the collection ``projections``.

``version`` names the set of collections that stands; it goes up with every rebuild. ``state`` is

* ``live``: the projector writes,
* ``swapping``: a rebuild puts its collections in place; nobody else writes until the version has gone up,
* ``halted``: an entry could not be projected; ``reason`` says why, and the next projector to start tries again.

Every change is a compare-and-set, so that of two who think they own it only one gets it.
"""

from enum import StrEnum
from typing import Any, Final

import msgspec
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from live_trading.domain.entries import GENESIS_HASH

PROJECTIONS: Final = "projections"
READ_MODELS: Final = "read_models"

Database = AsyncDatabase[dict[str, Any]]


class State(StrEnum):
    LIVE = "live"
    SWAPPING = "swapping"
    HALTED = "halted"


class Target(msgspec.Struct, frozen=True):
    """What a swap puts in place: the collections' version, and how far they are."""

    version: int
    sequence_number: int
    journal_hash: bytes
    fold_version: str
    token: str


class Checkpoint(msgspec.Struct, frozen=True):
    """The document. ``fold_version`` is the documents' version (fold and shape). ``rebuilding`` is the token of the
    rebuild that may swap; ``acknowledged`` the version to which the projector knows a swap is under way."""

    version: int
    sequence_number: int
    journal_hash: bytes
    fold_version: str
    state: State
    reason: str | None = None
    target: Target | None = None
    rebuilding: str | None = None
    acknowledged: int = 0


class Checkpoints:
    """Reads and sets the checkpoint of the read models in a database."""

    def __init__(self, database: Database) -> None:
        self._collection: AsyncCollection[dict[str, Any]] = database.get_collection(
            PROJECTIONS, read_concern=ReadConcern("majority"), write_concern=WriteConcern(w="majority", j=True)
        )

    async def read(self) -> Checkpoint | None:
        """The checkpoint, None before there ever was one."""
        document = await self._collection.find_one({"_id": READ_MODELS})
        return None if document is None else msgspec.convert(document, Checkpoint)

    async def create(self, fold_version: str) -> Checkpoint:
        """The checkpoint; made at number 0 where there is none."""
        first = Checkpoint(1, 0, GENESIS_HASH, fold_version, State.LIVE)
        try:
            await self._collection.insert_one({"_id": READ_MODELS, **_fields(first)})
        except DuplicateKeyError:
            found = await self.read()
            assert found is not None
            return found
        return first

    async def advance(self, version: int, sequence_number: int, journal_hash: bytes) -> bool:
        """Note that the documents up to an entry are written. False when somebody else is further, or owns it now."""
        return await self._set(
            {"version": version, "state": State.LIVE.value, "sequence_number": {"$lt": sequence_number}},
            {"sequence_number": sequence_number, "journal_hash": journal_hash},
        )

    async def halt(self, version: int, reason: str) -> bool:
        """Note that the projection cannot go on, and why."""
        live = {"version": version, "state": State.LIVE.value}
        return await self._set(live, {"state": State.HALTED.value, "reason": reason})

    async def resume(self, version: int) -> bool:
        """Try again after a halt."""
        halted = {"version": version, "state": State.HALTED.value}
        return await self._set(halted, {"state": State.LIVE.value, "reason": None})

    async def claim(self, version: int, token: str) -> bool:
        """Begin to rebuild: from now on no rebuild that began earlier can swap. False when a swap is under way."""
        return await self._set({"version": version, "state": {"$ne": State.SWAPPING.value}}, {"rebuilding": token})

    async def begin_swap(self, version: int, target: Target) -> bool:
        """Stop the projector, to put the target in place. False when another rebuild began meanwhile."""
        return await self._set(
            {"version": version, "state": {"$ne": State.SWAPPING.value}, "rebuilding": target.token},
            {"state": State.SWAPPING.value, "reason": None, "target": _fields(target)},
        )

    async def move_target(self, version: int, target: Target) -> bool:
        """Note that the target has come further while the swap waits."""
        return await self._set(
            {"version": version, "state": State.SWAPPING.value, "target.token": target.token},
            {"target": _fields(target)},
        )

    async def acknowledge(self, version: int) -> bool:
        """The projector's answer to a swap: nothing of it is under way any more."""
        swapping = {"version": version, "state": State.SWAPPING.value}
        return await self._set(swapping, {"acknowledged": version + 1})

    async def finish_swap(self, version: int, target: Target) -> bool:
        """The target's collections stand: let the projector go on from where they are."""
        after = Checkpoint(target.version, target.sequence_number, target.journal_hash, target.fold_version, State.LIVE)
        return await self._set(
            {"version": version, "state": State.SWAPPING.value, "target.token": target.token}, _fields(after)
        )

    async def _set(self, seen: dict[str, Any], fields: dict[str, Any]) -> bool:
        result = await self._collection.update_one({"_id": READ_MODELS, **seen}, {"$set": fields})
        return result.matched_count == 1


def _fields(value: Checkpoint | Target) -> dict[str, Any]:
    fields = msgspec.to_builtins(value, builtin_types=(bytes,))
    assert isinstance(fields, dict)
    return fields
