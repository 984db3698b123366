"""The buffer never makes the broker's stream wait, and says what it threw away."""

import asyncio
from typing import Any

import pytest

from live_trading.data import TickBuffer


async def test_a_full_buffer_drops_its_oldest(clock: Any) -> None:
    buffer = TickBuffer(clock, capacity=3)
    for number in range(5):
        buffer.put(number)
    assert (buffer.depth, buffer.dropped, buffer.highest_depth) == (3, 2, 3)
    assert await buffer.take() == [2, 3, 4]
    assert buffer.depth == 0


async def test_what_is_older_than_a_minute_is_evicted_when_its_turn_comes(clock: Any) -> None:
    buffer = TickBuffer(clock)
    buffer.put(1)
    clock.seconds = 30.0
    buffer.put(2)
    assert buffer.age == 30.0
    clock.seconds = 60.5
    assert await buffer.take() == [2]
    assert (buffer.evicted, buffer.dropped, buffer.age) == (1, 0, 0.0)


async def test_each_item_comes_with_when_it_was_received(clock: Any) -> None:
    buffer = TickBuffer(clock)
    for second in (1.0, 2.5):
        clock.seconds = second
        buffer.put(int(second))
    assert await buffer.take_received() == [(1.0, 1), (2.5, 2)]


async def test_taking_waits_for_the_first_and_takes_no_more_than_asked(clock: Any) -> None:
    buffer = TickBuffer(clock)
    taking = asyncio.ensure_future(buffer.take(2))
    await asyncio.sleep(0)
    assert not taking.done()
    for number in range(3):
        buffer.put(number)
    assert await taking == [0, 1]
    assert await buffer.take(2) == [2]


async def test_a_lossless_buffer_makes_its_producer_wait_and_loses_nothing(clock: Any) -> None:
    buffer = TickBuffer(clock, capacity=4, lossless=True)

    async def produce() -> None:
        for number in range(50):
            await buffer.put_when_free(number)

    producing = asyncio.ensure_future(produce())
    taken: list[int] = []
    while len(taken) < 50:
        clock.seconds += 100.0
        batch = await buffer.take(3)
        assert all(isinstance(item, int) for item in batch)
        taken += [item for item in batch if isinstance(item, int)]
    await producing
    assert taken == list(range(50))
    assert (buffer.dropped, buffer.evicted, buffer.highest_depth) == (0, 0, 4)


def test_a_full_lossless_buffer_refuses_rather_than_drops(clock: Any) -> None:
    buffer = TickBuffer(clock, capacity=1, lossless=True)
    buffer.put(1)
    with pytest.raises(asyncio.QueueFull):
        buffer.put(2)
    assert buffer.clear() == 1
    buffer.put(3)
