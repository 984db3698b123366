"""What can wait gets one turn with each pass of the loop, so that what cannot goes in between."""

import asyncio

from live_trading.engine.turns import Turns


async def test_between_two_turns_whoever_is_ready_goes_first() -> None:
    turns, order = Turns(), list[str]()
    for name in ("first", "second", "third"):
        turns.ask(lambda name=name: order.append(name))  # type: ignore[misc]
    assert order == []
    for number in range(3):
        await asyncio.sleep(0)
        order.append(f"tick {number}")
    assert order == ["first", "tick 0", "second", "tick 1", "third", "tick 2"]


async def test_asking_again_within_a_turn_is_another_turn() -> None:
    turns, taken = Turns(), list[int]()

    def again() -> None:
        taken.append(len(taken))
        if len(taken) < 3:
            turns.ask(again)

    turns.ask(again)
    for expected in (1, 2, 3, 3):
        await asyncio.sleep(0)
        assert len(taken) == expected
