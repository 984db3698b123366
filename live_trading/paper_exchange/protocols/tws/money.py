"""Positions, account values, summaries and profit for one client."""

from collections.abc import Callable, Iterator
from decimal import Decimal

from live_trading.paper_exchange.core.types import AccountView, Position
from live_trading.paper_exchange.exchange import SimulatedExchange
from live_trading.paper_exchange.protocols.tws.codes import Code
from live_trading.paper_exchange.protocols.tws.contracts import ContractBook
from live_trading.paper_exchange.protocols.tws.frames import Fields, encode
from live_trading.runtime import utc_from_ns

_SUMMARY_LIMIT = 2
_CENT = Decimal("0.01")

Send = Callable[[bytes], None]
Error = Callable[[int, int, str], None]
AccountLine = tuple[str, str, str]
"""Tag, value, currency."""


def account_lines(view: AccountView) -> Iterator[AccountLine]:
    """An account's values, as TWS names them; ``$LEDGER`` ones by currency."""
    free = view.equity - view.margin_used
    total = sum((amount for currency, amount in view.cash.items() if currency == view.currency), Decimal(0))
    for tag, value in (
        ("NetLiquidation", view.equity),
        ("TotalCashValue", total),
        ("InitMarginReq", view.margin_used),
        ("MaintMarginReq", view.margin_used),
        ("AvailableFunds", free),
        ("ExcessLiquidity", free),
        ("BuyingPower", free),
    ):
        yield tag, f"{value.quantize(_CENT):f}", view.currency
    yield from ledger_lines(view)


def ledger_lines(view: AccountView) -> Iterator[AccountLine]:
    for currency, amount in view.cash.items():
        yield "CashBalance", f"{amount:f}", currency
        yield "Currency", currency, currency


class MoneyDesk:
    """What one connected client is told about accounts."""

    def __init__(self, exchange: SimulatedExchange, book: ContractBook, send: Send, error: Error) -> None:
        self._exchange = exchange
        self._book = book
        self._send = send
        self._error = error
        self._accounts = list(exchange.engine.accounts)
        self._wants_positions = False
        self._updates_of: str | None = None
        self._summaries: set[int] = set()
        self._multi: dict[int, str] = {}
        self._profit: dict[int, str] = {}

    # Requests

    def positions(self) -> None:
        """All positions, and from now on their changes."""
        self._wants_positions = True
        for account in self._accounts:
            for position in self._exchange.positions(account):
                self._tell_position(position)
        self._send(encode(62, 1))

    def end_positions(self) -> None:
        self._wants_positions = False

    def updates(self, fields: Fields) -> None:
        """reqAccountUpdates: values and portfolio of one account, and from now on their changes."""
        fields.skip(1)
        wanted, account = fields.flag(), fields.text() or self._accounts[0]
        if not wanted:
            self._updates_of = None
            return
        if account not in self._accounts:
            self._error(-1, Code.VALIDATION, f"Error validating request: invalid account code {account[:32]!r}")
            return
        self._updates_of = account
        self._tell_updates(account)
        self._send(encode(54, 1, account))

    def _tell_updates(self, account: str) -> None:
        view = self._exchange.account(account)
        for tag, value, currency in account_lines(view):
            self._send(encode(6, 2, tag, value, currency, account))
        for position in self._exchange.positions(account):
            self._tell_portfolio(position)
        self._send(encode(8, 1, f"{utc_from_ns(self._exchange.now_ns):%H:%M}"))

    def summary(self, fields: Fields) -> None:
        fields.skip(1)
        request_id = fields.integer()
        fields.skip(1)  # group
        tags = {tag for tag in fields.text().split(",") if tag}
        if len(self._summaries) >= _SUMMARY_LIMIT and request_id not in self._summaries:
            self._error(request_id, Code.PROCESSING, "Maximum number of account summary requests exceeded")
            return
        self._summaries.add(request_id)
        ledger = any(tag.startswith("$LEDGER") for tag in tags)
        for account in self._accounts:
            for tag, value, currency in account_lines(self._exchange.account(account)):
                if tag in tags or (ledger and tag in ("CashBalance", "Currency")):
                    self._send(encode(63, 1, request_id, account, tag, value, currency))
        self._send(encode(64, 1, request_id))

    def end_summary(self, fields: Fields) -> None:
        fields.skip(1)
        self._summaries.discard(fields.integer())

    def updates_multi(self, fields: Fields) -> None:
        """reqAccountUpdatesMulti: one account's values under a request's id."""
        fields.skip(1)
        request_id, account = fields.integer(), fields.text()
        fields.skip(1)  # modelCode
        only_ledger = fields.flag()
        if account not in self._accounts:
            self._error(request_id, Code.VALIDATION, f"Error validating request: invalid account {account[:32]!r}")
            return
        self._multi[request_id] = account
        for tag, value, currency in account_lines(self._exchange.account(account)):
            if not only_ledger or tag in ("CashBalance", "Currency", "NetLiquidation", "MaintMarginReq"):
                self._send(encode(73, 1, request_id, account, "", tag, value, currency))
        self._send(encode(74, 1, request_id))

    def end_updates_multi(self, fields: Fields) -> None:
        fields.skip(1)
        self._multi.pop(fields.integer(), None)

    def profit(self, fields: Fields) -> None:
        """reqPnL: an account's profit, and from now on its changes."""
        request_id, account = fields.integer(), fields.text()
        if account not in self._accounts:
            self._error(request_id, Code.VALIDATION, f"Error validating request: invalid account {account[:32]!r}")
            return
        self._profit[request_id] = account
        self._tell_profit(account)

    def end_profit(self, fields: Fields) -> None:
        self._profit.pop(fields.integer(), None)

    # Telling

    def on_position(self, position: Position) -> None:
        if self._wants_positions and position.account in self._accounts:
            self._tell_position(position)

    def on_account(self, view: AccountView) -> None:
        if self._updates_of == view.account:
            self._tell_updates(view.account)
        for request_id, account in self._multi.items():
            if account == view.account:
                for tag, value, currency in ledger_lines(view):
                    self._send(encode(73, 1, request_id, account, "", tag, value, currency))
        if view.account in self._profit.values():
            self._tell_profit(view.account)

    def _tell_position(self, position: Position) -> None:
        contract = self._book[position.symbol]
        cost = position.average_price * self._multiplier(position.symbol)
        self._send(encode(61, 3, position.account, *contract.fields(), position.quantity, cost))

    def _tell_portfolio(self, position: Position) -> None:
        contract, multiplier = self._book[position.symbol], self._multiplier(position.symbol)
        mark = self._exchange.engine.mark(position.symbol)
        value = mark * position.quantity * multiplier
        gain = (mark - position.average_price) * position.quantity * multiplier
        self._send(
            encode(
                7, 8, contract.con_id, contract.symbol, contract.sec_type, contract.expiry, contract.strike,
                contract.right, contract.multiplier, contract.primary_exchange, contract.currency,
                contract.local_symbol, contract.trading_class, position.quantity, mark, value,
                position.average_price * multiplier, gain, position.realised, position.account,
            )
        )  # fmt: skip

    def _tell_profit(self, account: str) -> None:
        realised, unrealised = Decimal(0), Decimal(0)
        for position in self._exchange.positions(account):
            multiplier = self._multiplier(position.symbol)
            mark = self._exchange.engine.mark(position.symbol)
            realised += position.realised
            unrealised += (mark - position.average_price) * position.quantity * multiplier
        for request_id, wanted in self._profit.items():
            if wanted == account:
                self._send(encode(94, request_id, realised + unrealised, unrealised, realised))

    def _multiplier(self, symbol: str) -> Decimal:
        return self._exchange.catalogue[symbol].instrument.multiplier
