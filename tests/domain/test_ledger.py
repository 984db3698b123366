"""What must hold of the ledger, whatever happens: properties over invented histories of fills."""

from collections import deque
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from live_trading.domain import entries as e
from live_trading.domain.values import PositionType, Side, TransactionRole
from live_trading.projections import Ledger
from live_trading.projections.documents import take_changes
from live_trading.projections.state import ZERO, Operation, Transaction
from tests.stories import D, Shelf, Story, fold, shelve


class Move(NamedTuple):
    """One order with one fill. ``commission`` comes with it (0), later (1) or not at all (None in ``amount``)."""

    side: Side
    price: Decimal
    quantity: Decimal
    amount: Decimal | None
    is_late: bool
    currency: str


prices = st.decimals(min_value="0.5", max_value="200", places=2)
quantities = st.decimals(min_value="0.1", max_value="9", places=1)
amounts = st.one_of(
    st.none(),
    st.decimals(min_value="-1", max_value="7", places=3),
    st.decimals(min_value="0", max_value="1", places=13),
)
moves = st.builds(
    Move, st.sampled_from(Side), prices, quantities, amounts, st.booleans(), st.sampled_from(["USD", "USD", "JPY"])
)
histories = st.lists(moves, min_size=1, max_size=14)
multipliers = st.sampled_from(["1", "20", "0.01"])


def told(history: list[Move], multiplier: str = "1") -> tuple[Story, list[str]]:
    """The story of these moves, and their executions' ids."""
    story = Story()
    operation = story.operation(multiplier=multiplier)
    executions, late = [], []
    for move in history:
        now: dict[str, Any] = {}
        if move.amount is not None and not move.is_late:
            now = {"commission": move.amount, "commission_currency": move.currency}
        executions.append(story.trade(operation, move.side, move.price, move.quantity, **now))
        if move.amount is not None and move.is_late:
            late.append((executions[-1], move.amount, move.currency))
    for execution, amount, currency in late:
        story.commission(execution, amount, currency)
    return story, executions


def only(ledger: Ledger) -> Operation:
    (operation,) = ledger.state.operations.values()
    return operation


def pieces(operation: Operation) -> Iterator[Transaction]:
    for fill in operation.fills:
        yield from fill.pieces


def first_in_first_out(history: list[Move]) -> tuple[list[tuple[Decimal, Decimal]], list[tuple[Decimal, Decimal]]]:
    """A second, plain matcher: open (price, signed quantity) and closed (gain per unit, quantity), in order."""
    lots: deque[list[Decimal]] = deque()
    closed = []
    for move in history:
        left = move.quantity * move.side.sign
        while left and lots and (lots[0][1] > 0) != (left > 0):
            price, held = lots[0]
            quantity = min(abs(left), abs(held))
            closed.append(((move.price - price) * (1 if held > 0 else -1), quantity))
            lots[0][1] -= quantity if held > 0 else -quantity
            left += quantity if held > 0 else -quantity
            if not lots[0][1]:
                lots.popleft()
        if left:
            lots.append([move.price, left])
    return [(price, held) for price, held in lots], closed


# ---- quantities ---------------------------------------------------------------------------------------------------


@given(histories)
def test_sum_of_fills_is_the_position_and_the_sum_of_its_lots(history: list[Move]) -> None:
    operation = only(told(history)[0].ledger())
    total = sum((move.quantity * move.side.sign for move in history), ZERO)
    assert operation.quantity == total
    assert sum((lot.quantity for lot in operation.lots), ZERO) == abs(total)
    assert (operation.position is None) == (total == 0) == (not operation.lots)


@given(histories)
def test_every_fill_is_covered_by_its_transactions_without_overlap(history: list[Move]) -> None:
    operation = only(told(history)[0].ledger())
    for fill, move in zip(operation.fills, history, strict=True):
        end = ZERO
        for piece in fill.pieces:
            assert piece.offset == end
            assert piece.quantity > 0
            end += piece.quantity
        assert end == move.quantity


@given(histories)
def test_lots_are_matched_first_in_first_out(history: list[Move]) -> None:
    operation = only(told(history)[0].ledger())
    sign = 1 if operation.quantity > 0 else -1
    lots, closed = first_in_first_out(history)
    assert [(lot.price, lot.quantity * sign) for lot in operation.lots] == lots
    exits = [piece for piece in pieces(operation) if piece.role is TransactionRole.EXIT]
    assert [(piece.profit, piece.quantity) for piece in exits] == [
        (gain * quantity, quantity) for gain, quantity in closed
    ]


@given(histories)
def test_what_an_entry_opened_is_what_its_exits_closed_and_what_is_left(history: list[Move]) -> None:
    operation = only(told(history)[0].ledger())
    by_key = {piece.key: piece for piece in pieces(operation)}
    left = {lot.entry: lot.quantity for lot in operation.lots}
    for piece in by_key.values():
        if piece.role is TransactionRole.ENTRY:
            assert (
                sum((by_key[key].quantity for key in piece.exits), ZERO) + left.get(piece.key, ZERO) == piece.quantity
            )
            assert all(by_key[key].related_entry == piece.key for key in piece.exits)


def test_fill_that_crosses_zero_is_an_exit_and_an_entry_and_a_new_position() -> None:
    story = Story()
    operation = story.operation()
    story.trade(operation, Side.BUY, "100", "2")
    story.trade(operation, Side.SELL, "110", "5")
    state = only(story.ledger())
    assert [(p.role, p.position_type, p.quantity) for p in state.fills[1].pieces] == [
        (TransactionRole.EXIT, PositionType.LONG, D(2)),
        (TransactionRole.ENTRY, PositionType.SHORT, D(3)),
    ]
    assert state.position is not None
    assert (state.position.quantity, state.position.entry_price) == (D(-3), D(110))
    (closed,) = state.closed_positions.values()
    assert (closed.quantity, closed.peak, closed.realized_pnl) == (D(0), D(2), D(20))
    assert closed.closed_at == state.fills[1].executed_at


def test_short_gains_when_the_price_falls() -> None:
    story = Story()
    operation = story.operation(multiplier="20")
    story.trade(operation, Side.SELL, "100", "2")
    story.trade(operation, Side.BUY, "90", "2")
    assert only(story.ledger()).totals.gross_pnl == 400


def test_partial_fills_of_one_order_are_lots_of_one_position() -> None:
    story = Story()
    operation = story.operation()
    order = story.order(operation, Side.BUY, "10")
    for price, quantity in (("100", "3"), ("101", "3"), ("102", "4")):
        story.fill(order, price, quantity)
    state = only(story.ledger())
    assert [lot.quantity for lot in state.lots] == [3, 3, 4]
    assert state.position is not None
    assert state.position.entry_price == D("101.1")
    assert state.orders[order].status.value == "FILLED"


def test_exit_of_more_lots_than_a_byte_can_count_keeps_their_ids_apart() -> None:
    story = Story()
    operation = story.operation()
    order = story.order(operation, Side.BUY, "300")
    for _ in range(300):
        story.fill(order, "100", "1")
    story.trade(operation, Side.SELL, "101", "300")
    story.trade(operation, Side.BUY, "100", "1")
    shelf = shelve(story.entries)
    assert len(shelf.of("transactions")) == 601
    assert len(shelf.of("trades")) == 300


# ---- money --------------------------------------------------------------------------------------------------------


@given(histories, multipliers)
def test_profits_minus_commissions_is_the_result_and_is_the_cash_that_moved(
    history: list[Move], multiplier: str
) -> None:
    story, _ = told(history, multiplier)
    operation = only(story.ledger())
    own = sum((m.amount for m in history if m.amount is not None and m.currency == "USD"), ZERO)
    cash = sum((-m.price * m.quantity * m.side.sign for m in history), ZERO) * D(multiplier)
    sign = 1 if operation.quantity > 0 else -1
    cost_of_open_lots = sum((lot.price * lot.quantity * sign for lot in operation.lots), ZERO) * D(multiplier)
    assert operation.totals.gross_pnl == cash + cost_of_open_lots
    assert operation.totals.commission == own
    assert operation.total_pnl == cash + cost_of_open_lots - own
    assert sum((p.profit for p in pieces(operation)), ZERO) == operation.totals.gross_pnl
    assert sum((p.commission for p in pieces(operation)), ZERO) == own
    assert operation.current_capital == operation.initial_capital + operation.total_pnl


@given(histories)
def test_trades_are_counted_as_their_documents_say(history: list[Move]) -> None:
    story, _ = told(history)
    totals, trades = only(story.ledger()).totals, shelve(story.entries).of("trades")
    nets = [trade["net_pnl"].to_decimal() for trade in trades]
    assert totals.trades == len(nets)
    assert totals.winning == sum(net > 0 for net in nets)
    assert totals.losing == sum(net < 0 for net in nets)
    assert totals.net_profit == sum((net for net in nets if net > 0), ZERO)
    assert totals.net_loss == sum((net for net in nets if net < 0), ZERO)


@given(histories)
def test_commission_shares_add_up_to_the_last_digit(history: list[Move]) -> None:
    operation = only(told(history)[0].ledger())
    by_key = {piece.key: piece for piece in pieces(operation)}
    for fill, move in zip(operation.fills, history, strict=True):
        amount = move.amount or ZERO
        own, other = (amount, ZERO) if move.currency == "USD" else (ZERO, amount)
        assert sum((piece.commission for piece in fill.pieces), ZERO) == own
        assert sum((piece.other_commission for piece in fill.pieces), ZERO) == other
        for piece in fill.pieces:
            if piece.exits and piece.key not in {lot.entry for lot in operation.lots}:
                assert sum((by_key[key].entry_commission for key in piece.exits), ZERO) == piece.commission
                assert sum((by_key[key].entry_other_commission for key in piece.exits), ZERO) == piece.other_commission


@given(histories)
def test_commissions_that_come_late_end_in_the_same_documents(history: list[Move]) -> None:
    at_once = told([move._replace(is_late=False) for move in history])[0]
    late = told([move._replace(is_late=True) for move in history])[0]
    when = ("sequence_number", "updated_at")
    assert shelve(late.entries).without(*when) == shelve(at_once.entries).without(*when)


def test_commission_in_another_currency_is_shown_and_not_counted() -> None:
    story = Story()
    operation = story.operation(currency="JPY")
    execution = story.trade(operation, Side.BUY, "100", "2", commission=D("1.5"), commission_currency="USD")
    story.trade(operation, Side.SELL, "110", "1", commission=D("5"), commission_currency="JPY")
    shelf, totals = shelve(story.entries), only(story.ledger()).totals
    assert (totals.commission, totals.other_commissions) == (D(5), {"USD": D("1.5")})
    (trade,) = shelf.of("trades")
    assert {c: n.to_decimal() for c, n in trade["other_commissions"].items()} == {"USD": D("0.75")}
    assert trade["net_pnl"].to_decimal() == 5
    story.commission(execution, "200", "JPY")  # the broker corrects itself: it was yen after all
    totals = only(story.ledger()).totals
    assert totals.commission == 205
    assert not totals.other_commissions


def test_commission_reported_again_replaces_the_former_one_everywhere() -> None:
    story = Story()
    operation = story.operation()
    execution = story.trade(operation, Side.BUY, "100", "2", commission=D("1"), commission_currency="USD")
    for amount in ("2", "3"):
        story.commission(execution, amount)
    shelf = shelve(story.entries)
    assert shelf.of("orders")[0]["commission"].to_decimal() == 3
    assert shelf.of("transactions")[0]["commission"].to_decimal() == 3
    assert only(story.ledger()).totals.commission == 3


# ---- corrections --------------------------------------------------------------------------------------------------

corrections = st.lists(
    st.tuples(st.integers(min_value=0, max_value=13), prices, st.one_of(st.just(ZERO), quantities)), max_size=4
)


@settings(max_examples=200)
@given(histories, corrections)
def test_correction_ends_as_if_the_corrected_values_had_come_at_first(
    history: list[Move], changes: list[tuple[int, Decimal, Decimal]]
) -> None:
    changes = [(index % len(history), price, quantity) for index, price, quantity in changes]
    corrected, executions = told(history)
    for index, price, quantity in changes:
        corrected.correct(executions[index], price, quantity)
    right = list(history)
    for index, price, quantity in changes:
        right[index] = right[index]._replace(price=price, quantity=quantity)
    original, _ = told(history)  # the orders asked for what they asked for
    straight = Story(entries=[_with_fill(entry, executions, right) for entry in original.entries])
    when = ("sequence_number", "updated_at")
    assert shelve(corrected.entries).without(*when) == shelve(straight.entries).without(*when)
    assert only(corrected.ledger()).totals == only(straight.ledger()).totals


def _with_fill(entry: e.Entry, executions: list[str], moves: list[Move]) -> e.Entry:
    if not isinstance(entry.data, e.OrderFilled):
        return entry
    move = moves[executions.index(entry.data.execution_id)]
    return entry._replace(data=entry.data.model_copy(update={"price": move.price, "quantity": move.quantity}))


def test_busted_fill_keeps_its_commission_until_the_broker_takes_it_back() -> None:
    story = Story()
    operation = story.operation()
    execution = story.trade(operation, Side.BUY, "100", "2", commission=D("3"), commission_currency="USD")
    story.correct(execution, "100", "0")
    state = only(story.ledger())
    assert state.position is None
    assert (state.totals.commission, state.totals.volume) == (D(3), D(0))
    story.commission(execution, "0")
    assert only(story.ledger()).totals.commission == 0
    assert shelve(story.entries).of("transactions") == []


def test_correction_keeps_the_stops_that_closed_positions_had() -> None:
    story = Story()
    operation = story.operation()
    first = story.trade(operation, Side.BUY, "100", "2")
    story.tell(e.ProtectionSet(stop_loss=D("95"), take_profit=D("120")), operation)
    story.trade(operation, Side.SELL, "110", "2")
    story.trade(operation, Side.BUY, "111", "2")
    story.tell(e.ProtectionSet(stop_loss=D("105")), operation)
    story.correct(first, "100.5", "2")
    first_position, second = shelve(story.entries).of("positions")
    assert first_position["stop_loss"].to_decimal() == 95
    assert first_position["take_profit"].to_decimal() == 120
    assert second["stop_loss"].to_decimal() == 105
    assert second["take_profit"] is None


def test_correction_touches_only_what_it_changes() -> None:
    story = Story()
    operation = story.operation()
    for price in ("100", "101", "102"):
        story.trade(operation, Side.BUY, price, "2")
    second = story.trade(operation, Side.SELL, "110", "2")
    last = story.trade(operation, Side.SELL, "111", "2")
    before = {document["_id"] for document in shelve(story.entries).documents.values()}
    told = len(story.entries)
    story.correct(last, "112", "2")
    shelf = shelve(story.entries)
    touched = [(name, d["_id"]) for (name, _), d in shelf.documents.items() if d["sequence_number"] > told]
    assert {identifier for _, identifier in touched} <= before
    assert len(touched) == 5
    assert {name for name, _ in touched} == {"orders", "positions", "trading_operations", "trades", "transactions"}
    story.correct(second, "110", "2")
    assert len(shelve(story.entries).of("trades")) == 2


def test_correction_that_moves_the_beginning_of_a_position_keeps_its_stop() -> None:
    story = Story()
    operation = story.operation()
    first = story.trade(operation, Side.BUY, "100", "2")
    story.trade(operation, Side.BUY, "101", "2")
    story.tell(e.ProtectionSet(stop_loss=D("95")), operation)
    story.correct(first, "100", "0")
    (position,) = shelve(story.entries, [6]).of("positions")
    assert (position["quantity"].to_decimal(), position["stop_loss"].to_decimal()) == (2, 95)


def test_correction_that_makes_an_exit_an_entry_takes_the_trade_away() -> None:
    story = Story()
    operation = story.operation()
    first = story.trade(operation, Side.BUY, "100", "2")
    story.trade(operation, Side.SELL, "110", "2")
    assert len(shelve(story.entries).of("trades")) == 1
    story.correct(first, "100", "0")
    shelf = shelve(story.entries, [5])
    assert shelf.of("trades") == []
    (left,) = shelf.of("transactions")
    assert (left["transaction_role"], left["position_type"]) == ("ENTRY", "SHORT")


# ---- the same always ----------------------------------------------------------------------------------------------


@given(histories, corrections, multipliers)
def test_folding_twice_gives_equal_bytes_at_every_entry(
    history: list[Move], changes: list[tuple[int, Decimal, Decimal]], multiplier: str
) -> None:
    story, executions = told(history, multiplier)
    for index, price, quantity in changes:
        story.correct(executions[index % len(executions)], price, quantity)
    one, two = Ledger(), Ledger()
    for entry in story.entries:
        assert fold([entry], one).to_bytes() == fold([entry], two).to_bytes()


@settings(max_examples=40)
@given(histories, corrections)
def test_snapshot_and_tail_is_the_full_fold_wherever_it_is_cut(
    history: list[Move], changes: list[tuple[int, Decimal, Decimal]]
) -> None:
    story, executions = told(history)
    for index, price, quantity in changes:
        story.correct(executions[index % len(executions)], price, quantity)
    full, documents = story.ledger().to_bytes(), shelve(story.entries).documents
    for cut in range(len(story.entries)):
        shelf = Shelf()
        before = fold(story.entries[:cut])
        shelf.write(take_changes(before))
        after = Ledger.from_bytes(before.to_bytes())
        shelf.write(take_changes(fold(story.entries[cut:], after)))
        assert after.to_bytes() == full
        assert shelf.documents == documents


@settings(max_examples=150)
@given(histories, corrections, st.lists(st.integers(min_value=1, max_value=9), max_size=12))
def test_documents_are_the_same_in_whatever_batches_they_are_written(
    history: list[Move], changes: list[tuple[int, Decimal, Decimal]], batches: list[int]
) -> None:
    story, executions = told(history)
    for index, price, quantity in changes:
        story.correct(executions[index % len(executions)], price, quantity)
    assert shelve(story.entries, batches).documents == shelve(story.entries, [1] * len(story.entries)).documents
