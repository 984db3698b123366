"""Commands over HTTP: durable, done once for each key, told again as they were."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from live_trading.api.auth.roles import Role
from tests.api.stack import OPERATION, Stack, until


def test_operation_is_started_paused_changed_resumed_and_closed(stack: Stack) -> None:
    with stack.client(Role.TRADER) as client:
        started = client.post("/api/operations", json=OPERATION)
        assert started.status_code == 201
        address = started.headers["location"]
        assert address == f"/api/operations/{started.json()['operation_id']}"
        assert client.get(address).json()["status"] == "active"
        assert client.post(f"{address}/pause", json={"reason": "lunch"}).status_code == 200
        paused = client.get(address).json()
        assert paused["status"] == "paused", "a read after the answer shows what was done"
        changed = client.put(address, json={"quantity": "2000"})
        assert changed.status_code == 200
        assert client.get(address).json()["quantity"] == "2000"
        assert client.post(f"{address}/resume").status_code == 200
        assert client.delete(address, params={"reason": "enough"}).status_code == 200
        again = client.delete(address)
        assert again.status_code == 409
        assert again.json()["code"] == "WRONG_STATUS"
        assert again.headers["content-type"] == "application/problem+json"


def test_same_key_at_once_from_many_callers_acts_once_and_gives_all_the_same_answer(
    stack: Stack, operation: str
) -> None:
    address = f"/api/operations/{operation}/notes"

    def ask(number: int) -> tuple[int, str]:
        with stack.client(Role.TRADER) as client:
            answer = client.post(address, json={"text": "once only"}, headers={"Idempotency-Key": "many"})
            return answer.status_code, answer.text

    with ThreadPoolExecutor(16) as pool:
        answers = set(pool.map(ask, range(32)))
    assert len(answers) == 1
    assert answers.pop()[0] == 200
    notes = [entry for entry in stack.entries("NOTE_ADDED") if entry["action_data"]["text"] == "once only"]
    assert len(notes) == 1


def test_same_key_for_another_request_is_refused_and_changes_nothing(stack: Stack, operation: str) -> None:
    with stack.client(Role.TRADER) as client:
        headers = {"Idempotency-Key": "first-use"}
        address = f"/api/operations/{operation}/notes"
        assert client.post(address, json={"text": "one"}, headers=headers).status_code == 200
        other = client.post(address, json={"text": "two"}, headers=headers)
    assert other.status_code == 422
    assert other.json()["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert other.json()["field"] == "Idempotency-Key"
    assert not [entry for entry in stack.entries("NOTE_ADDED") if entry["action_data"]["text"] == "two"]


def test_keys_of_two_users_are_not_the_same_key(stack: Stack, operation: str) -> None:
    address = f"/api/operations/{operation}/notes"
    for role, text in ((Role.TRADER, "from tom"), (Role.ADMIN, "from ada")):
        with stack.client(role) as client:
            answer = client.post(address, json={"text": text}, headers={"Idempotency-Key": "alike"})
            assert answer.status_code == 200, answer.text


def test_refused_command_is_refused_again_under_its_key_though_things_have_changed(
    stack: Stack, operation: str
) -> None:
    headers = {"Idempotency-Key": "resume-too-early"}
    with stack.client(Role.TRADER) as client:
        address = f"/api/operations/{operation}"
        first = client.post(f"{address}/resume", headers=headers)
        assert first.status_code == 409
        assert client.post(f"{address}/pause").status_code == 200
        assert client.post(f"{address}/resume", headers=headers).text == first.text
        assert client.post(f"{address}/resume").status_code == 200


def test_outcome_is_found_by_id_and_by_key_by_its_asker_and_an_admin_only(stack: Stack, operation: str) -> None:
    with stack.client(Role.TRADER) as tom, stack.client(Role.ADMIN) as ada, stack.client(Role.VIEWER) as vera:
        asked = tom.post(
            f"/api/operations/{operation}/notes", json={"text": "mine"}, headers={"Idempotency-Key": "mine"}
        ).json()
        address = f"/api/commands/{asked['command_id']}"
        for client in (tom, ada):
            assert client.get(address).json()["status"] == "done"
        assert vera.get(address).status_code == 404
        assert tom.get("/api/commands", params={"key": "mine"}).json()["command_id"] == asked["command_id"]
        assert ada.get("/api/commands", params={"key": "mine"}).status_code == 404
        assert tom.get("/api/commands", params={"key": "never used"}).status_code == 404


def test_position_that_was_closed_is_not_taken_for_the_one_that_is_open_now(stack: Stack) -> None:
    wanted = {"instrument": "USD-JPY", "direction": "Long", "quantity": "1000", "stopLoss": "1", "targetPrice": "900"}
    with stack.client(Role.TRADER) as client:

        def held() -> dict[str, Any] | None:
            found = client.get("/api/positions").json()["items"]
            return next((position for position in found if position["contract_symbol"] == "USD-JPY"), None)

        traded = client.post("/api/manual-trade", json=wanted)
        assert traded.status_code == 200, traded.text
        order = client.get(f"/api/orders/{traded.json()['result']['order_id']}").json()
        assert order["reason"].startswith("manual")
        assert order["client_order_id"] == traded.json()["result"]["client_order_id"]
        first = until(held) or {}
        assert client.post("/api/manual-trade", json=wanted).json()["code"] == "ALREADY_IN_POSITION"
        assert client.post(f"/api/positions/{first['id']}/close", json={"reason": "done"}).status_code == 200
        until(lambda: held() is None)
        until(lambda: client.post("/api/manual-trade", json=wanted).status_code == 200)
        until(held)
        late = client.post(f"/api/positions/{first['id']}/close")
        assert (late.status_code, late.json()["code"]) == (409, "NO_POSITION")
        (log,) = client.get("/api/trades/export", params={"format": "tradelog"}).json()
    assert (log["tradeType"], log["direction"], log["instrument"]) == ("Manual", "Long", "USD-JPY")
    assert (log["stopLoss"], log["targetPrice"], log["quantity"]) == (1, 900, 1000)
    assert log["status"] in ("Win", "Loss", "Breakeven")


def test_live_stop_pauses_all_and_start_resumes_all(stack: Stack, operation: str) -> None:
    with stack.client(Role.TRADER) as client:
        assert client.post("/api/live/stop", json={"reason": "storm"}).status_code == 200
        active = client.get("/api/operations", params={"status": "active"}).json()["items"]
        assert active == []
        assert client.post("/api/live/stop").status_code == 409
        assert client.post("/api/live/start").status_code == 200
        assert client.get(f"/api/operations/{operation}").json()["status"] == "active"


def test_kill_switch_refuses_manual_trades_until_it_is_reset(stack: Stack) -> None:
    wanted = {"instrument": "GBP-USD", "direction": "Short", "quantity": "1000", "stopLoss": "1.5"}
    with stack.client(Role.TRADER) as client:
        assert client.post("/api/kill-switch", json={"reason": "enough"}).status_code == 200
        refused = client.post("/api/manual-trade", json=wanted)
        assert refused.status_code == 409
        assert refused.json()["code"] == "KILL_SWITCH"
        assert client.get("/api/state").json()["kill_switch"]["reason"] == "enough"
        assert client.request("DELETE", "/api/kill-switch", json={"note": "calm again"}).status_code == 200
        assert client.post("/api/manual-trade", json=wanted).status_code == 200


def test_changed_limit_holds_at_once_and_is_journaled_with_what_it_was(stack: Stack) -> None:
    wanted = {"instrument": "USD-CAD", "direction": "Long", "quantity": "9000", "stopLoss": "1.2"}
    with stack.client(Role.ADMIN) as ada:
        changed = ada.put("/api/settings", json={"risk_management": {"max_position_size": "5000"}})
        assert changed.status_code == 200, changed.text
        setting = ada.get("/api/settings").json()["settings"]["risk_management.max_position_size"]
        assert (setting["value"], setting["origin"]) == ("5000", "the journal")
        refused = ada.post("/api/manual-trade", json=wanted)
        assert refused.json()["code"] == "MAX_POSITION_SIZE"
        ada.put("/api/settings", json={"risk_management": {"max_position_size": "10000"}})
        wrong = ada.put("/api/settings", json={"risk_management": {"max_position_size": "-1"}})
        assert wrong.status_code == 422
        assert wrong.json()["field"] == "risk_management.max_position_size"
    (first, *_) = stack.entries("SETTINGS_CHANGED")
    assert first["actor"] == "user:ada"
    assert first["action_data"]["before"] == {"max_position_size": "10000"}
    assert first["action_data"]["after"] == {"max_position_size": "5000"}


def test_nonsense_is_refused_at_once_naming_the_field_and_nothing_is_asked(stack: Stack) -> None:
    with stack.client(Role.TRADER) as client:
        before = client.get("/api/journal", params={"order": "desc", "limit": 1}).json()["head"]
        for change, field in (
            ({"quantity": "-5"}, "quantity"),
            ({"strategy_name": "Nope"}, "strategy_name"),
            ({"strategy_config": {"fast_period": 900}}, "strategy_config.fast_period"),
            ({"bar_sizes": ["7 fortnights"]}, "bar_sizes.0"),
            ({"bar_sizes": []}, "bar_sizes"),
            ({"colour": "red"}, "colour"),
            ({"strategy_name": "/etc/passwd.py:X"}, "strategy_name"),
        ):
            refused = client.post("/api/operations", json={**OPERATION, **change})
            assert refused.status_code == 422, refused.text
            assert refused.json()["field"] == field
        assert client.get("/api/journal", params={"order": "desc", "limit": 1}).json()["head"] == before
