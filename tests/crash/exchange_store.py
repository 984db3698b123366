"""The exchange's own store, read from its file: what a journal is judged by."""

import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path

from live_trading.domain.values import Side
from live_trading.simulation.invariants import BrokerExecutionRow, BrokerOrderRow, BrokerRecord


def read_record(path: Path) -> BrokerRecord:
    """All that a store holds, as of one moment."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as store:
        store.execute("BEGIN")
        orders = store.execute(
            "SELECT client_order_id, status, quantity, filled, dormant, limit_price, stop_price FROM orders"
        ).fetchall()
        executions = store.execute(
            "SELECT execution_id, client_order_id, side, price, quantity, commission FROM executions "
            "WHERE superseded = 0 AND kind <> 'COMMISSION'"
        ).fetchall()
        positions = store.execute("SELECT symbol, quantity FROM positions").fetchall()
    return BrokerRecord(
        orders=[_order_row(*row) for row in orders],
        executions=[
            BrokerExecutionRow(row[0], row[1], Side(row[2]), Decimal(row[3]), Decimal(row[4]), Decimal(row[5]))
            for row in executions
        ],
        positions={symbol: Decimal(quantity) for symbol, quantity in positions},
    )


def _order_row(
    name: str, status: str, quantity: str, filled: str, dormant: int, limit_price: str | None, stop_price: str | None
) -> BrokerOrderRow:
    is_working = status in ("PLACED", "PARTIALLY_FILLED")
    remaining = Decimal(quantity) - Decimal(filled) if is_working and not dormant else Decimal(0)
    limit, stop = (None if price is None else Decimal(price) for price in (limit_price, stop_price))
    return BrokerOrderRow(name, is_working, remaining, limit, stop)
