"""Broker configurations: their secrets are never readable at rest, and every change is told to the journal."""

from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from live_trading.domain.errors import InvalidInput
from live_trading.models import commands
from live_trading.models.broker_configurations import (
    BROKER_CONFIGURATIONS,
    BrokerChange,
    BrokerConfigurations,
    NewBroker,
    UnknownBroker,
    first_live,
)
from live_trading.models.secret_box import SecretBox
from live_trading.projections.documents import OPERATIONS
from live_trading.runtime import Runtime
from tests.projections.histories import Database

KEY = SecretStr("k" * 40)
TOKEN = "8f1c-the-token-of-the-account"


def oanda(**changes: Any) -> NewBroker:
    plain = {"name": "practice", "broker_name": "OANDA", "account_id": "101-001-1-001", "api_key": TOKEN}
    return NewBroker.model_validate({**plain, **changes})


def live(**changes: Any) -> NewBroker:
    return oanda(**{"name": "real", "account_type": "LIVE", "account_id": "001-001-1-001", **changes})


@pytest.fixture
async def kept(database: Database, runtime: Runtime) -> BrokerConfigurations:
    configurations = BrokerConfigurations(database, SecretBox(KEY), runtime.clock, runtime.ids)
    await configurations.prepare()
    return configurations


async def test_secret_is_encrypted_at_rest_and_shown_nowhere(kept: BrokerConfigurations, database: Database) -> None:
    view = await kept.add(oanda(), "user:anna")
    assert view.has_api_key
    everything = [document async for document in database[BROKER_CONFIGURATIONS].find()]
    everything += [document async for document in database[commands.COMMANDS].find()]
    for shown in (everything, view, await kept.all(), await kept.connection("practice"), oanda()):
        assert TOKEN not in repr(shown)
    assert (await kept.active())[0].api_key == SecretStr(TOKEN)


async def test_every_change_is_a_command_to_journal_it_with_who_and_no_secret(
    kept: BrokerConfigurations, database: Database
) -> None:
    await kept.add(oanda(), "user:anna")
    await kept.change("practice", BrokerChange(api_key=SecretStr("another")), "user:ben")
    await kept.remove("practice", "user:anna")
    told = await commands.pending(database)
    assert {command.kind for command in told} == {"record_settings_changed"}
    assert [command.actor for command in told] == ["user:anna", "user:ben", "user:anna"]
    assert [command.arguments["section"] for command in told] == ["brokers.practice"] * 3
    assert [command.arguments["after"].get("api_key") for command in told] == ["set", "replaced", None]
    assert await kept.all() == []


async def test_live_account_needs_its_number_typed_again(kept: BrokerConfigurations) -> None:
    with pytest.raises(InvalidInput, match="confirm_live"):
        await kept.add(live(), "user:anna")
    with pytest.raises(InvalidInput, match="confirm_live"):
        await kept.add(live(confirm_live="yes"), "user:anna")
    assert (await kept.add(live(confirm_live="001-001-1-001"), "user:anna")).confirmed_live
    assert (await kept.change("real", BrokerChange(is_active=False), "user:anna")).confirmed_live
    with pytest.raises(InvalidInput, match="confirm_live"):
        await kept.change("real", BrokerChange(account_id="001-001-1-002"), "user:anna")


async def test_account_with_real_money_is_found_while_it_is_in_use(
    kept: BrokerConfigurations, database: Database
) -> None:
    await kept.add(oanda(), "user:anna")
    assert await first_live(database) is None
    await kept.add(live(confirm_live="001-001-1-001"), "user:anna")
    assert await first_live(database) == "real"
    await kept.change("real", BrokerChange(is_active=False), "user:anna")
    assert await first_live(database) is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "oanda"}, "configuration file"),
        ({"name": "Not so"}, "name"),
        ({"account_id": None}, "account_id is missing"),
        ({"config": {"gate": "http://x"}}, "config.gate"),
        ({"config": {"rest_url": "http://user:secret@x", "stream_url": "http://y"}}, "without a password"),
        ({"config": {"rest_url": "http://x"}}, "go together"),
        ({"broker_name": "IBKR", "api_key": None}, "host and port"),
        ({"broker_name": "PAPER", "api_key": None}, "config.url"),
    ],
)
def test_nonsense_is_refused_by_name_without_its_value(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        oanda(**changes)
    assert said in str(caught.value)
    assert TOKEN not in str(caught.value)


async def test_names_are_unique_and_unknown_ones_refused(kept: BrokerConfigurations) -> None:
    await kept.add(oanda(), "user:anna")
    with pytest.raises(InvalidInput, match="already"):
        await kept.add(oanda(), "user:anna")
    for question in (kept.get("nobody"), kept.remove("nobody", "user:anna")):
        with pytest.raises(UnknownBroker, match="nobody"):
            await question


async def test_configuration_that_open_operations_name_stays(kept: BrokerConfigurations, database: Database) -> None:
    await kept.add(oanda(), "user:anna")
    await database[OPERATIONS].insert_one({"broker": "practice", "status": "paused"})
    for change in (kept.remove("practice", "a"), kept.change("practice", BrokerChange(is_active=False), "a")):
        with pytest.raises(InvalidInput, match="open operations"):
            await change
    await database[OPERATIONS].update_many({}, {"$set": {"status": "closed"}})
    await kept.remove("practice", "user:anna")


async def test_keys_can_be_replaced_and_a_wrong_one_is_said(
    kept: BrokerConfigurations, database: Database, runtime: Runtime
) -> None:
    await kept.add(oanda(), "user:anna")

    def under(key: str | None) -> BrokerConfigurations:
        box = SecretBox(None if key is None else SecretStr(key))
        return BrokerConfigurations(database, box, runtime.clock, runtime.ids)

    both = "n" * 40 + "," + KEY.get_secret_value()
    assert (await under(both).connection("practice")).api_key == SecretStr(TOKEN)
    for key, said in ((None, "no key"), ("n" * 40, "another key")):
        with pytest.raises(InvalidInput, match=said):
            await under(key).connection("practice")
    with pytest.raises(InvalidInput, match="shorter"):
        SecretBox(SecretStr("short"))
