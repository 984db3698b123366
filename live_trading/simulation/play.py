"""Somebody who tells a story to a world, whatever becomes of the engine meanwhile."""

from collections.abc import Awaitable, Callable
from typing import Any

from live_trading.domain.values import OrderPurpose
from live_trading.engine.inbox import Command, Outcome
from live_trading.projections.state import Discrepancy, Operation
from live_trading.simulation.scripted import SCRIPTED
from live_trading.simulation.world import EngineDied, World

_PATIENCE = 240.0


class Play:
    """A world with somebody who starts engines again and again until the story is over."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.operation_id = ""
        self._commands = 0

    async def up(self) -> None:
        """An engine trades: the living one, or a new one."""
        while self.world.is_down:
            try:
                await self.world.start_engine()
            except EngineDied:
                continue
            if self.world.has_frozen:  # by now somebody else trades; whoever was frozen goes on, and does not know
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

    def discrepancy(self) -> Discrepancy | None:
        """What is held at the broker and not known of, as the living engine has it."""
        assert self.world.engine is not None
        return next(iter(self.world.engine.live.ledger.state.discrepancies.values()), None)

    def enters_no_more(self) -> bool:
        """Whether no order that enters is at the broker, or on its way there."""
        assert self.world.engine is not None
        working = self.world.engine.live.ledger.working_orders(self.operation)
        return not any(order.purpose is OrderPurpose.ENTRY for order in working)

    def is_flat(self) -> bool:
        return not self.operation.quantity and self.operation.exit_intent is None


Story = Callable[[Play], Awaitable[None]]
