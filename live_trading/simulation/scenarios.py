"""Short stories to die in: what a person does, told once, whatever becomes of the engine meanwhile.

A scenario talks to a :class:`Play`. Its commands are durable, so they outlive the engine they were meant for; when the
engine has died, the play starts another one and waits on.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from live_trading.brokers.types import Bracket
from live_trading.domain.values import OrderPurpose
from live_trading.engine.context import EngineConfig
from live_trading.engine.inbox import Command, Outcome
from live_trading.paper_exchange.catalogue import default_catalogue
from live_trading.paper_exchange.core import Catalogue, LiquidityModel
from live_trading.projections.state import Operation
from live_trading.simulation.effects import Death, Way
from live_trading.simulation.invariants import broken
from live_trading.simulation.loop import run_virtual
from live_trading.simulation.scripted import SCRIPTED
from live_trading.simulation.world import ACCOUNT, EngineDied, World

_PATIENCE = 240.0


class Play:
    """A world with somebody who starts engines again and again until the story is over."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.operation_id = ""
        self._commands = 0
        self._seen_deaths = 0

    async def up(self) -> None:
        """An engine trades: the living one, or a new one."""
        while self.world.is_down:
            frozen = len(self.world.deaths) > self._seen_deaths and self.world.deaths[-1] is Way.FROZEN
            self._seen_deaths = len(self.world.deaths)
            try:
                await self.world.start_engine()
            except EngineDied:
                continue
            if frozen:
                await self.world.clock.sleep(1)
                self.world.thaw()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something holds, over deaths."""
        deadline = self.world.clock.monotonic() + _PATIENCE
        while True:
            await self.up()
            done = await self.world.until(lambda: self.world.is_down or condition(), _PATIENCE)
            if not self.world.is_down and condition():
                return
            if not done or self.world.clock.monotonic() > deadline:
                raise TimeoutError("the story did not go on")

    async def do(self, kind: str, /, **arguments: Any) -> Outcome:
        """Command something and wait for its outcome, over deaths."""
        self._commands += 1
        command = Command(f"play-{self._commands}", kind, arguments, "user:play")
        self.world.inbox.submit(command)
        outcomes = self.world.inbox.outcomes
        await self.until(lambda: command.id in outcomes)
        outcome = outcomes[command.id]
        self.operation_id = str(outcome.result.get("operation_id", self.operation_id))
        return outcome

    async def create(self, **settings: Any) -> None:
        """One operation on EUR-USD with a scripted strategy."""
        await self.do(
            "create_operation",
            **{
                "asset": "EUR-USD",
                "bar_sizes": ["5 secs"],
                "strategy_name": SCRIPTED,
                "quantity": "1000",
                "initial_capital": "10000",
                "stop_loss_type": "PERCENTAGE",
                "stop_loss_value": "0.002",
                **settings,
            },
        )

    async def rests(self) -> bool:
        """Whether everything comes to rest, over deaths."""
        while True:
            resting = self.world.tasks.start(self.world.come_to_rest(), "rest")
            await self.until(resting.done)
            if not self.world.is_down:
                came_to_rest: bool = await resting
                return came_to_rest
            await self.up()

    @property
    def operation(self) -> Operation:
        """The operation, as the living engine has it."""
        assert self.world.engine is not None
        (operation,) = self.world.engine.live.ledger.state.operations.values()
        return operation

    def holds(self) -> bool:
        return bool(self.operation.quantity)

    def is_flat(self) -> bool:
        return not self.operation.quantity and self.operation.exit_intent is None


Story = Callable[[Play], Awaitable[None]]


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


async def _stop_hit(play: Play) -> None:
    await play.create(strategy_config={"script": "L" + "." * 40}, crash_recovery_mode="RESUME")
    await play.until(play.holds)
    play.world.move_market("EUR-USD", Decimal("-0.004"))
    await play.until(play.is_flat)


async def _target_reached(play: Play) -> None:
    target = {"take_profit_type": "PERCENTAGE", "take_profit_value": "0.002"}
    await play.create(strategy_config={"script": "L" + "." * 40}, crash_recovery_mode="RESUME", **target)
    await play.until(play.holds)
    play.world.move_market("EUR-USD", Decimal("0.004"))
    await play.until(play.is_flat)


async def _whipsaw(play: Play) -> None:
    """Through the stop and straight on to the target: whatever is still there must not open a position."""
    target = {"take_profit_type": "PERCENTAGE", "take_profit_value": "0.002"}
    await play.create(strategy_config={"script": "L" + "." * 40}, crash_recovery_mode="RESUME", **target)
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
    await play.create(strategy_config={"script": "L" + "." * 40})
    await play.until(play.holds)
    await play.do("close_position", operation_id=play.operation_id)
    await play.until(play.is_flat)


async def _close_operation(play: Play) -> None:
    await play.create(strategy_config={"script": "L" + "." * 40})
    await play.until(play.holds)
    await play.do("close_operation", operation_id=play.operation_id)
    await play.until(lambda: play.operation.status == "closed")


async def _move_stop(play: Play) -> None:
    await play.create(strategy_config={"script": "L" + "." * 40}, crash_recovery_mode="RESUME")
    await play.until(play.holds)
    price = Decimal("1.08000")
    moved = await play.do("move_protection", operation_id=play.operation_id, kind="STOP_LOSS", price=str(price))
    # A person who was told that it is done finds it done, whoever died in between.
    await play.until(lambda: moved.refused or not play.holds() or _stop_price(play) == price)


async def _cancel_target(play: Play) -> None:
    await play.create(
        strategy_config={"script": "L" + "." * 40},
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
        strategy_config={"script": "L" + "." * 40},
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
        strategy_config={"script": "L" + "." * 40},
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
        strategy_config={"script": "L" + "." * 40},
        crash_recovery_mode="EMERGENCY_EXIT",
        emergency_stop_loss_pct="0.0001",
        stop_loss_value="0.01",
    )
    await play.until(play.holds)
    play.world.crash()
    play.world.move_market("EUR-USD", Decimal("-0.002"))
    await play.until(play.is_flat)


async def _resume_without_stop(play: Play) -> None:
    await play.create(
        strategy_config={"script": "L" + "." * 40}, crash_recovery_mode="RESUME", emergency_stop_loss_pct="0.9"
    )
    await play.until(play.holds)
    play.world.crash()
    for order in play.world.exchange.open_orders(ACCOUNT):
        play.world.exchange.cancel(ACCOUNT, order.order_id)
    await play.until(lambda: not play.holds() or _stop_price(play) is not None)


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
    )
}
"""Every scenario, by name."""


@dataclass(frozen=True, slots=True)
class Told:
    """How a story ended: what was wrong (nothing, one hopes), and the effects that the engines had on the way."""

    problems: list[str]
    effects: list[str]
    deaths: int
    entries: int


def _in_parts() -> Catalogue:
    """Markets where every order is filled in parts."""
    listings = (
        listing.model_copy(update={"liquidity": LiquidityModel(max_fill=Decimal(400))})
        for listing in default_catalogue()
    )
    return Catalogue(tuple(listings))


def tell(
    name: str,
    deaths: Sequence[Death] = (),
    *,
    seed: int = 1,
    in_parts: bool = False,
    bracket: Bracket = Bracket.ATOMIC,
    oca: bool = True,
    stops: bool = True,
    trailing_stops_at_broker: bool = True,
) -> Told:
    """Tell a scenario with these deaths in it, let the world come to rest, and judge it."""
    catalogue = _in_parts() if in_parts else None
    config = EngineConfig(trailing_stops_at_broker=trailing_stops_at_broker)

    async def main() -> Told:
        async with World(
            seed, deaths=deaths, catalogue=catalogue, config=config, bracket=bracket, oca=oca, stops=stops
        ) as world:
            play = Play(world)
            problems = []
            try:
                await SCENARIOS[name](play)
                await play.up()
            except TimeoutError as error:
                problems.append(str(error))
            effects = list(world.effects.names)
            if not await play.rests():
                problems.append("it did not come to rest")
            entries = await world.entries()
            problems += broken(entries, "paper", world.broker_record(), watched=world.watched)
            return Told(problems, effects, len(world.deaths), len(entries))

    return run_virtual(main())


def all_deaths(effects: Sequence[str], ways: Sequence[Way] = tuple(Way)) -> list[Death]:
    """Every death there is in a story with these effects."""
    return [Death(number, way) for number in range(len(effects)) for way in ways]
