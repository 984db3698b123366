"""What a run came to: bars, orders, transactions, trades, money, and whether the record holds."""

from dataclasses import dataclass
from typing import Any

from rich.console import Console

from live_trading.assembly import Exchange
from live_trading.assembly.inspection import broker_to_look_at, compare_with_broker
from live_trading.cli.access import Access
from live_trading.cli.inspection import comparison_fields, show_comparison
from live_trading.cli.records import report_fields, show_report
from live_trading.cli.tables import signed
from live_trading.domain.bar_size import BarSize
from live_trading.journal import Report, verify
from live_trading.models import queries
from live_trading.projections.documents import OPERATIONS, ORDERS, TRADES, TRANSACTIONS
from live_trading.recovery.comparison import Comparison


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures; ``report`` and ``comparison`` are None where they were not asked for."""

    bars: dict[str, int]
    orders: int
    transactions: int
    trades: int
    totals: dict[str, dict[str, Any]]
    report: Report | None
    comparison: Comparison | None

    @property
    def is_good(self) -> bool:
        """Whether the record is sound and equal to the exchange's, as far as that was looked at."""
        sound = self.report is None or self.report.is_sound
        return sound and (self.comparison is None or self.comparison.is_equal)

    @property
    def fields(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "bars": self.bars,
            "orders": self.orders,
            "transactions": self.transactions,
            "trades": self.trades,
            "totals": self.totals,
            "journal": None if self.report is None else report_fields(self.report),
            "reconcile": None if self.comparison is None else comparison_fields(self.comparison),
        }


async def summarise(access: Access, exchange: Exchange | None, *, check: bool) -> Summary:
    """Count what there is; ``check`` reads the whole journal and compares it with the exchange."""
    database = access.database
    bars: dict[str, int] = {}
    async for document in database[OPERATIONS].find({}, {"bar_sizes": 1}):
        for size in map(BarSize, document["bar_sizes"]):
            count = await database[size.collection].count_documents({"operation_id": document["_id"]})
            bars[size.value] = bars.get(size.value, 0) + count
    report = comparison = None
    if check:
        report = await verify(access.reader)
        broker = broker_to_look_at(access.settings, exchange, access.runtime)
        try:
            comparison = await compare_with_broker(access.reader, broker, access.runtime.clock)
        finally:
            await broker.close()
    return Summary(
        bars=bars,
        orders=await database[ORDERS].count_documents({}),
        transactions=await database[TRANSACTIONS].count_documents({}),
        trades=await database[TRADES].count_documents({}),
        totals=await queries.totals(database),
        report=report,
        comparison=comparison,
    )


def show_summary(console: Console, summary: Summary) -> None:
    """The summary for people."""
    bars = ", ".join(f"{count:,} of {size}" for size, count in summary.bars.items()) or "none"
    console.print(f"\nBars kept: {bars}. Orders: {summary.orders:,}. Transactions: {summary.transactions:,}.", end=" ")
    console.print(f"Trades: {summary.trades:,}.")
    for currency, sums in summary.totals.items():
        amounts = (signed(sums[name]) for name in ("total_pnl", "commission", "unrealized_pnl"))
        realized, commission, unrealized = amounts
        console.print(f"{currency}: realised", realized, "after commissions of", commission, "; unrealised", unrealized)
    if summary.report is not None:
        show_report(console, summary.report)
    if summary.comparison is not None:
        show_comparison(console, summary.comparison)
