"""All orders of the exchange, found by id, by client order id, by parent and by one-cancels-all group."""

from collections.abc import Iterable, Iterator

from live_trading.paper_exchange.core.types import Order


class OrderTable:
    """Orders ended long ago stay: their client order ids are never free again."""

    def __init__(self) -> None:
        self._orders: dict[int, Order] = {}
        self._by_client_id: dict[tuple[str, str], list[int]] = {}
        self._children: dict[int, list[int]] = {}
        self._groups: dict[tuple[str, str], list[int]] = {}

    def add(self, order: Order) -> None:
        self._orders[order.order_id] = order
        if order.client_order_id is not None:
            self._by_client_id.setdefault((order.account, order.client_order_id), []).append(order.order_id)
        if order.parent_id is not None:
            self._children.setdefault(order.parent_id, []).append(order.order_id)
        if order.oca_group is not None:
            self._groups.setdefault((order.account, order.oca_group), []).append(order.order_id)

    def get(self, order_id: int) -> Order | None:
        return self._orders.get(order_id)

    def __getitem__(self, order_id: int) -> Order:
        return self._orders[order_id]

    def __iter__(self) -> Iterator[Order]:
        return iter(self._orders.values())

    def find(self, account: str, client_order_id: str) -> Order | None:
        """The newest order of that client order id."""
        ids = self._by_client_id.get((account, client_order_id))
        return self._orders[ids[-1]] if ids else None

    def children(self, order: Order) -> list[Order]:
        """The protections attached to an order, oldest first."""
        return self._all(self._children.get(order.order_id, ()))

    def group(self, account: str, name: str | None) -> list[Order]:
        """The members of a one-cancels-all group, ended ones too, oldest first."""
        return [] if name is None else self._all(self._groups.get((account, name), ()))

    def _all(self, ids: Iterable[int]) -> list[Order]:
        return [self._orders[order_id] for order_id in ids]
