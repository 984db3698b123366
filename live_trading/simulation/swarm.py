"""One seed, one story: operations that trade while everything goes wrong, then rest, then the judgement.

The engine is the one that trades for people; around it stands a person in charge who starts engines again, as systemd
would, gives commands, and settles at the end what waits for a person.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import msgspec

from live_trading.domain.entries import Entry
from live_trading.domain.ids import Kind, derived_id
from live_trading.domain.values import OperationStatus, Side
from live_trading.engine.context import EngineConfig
from live_trading.engine.discrepancies import RESOLUTIONS
from live_trading.engine.inbox import Command
from live_trading.paper_exchange.catalogue import default_catalogue
from live_trading.paper_exchange.core import Catalogue, LiquidityModel
from live_trading.paper_exchange.faults import Fault, FaultKind
from live_trading.projections.state import Operation
from live_trading.simulation.effects import Way
from live_trading.simulation.invariants import broken, fold
from live_trading.simulation.loop import run_virtual
from live_trading.simulation.plans import SYMBOLS, Happening, Plan
from live_trading.simulation.scripted import SCRIPTED
from live_trading.simulation.trouble import Trouble, TroubleKind
from live_trading.simulation.world import ACCOUNT, EngineDied, World, is_at_rest

_REST_SECONDS: Final = 400.0
_PATIENCE_SECONDS: Final = 1800.0
"""A world that is not over so long after its plan never will be."""
_LOOKED_SECONDS: Final = 70.0
"""By then every account has been reconciled once more: what changed by hand is seen (``SessionTimes``)."""
_STILL_SECONDS: Final = 12.0
_VISIBLE_AFTER: Final = 1.9
"""A little less than a broker's ``absence_definitive_after`` (``PAPER_CAPABILITIES``)."""
_CONFIG: Final = EngineConfig(snapshot_every=25)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came of one plan. ``problems`` is empty when everything that must hold held."""

    plan: Plan
    problems: list[str]
    entries: list[Entry]
    engines: int
    deaths: int
    happened: Counter[str]

    @property
    def head(self) -> str:
        """The last entry's hash: two runs of one plan are the same when this is."""
        return self.entries[-1].hash.hex() if self.entries else ""


def run(plan: Plan) -> Judgement:
    """Live through a plan in virtual time, and judge what is left. Whatever it raises is a problem too."""

    async def main() -> Judgement:
        async with World(
            plan.seed,
            symbols=SYMBOLS,
            config=_CONFIG,
            catalogue=_in_parts() if plan.in_parts else None,
            commission_delay=plan.commission_delay,
            bracket=plan.bracket,
        ) as world:
            async with asyncio.timeout(plan.seconds + _PATIENCE_SECONDS):
                return await Swarm(world, plan).live()

    try:
        return run_virtual(main(), order=plan.seed)
    except Exception as error:  # a world that ends by itself is judged like one that ends badly
        return Judgement(plan, [f"it ended with {type(error).__name__}: {error}"], [], 0, 0, Counter())


def _in_parts() -> Catalogue:
    listings = (
        listing.model_copy(update={"liquidity": LiquidityModel(partial_probability=0.5)})
        for listing in default_catalogue()
    )
    return Catalogue(tuple(listings))


class Swarm:
    """The person in charge of one world."""

    def __init__(self, world: World, plan: Plan) -> None:
        self._world = world
        self._plan = plan
        self._operations: list[str] = []
        self._commands = 0
        self._down = 0.0
        self._quiet_until = 0.0
        self._happened: Counter[str] = Counter()
        self._failure: Exception | None = None

    async def live(self) -> Judgement:
        """From the first operation to the judgement."""
        world, plan = self._world, self._plan
        world.tasks.start(self._keep_an_engine(), "the person who starts engines")
        world.tasks.start(self._keep_the_market(), "the person who looks after the market")
        for settings in plan.operations:
            await self._create(settings)
        began = world.clock.monotonic()
        for what in plan.happenings:
            await world.clock.sleep(max(0.0, began + what.at - world.clock.monotonic()))
            await self._do(what)
        await world.clock.sleep(max(0.0, began + plan.seconds - world.clock.monotonic()))
        problems = await self._end()
        entries = await world.entries()
        problems += broken(entries, "paper", world.broker_record())
        problems += self._differing(entries)
        if world.tasks.failure is not None:
            problems.append(f"the world itself failed: {world.tasks.failure}")
        return Judgement(plan, problems, entries, world.starts, len(world.deaths), self._happened)

    def _differing(self, entries: list[Entry]) -> list[str]:
        """Whether what the living engine holds is the fold of its journal."""
        engine = self._world.engine
        if engine is None:
            return []
        held = engine.live.ledger
        folded = fold(entry for entry in entries if entry.sequence_number <= held.sequence_number)
        return [] if held.to_bytes() == folded.to_bytes() else ["the engine's state is not the fold of its journal"]

    # ---- keeping it going ---------------------------------------------------------------------------------------

    async def _keep_an_engine(self) -> None:
        world = self._world
        while True:
            if world.is_down:
                await world.clock.sleep(self._down)
                self._down = 0.0
                try:
                    await world.start_engine()
                except EngineDied:
                    await world.clock.sleep(1)
                    continue
                if world.has_frozen:
                    await world.clock.sleep(1)
                    world.thaw()
            await world.clock.sleep(0.1)

    async def _keep_the_market(self) -> None:
        world = self._world
        while True:
            world.quiet = world.clock.monotonic() < self._quiet_until
            await world.clock.sleep(0.25)

    async def _ask(self, kind: str, /, **arguments: Any) -> str:
        """Put a command in the inbox, where it waits for an engine."""
        self._commands += 1
        command = Command(f"swarm-{self._commands}", kind, arguments, "user:swarm")
        self._world.inbox.submit(command)
        return command.id

    async def _create(self, settings: Any) -> None:
        fixed = {"bar_sizes": ["5 secs"], "strategy_name": SCRIPTED}
        command = await self._ask("create_operation", **fixed, **settings)
        outcome = await self._world.inbox.outcome(command)
        assert not outcome.refused, outcome.result
        self._operations.append(str(outcome.result["operation_id"]))

    # ---- what happens -------------------------------------------------------------------------------------------

    async def _do(self, what: Happening) -> None:
        act: Callable[..., Awaitable[str | None]] = getattr(self, f"_{what.kind}")
        detail = await act(**what.arguments)
        self._happened[what.kind if detail is None else f"{what.kind}: {detail}"] += 1

    async def _exchange_fault(self, fault: str, count: int, probability: float, seconds: float) -> str:
        kind = FaultKind(fault)
        if kind in (
            FaultKind.HIDE_ORDERS,
            FaultKind.LATE_ORDERS,
        ):  # a broker keeps what it says of itself: by then an order is found
            seconds = min(seconds, _VISIBLE_AFTER)
        self._world.exchange.faults.add(Fault(kind, count=count, probability=probability, seconds=seconds))
        return fault

    async def _question_fails(self, question: str, count: int) -> str:
        self._world.exchange.faults.add(Fault(FaultKind.FAIL_QUERIES, count=count, match=question))
        return question

    async def _lost_and_hidden(self, hidden: str, seconds: float) -> str:
        """An order is accepted, nobody says so, and for a moment nobody finds it, or can be asked."""
        faults = self._world.exchange.faults
        faults.add(Fault(FaultKind.DROP_AFTER_ACCEPT, operation="place"))
        faults.add(Fault(FaultKind.LATE_ORDERS, count=3, seconds=seconds))
        if hidden != FaultKind.LATE_ORDERS:
            faults.add(Fault(FaultKind(hidden), count=3, seconds=seconds))
        return hidden

    async def _journal_trouble(self, trouble: str, seconds: float) -> str:
        self._world.store.plan(Trouble(TroubleKind(trouble), seconds))
        return trouble

    async def _crash(self, down: float) -> None:
        self._down = down
        if not self._world.is_down:
            self._world.crash()

    async def _crash_at_effect(self, effect: int, way: str, down: float) -> str:
        self._down = down
        self._world.effects.plan(effect, Way(way))
        return way

    async def _crash_twice(self, effect: int, way: str, again: int, way_again: str) -> None:
        self._world.effects.plan(effect, Way(way))
        self._world.effects.plan(effect + 1 + again, Way(way_again))

    async def _clean_stop(self, down: float) -> None:
        if not self._world.is_down:
            self._down = down
            await self._world.stop()

    async def _disconnect(self) -> None:
        self._world.exchange.disconnect_all("cut by the swarm")

    async def _clock_step(self, seconds: float) -> None:
        self._world.engine_clock.step(seconds)

    async def _market_jump(self, symbol: str, steps: int) -> None:
        self._world.move_market(symbol, self._step_of(symbol) * steps)

    async def _market_quiet(self, seconds: float) -> None:
        self._quiet_until = self._world.clock.monotonic() + seconds

    def _step_of(self, symbol: str) -> Decimal:
        return self._world.exchange.catalogue[symbol].instrument.tick_size

    def _unit_of(self, symbol: str) -> Decimal:
        return Decimal(1000) if symbol == "EUR-USD" else Decimal(1)

    async def _trade_by_hand(self, symbol: str, side: str) -> None:
        exchange = self._world.exchange
        exchange.external_fill(ACCOUNT, symbol, Side(side), self._unit_of(symbol), exchange.engine.mark(symbol))

    async def _position_moved(self, symbol: str, side: str) -> None:
        exchange = self._world.exchange
        exchange.adjust_position(ACCOUNT, symbol, Side(side), self._unit_of(symbol), exchange.engine.mark(symbol))

    async def _correct_fill(self, back: int, steps: int, busted: bool) -> str | None:
        executions = self._world.exchange.executions_after(ACCOUNT, 0)[0]
        if len(executions) <= back:
            return "none to correct"
        chosen = executions[-1 - back]
        if busted:
            self._world.exchange.correct_execution(ACCOUNT, chosen.execution_id, quantity=Decimal(0))
            return "busted"
        price = chosen.price + self._step_of(chosen.symbol) * steps
        self._world.exchange.correct_execution(ACCOUNT, chosen.execution_id, price=price)
        return None

    async def _command(self, command: str, operation: int) -> str:
        arguments: dict[str, Any] = {}
        if command.endswith(("_operation", "_position", "_protection")):
            arguments["operation_id"] = self._operations[operation % len(self._operations)]
        if command == "move_protection":
            arguments |= {"kind": "STOP_LOSS", "price": str(self._stop_to_be(arguments["operation_id"]))}
        if command == "cancel_order":
            arguments["client_order_id"] = self._any_protection()
        if command == "trip_kill_switch":
            arguments["reason"] = "by the swarm"
        await self._ask(command, **arguments)
        return command

    def _stop_to_be(self, operation_id: str) -> Decimal:
        """A stop a little behind the market, on the side where the operation's stop is."""
        for operation in self._known():
            if str(derived_id(Kind.OPERATION, operation.number)) == operation_id:
                symbol = operation.symbol
                away = self._step_of(symbol) * 40 * (-1 if operation.quantity >= 0 else 1)
                return self._world.exchange.engine.mark(symbol) + away
        return Decimal(1)

    def _any_protection(self) -> str:
        for operation in self._known():
            for order in operation.orders.values():
                if order.purpose.is_protection and not order.status.is_terminal:
                    return order.client_order_id
        return "none"

    def _known(self) -> list[Operation]:
        engine = self._world.engine
        return [] if engine is None else list(engine.live.ledger.state.operations.values())

    # ---- the end ------------------------------------------------------------------------------------------------

    async def _end(self) -> list[str]:
        """Nothing goes wrong any more; everything that was on its way arrives; a person settles what waits for one."""
        world = self._world
        self._quiet_until = 0.0
        world.exchange.faults.remove()
        world.store.end_trouble()
        world.effects.forget_plan()
        world.thaw()
        await world.clock.sleep(_LOOKED_SECONDS)
        if not await world.until(lambda: not world.is_down, 60):
            return ["no engine could be started", *(str(failure) for failure in world.failures[-1:])]
        deadline = world.clock.monotonic() + _REST_SECONDS
        while world.clock.monotonic() < deadline:
            await self._settle()
            fills = self._fills()
            if self._rests():
                await world.clock.sleep(_STILL_SECONDS)
                if self._rests() and self._fills() == fills:
                    return []
            await world.clock.sleep(1)
        return ["it did not come to rest"]

    def _rests(self) -> bool:
        engine = self._world.engine
        return engine is not None and is_at_rest(engine.live.ledger) and not engine.live.ledger.state.discrepancies

    def _fills(self) -> int:
        return len(self._world.exchange.executions_after(ACCOUNT, 0)[0])

    async def _settle(self) -> None:
        """What a person would do who comes back: look at what is held, and say what it means."""
        engine = self._world.engine
        if engine is None:
            return
        state = engine.live.ledger.state
        for open_ in list(state.discrepancies.values()):
            about = {"broker": open_.broker, "symbol": open_.symbol}
            for operation in self._known():  # by the seed: somebody else's, or the first's that trades it
                if operation.symbol == open_.symbol and operation.status is not OperationStatus.CLOSED:
                    about["operation_id"] = str(derived_id(Kind.OPERATION, operation.number))
                    break
            for resolution in (RESOLUTIONS[self._world.seed % len(RESOLUTIONS)], "ignore"):
                await self._ask("resolve_discrepancy", resolution=resolution, **about)
        for operation in self._known():
            if operation.status is OperationStatus.ACTIVE:
                await self._ask("pause_operation", operation_id=str(derived_id(Kind.OPERATION, operation.number)))


def story(judgement: Judgement) -> str:
    """What happened, for people: the plan, and the journal line by line."""
    plan = judgement.plan
    lines = [
        f"seed {plan.seed}: {plan.seconds:g} s, {plan.bracket.value} brackets"
        + (", fills in parts" if plan.in_parts else ""),
        *(f"  operation {number}: {_settings(settings)}" for number, settings in enumerate(plan.operations)),
        "what happens:",
        *(f"  [{place}] {what}" for place, what in zip(plan.kept, plan.happenings, strict=True)),
        "the journal:",
        *(_line(entry) for entry in judgement.entries),
        "what is wrong:" if judgement.problems else "nothing is wrong.",
        *(f"  {problem}" for problem in judgement.problems),
    ]
    return "\n".join(lines)


def _settings(settings: Any) -> str:
    return msgspec.json.encode({key: value for key, value in settings.items() if value is not None}).decode()


def _line(entry: Entry) -> str:
    facts = entry.data.model_dump(mode="json", exclude_none=True)
    facts.pop("settings", None)
    facts.pop("instrument", None)
    told = " ".join(f"{name}={value}" for name, value in facts.items() if value not in ("", {}, []))
    return f"  {entry.sequence_number:5} {entry.timestamp:%H:%M:%S.%f} e{entry.epoch} {entry.action_type} {told}"
