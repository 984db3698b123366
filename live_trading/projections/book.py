"""Lots, first in, first out: what a fill does to an operation's position, trades and money.

A fill that crosses zero is split into an EXIT of what was open and an ENTRY of the rest. An EXIT that closes several
lots becomes one transaction a lot, each naming the ENTRY it matches; each is one trade. Profit is gross:
``(exit - entry) × quantity × multiplier``, with the sign turned round for shorts. Commissions are kept apart and
shared out by quantity such that the shares add up to the commission exactly.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from live_trading.domain.values import PositionType, Side, TransactionRole
from live_trading.projections.state import ZERO, Fill, Lot, Operation, Order, Position, Totals, Transaction

_SHARE_STEP = Decimal("1e-10")

Touchable = Transaction | Position


def share(total: Decimal, offset: Decimal, quantity: Decimal, whole: Decimal) -> Decimal:
    """The part of ``total`` that falls to [offset, offset + quantity) of ``whole``.

    The shares of pieces that cover the whole without overlap add up to ``total`` exactly.
    """
    if not total:
        return ZERO
    end = offset + quantity
    upper = total if end == whole else (total * end / whole).quantize(_SHARE_STEP)
    return upper - (total * offset / whole).quantize(_SHARE_STEP) if offset else upper


def add_to(sums: dict[str, Decimal], currency: str, amount: Decimal) -> None:
    """Add to one currency's sum; a sum of zero is not kept."""
    total = sums.get(currency, ZERO) + amount
    if total:
        sums[currency] = total
    else:
        sums.pop(currency, None)


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

    __slots__ = ("changed", "former", "operation", "transactions")

    def __init__(self, operation: Operation, transactions: dict[int, Transaction], changed: list[Any]) -> None:
        self.operation = operation
        self.transactions = transactions
        self.changed = changed
        self.former: Mapping[int, Position] | None = None
        """During a correction: the positions as they were, whose stops and targets are kept."""

    def apply(self, fill: Fill, order: Order, touched: int) -> None:
        """Match the fill against the open lots; what is left opens a new lot."""
        operation = self.operation
        remaining = fill.quantity
        sign = fill.side.sign
        while remaining and operation.lots and (operation.quantity > 0) != (sign > 0):
            lot = operation.lots[0]
            quantity = min(remaining, lot.quantity)
            self._exit(fill, order, lot, quantity, fill.quantity - remaining, touched)
            remaining -= quantity
        if remaining:
            self._entry(fill, order, remaining, fill.quantity - remaining, touched)
        fill.flat_after = not operation.lots
        operation.totals.volume += fill.quantity
        self._share_commission(fill, 1, touched)

    def _piece(self, fill: Fill, order: Order, quantity: Decimal, offset: Decimal, **rest: Any) -> Transaction:
        piece = Transaction(
            number=fill.number,
            part=fill.first_part + len(fill.pieces),
            operation=self.operation.number,
            order=order.number,
            execution_id=fill.execution_id,
            side=fill.side,
            price=fill.price,
            quantity=quantity,
            offset=offset,
            executed_at=fill.executed_at,
            purpose=order.purpose,
            reason=order.reason,
            **rest,
        )
        fill.pieces.append(piece)
        self.transactions[piece.key] = piece
        self.changed.append(piece)
        return piece

    def _exit(self, fill: Fill, order: Order, lot: Lot, quantity: Decimal, offset: Decimal, touched: int) -> None:
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
            position_type=position.position_type,
            position=position.number,
            profit=profit,
            related_entry=entry.key,
            entry_offset=entry.quantity - lot.quantity,
            entry_price=entry.price,
            entry_time=entry.executed_at,
            touched=touched,
        )
        entry.exits.append(piece.key)
        _take_entry_commission(entry, piece)
        lot.quantity -= quantity
        if not lot.quantity:
            operation.lots.pop(0)
        operation.totals.gross_pnl += profit
        count_trade(operation.totals, piece.net_profit, 1)
        position.realized_pnl += profit
        self._reshape(position, position.quantity - quantity if is_long else position.quantity + quantity, touched)
        if not operation.lots:
            self._close(position, fill.executed_at)

    def _close(self, position: Position, at: datetime) -> None:
        operation = self.operation
        position.closed_at = at
        operation.closed_positions[position.number] = position
        operation.position = None
        operation.exit_intent = None
        operation.stop_loss = operation.take_profit = None

    def _entry(self, fill: Fill, order: Order, quantity: Decimal, offset: Decimal, touched: int) -> None:
        operation = self.operation
        position = operation.position
        if position is None:
            protected = operation if self.former is None else self.former.get(fill.number)
            position = operation.position = Position(
                number=fill.number,
                operation=operation.number,
                symbol=operation.symbol,
                position_type=PositionType.LONG if fill.side is Side.BUY else PositionType.SHORT,
                quantity=ZERO,
                entry_price=fill.price,
                opened_at=fill.executed_at,
                stop_loss=protected.stop_loss if protected is not None else None,
                take_profit=protected.take_profit if protected is not None else None,
            )
        piece = self._piece(
            fill,
            order,
            quantity,
            offset,
            role=TransactionRole.ENTRY,
            position_type=position.position_type,
            position=position.number,
            touched=touched,
        )
        operation.lots.append(Lot(piece.key, quantity, fill.price))
        self._reshape(position, position.quantity + quantity * fill.side.sign, touched)

    def _reshape(self, position: Position, quantity: Decimal, touched: int) -> None:
        position.quantity = quantity
        position.peak = max(position.peak, abs(quantity))
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

    def is_own(self, currency: str | None) -> bool:
        """Whether a commission in that currency counts; one that is not told is taken to be in the operation's."""
        return currency is None or currency == self.operation.currency

    def _share_commission(self, fill: Fill, times: int, touched: int) -> None:
        """Count the fill's commission in (``times`` 1) or out again (-1), shared out over its transactions.

        That of an execution the broker cancelled has no transaction left and still counts until the broker takes it
        back.
        """
        if not fill.commission:
            return
        is_own = self.is_own(fill.commission_currency)
        self._count_commission(self.operation.totals, fill, times)
        for piece in fill.pieces:
            self._count_trades_of(piece, -1)
            part = share(fill.commission, piece.offset, piece.quantity, fill.quantity) if times > 0 else ZERO
            if is_own:
                piece.commission = part
            else:
                piece.other_commission = part
                piece.other_currency = fill.commission_currency if times > 0 else None
            for key in piece.exits:
                _take_entry_commission(piece, self.transactions[key])
            self._count_trades_of(piece, 1)
            self._touch(piece, touched)

    def _count_commission(self, totals: Totals, fill: Fill, times: int) -> None:
        if self.is_own(fill.commission_currency):
            totals.commission += fill.commission * times
        else:
            assert fill.commission_currency is not None
            add_to(totals.other_commissions, fill.commission_currency, fill.commission * times)

    def _touch(self, piece: Transaction, touched: int) -> None:
        piece.touched = touched
        self.changed.append(piece)
        for key in piece.exits:
            exit_ = self.transactions[key]
            exit_.touched = touched
            self.changed.append(exit_)

    def _count_trades_of(self, piece: Transaction, times: int) -> None:
        totals = self.operation.totals
        if piece.role is TransactionRole.EXIT:
            count_trade(totals, piece.net_profit, times)
        for key in piece.exits:
            count_trade(totals, self.transactions[key].net_profit, times)

    def correct(
        self, fill: Fill, price: Decimal, quantity: Decimal, orders: Mapping[int, Order], touched: int
    ) -> list[tuple[str, int]]:
        """Give a fill other values, and match it and all after it anew, from the last flat point before it.

        ``orders`` maps a fill's number to its order. What comes out as it was is not touched. Returns the kinds and
        keys of what no longer exists.
        """
        operation = self.operation
        redone = operation.fills[self._flat_before(fill) :]
        self.former = former = self._positions(redone[0].number)
        pieces = {piece.key: piece for again in redone for piece in again.pieces}
        before, mark = _things(pieces.values(), former), len(self.changed)
        was_open = operation.position
        intent, stop, target = operation.exit_intent, operation.stop_loss, operation.take_profit
        self._forget(redone)
        fill.price, fill.quantity = price, quantity
        self._match_anew(redone, orders, touched)
        position = operation.position
        if position is not None or was_open is None:
            operation.exit_intent, operation.stop_loss, operation.take_profit = intent, stop, target
        if position is not None and was_open is not None:
            position.stop_loss, position.take_profit = stop, target
        made, positions = [piece for again in redone for piece in again.pieces], self._positions(redone[0].number)
        for piece in made:
            _untouch(piece, pieces.get(piece.key))
        for number, position in positions.items():
            _untouch(position, former.get(number))
        self.changed[mark:] = [entity for entity in self.changed[mark:] if entity.touched == touched]
        return sorted(before - _things(made, positions))

    def _flat_before(self, fill: Fill) -> int:
        """The index of the first fill after the operation was last flat before this one."""
        first = 0
        for index, earlier in enumerate(self.operation.fills):
            if earlier is fill:
                break
            if earlier.flat_after:
                first = index + 1
        return first

    def _positions(self, since: int) -> dict[int, Position]:
        """The positions that the fills from number ``since`` on opened."""
        operation = self.operation
        positions = dict(operation.closed_positions)
        if operation.position is not None:
            positions[operation.position.number] = operation.position
        return {number: position for number, position in positions.items() if number >= since}

    def _forget(self, fills: Sequence[Fill]) -> None:
        """Undo all that the last fills did."""
        operation, totals = self.operation, self.operation.totals
        for fill in fills:
            self._count_commission(totals, fill, -1)
            totals.volume -= fill.quantity
            for piece in fill.pieces:
                totals.gross_pnl -= piece.profit
                if piece.role is TransactionRole.EXIT:
                    count_trade(totals, piece.net_profit, -1)
                del self.transactions[piece.key]
            fill.pieces = []
        for number in self._positions(fills[0].number):
            operation.closed_positions.pop(number, None)
        operation.lots, operation.position = [], None

    def _match_anew(self, fills: Sequence[Fill], orders: Mapping[int, Order], touched: int) -> None:
        for fill in fills:
            if fill.quantity:
                self.apply(fill, orders[fill.number], touched)
            else:
                fill.flat_after = not self.operation.lots
                self._share_commission(fill, 1, touched)

    def retire(self, count: int) -> list[Fill]:
        """Let go of the first ``count`` fills, up to which the operation was flat, or crossed zero in the next one.

        The totals stay. Of a fill that crossed zero the ENTRY stays too, as if it had opened from flat. Returns the
        fills that are gone.
        """
        operation = self.operation
        retired, operation.fills = operation.fills[:count], operation.fills[count:]
        gone = [piece for fill in retired for piece in fill.pieces]
        if not retired[-1].flat_after:
            crossing = operation.fills[0]
            *exits, entry = crossing.pieces
            gone += exits
            crossing.pieces, crossing.first_part = [entry], entry.part
            crossing.quantity, entry.offset = entry.quantity, ZERO
            crossing.commission = entry.commission or entry.other_commission
        for piece in gone:
            del self.transactions[piece.key]
        kept = operation.fills[0].number if operation.fills else None
        for number in [n for n in operation.closed_positions if kept is None or n < kept]:
            del operation.closed_positions[number]
        return retired


def _things(pieces: Iterable[Transaction], positions: Iterable[int]) -> set[tuple[str, int]]:
    """Kinds and keys of what has a document."""
    things = {("position", number) for number in positions}
    for piece in pieces:
        things.add(("transaction", piece.key))
        if piece.role is TransactionRole.EXIT:
            things.add(("trade", piece.key))
    return things


def _untouch(now: Touchable, before: Touchable | None) -> None:
    """Leave what is as it was at the number it had."""
    if before is not None:
        touched, now.touched = now.touched, before.touched
        if now != before:
            now.touched = touched


def crosses_zero(fill: Fill) -> bool:
    """Whether the fill closed a position and opened one the other way."""
    return len(fill.pieces) > 1 and fill.pieces[-1].role is TransactionRole.ENTRY


def _take_entry_commission(entry: Transaction, exit_: Transaction) -> None:
    """Give an EXIT its share of what the ENTRY cost."""
    exit_.entry_commission = share(entry.commission, exit_.entry_offset, exit_.quantity, entry.quantity)
    exit_.entry_other_commission = share(entry.other_commission, exit_.entry_offset, exit_.quantity, entry.quantity)
    exit_.entry_other_currency = entry.other_currency
