"""What OANDA's answers to commands mean, and the order that is put in another's place. Pure."""

from decimal import Decimal

from live_trading.brokers.oanda import words
from live_trading.brokers.oanda.account import AccountFold
from live_trading.brokers.oanda.endpoints import Json
from live_trading.brokers.oanda.words import rejected, replacement
from live_trading.brokers.types import OrderChange, OrderRequest, Placed, Rejected


def placed(request: OrderRequest, answer: Json) -> Placed | Rejected:
    """A 201 says that the order was created, not that it stands: it may have been cancelled in the same moment."""
    cancelled = answer.get("orderCancelTransaction")
    if cancelled is not None and "orderFillTransaction" not in answer:
        return rejected(str(cancelled.get("reason", "CANCELLED")), "cancelled as soon as it was created")
    identifier = str(answer["orderCreateTransaction"]["id"])
    attached = {child.client_order_id: f"{identifier}/{words.ON_FILL[child.order_type]}" for child in request.attached}
    return Placed(identifier, attached)


def replaced(answer: Json) -> Placed:
    """The order that stands now, or the one that was cancelled."""
    told = answer.get("orderCreateTransaction") or answer.get("orderCancelTransaction") or {}
    return Placed(str(told.get("id", answer.get("lastTransactionID", ""))))


def changed(order: Json, client_order_id: str, change: OrderChange, fold: AccountFold) -> Json | Rejected:
    """The body of the order that takes the place of ``order`` (or of the one in which the protection sleeps)."""
    price = change.limit_price if change.limit_price is not None else change.stop_price
    asleep = fold.parent(client_order_id)
    if asleep is not None and (order.get("clientExtensions") or {}).get("id") != client_order_id:
        if price is None:
            return Rejected("UNSUPPORTED_CHANGE", "a protection is for as much as its entry: change that")
        return replacement(order, {asleep[1]: {**order[asleep[1]], "price": words.plain(price)}})
    changes: Json = {}
    if "tradeID" in order:
        if order["type"] == "TRAILING_STOP_LOSS":
            return Rejected("UNSUPPORTED_CHANGE", "OANDA moves a trailing stop by its distance alone")
        if price is None:
            return Rejected("UNSUPPORTED_CHANGE", "an order of a trade is for all of the trade")
    elif change.quantity is not None:
        known = fold.order(client_order_id)
        filled = Decimal(0) if known is None else known.filled + known.before
        sign = 1 if Decimal(order["units"]) > 0 else -1
        changes["units"] = words.plain((change.quantity - filled) * sign)
    if price is not None:
        changes["price"] = words.plain(price)
    return replacement(order, changes)
