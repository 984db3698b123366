"""Journals told by tests: entries in order, each a fact, with ids as the engine makes them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from bson import ObjectId

from live_trading.domain import entries as e
from live_trading.domain.entries import Draft, Entry, EntryData
from live_trading.domain.ids import Kind, client_order_id, derived_id
from live_trading.domain.instrument import Instrument
from live_trading.domain.operation import OperationSettings
from live_trading.domain.values import AssetClass, OrderPurpose, OrderType, Side
from live_trading.projections import Ledger, apply
from live_trading.projections.documents import Changes, Document, take_changes

DEPLOYMENT = "d" * 24
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
BROKER = "paper"


def D(text: str | int | Decimal) -> Decimal:  # noqa: N802 - as short as a number should be
    return Decimal(text)


def settings(**changes: Any) -> OperationSettings:
    """Settings of an operation that trades EUR-USD on hours."""
    plain: dict[str, Any] = {
        "asset": "EUR-USD",
        "broker": BROKER,
        "bar_sizes": ["1 hour"],
        "primary_bar_size": "1 hour",
        "strategy_name": "MomentumStrategy",
        "quantity": "10000",
        "initial_capital": "100000",
    }
    return OperationSettings.model_validate({**plain, **changes})


def instrument(currency: str = "USD", multiplier: str = "1") -> Instrument:
    return Instrument(
        symbol="EUR-USD",
        asset_class=AssetClass.FX,
        currency=currency,
        tick_size=D("0.00001"),
        quantity_step=D("0.1"),
        multiplier=D(multiplier),
    )


@dataclass
class Story:
    """A journal that is being told. ``step`` is how much time lies between two entries."""

    step: timedelta = timedelta(seconds=1)
    entries: list[Entry] = field(default_factory=list)
    _orders: dict[str, tuple[ObjectId, Side]] = field(default_factory=dict)
    _executions: dict[str, ObjectId] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.entries:
            self.tell(e.EngineStarted(deployment_id=DEPLOYMENT, engine_id="test", instance="1", version="0"))

    @property
    def number(self) -> int:
        """The number the next entry gets."""
        return len(self.entries) + 1

    def tell(self, data: EntryData, operation_id: ObjectId | None = None) -> Entry:
        """Add an entry."""
        entry = Entry(
            sequence_number=self.number,
            operation_id=operation_id,
            action_type=data.ACTION_TYPE,
            action_version=data.ACTION_VERSION,
            data=data,
            timestamp=START + self.step * len(self.entries),
            epoch=1,
            actor="engine",
            correlation_id=self.number,
            causation_id=None,
            previous_hash=bytes(32),
            hash=bytes(32),
        )
        self.entries.append(entry)
        return entry

    def operation(self, currency: str = "USD", multiplier: str = "1", **changes: Any) -> ObjectId:
        operation_id = derived_id(Kind.OPERATION, self.number)
        created = e.OperationCreated(settings=settings(**changes), instrument=instrument(currency, multiplier))
        self.tell(created, operation_id)
        return operation_id

    def order(
        self,
        operation_id: ObjectId,
        side: Side,
        quantity: Decimal | str,
        purpose: OrderPurpose = OrderPurpose.ENTRY,
        **rest: Any,
    ) -> str:
        identifier = client_order_id(DEPLOYMENT, operation_id, self.number)
        requested = e.OrderRequested(
            client_order_id=identifier,
            broker=BROKER,
            symbol="EUR-USD",
            side=side,
            order_type=rest.pop("order_type", OrderType.MARKET),
            quantity=D(quantity),
            purpose=purpose,
            reason=rest.pop("reason", "told"),
            **rest,
        )
        self.tell(requested, operation_id)
        self._orders[identifier] = operation_id, side
        return identifier

    def about(self, order: str, data: EntryData) -> Entry:
        """An entry about an order."""
        return self.tell(data, self._orders[order][0])

    def fill(self, order: str, price: Decimal | str, quantity: Decimal | str, **rest: Any) -> str:
        """Fill an order, at a price; the execution's id."""
        operation_id, side = self._orders[order]
        execution_id = rest.pop("execution_id", f"x{self.number}")
        filled = e.OrderFilled(
            client_order_id=order,
            execution_id=execution_id,
            broker=BROKER,
            symbol="EUR-USD",
            side=rest.pop("side", side),
            price=D(price),
            quantity=D(quantity),
            executed_at=START + self.step * len(self.entries),
            **rest,
        )
        self.tell(filled, operation_id)
        self._executions[execution_id] = operation_id
        return str(execution_id)

    def trade(
        self, operation_id: ObjectId, side: Side, price: Decimal | str, quantity: Decimal | str, **rest: Any
    ) -> str:
        """An order and its one fill; the execution's id."""
        return self.fill(self.order(operation_id, side, quantity), price, quantity, **rest)

    def commission(self, execution_id: str, commission: Decimal | str, currency: str = "USD") -> Entry:
        reported = e.CommissionReported(execution_id=execution_id, commission=D(commission), currency=currency)
        return self.tell(reported, self._executions[execution_id])

    def correct(self, execution_id: str, price: Decimal | str, quantity: Decimal | str) -> Entry:
        corrected = e.FillCorrected(
            execution_id=execution_id, revision=f"{self.number:08}", price=D(price), quantity=D(quantity)
        )
        return self.tell(corrected, self._executions[execution_id])

    def ledger(self) -> Ledger:
        return fold(self.entries)

    def drafts(self, after: int = 1) -> list[Draft]:
        """The entries after ``after`` as drafts, for a journal whose head that is."""
        return [Draft(entry.data, entry.operation_id, entry.actor) for entry in self.entries[after:]]


def fold(entries: Iterable[Entry], ledger: Ledger | None = None) -> Ledger:
    ledger = ledger if ledger is not None else Ledger()
    for entry in entries:
        apply(ledger, entry)
    return ledger


class Shelf:
    """Read models in a dictionary, written by the rules of the real ones."""

    def __init__(self) -> None:
        self.documents: dict[tuple[str, ObjectId], Document] = {}

    def write(self, changes: Changes) -> None:
        for name, document in changes.replacements:
            stored = self.documents.get((name, document["_id"]))
            if stored is None or stored["sequence_number"] < document["sequence_number"]:
                self.documents[name, document["_id"]] = document
        for name, identifier, number in changes.deletions:
            stored = self.documents.get((name, identifier))
            if stored is not None and stored["sequence_number"] < number:
                del self.documents[name, identifier]

    def of(self, collection: str) -> list[Document]:
        """A collection's documents, in order of their ids."""
        return [document for (name, _), document in sorted(self.documents.items()) if name == collection]

    def without(self, *fields: str) -> dict[tuple[str, ObjectId], Document]:
        """All documents without some of their fields."""
        return {
            key: {name: value for name, value in document.items() if name not in fields}
            for key, document in self.documents.items()
        }


def shelve(entries: Iterable[Entry], batches: Iterable[int] = ()) -> Shelf:
    """The read models of a journal, written in batches of these sizes (the rest at once)."""
    shelf, ledger, left = Shelf(), Ledger(), list(entries)
    for size in batches:
        shelf.write(take_changes(fold(left[:size], ledger)))
        left = left[size:]
    shelf.write(take_changes(fold(left, ledger)))
    return shelf
