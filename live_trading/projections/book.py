"""Lots, first in, first out: what a fill does to an operation's position, trades and money.

A fill that crosses zero is split into an EXIT of what was open and an ENTRY of the rest. An EXIT that closes several
lots becomes one transaction a lot, each naming the ENTRY it matches; each is one trade. Profit is gross:
``(exit - entry) × quantity × multiplier``, with the sign turned round for shorts. Commissions are kept apart and
shared out by quantity such that the shares add up to the commission exactly.
"""

from decimal import Decimal

from live_trading.domain.values import PositionType, Side, TransactionRole
from live_trading.projections.state import ZERO, Fill, Lot, Operation, Position, Totals, Transaction

_SHARE_STEP = Decimal("1e-10")


def share(total: Decimal, offset: Decimal, quantity: Decimal, whole: Decimal) -> Decimal:
    """The part of ``total`` that falls to [offset, offset + quantity) of ``whole``.

    The shares of pieces that cover the whole without overlap add up to ``total`` exactly.
    """
    if not total:
        return ZERO
    end = offset + quantity
    upper = total if end == whole else (total * end / whole).quantize(_SHARE_STEP)
    return upper - (total * offset / whole).quantize(_SHARE_STEP) if offset else upper


def trade_commission(entry: Transaction, exit_: Transaction) -> Decimal:
    """What a trade cost: the exit's commission and its share of the entry's, in the operation's currency."""
    return exit_.commission + share(entry.commission, exit_.entry_offset, exit_.quantity, entry.quantity)


def count_trade(totals: Totals, net: Decimal, times: int) -> None:
    """Count a trade of that net result in (``times`` 1) or out again (-1)."""
    totals.trades += times
    if net > 0:
        totals.winning += times
        totals.net_profit += net * times
    elif net < 0:
        totals.losing += times
        totals.net_loss += net * times


class Book:
    """Applies fills to one operation. ``transactions`` is the ledger's index of transactions by key."""

    __slots__ = ("changed", "operation", "transactions")

    def __init__(self, operation: Operation, transactions: dict[int, Transaction], changed: list[object]) -> None:
        self.operation = operation
        self.transactions = transactions
        self.changed = changed

    def apply(self, fill: Fill, order: int, touched: int) -> None:
        """Match the fill against the open lots; what is left opens a new lot."""
        operation = self.operation
        remaining = fill.quantity
        sign = fill.side.sign
        held = operation.quantity
        while remaining and operation.lots and (held > 0) != (sign > 0):
            lot = operation.lots[0]
            quantity = min(remaining, lot.quantity)
            self._exit(fill, order, lot, quantity, fill.quantity - remaining, touched)
            remaining -= quantity
        if remaining:
            self._entry(fill, order, remaining, fill.quantity - remaining, touched)
        fill.flat_after = not operation.lots
        operation.totals.volume += fill.quantity
        self._share_commission(fill, 1, touched)

    def _piece(self, fill: Fill, order: int, quantity: Decimal, offset: Decimal, **rest: object) -> Transaction:
        piece = Transaction(
            number=fill.number,
            part=len(fill.pieces),
            operation=self.operation.number,
            order=order,
            execution_id=fill.execution_id,
            side=fill.side,
            price=fill.price,
            quantity=quantity,
            offset=offset,
            executed_at=fill.executed_at,
            **rest,  # type: ignore[arg-type]
        )
        fill.pieces.append(piece)
        self.transactions[piece.key] = piece
        self.changed.append(piece)
        return piece

    def _exit(self, fill: Fill, order: int, lot: Lot, quantity: Decimal, offset: Decimal, touched: int) -> None:
        operation = self.operation
        position = operation.position
        assert position is not None
        entry = self.transactions[lot.entry]
        is_long = position.quantity > 0
        gain = (fill.price - lot.price) if is_long else (lot.price - fill.price)
        profit = gain * quantity * operation.multiplier
        piece = self._piece(
            fill,
            order,
            quantity,
            offset,
            role=TransactionRole.EXIT,
            position_type=PositionType.LONG if is_long else PositionType.SHORT,
            position=position.number,
            profit=profit,
            related_entry=entry.key,
            entry_offset=entry.quantity - lot.quantity,
            touched=touched,
        )
        entry.exits.append(piece.key)
        lot.quantity -= quantity
        if not lot.quantity:
            operation.lots.pop(0)
        operation.totals.gross_pnl += profit
        count_trade(operation.totals, profit - trade_commission(entry, piece), 1)
        position.realized_pnl += profit
        self._reshape(position, position.quantity - quantity if is_long else position.quantity + quantity, touched)
        if not operation.lots:
            position.closed_at = fill.executed_at
            operation.position = None
            operation.exit_intent = None
            operation.stop_loss = operation.take_profit = None

    def _entry(self, fill: Fill, order: int, quantity: Decimal, offset: Decimal, touched: int) -> None:
        operation = self.operation
        position = operation.position
        if position is None:
            position = operation.position = Position(
                number=fill.number,
                operation=operation.number,
                symbol=operation.symbol,
                quantity=ZERO,
                entry_price=fill.price,
                opened_at=fill.executed_at,
                stop_loss=operation.stop_loss,
                take_profit=operation.take_profit,
            )
        is_long = fill.side is Side.BUY
        piece = self._piece(
            fill,
            order,
            quantity,
            offset,
            role=TransactionRole.ENTRY,
            position_type=PositionType.LONG if is_long else PositionType.SHORT,
            position=position.number,
            touched=touched,
        )
        operation.lots.append(Lot(piece.key, quantity, fill.price))
        self._reshape(position, position.quantity + quantity * fill.side.sign, touched)

    def _reshape(self, position: Position, quantity: Decimal, touched: int) -> None:
        position.quantity = quantity
        lots = self.operation.lots
        if len(lots) == 1:
            position.entry_price = lots[0].price
        elif lots:
            total = sum((lot.quantity for lot in lots), ZERO)
            position.entry_price = sum((lot.price * lot.quantity for lot in lots), ZERO) / total
        position.touched = touched
        self.changed.append(position)

    def set_commission(self, fill: Fill, commission: Decimal, currency: str | None, touched: int) -> None:
        """Replace a fill's commission, in all that was counted with the former one."""
        self._share_commission(fill, -1, touched)
        fill.commission, fill.commission_currency = commission, currency
        self._share_commission(fill, 1, touched)

    def _share_commission(self, fill: Fill, times: int, touched: int) -> None:
        """Count the fill's commission in (``times`` 1) or out again (-1), shared out over its transactions."""
        if not fill.commission:
            return
        totals, currency = self.operation.totals, fill.commission_currency
        if currency is not None and currency != self.operation.currency:
            others = totals.other_commissions
            others[currency] = others.get(currency, ZERO) + fill.commission * times
            return
        for piece in fill.pieces:
            self._count_trades_of(piece, -1)
            part = share(fill.commission, piece.offset, piece.quantity, fill.quantity) if times > 0 else ZERO
            totals.commission += part - piece.commission
            piece.commission = part
            self._count_trades_of(piece, 1)
            self._touch(piece, touched)

    def _touch(self, piece: Transaction, touched: int) -> None:
        piece.touched = touched
        self.changed.append(piece)
        for key in piece.exits:
            exit_ = self.transactions[key]
            exit_.touched = touched
            self.changed.append(exit_)

    def _count_trades_of(self, piece: Transaction, times: int) -> None:
        if piece.related_entry is not None:
            entry = self.transactions[piece.related_entry]
            count_trade(self.operation.totals, piece.profit - trade_commission(entry, piece), times)
        for key in piece.exits:
            exit_ = self.transactions[key]
            count_trade(self.operation.totals, exit_.profit - trade_commission(piece, exit_), times)

    def replay(self, orders: dict[int, int], touched: int) -> list[tuple[str, int]]:
        """Match all kept fills anew from the last flat point, after one of them was corrected.

        ``orders`` maps a fill's number to its order's. Returns the kinds and keys of what no longer exists.
        """
        operation = self.operation
        before: set[tuple[str, int]] = set()
        for fill in operation.fills:
            for piece in fill.pieces:
                before |= {("transaction", piece.key), ("position", piece.position)}
                del self.transactions[piece.key]
            fill.pieces = []
        intent, stop, target = operation.exit_intent, operation.stop_loss, operation.take_profit
        operation.lots, operation.position = [], None
        operation.totals = operation.base.copy()
        for fill in operation.fills:
            if fill.quantity:
                self.apply(fill, orders[fill.number], touched)
            else:
                fill.flat_after = not operation.lots
        if operation.position is not None:
            operation.exit_intent, operation.stop_loss, operation.take_profit = intent, stop, target
            operation.position.stop_loss, operation.position.take_profit = stop, target
        for fill in operation.fills:
            for piece in fill.pieces:
                piece.touched = touched
                before -= {("transaction", piece.key), ("position", piece.position)}
        return sorted(before)

    def retire(self, fills: list[Fill]) -> None:
        """Add the sums of fills that are let go of (up to a flat point) to ``base``, from where a replay begins."""
        base = self.operation.base
        for fill in fills:
            base.volume += fill.quantity
            if fill.commission_currency not in (None, self.operation.currency):
                others = base.other_commissions
                others[fill.commission_currency] = others.get(fill.commission_currency, ZERO) + fill.commission
            for piece in fill.pieces:
                base.gross_pnl += piece.profit
                base.commission += piece.commission
                if piece.related_entry is not None:
                    entry = self.transactions[piece.related_entry]
                    count_trade(base, piece.profit - trade_commission(entry, piece), 1)
