"""Looking at the journal and the broker together, changing neither: a recovery's plan, and a full comparison."""

import asyncio
from contextlib import aclosing

from live_trading.assembly.brokers import make_broker
from live_trading.assembly.exchange import Exchange
from live_trading.brokers.base import BrokerAdapter
from live_trading.brokers.configured import looking_client_id, refuse_to_send
from live_trading.brokers.errors import BrokerError
from live_trading.brokers.types import AccountSnapshot, TickEvent
from live_trading.config import Settings
from live_trading.domain.instrument import Instrument
from live_trading.journal import JournalReader, Snapshots
from live_trading.projections import Ledger, apply
from live_trading.projections.time_travel import ledger_at
from live_trading.recovery.comparison import Comparison, FillBook, compare
from live_trading.recovery.plan import Answer, RecoveryPlan, doubtful_orders, make_plan, open_operations
from live_trading.recovery.policies import TrustedPrice
from live_trading.runtime import Clock, Runtime

_LOOKS = 8
_PAUSE = 0.5
"""An engine may be trading meanwhile: a difference counts only when it stays for several looks, half a second apart."""


def broker_to_look_at(settings: Settings, exchange: Exchange | None, runtime: Runtime) -> BrokerAdapter:
    """A connection that only looks, beside an engine that may be trading: under a client number of its own."""
    ibkr = settings.broker.ibkr
    number = looking_client_id(runtime)
    broker = settings.broker.model_copy(update={"ibkr": ibkr.model_copy(update={"client_id": number})})
    return make_broker(settings.model_copy(update={"broker": broker}), exchange, runtime, refuse_to_send)


async def compare_with_broker(reader: JournalReader, broker: BrokerAdapter, clock: Clock) -> Comparison:
    """Compare everything the journal knows of the broker's account with the account.

    ``broker`` is connected here and closed by the caller. Raises :class:`BrokerError` when it cannot be asked.
    """
    await broker.connect(None)
    ledger, book = Ledger(), FillBook(broker.name)
    looked = 0
    while True:
        executions, _ = await broker.executions_since(None)
        orders, positions = await broker.open_orders(), await broker.positions()
        async for entries in reader.read_batches(ledger.sequence_number):
            for entry in entries:
                apply(ledger, entry)
                book.take(entry)
            ledger.forget_changes()
        told_from = broker.executions_reach_back_to()
        result = compare(ledger, book, broker.name, executions, orders, positions, told_from)
        looked += 1
        if result.is_equal or looked == _LOOKS or ledger.state.stopped:
            return result
        await clock.sleep(_PAUSE)


async def plan_recovery(
    reader: JournalReader,
    snapshots: Snapshots,
    broker: BrokerAdapter,
    clock: Clock,
    price_patience: float,
) -> RecoveryPlan:
    """What recovery would do now. A broker that does not answer leaves its part of the plan open."""
    ledger = await ledger_at(reader, snapshots)
    answers: dict[str, Answer] = {}
    prices: dict[str, TrustedPrice] = {}
    snapshot: AccountSnapshot | None = None
    problem: str | None = None
    try:
        snapshot = await broker.connect(ledger.state.cursors.get(broker.name))
        for order in doubtful_orders(ledger, broker.name):
            answers[order.client_order_id] = await broker.find_order(order.client_order_id)
        if not ledger.state.stopped:
            prices = await _prices(ledger, broker, clock, price_patience)
    except (BrokerError, OSError, TimeoutError) as error:
        problem = f"{type(error).__name__}: {error}"
    plan = make_plan(ledger, broker.name, snapshot, answers, prices)
    plan.broker_error = problem
    return plan


async def _prices(ledger: Ledger, broker: BrokerAdapter, clock: Clock, patience: float) -> dict[str, TrustedPrice]:
    """A fresh price of each symbol that something is held of, as far as they come within ``patience`` seconds."""
    wanted = {op.symbol: Instrument.model_validate(op.instrument) for op in open_operations(ledger, broker.name)}
    found: dict[str, TrustedPrice] = {}
    if not wanted:
        return found
    for instrument in wanted.values():
        await broker.subscribe(instrument)
    try:
        async with asyncio.timeout(patience), aclosing(broker.events()) as events:  # type: ignore[type-var]
            async for event in events:
                if isinstance(event, TickEvent):
                    found[event.tick.symbol] = TrustedPrice(event.tick.price, 0.0)
                if found.keys() == wanted.keys():
                    break
    except TimeoutError:
        return found  # a policy that needs a price says that there is none
    return found
