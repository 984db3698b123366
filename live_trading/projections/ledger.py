"""The ledger: the whole trading state as of one sequence number, with the indexes that make folding fast."""

import hashlib
from decimal import Decimal
from typing import Final, NamedTuple

import msgspec
from bson import ObjectId

from live_trading.domain.ids import sequence_of
from live_trading.projections.book import Book
from live_trading.projections.state import ZERO, Anomaly, Fill, LedgerState, Operation, Order, Position, Transaction

_MAX_ANOMALIES: Final = 100

Entity = Operation | Order | Transaction | Position
"""What a read model has a document of. A trade is an EXIT transaction seen with its ENTRY."""


class Removed(NamedTuple):
    """What a correction did away with: ``kind`` is "transaction", "trade" or "position"; ``number`` the entry's."""

    kind: str
    key: int
    number: int


def _identity(entity: Entity) -> tuple[str, int]:
    if isinstance(entity, Transaction):
        return "transaction", entity.key
    return type(entity).__name__.lower(), entity.number


class Ledger:
    """The state as of ``sequence_number``, with the indexes that make folding fast.

    ``changed`` collects what entries touched (with repetitions, in order) and ``removed`` what a correction did away
    with, for whoever writes read models; both are emptied by :meth:`take_changes`.
    """

    __slots__ = ("_working", "changed", "executions", "orders", "removed", "state", "transactions")

    def __init__(self, state: LedgerState | None = None) -> None:
        self.state = state if state is not None else LedgerState()
        self.changed: list[Entity] = []
        self.removed: list[Removed] = []
        self.orders: dict[str, Order] = {}
        self.executions: dict[str, Fill] = {}
        self.transactions: dict[int, Transaction] = {}
        self._working: dict[int, dict[int, Order]] = {}  # by operation's number and order's
        for operation in self.state.operations.values():
            self.orders.update(operation.orders)
            self._working[operation.number] = {
                order.number: order for order in operation.orders.values() if not order.status.is_terminal
            }
            for fill in operation.fills:
                self.executions[f"{fill.broker}|{fill.execution_id}"] = fill
                for piece in fill.pieces:
                    self.transactions[piece.key] = piece

    @property
    def sequence_number(self) -> int:
        return self.state.sequence_number

    def operation(self, operation_id: ObjectId | None) -> Operation | None:
        """The operation of that id."""
        return self.state.operations.get(sequence_of(operation_id)) if operation_id is not None else None

    def order(self, client_order_id: str) -> Order | None:
        return self.orders.get(client_order_id)

    def execution(self, broker: str, execution_id: str) -> Fill | None:
        return self.executions.get(f"{broker}|{execution_id}")

    def working_orders(self, operation: Operation) -> list[Order]:
        """The operation's orders that may still be filled, oldest first."""
        working = self._working.get(operation.number)
        if not working:
            return []
        return [working[number] for number in sorted(working)]

    def order_changed(self, order: Order) -> None:
        """Take note of a new order, or of one that an entry changed."""
        self.changed.append(order)
        if not order.status.is_terminal:
            self._working.setdefault(order.operation, {})[order.number] = order
        elif order.operation in self._working:
            self._working[order.operation].pop(order.number, None)

    def net_quantity(self, broker: str, symbol: str) -> Decimal:
        """What the broker's net position should be: all our operations' quantities and what is known as foreign."""
        total = self.state.foreign_quantities.get(f"{broker}|{symbol}", ZERO)
        for operation in self.state.operations.values():
            if operation.broker == broker and operation.symbol == symbol:
                total += operation.quantity
        return total

    def take_changes(self) -> tuple[list[Entity], list[Removed]]:
        """What changed since the last call: entities, each once and as it is now, and what is gone for good.

        A correction makes transactions and positions anew: of the objects that were the same thing the last is taken. A
        thing removed and made again is in both, with the higher number where it changed.
        """
        latest = {_identity(entity): entity for entity in self.changed}
        removed = {(kind, key): Removed(kind, key, number) for kind, key, number in self.removed}
        self.changed.clear()
        self.removed.clear()
        changed = [
            entity
            for identity, entity in latest.items()
            if identity not in removed or entity.touched >= removed[identity].number
        ]
        return changed, list(removed.values())

    def forget_changes(self) -> None:
        """For folds that nobody projects: keep memory flat."""
        self.changed.clear()
        self.removed.clear()

    def book(self, operation: Operation) -> Book:
        """The book that matches this operation's fills."""
        return Book(operation, self.transactions, self.changed)

    def note(self, number: int, text: str) -> None:
        anomalies = self.state.anomalies
        anomalies.append(Anomaly(number, text))
        del anomalies[:-_MAX_ANOMALIES]

    def to_bytes(self) -> bytes:
        """The state as MessagePack: equal ledgers give equal bytes."""
        return _encoder.encode(self.state)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Ledger":
        """The ledger of a snapshot; ``msgspec.DecodeError`` or ``ValidationError`` when it is not one."""
        return cls(_decoder.decode(data))

    def state_hash(self) -> str:
        """SHA-256 of :meth:`to_bytes`, in hexadecimal."""
        return hashlib.sha256(self.to_bytes()).hexdigest()


_encoder = msgspec.msgpack.Encoder(decimal_format="string")
_decoder = msgspec.msgpack.Decoder(LedgerState)
