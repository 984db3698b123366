"""The one contract that every broker is spoken to through."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime

from live_trading.brokers.types import (
    Absent,
    Account,
    AccountSnapshot,
    BrokerEvent,
    BrokerOrder,
    BrokerPosition,
    Capabilities,
    Execution,
    Found,
    OrderChange,
    OrderRequest,
    Placed,
    Rejected,
    Unknown,
)
from live_trading.domain.bar_size import BarSize
from live_trading.domain.instrument import Instrument
from live_trading.domain.market import Bar

SendGuard = Callable[[], None]
"""Called right before the bytes of a mutating request are written; raises unless this engine may still act."""


class BrokerAdapter(ABC):
    """A connection to one account at one broker.

    Every method may raise :class:`~live_trading.brokers.errors.BrokerError`. A mutating call (``place``, ``modify``,
    ``cancel``) calls ``guard`` right before its bytes are written, and raises
    :class:`~live_trading.brokers.errors.InDoubt` for every failure after bytes may have left: a timeout, a 5xx, a lost
    connection, an unreadable answer. It is never retried by the adapter.
    """

    name: str
    capabilities: Capabilities
    guard: SendGuard

    @abstractmethod
    async def connect(self, cursor: str | None) -> AccountSnapshot:
        """Connect, synchronise, and return the whole state, with all executions after ``cursor`` (None: all that the
        broker still has). Called again after a disconnection; subscriptions do not survive it."""

    @abstractmethod
    async def close(self) -> None:
        """Disconnect. Orders stay where they are."""

    @abstractmethod
    def events(self) -> AsyncIterator[BrokerEvent]:
        """The one ordered, bounded stream of what the broker tells, from the last ``connect`` on.

        Ends after ``Disconnected``. A consumer too slow for the bound gets ``Disconnected`` too, never a silent loss of
        an order event (ticks may be dropped, oldest first, and are counted)."""

    @abstractmethod
    async def resolve(self, symbol: str) -> Instrument:
        """The instrument of our symbol; ``InvalidInput`` when the broker does not know it."""

    @abstractmethod
    async def subscribe(self, instrument: Instrument) -> None:
        """Start its ticks. Twice is once."""

    @abstractmethod
    async def unsubscribe(self, instrument: Instrument) -> None:
        """Stop its ticks."""

    @abstractmethod
    async def history(self, instrument: Instrument, bar_size: BarSize, start: datetime, end: datetime) -> list[Bar]:
        """Closed bars that start in [start, end), oldest first; empty where the broker has none."""

    @abstractmethod
    async def place(self, request: OrderRequest) -> Placed | Rejected:
        """Place an order with its attached ones, or learn that it was refused. Raises ``InDoubt``."""

    @abstractmethod
    async def modify(self, client_order_id: str, change: OrderChange) -> Placed | Rejected:
        """Change a working order. Raises ``InDoubt``."""

    @abstractmethod
    async def cancel(self, client_order_id: str) -> Placed | Rejected:
        """Ask for cancellation. ``Placed`` means accepted: an ``OrderUpdate`` tells the end. Raises ``InDoubt``."""

    @abstractmethod
    async def find_order(self, client_order_id: str) -> Found | Absent | Unknown:
        """Look for an order whose fate is in doubt, working or ended. A failed question is ``Unknown``."""

    @abstractmethod
    async def executions_since(self, cursor: str | None) -> tuple[Sequence[Execution], str]:
        """All executions after ``cursor``, oldest first, and the new cursor. Complete or an error, never partial."""

    @abstractmethod
    async def open_orders(self) -> Sequence[BrokerOrder]:
        """All working orders of the account, whoever placed them. Complete or an error."""

    @abstractmethod
    async def positions(self) -> Sequence[BrokerPosition]:
        """All positions that are not flat. Complete or an error."""

    @abstractmethod
    async def account(self) -> Account:
        """The account's money."""

    def executions_reach_back_to(self) -> datetime | None:
        """The earliest time from which the broker still tells every execution; None where it tells all there were."""
        return None

    @abstractmethod
    def market_time_ns(self) -> int | None:
        """The market's time as last told, in nanoseconds since 1970; None before the first."""
