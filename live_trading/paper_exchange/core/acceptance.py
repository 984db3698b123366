"""What the exchange accepts: form, ids, parents, groups, open markets, margin. Nothing here changes anything."""

from collections.abc import Mapping
from decimal import Decimal

from live_trading.domain.values import OrderType, TimeInForce
from live_trading.paper_exchange.core.accounts import AccountLedger
from live_trading.paper_exchange.core.groups import Groups
from live_trading.paper_exchange.core.markets import Market
from live_trading.paper_exchange.core.models import Catalogue
from live_trading.paper_exchange.core.orders import OrderTable
from live_trading.paper_exchange.core.types import Change, ClientIds, NewOrder, Order, Refusal, Refused
from live_trading.paper_exchange.core.validation import (
    check_attached,
    check_follows,
    check_order,
    check_prices,
    check_quantity,
)


class Acceptance:
    """Answers None for what may be accepted, else the refusal."""

    def __init__(
        self,
        catalogue: Catalogue,
        accounts: Mapping[str, AccountLedger],
        markets: Mapping[str, Market],
        orders: OrderTable,
        groups: Groups,
    ) -> None:
        self._catalogue = catalogue
        self._accounts = accounts
        self._markets = markets
        self._orders = orders
        self._groups = groups

    def _mark(self, symbol: str) -> Decimal:
        return self._markets[symbol].mark

    def check_change(
        self, order: Order, change: Change, limit_price: Decimal | None, stop_price: Decimal | None
    ) -> Refused | None:
        listing = self._catalogue[order.symbol]
        refused = check_prices(listing, order.order_type, limit_price, stop_price) or check_follows(order, stop_price)
        if refused or change.quantity is None:
            return refused
        if change.quantity <= order.filled:
            return Refused(Refusal.INVALID_QUANTITY, f"quantity {change.quantity}: {order.filled} is filled already")
        if order.parent_id is not None and not order.dormant:
            parent = self._orders[order.parent_id]
            if self._groups.open_quantity(parent, order.oca_group) <= 0:
                return Refused(Refusal.OCA_NOTHING_LEFT, f"what order {parent.order_id} opened is closed again")
        return check_quantity(listing, change.quantity)

    def check_new(self, account: str, new: NewOrder, client_ids: ClientIds, now_ns: int) -> Refused | None:
        """The first reason not to accept an order, money apart."""
        if account not in self._accounts:
            return Refused(Refusal.UNKNOWN_ACCOUNT, f"there is no account {account}")
        if now_ns <= 0:
            return Refused(Refusal.MARKET_CLOSED, "the market's time is not known before its first tick")
        listing = self._catalogue.get(new.symbol)
        if listing is None:
            return Refused(Refusal.UNKNOWN_INSTRUMENT, f"{new.symbol} is not traded here")
        refused = check_order(listing, new)
        for child in new.attached:
            refused = refused or check_order(listing, child) or check_attached(new, child)
        return (
            refused
            or self._check_ids(account, new, client_ids)
            or self._check_parent(account, new)
            or (self._check_open(new, now_ns))
        )

    def _check_ids(self, account: str, new: NewOrder, client_ids: ClientIds) -> Refused | None:
        ids = [order.client_order_id for order in (new, *new.attached) if order.client_order_id is not None]
        if client_ids is ClientIds.FREE:
            return None
        for client_order_id in ids:
            known = self._orders.find(account, client_order_id)
            taken = known is not None and (client_ids is ClientIds.UNIQUE_ALWAYS or known.working)
            if taken or ids.count(client_order_id) > 1:
                return Refused(
                    Refusal.DUPLICATE_CLIENT_ORDER_ID, f"client_order_id {client_order_id} has been used already"
                )
        return None

    def _check_parent(self, account: str, new: NewOrder) -> Refused | None:
        if new.parent_order_id is None:
            return None
        parent = self._orders.get(new.parent_order_id)
        if parent is None or parent.account != account or parent.parent_id is not None:
            return Refused(
                Refusal.PARENT_NOT_FOUND, f"account {account} has no order {new.parent_order_id} to attach to"
            )
        if not parent.working and not parent.filled:
            return Refused(Refusal.PARENT_NOT_FOUND, f"order {parent.order_id} ended unfilled: nothing to protect")
        as_new = NewOrder(None, parent.symbol, parent.side, parent.order_type, parent.nominal)
        return check_attached(as_new, new)

    def tradable_quantity(self, account: str, new: NewOrder) -> Decimal | Refused:
        """What an order may trade in total, by its parent and its group."""
        if new.parent_order_id is None:
            return self._groups.joining_quantity(account, new) if new.oca_group else new.quantity
        parent = self._orders[new.parent_order_id]
        if not parent.filled:
            return new.quantity
        left = self._groups.open_quantity(parent, new.oca_group)
        if left <= 0:
            return Refused(Refusal.OCA_NOTHING_LEFT, f"what order {parent.order_id} opened is closed again")
        return min(new.quantity, left)

    def _check_open(self, new: NewOrder, now_ns: int) -> Refused | None:
        market = self._markets[new.symbol]
        at_once = new.order_type is OrderType.MARKET or new.time_in_force is TimeInForce.IOC
        if at_once and not market.is_open(now_ns):
            return Refused(Refusal.MARKET_CLOSED, f"the market of {new.symbol} is closed")
        return None

    def check_margin(self, account: str, new: NewOrder, quantity: Decimal) -> Refused | None:
        """Whether the account could carry the position that the order's full fill would make. Reducing is free."""
        ledger = self._accounts[account]
        held = ledger.quantity(new.symbol)
        after = held + quantity * new.side.sign
        if new.parent_order_id is not None or abs(after) <= abs(held):
            return None
        equity = ledger.equity(self._mark)
        needed = ledger.margin(self._mark, without=new.symbol) + ledger.margin_of(new.symbol, after, self._mark)
        if needed > equity:
            return Refused(
                Refusal.INSUFFICIENT_MARGIN,
                f"needs {needed:.2f} {ledger.settings.currency} of margin, equity is {equity:.2f}",
            )
        return None
