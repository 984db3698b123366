"""Trades by hand, and an engine that dies at every point of one."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from live_trading.config import RiskSettings
from live_trading.domain.entries import Entry
from live_trading.domain.values import OrderStatus
from live_trading.engine.context import EngineConfig, limits_of
from live_trading.engine.inbox import Command
from live_trading.journal.codec import EntryCodec
from live_trading.journal.store import Uncertain
from live_trading.simulation import World, run_virtual
from live_trading.simulation.world import ACCOUNT
from live_trading.strategies.manual import MANUAL_STRATEGY

RISK = RiskSettings()
LIMITED = EngineConfig(limits=limits_of(RISK), risk=RISK)

TRADE: dict[str, Any] = {
    "instrument": "EUR-USD",
    "direction": "Long",
    "quantity": "1000",
    "stopLoss": "1.0",
    "targetPrice": "1.2",
}


_Cuts = list[list[str]]


async def of_command(world: World, identifier: str) -> list[Entry]:
    return [entry for entry in await world.entries() if getattr(entry.data, "command_id", None) == identifier]


@pytest.mark.parametrize("durable", range(6))
def test_trade_cut_short_after_any_entry_is_asked_for_once_and_never_done_without_an_order(durable: int) -> None:
    """The append of a manual trade is the signal, the order, its stop and its target: so many of them are durable when
    the engine dies."""

    async def main() -> None:
        async with World(1) as world:
            await world.start_engine()
            whole = world.store.insert_now
            codec, cuts = EntryCodec(), _Cuts()

            def cut(documents: Sequence[bytes]) -> None:
                kinds = [codec.decode(document).action_type for document in documents]
                if cuts or "SIGNAL_GENERATED" not in kinds:
                    return whole(documents)
                cuts.append(kinds)
                first = kinds.index("SIGNAL_GENERATED")
                whole(documents[: first + durable])
                world.crash()
                raise Uncertain("the power was cut")

            world.store.insert_now = cut  # type: ignore[method-assign]
            command = Command("by hand", "manual_trade", TRADE, "user:anna")
            world.inbox.submit(command)
            assert await world.until(lambda: bool(cuts) and world.is_down, 60)
            assert cuts[0][-4:] == ["SIGNAL_GENERATED", *["ORDER_REQUESTED"] * 3]
            assert command.id not in world.inbox.outcomes
            await world.start_engine()
            outcome = await world.inbox.outcome(command.id)
            assert not outcome.refused, outcome.result
            assert world.engine is not None
            order = world.engine.live.ledger.orders[outcome.result["client_order_id"]]
            (asked,) = await of_command(world, command.id)
            assert asked.action_type == "ORDER_REQUESTED"
            assert asked.data.client_order_id == order.client_order_id
            sent = Counter(each.client_order_id for each in world.exchange.orders(ACCOUNT))
            if durable < 2:  # the order's request was lost: it was asked for again, and sent
                assert await world.until(lambda: order.status is OrderStatus.FILLED, 60)
                assert sent[order.client_order_id] == 1
            else:  # it may have been sent for all the next engine knows; it asked, and the broker does not have it
                assert order.status is OrderStatus.NOT_PLACED
                assert sent[order.client_order_id] == 0
            assert set(sent.values()) <= {1}, "nothing was sent twice"

    run_virtual(main())


def test_command_handled_twice_after_a_crash_before_its_answer_is_told_the_same() -> None:
    async def main() -> None:
        async with World(1) as world:
            await world.start_engine()
            first = await world.command("manual_trade", **TRADE)
            again = Command("command-1", "manual_trade", TRADE, "user:simulation")
            del world.inbox.outcomes["command-1"]
            world.inbox.submit(again)
            second = await world.inbox.outcome("command-1")
            assert second == first
            requested = Counter(entry.action_type for entry in await world.entries())["ORDER_REQUESTED"]
            assert requested == 3, "the entry, its stop and its target"

    run_virtual(main())


def test_trade_makes_an_operation_once_and_uses_it_again() -> None:
    async def main() -> None:
        async with World(1) as world:
            await world.start_engine()
            first = await world.command("manual_trade", **TRADE)
            assert world.engine is not None
            (operation,) = world.engine.live.ledger.state.operations.values()
            assert await world.until(lambda: bool(operation.quantity), 60)
            second = await world.command("manual_trade", **TRADE)
            assert second.refused
            assert second.result["code"] == "ALREADY_IN_POSITION"
            assert len(world.engine.live.ledger.state.operations) == 1
            assert operation.settings["strategy_name"] == MANUAL_STRATEGY
            assert first.result["operation_id"]

    run_virtual(main())


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"instrument": "XYZ"}, "INVALID_INPUT", "asset"),
        ({"direction": "Sideways"}, "INVALID_INPUT", "direction"),
        ({"quantity": "0.5"}, "INVALID_INPUT", "quantity"),
        ({"quantity": "-1"}, "INVALID_INPUT", "quantity"),
        ({"stopLoss": "2"}, "INVALID_INPUT", "stopLoss"),
        ({"targetPrice": "0.5"}, "INVALID_INPUT", "targetPrice"),
        ({"limitPrice": "1.19"}, "PRICE_SANITY", None),
        ({"quantity": "10001"}, "MAX_POSITION_SIZE", None),
        ({"operation_id": "x"}, "INVALID_INPUT", "operation_id"),
        ({"operation_id": "6f706e000000000000000063"}, "NOT_FOUND", "operation_id"),
        ({"broker": "nobody"}, "INVALID_INPUT", "broker"),
        ({"colour": "red"}, "INVALID_INPUT", "colour"),
    ],
)
def test_trade_that_must_not_be_is_refused_and_no_order_is_asked_for(
    change: dict[str, Any], code: str, field: str | None
) -> None:
    async def main() -> None:
        async with World(1, config=LIMITED) as world:
            await world.start_engine()
            refused = await world.command("manual_trade", **{**TRADE, **change})
            assert refused.refused
            assert (refused.result["code"], refused.result["field"]) == (code, field), refused.result
            kinds = Counter(entry.action_type for entry in await world.entries())
            assert kinds["ORDER_REQUESTED"] == 0
            if code in ("PRICE_SANITY", "MAX_POSITION_SIZE"):
                assert kinds["SIGNAL_GENERATED"] == kinds["SIGNAL_REFUSED"] == 1, "the rule is told, as a strategy's"

    run_virtual(main())


def test_changed_limit_holds_for_the_next_engine_too() -> None:
    async def main() -> None:
        async with World(1, config=LIMITED) as world:
            await world.start_engine()
            changed = await world.command(
                "change_settings", section="risk_management", changes={"max_position_size": "500"}
            )
            assert not changed.refused, changed.result
            assert (await world.command("manual_trade", **TRADE)).result["code"] == "MAX_POSITION_SIZE"
            world.crash()
            await world.start_engine()
            assert (await world.command("manual_trade", **TRADE)).result["code"] == "MAX_POSITION_SIZE"
            wrong = await world.command(
                "change_settings", section="risk_management", changes={"max_position_size": "x"}
            )
            assert wrong.result["code"] == "INVALID_INPUT"
            other = await world.command("change_settings", section="engine", changes={"id": "x"})
            assert other.result["field"] == "section"

    run_virtual(main())


def test_start_and_stop_of_all_act_on_every_operation_and_are_done_to_their_end_after_a_crash() -> None:
    async def main() -> None:
        async with World(1, symbols=("EUR-USD", "GBP-USD", "ES")) as world:
            await world.start_engine()
            for asset in ("EUR-USD", "GBP-USD", "ES"):
                await world.create_operation(asset=asset, quantity="1")
            whole, codec, cuts = world.store.insert_now, EntryCodec(), _Cuts()

            def cut(documents: Sequence[bytes]) -> None:
                kinds = [codec.decode(document).action_type for document in documents]
                if cuts or "OPERATION_PAUSED" not in kinds:
                    return whole(documents)
                cuts.append(kinds)
                whole(documents[: kinds.index("OPERATION_PAUSED") + 1])
                world.crash()
                raise Uncertain("the power was cut")

            world.store.insert_now = cut  # type: ignore[method-assign]
            world.inbox.submit(Command("stop", "stop_trading", {"reason": "storm"}, "user:anna"))
            assert await world.until(lambda: bool(cuts) and world.is_down, 60)
            await world.start_engine()
            assert not (await world.inbox.outcome("stop")).refused
            assert world.engine is not None
            operations = world.engine.live.ledger.state.operations
            assert {operation.status.value for operation in operations.values()} == {"paused"}
            kinds = Counter(entry.action_type for entry in await world.entries())
            assert kinds["OPERATION_PAUSED"] == 3, "each once"
            assert not (await world.command("start_trading")).refused
            assert {operation.status.value for operation in operations.values()} == {"active"}

    run_virtual(main())
