"""Short stories to die in: what a person does, told once, whatever becomes of the engine meanwhile.

A scenario talks to a :class:`~live_trading.simulation.play.Play`. Its commands are durable, so they outlive the engine
they were meant for; when the engine has died, the play starts another one and waits on.
"""

from decimal import Decimal
from hashlib import sha256

from live_trading.domain.values import OrderPurpose, OrderStatus, Side
from live_trading.paper_exchange.faults import Fault, FaultKind
from live_trading.simulation.play import Play, Story
from live_trading.simulation.world import ACCOUNT

_LONG = {"script": "L" + "." * 40}


async def _entry_with_bracket(play: Play) -> None:
    await play.create(strategy_config={"script": "L...."})
    await play.until(play.holds)


async def _entry_and_exit(play: Play) -> None:
    await play.create(strategy_config={"script": "L..X"})
    await play.until(play.holds)
    await play.until(lambda: play.operation.totals.trades > 0)


async def _flip(play: Play) -> None:
    await play.create(strategy_config={"script": "L..S.."}, crash_recovery_mode="RESUME", emergency_stop_loss_pct="0.9")
    await play.until(lambda: play.operation.quantity > 0)
    await play.until(lambda: play.operation.quantity < 0)


async def _entry_in_parts_paused(play: Play) -> None:
    """Paused when the first part of the entry is filled: the rest is taken back, unless it comes before; what came is
    protected."""
    await play.create(strategy_config=_LONG, crash_recovery_mode="RESUME", emergency_stop_loss_pct="0.9")
    await play.until(play.holds)
    await play.do("pause_operation", operation_id=play.operation_id)
    await play.until(play.enters_no_more)


async def _stop_hit(play: Play) -> None:
    await play.create(strategy_config=_LONG, crash_recovery_mode="RESUME")
    await play.until(play.holds)
    play.world.move_market("EUR-USD", Decimal("-0.004"))
    await play.until(play.is_flat)


async def _target_reached(play: Play) -> None:
    target = {"take_profit_type": "PERCENTAGE", "take_profit_value": "0.002"}
    await play.create(strategy_config=_LONG, crash_recovery_mode="RESUME", **target)
    await play.until(play.holds)
    play.world.move_market("EUR-USD", Decimal("0.004"))
    await play.until(play.is_flat)


async def _whipsaw(play: Play) -> None:
    """Through the stop and straight on to the target: whatever is still there must not open a position."""
    target = {"take_profit_type": "PERCENTAGE", "take_profit_value": "0.002"}
    await play.create(strategy_config=_LONG, crash_recovery_mode="RESUME", **target)
    await play.until(play.holds)
    play.world.move_market("EUR-USD", Decimal("-0.004"))
    await play.world.clock.sleep(0.26)
    play.world.move_market("EUR-USD", Decimal("0.008"))
    await play.until(play.is_flat)


async def _pause_and_resume(play: Play) -> None:
    await play.create(strategy_config={"script": "L..X"})
    await play.do("pause_operation", operation_id=play.operation_id)
    await play.do("resume_operation", operation_id=play.operation_id)
    await play.until(play.holds)


async def _close_position(play: Play) -> None:
    await play.create(strategy_config=_LONG)
    await play.until(play.holds)
    await play.do("close_position", operation_id=play.operation_id)
    await play.until(play.is_flat)


async def _close_operation(play: Play) -> None:
    await play.create(strategy_config=_LONG)
    await play.until(play.holds)
    await play.do("close_operation", operation_id=play.operation_id)
    await play.until(lambda: play.operation.status == "closed")


async def _move_stop(play: Play) -> None:
    await play.create(strategy_config=_LONG, crash_recovery_mode="RESUME")
    await play.until(play.holds)
    price = Decimal("1.08000")
    moved = await play.do("move_protection", operation_id=play.operation_id, kind="STOP_LOSS", price=str(price))
    # A person who was told that it is done finds it done, whoever died in between.
    await play.until(lambda: moved.refused or not play.holds() or _stop_price(play) == price)


async def _cancel_target(play: Play) -> None:
    await play.create(
        strategy_config=_LONG,
        crash_recovery_mode="RESUME",
        take_profit_type="PERCENTAGE",
        take_profit_value="0.05",
        stop_loss_value="0.05",
        emergency_stop_loss_pct="0.9",
    )
    await play.until(lambda: bool(play.holds() and _target(play)))
    target = _target(play)
    assert target is not None
    await play.do("cancel_order", client_order_id=target)
    await play.until(lambda: _target(play) not in (None, target))


def _target(play: Play) -> str | None:
    """The take profit that works at the exchange."""
    for order in play.world.exchange.open_orders(ACCOUNT):
        known = play.operation.orders.get(order.client_order_id or "")
        if known is not None and known.purpose is OrderPurpose.TAKE_PROFIT and not order.dormant:
            return known.client_order_id
    return None


def _stop_price(play: Play) -> Decimal | None:
    """Where the stop works at the exchange, or where the engine watches."""
    if OrderPurpose.STOP_LOSS in play.world.watched:
        return play.operation.stop_loss
    for order in play.world.exchange.open_orders(ACCOUNT):
        if order.stop_price is not None:
            return order.stop_price
    return None


async def _trailing_stop(play: Play) -> None:
    await play.create(
        strategy_config=_LONG,
        crash_recovery_mode="RESUME",
        stop_loss_type="TRAILING",
        take_profit_type=None,
        take_profit_value=None,
    )
    await play.until(play.holds)
    play.world.move_market("EUR-USD", Decimal("0.003"))
    entry = play.operation.position.entry_price if play.operation.position is not None else Decimal(0)
    await play.until(lambda: not play.holds() or (_stop_price(play) or Decimal(0)) > entry * Decimal("0.9985"))


async def _trailing_stop_alone(play: Play) -> None:
    """The market rises while no engine lives: a broker that can trail the stop does, else the next engine does."""
    await play.create(
        strategy_config=_LONG,
        crash_recovery_mode="RESUME",
        stop_loss_type="TRAILING",
        take_profit_type=None,
        take_profit_value=None,
    )
    await play.until(lambda: play.holds() and _stop_price(play) is not None)
    before = _stop_price(play) or Decimal(0)
    if not play.world.is_down:
        play.world.crash()
    play.world.move_market("EUR-USD", Decimal("0.003"))
    await play.until(lambda: not play.holds() or (_stop_price(play) or Decimal(0)) > before + Decimal("0.001"))


async def _kill_switch(play: Play) -> None:
    await play.create(strategy_config={"script": "L..X"})
    await play.do("trip_kill_switch", reason="a story")
    await play.until(lambda: play.operation.refusals > 0 or play.holds())
    await play.do("reset_kill_switch")
    await play.until(play.holds)


async def _emergency_exit(play: Play) -> None:
    await play.create(
        strategy_config=_LONG,
        crash_recovery_mode="EMERGENCY_EXIT",
        emergency_stop_loss_pct="0.0001",
        stop_loss_value="0.01",
    )
    await play.until(play.holds)
    play.world.crash()
    play.world.move_market("EUR-USD", Decimal("-0.002"))
    await play.until(play.is_flat)


async def _resume_without_stop(play: Play) -> None:
    await play.create(strategy_config=_LONG, crash_recovery_mode="RESUME", emergency_stop_loss_pct="0.9")
    await play.until(play.holds)
    play.world.crash()
    for order in play.world.exchange.open_orders(ACCOUNT):
        play.world.exchange.cancel(ACCOUNT, order.order_id)
    await play.until(lambda: not play.holds() or _stop_price(play) is not None)


async def _close_all(play: Play) -> None:
    """Recovery under ``CLOSE_ALL``."""
    await play.create(strategy_config=_LONG, crash_recovery_mode="CLOSE_ALL")
    await play.until(play.holds)
    play.world.crash()
    await play.until(play.is_flat)


async def _emergency_kept(play: Play) -> None:
    """Recovery under ``EMERGENCY_EXIT`` with a loss that it bears: the position is kept."""
    await play.create(strategy_config=_LONG, crash_recovery_mode="EMERGENCY_EXIT", emergency_stop_loss_pct="0.9")
    await play.until(play.holds)
    play.world.crash()
    await play.until(play.holds)


async def _resume_beyond_loss(play: Play) -> None:
    """Recovery under ``RESUME`` with a loss beyond ``emergency_stop_loss_pct``."""
    await play.create(
        strategy_config=_LONG, crash_recovery_mode="RESUME", emergency_stop_loss_pct="0.0001", stop_loss_value="0.01"
    )
    await play.until(play.holds)
    play.world.crash()
    play.world.move_market("EUR-USD", Decimal("-0.002"))
    await play.until(play.is_flat)


async def _clean_stop(play: Play) -> None:
    """A stop that was asked for, and a start: the position stays, and no policy is applied."""
    await play.create(strategy_config=_LONG, crash_recovery_mode="RESUME", emergency_stop_loss_pct="0.9")
    await play.until(play.holds)
    await play.world.stop()
    await play.until(play.holds)


async def _manual_trade(play: Play) -> None:
    """A person asks for a trade with a stop: it is made, once, or refused in words, or its order is proved never to
    have left."""
    await play.create(strategy_config={"script": "."}, crash_recovery_mode="RESUME", emergency_stop_loss_pct="0.9")
    trade = {"instrument": "EUR-USD", "direction": "Long", "quantity": "700", "stopLoss": "1.05000"}
    made = await play.do("manual_trade", operation_id=play.operation_id, **trade)
    await play.until(lambda: made.refused or play.operation.quantity == 700 or _entry_never_left(play))


def _entry_never_left(play: Play) -> bool:
    entries = [order for order in play.operation.orders.values() if order.purpose is OrderPurpose.ENTRY]
    return bool(entries) and all(order.status is OrderStatus.NOT_PLACED for order in entries)


async def _by_hand(play: Play, resolution: str) -> None:
    await play.create(strategy_config=_LONG, crash_recovery_mode="RESUME", emergency_stop_loss_pct="0.9")
    await play.until(play.holds)
    exchange = play.world.exchange
    exchange.external_fill(ACCOUNT, "EUR-USD", Side.BUY, Decimal(300), exchange.engine.mark("EUR-USD"))
    await play.until(lambda: play.discrepancy() is not None)
    about = {"broker": "paper", "symbol": "EUR-USD", "operation_id": play.operation_id}
    while play.discrepancy() is not None:  # refused where it was settled in the meantime
        await play.do("resolve_discrepancy", resolution=resolution, **about)


async def _trade_by_hand_ignored(play: Play) -> None:
    await _by_hand(play, "ignore")


async def _trade_by_hand_adopted(play: Play) -> None:
    await _by_hand(play, "adopt")
    await play.do("resume_operation", operation_id=play.operation_id)
    await play.until(lambda: play.operation.quantity == 1300)


async def _trade_by_hand_flattened(play: Play) -> None:
    await _by_hand(play, "flatten")
    await play.until(play.is_flat)


async def _fill_taken_back(play: Play) -> None:
    """The broker takes back a part of the fill that opened the position."""
    await play.create(strategy_config=_LONG, crash_recovery_mode="RESUME", emergency_stop_loss_pct="0.9")
    await play.until(lambda: play.operation.quantity == 1000)
    exchange = play.world.exchange
    execution = exchange.executions_after(ACCOUNT, 0)[0][0]
    exchange.correct_execution(ACCOUNT, execution.execution_id, quantity=execution.quantity - 100)
    await play.until(lambda: play.operation.quantity == 900)


async def _move_unanswered(play: Play) -> None:
    """A person moves the stop, and the request is lost on its way: it is moved all the same."""
    far = {"stop_loss_value": "0.05", "emergency_stop_loss_pct": "0.9"}
    await play.create(strategy_config=_LONG, crash_recovery_mode="RESUME", **far)
    await play.until(play.holds)
    price = Decimal("1.05000")
    play.world.exchange.faults.add(Fault(FaultKind.DROP_BEFORE_ACCEPT, operation="modify"))
    moved = await play.do("move_protection", operation_id=play.operation_id, kind="STOP_LOSS", price=str(price))
    await play.until(lambda: moved.refused or _stop_price(play) == price)


async def _late_fill(play: Play) -> None:
    """An entry is cancelled when it is filled, in part or whole, and the broker says so only later."""
    play.world.exchange.faults.add(Fault(FaultKind.LATE_FILLS, seconds=5))
    await play.create(strategy_config=_LONG, crash_recovery_mode="RESUME", emergency_stop_loss_pct="0.9")
    account = play.world.exchange.engine.accounts[ACCOUNT]
    await play.until(lambda: account.last_number > 0)
    for order in list(play.operation.orders.values()):
        if order.purpose is OrderPurpose.ENTRY:
            await play.do("cancel_order", client_order_id=order.client_order_id)
    await play.until(play.holds)


async def _retention(play: Play) -> None:
    """Somebody has sealed a stretch of the journal into a file: the journal vouches for it, once."""
    await play.create(strategy_config=_LONG, crash_recovery_mode="RESUME", emergency_stop_loss_pct="0.9")
    await play.until(play.holds)
    old = (await play.world.entries())[:8]
    await play.do(
        "record_archived_segment",
        segment="journal-000000000001-000000000008.bson.gz",
        first_sequence_number=1,
        last_sequence_number=8,
        count=8,
        first_hash=old[0].hash.hex(),
        last_hash=old[-1].hash.hex(),
        segment_sha256=sha256(b"".join(entry.hash for entry in old)).hexdigest(),
    )


SCENARIOS: dict[str, Story] = {
    story.__name__.strip("_"): story
    for story in (
        _entry_with_bracket,
        _entry_and_exit,
        _flip,
        _stop_hit,
        _target_reached,
        _whipsaw,
        _pause_and_resume,
        _close_position,
        _close_operation,
        _move_stop,
        _cancel_target,
        _trailing_stop,
        _trailing_stop_alone,
        _kill_switch,
        _emergency_exit,
        _resume_without_stop,
        _entry_in_parts_paused,
        _close_all,
        _emergency_kept,
        _resume_beyond_loss,
        _clean_stop,
        _manual_trade,
        _trade_by_hand_ignored,
        _trade_by_hand_adopted,
        _trade_by_hand_flattened,
        _fill_taken_back,
        _move_unanswered,
        _late_fill,
        _retention,
    )
}
"""Every scenario, by name."""
