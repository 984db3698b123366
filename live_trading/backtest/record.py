"""What an operation did, with the times and names taken off: what two runs over the same market must agree on.

A journal of a live run and one of a backtest differ in times, in the numbers of entries, and so in the names of orders.
Here an order is called by its place in the run ("order 3"); everything else that trading consists of is kept exactly.
The parts are compared one by one: between them (a signal here, a fill there) the order of a live journal depends on
which of two connections was faster.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from bson import ObjectId

from live_trading.domain.entries import Entry

Row = dict[str, Any]

_PARTS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "SIGNAL_GENERATED": ("signals", ()),
    "SIGNAL_REFUSED": ("refusals", ("numbers", "detail")),
    "ORDER_REQUESTED": ("orders", ()),
    "ORDER_FILLED": ("fills", ("execution_id", "broker_order_id", "executed_at", "recovered", "cursor")),
    "ORDER_REJECTED": ("ends", ("text",)),
    "ORDER_CANCELLED": ("ends", ("reason",)),
    "ORDER_EXPIRED": ("ends", ()),
    "ORDER_NOT_PLACED": ("ends", ("evidence",)),
    "PROTECTION_SET": ("protections", ()),
    "PROTECTION_MOVED": ("protections", ("command_id",)),
    "PROTECTION_TRIGGERED": ("protections", ()),
}
_NAMES_OF_ORDERS = frozenset(
    (
        "client_order_id",
        "parent_client_order_id",
        "oca_group",
        "stop_loss_client_order_id",
        "take_profit_client_order_id",
    )
)


@dataclass(frozen=True, slots=True)
class TradingRecord:
    """The parts of one operation's run, each in its own order."""

    signals: list[Row]
    refusals: list[Row]
    orders: list[Row]
    fills: list[Row]
    ends: list[Row]
    protections: list[Row]


class Parting(NamedTuple):
    """The first place where two records part: None for what one of them does not have any more."""

    part: str
    place: int
    ours: Row | None
    theirs: Row | None


def trading_record(entries: Iterable[Entry], operation_id: ObjectId | None = None) -> TradingRecord:
    """The record of one operation; None takes the only one there is."""
    parts: dict[str, list[Row]] = {each.name: [] for each in fields(TradingRecord)}
    names: dict[str, str] = {}
    for entry in entries:
        known = _PARTS.get(entry.action_type)
        if known is None or (operation_id is not None and entry.operation_id != operation_id):
            continue
        part, left_out = known
        facts = {name: value for name, value in entry.data.__dict__.items() if name not in left_out}
        if entry.action_type == "ORDER_REQUESTED":
            names[facts["client_order_id"]] = f"order {len(names) + 1}"
        for name in _NAMES_OF_ORDERS.intersection(facts):
            facts[name] = names.get(facts[name], facts[name])
        parts[part].append({"what": entry.action_type, **facts})
    # Who was cancelled first when one order's fill ends two others is told in either order.
    parts["ends"].sort(key=lambda row: (int(str(row["client_order_id"]).rpartition(" ")[2]), row["what"]))
    return TradingRecord(**parts)


def first_parting(ours: TradingRecord, theirs: TradingRecord) -> Parting | None:
    """Where two records first part, part by part; None when they are the same."""
    for each in fields(TradingRecord):
        mine, others = getattr(ours, each.name), getattr(theirs, each.name)
        for index in range(max(len(mine), len(others))):
            one = mine[index] if index < len(mine) else None
            other = others[index] if index < len(others) else None
            if one != other:
                return Parting(each.name, index, one, other)
    return None
