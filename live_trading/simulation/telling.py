"""Telling a scenario to its end, with the deaths that are wanted, and judging what is left."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from live_trading.brokers.types import Bracket
from live_trading.engine.context import EngineConfig
from live_trading.paper_exchange.catalogue import default_catalogue
from live_trading.paper_exchange.core import Catalogue, LiquidityModel
from live_trading.simulation.effects import Death
from live_trading.simulation.invariants import broken
from live_trading.simulation.loop import run_virtual
from live_trading.simulation.play import Play
from live_trading.simulation.scenarios import SCENARIOS
from live_trading.simulation.world import World

_SEED: Final = 1
_LACKING: Final = ("oca", "stops", "trailing")


@dataclass(frozen=True, slots=True)
class Broker:
    """What a scenario's broker is like. ``in_parts``: fills come in parts. ``oca``, ``stops``: whether it has them;
    ``trailing``: whether it moves a trailing stop itself."""

    bracket: Bracket = Bracket.ATOMIC
    in_parts: bool = False
    oca: bool = True
    stops: bool = True
    trailing: bool = True

    def __str__(self) -> str:
        """``atomic``, or ``linked,in-parts,no-oca``: read again by :meth:`parse`."""
        words = [self.bracket.value, *(["in-parts"] if self.in_parts else [])]
        return ",".join(words + [f"no-{name}" for name in _LACKING if not getattr(self, name)])

    @classmethod
    def parse(cls, text: str) -> "Broker":
        """What :meth:`__str__` wrote. Raises :class:`ValueError` for anything else."""
        first, *words = text.split(",")
        found = cls(Bracket(first), "in-parts" in words, *(f"no-{name}" not in words for name in _LACKING))
        if str(found) != text:
            raise ValueError(f"{text!r} is not written {found}")
        return found


PLAIN: Final = Broker()


@dataclass(frozen=True, slots=True)
class Told:
    """How a story ended: what was wrong (nothing, one hopes), and the effects that the engines had on the way."""

    problems: list[str]
    effects: list[str]
    deaths: int
    entries: int
    engines: int = 0
    head: str = ""
    """The last entry's hash: two tellings are the same when this is."""


def _in_parts() -> Catalogue:
    """Markets where every order is filled in parts."""
    listings = (
        listing.model_copy(update={"liquidity": LiquidityModel(max_fill=Decimal(400))})
        for listing in default_catalogue()
    )
    return Catalogue(tuple(listings))


def tell(
    name: str, deaths: Sequence[Death] = (), broker: Broker = PLAIN, on_world: Callable[[World], None] | None = None
) -> Told:
    """Tell a scenario with these deaths in it, let the world come to rest, and judge it. ``on_world`` is given the
    world before anything happens in it."""

    async def main() -> Told:
        async with World(
            _SEED,
            deaths=deaths,
            catalogue=_in_parts() if broker.in_parts else None,
            config=EngineConfig(trailing_stops_at_broker=broker.trailing),
            bracket=broker.bracket,
            oca=broker.oca,
            stops=broker.stops,
        ) as world:
            if on_world is not None:
                on_world(world)
            return await _told(name, world)

    return run_virtual(main())


async def _told(name: str, world: World) -> Told:
    play = Play(world)
    problems = []
    try:
        await SCENARIOS[name](play)
        await play.until(lambda: play.discrepancy() is None)  # a fill that came late has explained it by then
    except TimeoutError as error:
        problems.append(str(error))
    if not await play.rests():
        problems.append("it did not come to rest")
    world.effects.over()
    entries = await world.entries()
    problems += broken(entries, "paper", world.broker_record(), watched=world.watched)
    return Told(
        problems, list(world.effects.names), len(world.deaths), len(entries), world.starts, entries[-1].hash.hex()
    )
