"""What routes read beyond a page of one collection."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from bson import ObjectId
from pydantic import ValidationError
from pymongo import ASCENDING, DESCENDING
from pymongo.asynchronous.database import AsyncDatabase

from live_trading.api.answers import document
from live_trading.api.problems import invalid, not_found
from live_trading.api.services import Services
from live_trading.api.websocket.pulse import bar_fields
from live_trading.config import Settings
from live_trading.domain.bar_size import BarSize
from live_trading.domain.entries import Entry
from live_trading.domain.ids import Kind, derived_id
from live_trading.domain.operation import OperationSettings
from live_trading.models.marks import POSITION_MARKS
from live_trading.models.queries import MARK_FIELDS, entry_fields, outliving_renames
from live_trading.models.quotes import QUOTES
from live_trading.projections.documents import OPERATIONS, ORDERS, POSITIONS, TRADES
from live_trading.projections.time_travel import ledger_at
from live_trading.recovery.policies import TrustedPrice, decide, pauses_afterwards
from live_trading.strategies import load_strategy, parse_parameters

Database = AsyncDatabase[dict[str, Any]]
Fields = dict[str, Any]

_LAST_TRADES: Final = 10
_FRESH_SECONDS: Final = 30.0


# ---- operations ------------------------------------------------------------------------------------------------------


@outliving_renames
async def operation(database: Database, operation_id: str) -> Fields | None:
    """One operation with its open position, working orders and last trades."""
    key = ObjectId(operation_id)
    stored = await database[OPERATIONS].find_one({"_id": key})
    if stored is None:
        return None
    open_ones = await positions(database, {"operation_id": key, "status": "open"})
    working = database[ORDERS].find({"operation_id": key, "is_working": True}).sort("requested_at", DESCENDING)
    trades = database[TRADES].find({"operation_id": key}).sort("exit_time", DESCENDING).limit(_LAST_TRADES)
    return {
        **document(stored),
        "unrealized_pnl": open_ones[0]["unrealized_pnl"] if open_ones else None,
        "positions": open_ones,
        "working_orders": [document(order) for order in await working.to_list()],
        "last_trades": [document(trade) for trade in await trades.to_list()],
    }


async def positions(database: Database, criteria: Mapping[str, Any]) -> list[Fields]:
    """Positions with their marks."""
    return await marked(database, [document(each) async for each in database[POSITIONS].find(dict(criteria))])


async def marked(database: Database, found: list[Fields]) -> list[Fields]:
    """The positions with what they are worth."""
    ids = [position["id"] for position in found if position["status"] == "open"]
    marks = {mark["_id"]: document(mark) async for mark in database[POSITION_MARKS].find({"_id": {"$in": ids}})}
    for position in found:
        mark = marks.get(position["id"], {})
        position.update({name: mark.get(name) for name in MARK_FIELDS})
    return found


async def must_exist(database: Database, operation_id: str) -> ObjectId:
    """The operation's id; :class:`Problem` (404)."""
    key = ObjectId(operation_id)
    if await database[OPERATIONS].find_one({"_id": key}, {"_id": 1}) is None:
        raise not_found(f"operation {operation_id}", "operation_id")
    return key


def check_new_operation(settings: Settings, arguments: Mapping[str, Any]) -> None:
    """Refuse at once what the engine would refuse, so that nonsense never waits for an engine that is away."""
    if ".py:" in str(arguments["strategy_name"]):
        raise invalid("strategy_name", "files are named in the command line only: use a registered strategy")
    defaults = settings.risk_management.operation_defaults(settings.broker.account_type)
    for kind in ("stop_loss", "take_profit"):
        if f"{kind}_type" in arguments or f"{kind}_value" in arguments:
            defaults |= {f"{kind}_type": None, f"{kind}_value": None}
    try:
        known = OperationSettings.model_validate(
            {**defaults, "primary_bar_size": arguments["bar_sizes"][0] if arguments["bar_sizes"] else None, **arguments}
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        text = str(first["msg"]).removeprefix("Value error, ")
        field = ".".join(str(part) for part in first["loc"])
        raise invalid(field or text.partition(" ")[0], text) from None
    strategy = load_strategy(known.strategy_name)
    parse_parameters(strategy, known.strategy_config)


async def recover_preview(service: Services, operation_id: str) -> tuple[Fields, int]:
    """What recovery would decide for an operation's open position, from the journal and the last price."""
    ledger = await ledger_at(service.reader, service.snapshots)
    found = ledger.operation(ObjectId(operation_id))
    if found is None or derived_id(Kind.OPERATION, found.number) != ObjectId(operation_id):
        raise not_found(f"operation {operation_id}", "operation_id")
    settings = OperationSettings.model_validate(found.settings)
    told: Fields = {
        "operation_id": operation_id,
        "mode": settings.crash_recovery_mode.value,
        "decision": None,
        "reason": "there is no open position: nothing would be decided",
        "quantity": found.quantity,
        **dict.fromkeys(("price", "price_age_seconds", "unrealized_pnl", "unrealized_pnl_pct", "threshold_pct"), None),
        "pauses_afterwards": False,
    }
    if found.quantity:
        decided = decide(found, settings, await _trusted(service, found.broker, found.symbol))
        told |= {
            "decision": decided.decision.value,
            "reason": decided.reason,
            "price": decided.price,
            "price_age_seconds": decided.price_age_seconds,
            "unrealized_pnl": decided.unrealized_pnl,
            "unrealized_pnl_pct": decided.unrealized_pnl_pct,
            "threshold_pct": decided.threshold_pct,
            "pauses_afterwards": pauses_afterwards(decided),
        }
    return told, ledger.sequence_number


async def _trusted(service: Services, broker: str, symbol: str) -> TrustedPrice | None:
    """The last price, if it is fresh. Its age is by the market's clock, which may be another one than ours."""
    quote = await service.database[QUOTES].find_one({"_id": f"{broker}|{symbol}"})
    if quote is None or quote["stale"]:
        return None
    age = max(0.0, (service.runtime.clock.now() - quote["priced_at"]).total_seconds())
    return TrustedPrice(quote["price"].to_decimal(), age) if age <= _FRESH_SECONDS else None


# ---- bars ------------------------------------------------------------------------------------------------------------


async def bars(
    database: Database, criteria: Mapping[str, Any], size: BarSize, before: datetime | None, limit: int
) -> list[Fields]:
    """The last bars (before a time), oldest first."""
    wanted = dict(criteria)
    if before is not None:
        wanted["timestamp"] = {"$lt": before}
    found = database[size.collection].find(wanted).sort("timestamp", DESCENDING).limit(limit)
    return [bar_fields(stored) for stored in reversed(await found.to_list())]


# ---- the journal -----------------------------------------------------------------------------------------------------


def signal_fields(entry: Entry, refusal: Entry | None) -> Fields:
    """A signal's entry, with what the Gatekeeper said."""
    fields = entry_fields(entry)
    data = fields["action_data"]
    names = ("signal", "symbol", "strategy_name", "bar_size", "bar_start", "price", "reason", "inputs")
    refused = None
    if refusal is not None:
        told = entry_fields(refusal)["action_data"]
        refused = {name: told[name] for name in ("rule", "detail", "numbers")}
    return {
        **{name: fields[name] for name in ("sequence_number", "timestamp", "actor")},
        **{name: data[name] for name in names},
        "refused": refused,
    }


async def first_bar_of(database: Database, asset: str, size: BarSize) -> ObjectId | None:
    """The operation that has the newest bars of an asset."""
    operations = database[OPERATIONS].find({"symbol": asset, "bar_sizes": size.value}, {"_id": 1})
    newest: tuple[datetime, ObjectId] | None = None
    async for found in operations.sort("created_at", ASCENDING):
        last = await database[size.collection].find_one(
            {"operation_id": found["_id"]}, {"timestamp": 1}, sort=[("timestamp", DESCENDING)]
        )
        if last is not None and (newest is None or last["timestamp"] >= newest[0]):
            newest = last["timestamp"], found["_id"]
    return newest[1] if newest is not None else None
