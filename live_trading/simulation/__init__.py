"""The whole engine in a simulated world: virtual time, a journal in memory, an exchange in process, crashes at will."""

from live_trading.simulation.loop import VirtualClock, VirtualTimeLoop, run_virtual
from live_trading.simulation.world import World

__all__ = ["VirtualClock", "VirtualTimeLoop", "World", "run_virtual"]
