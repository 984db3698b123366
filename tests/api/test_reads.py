"""Reads: paged without gaps, sorted and filtered by the database, as fresh as they say, and never with a secret."""

import csv
import io
import json
from typing import Any
from urllib.parse import quote

import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from live_trading.api.auth.roles import Role
from live_trading.api.schemas.ledger import TradeLogEntry
from tests.api.stack import OPERATION, PASSWORD, SECRET_KEY, Stack, until


@pytest.fixture(scope="module")
def five(stack: Stack) -> list[str]:
    """Five operations."""
    with stack.client(Role.TRADER) as client:
        return [
            client.post("/api/operations", json={**OPERATION, "asset": asset, "quantity": "1"}).json()["operation_id"]
            for asset in ("EUR-USD", "GBP-USD", "ES", "NQ", "SPY")
        ]


@pytest.mark.parametrize("sort", ["created_at", "-created_at", "asset", "-asset", "-total_pnl", "trade_count"])
def test_pages_have_every_row_once_in_order(stack: Stack, five: list[str], sort: str) -> None:
    with stack.client(Role.VIEWER) as client:
        whole = client.get("/api/operations", params={"sort": sort}).json()["items"]
        rows, cursor = [], None
        while True:
            page = client.get(
                "/api/operations", params={"sort": sort, "limit": 2, **({"cursor": cursor} if cursor else {})}
            )
            rows += page.json()["items"]
            cursor = page.json()["next_cursor"]
            if cursor is None:
                break
    assert [row["id"] for row in rows] == [row["id"] for row in whole]
    assert {row["id"] for row in rows} >= set(five)


def test_cursor_of_another_order_and_one_that_is_made_up_are_refused(stack: Stack, five: list[str]) -> None:
    with stack.client(Role.VIEWER) as client:
        cursor = client.get("/api/operations", params={"limit": 1}).json()["next_cursor"]
        for params in (
            {"cursor": cursor, "sort": "asset"},
            {"cursor": "x"},
            {"cursor": cursor[:-4]},
            {"cursor": cursor[::-1]},
        ):
            refused = client.get("/api/operations", params=params)
            assert (refused.status_code, refused.json()["field"]) == (422, "cursor")


def test_filters_are_the_databases(stack: Stack, five: list[str]) -> None:
    with stack.client(Role.VIEWER) as client:
        assert {row["asset"] for row in client.get("/api/operations?asset=ES").json()["items"]} == {"ES"}
        assert client.get("/api/operations?status=closed&status=error").json()["items"] == []
        assert client.get("/api/operations?strategy=Nope").json()["items"] == []
        for wrong in ("status=open", "sort=password_hash", "limit=0", "limit=1001", "account_type=FAKE"):
            assert client.get(f"/api/operations?{wrong}").status_code == 422, wrong


def test_unchanged_answer_is_not_sent_again_though_the_journal_went_on(stack: Stack, five: list[str]) -> None:
    with stack.client(Role.TRADER) as client:
        first = client.get(f"/api/operations/{five[2]}/notes")
        client.post(f"/api/operations/{five[3]}/notes", json={"text": "elsewhere"}).raise_for_status()
        again = client.get(f"/api/operations/{five[2]}/notes", headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert int(again.headers["x-sequence-number"]) > first.json()["seq"]
        client.post(f"/api/operations/{five[2]}/notes", json={"text": "here"}).raise_for_status()
        changed = client.get(f"/api/operations/{five[2]}/notes", headers={"If-None-Match": first.headers["etag"]})
        assert changed.status_code == 200


def test_state_of_any_moment_is_what_it_was(stack: Stack, five: list[str]) -> None:
    with stack.client(Role.VIEWER) as client:
        created = client.get("/api/journal", params={"type": "OPERATION_CREATED", "limit": 1}).json()["items"][0]
        number = created["sequence_number"]
        assert client.get("/api/state", params={"at": number - 1}).json()["operations"] == []
        assert len(client.get("/api/state", params={"at": number}).json()["operations"]) == 1
        by_time = client.get("/api/state", params={"at": created["timestamp"]}).json()
        assert by_time["sequence_number"] >= number
        for wrong in ("tomorrow", "2026-03-02T14:30:00", "-1", "99999999"):
            assert client.get("/api/state", params={"at": wrong}).status_code == 422, wrong


def test_journal_is_read_forwards_backwards_by_type_and_by_chain(stack: Stack, five: list[str]) -> None:
    with stack.client(Role.VIEWER) as client:
        head = client.get("/api/journal?limit=1").json()["head"]
        part = client.get("/api/journal", params={"from": 2, "to": 5}).json()["items"]
        assert [entry["sequence_number"] for entry in part] == [2, 3, 4, 5]
        back = client.get("/api/journal", params={"order": "desc", "to": head, "limit": 3}).json()
        assert [entry["sequence_number"] for entry in back["items"]] == [head, head - 1, head - 2]
        more = client.get(
            "/api/journal", params={"order": "desc", "to": head, "cursor": back["next_cursor"], "limit": 1}
        )
        assert more.json()["items"][0]["sequence_number"] == head - 3
        chain = part[-1]["correlation_id"]
        for entry in client.get("/api/journal", params={"correlation": chain}).json()["items"]:
            assert entry["correlation_id"] == chain
        assert client.get("/api/journal/verify").json()["ok"] is True
        assert client.get("/api/journal", params={"type": "NOPE"}).status_code == 422


def test_trades_are_exported_in_four_forms_that_agree(stack: Stack) -> None:
    wanted = {"instrument": "CL", "direction": "Short", "quantity": "1", "stopLoss": "120", "targetPrice": "10"}
    with stack.client(Role.TRADER) as client:
        client.post("/api/manual-trade", json=wanted).raise_for_status()
        held = until(lambda: [p for p in client.get("/api/positions").json()["items"] if p["contract_symbol"] == "CL"])
        client.post(f"/api/positions/{held[0]['id']}/close").raise_for_status()
        until(lambda: client.get("/api/trades").json()["items"])
        exported = {
            kind: client.get("/api/trades/export", params={"format": kind})
            for kind in ("csv", "json", "parquet", "tradelog")
        }
        trade_id = exported["json"].json()[0]["id"]
        why = client.get(f"/api/trades/{trade_id}/why").json()
    rows = list(csv.DictReader(io.StringIO(exported["csv"].text)))
    table = pq.read_table(io.BytesIO(exported["parquet"].content)).to_pylist()
    log = exported["tradelog"].json()
    assert "tradelog.json" in exported["tradelog"].headers["content-disposition"]
    assert len(rows) == len(table) == len(log) == len(exported["json"].json()) == 1
    (trade,) = exported["json"].json()
    assert trade["net_pnl"] == rows[0]["net_pnl"]
    assert float(table[0]["net_pnl"]) == float(trade["net_pnl"]) == log[0]["pnl"]
    for entry in log:
        TradeLogEntry.model_validate(entry)
        assert all(isinstance(entry[name], int | float) for name in ("entryPrice", "stopLoss", "quantity", "pnl"))
    kinds = [entry["action_type"] for entry in why["entries"]]
    assert kinds.index("SIGNAL_GENERATED") < kinds.index("ORDER_REQUESTED") < kinds.index("ORDER_FILLED")
    assert "POSITION_CLOSE_REQUESTED" in kinds
    assert kinds[-1] == "ORDER_FILLED"


# ---- injections and secrets ------------------------------------------------------------------------------------------

NASTY = ('{"$gt":""}', "$where", "';return true;//", "\x00", "../../etc/passwd", "<script>", "a\r\nX-Evil: 1", "𝕏" * 8)


def test_no_string_of_a_query_or_a_path_is_an_operator(stack: Stack, five: list[str]) -> None:
    with stack.client(Role.ADMIN) as client:
        for query in ("asset[$gt]=", "asset[$ne]=x", "status[$ne]=closed", "sort[$gt]=x"):
            assert client.get(f"/api/operations?{query}").status_code in (200, 422)
        for nasty in NASTY:
            for name in ("asset", "strategy", "broker"):
                answer = client.get("/api/operations", params={name: nasty})
                assert answer.status_code == 422 or answer.json()["items"] == [], (name, nasty)
            for path, params in (
                ("/api/historical-data", {"timeframe": "1 min", "instrument": nasty}),
                ("/api/journal", {"actor": nasty}),
                ("/api/commands", {"key": nasty}),
                ("/api/state", {"at": nasty}),
                ("/api/instruments", {"query": nasty}),
            ):
                assert client.get(path, params=params).status_code in (200, 404, 422), (path, nasty)
            for path in ("/api/users/", "/api/brokers/", "/api/orders/", "/api/operations/", "/api/commands/"):
                assert client.get(path + quote(nasty, safe="")).status_code in (404, 422), (path, nasty)


def test_no_string_of_a_body_is_an_operator(stack: Stack, five: list[str]) -> None:
    operators: tuple[Any, ...] = ({"$gt": ""}, {"$ne": None}, {"$where": "1"}, ["$or"], {"$regex": ".*"})
    with stack.client() as client:
        for operator in operators:
            for body in ({"name": operator, "password": "x"}, {"name": "ada", "password": operator}):
                assert client.post("/api/login", json=body).status_code == 422, body
            assert client.post("/api/refresh", json={"refresh_token": operator}).status_code == 422
    with stack.client(Role.ADMIN) as client:
        for operator in operators:
            for field in OPERATION:
                answer = client.post("/api/operations", json={**OPERATION, field: operator})
                assert answer.status_code == 422, (field, operator)
            answer = client.post(f"/api/operations/{five[0]}/notes", json={"text": operator})
            assert answer.status_code == 422
            answer = client.post("/api/users", json={"name": operator, "role": "viewer", "password": PASSWORD})
            assert answer.status_code == 422
        kept = client.post(f"/api/operations/{five[0]}/notes", json={"text": '{"$set": {"role": "admin"}}'})
        assert kept.status_code == 200, "as text it is text"
        assert (
            client.get(f"/api/operations/{five[0]}/notes").json()["items"][0]["text"] == '{"$set": {"role": "admin"}}'
        )


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{", 422), (b"", 422), (b"[]", 422), (b'"x"', 422), (b"\xff\xfe", 422), (b"x" * 300_000, 413), (b"null", 422)],
)
def test_body_that_is_none_is_refused(stack: Stack, body: bytes, status: int) -> None:
    with stack.client(Role.TRADER) as client:
        headers = {"Content-Type": "application/json"}
        refused = client.post("/api/operations", content=body, headers=headers)
        assert refused.status_code == status
        assert refused.headers["content-type"] == "application/problem+json"


def test_brokers_secret_goes_in_and_never_comes_out(stack: Stack) -> None:
    secret = "5ecre7-0123456789-t0ken"
    body = {"name": "practice", "broker_name": "OANDA", "account_id": "101-001-1-001", "api_key": secret}
    with stack.client(Role.ADMIN) as client:
        added = client.post("/api/brokers", json=body)
        assert added.status_code == 201, added.text
        assert added.json()["has_api_key"] is True
        said = [added, client.get("/api/brokers"), client.get("/api/brokers/practice")]
        said.append(client.post("/api/brokers", json=body))
        assert said[-1].json()["code"] == "BROKER_EXISTS"
        said.append(client.post("/api/brokers", json={**body, "name": "other", "port": "x"}))
        said.append(client.put("/api/brokers/practice", json={"is_active": False}))
        until(lambda: stack.entries("SETTINGS_CHANGED"))
        said.append(client.get("/api/journal", params={"type": "SETTINGS_CHANGED"}))
        assert client.delete("/api/brokers/practice").status_code == 204
        assert client.get("/api/brokers/practice").status_code == 404
        assert all(secret not in answer.text for answer in said)

    async def kept() -> str:
        text = ""
        for name in ("commands", "broker_configurations", "journal"):
            text += str(await stack.database[name].find().to_list())
        return text

    assert secret not in stack.call(kept)


def test_account_that_nobody_answers_for_is_told_as_such(stack: Stack) -> None:
    body = {"name": "nowhere", "broker_name": "PAPER", "config": {"url": "http://127.0.0.1:9"}}
    with stack.client(Role.ADMIN) as client:
        assert client.post("/api/brokers", json=body).status_code == 201
        tried = client.post("/api/brokers/nowhere/test").json()
        assert tried["ok"] is False
        assert tried["detail"]
        assert client.delete("/api/brokers/nowhere").status_code == 204
        assert client.post("/api/brokers/nowhere/test").json()["code"] == "NOT_FOUND"


def test_no_read_shows_a_secret(stack: Stack, five: list[str]) -> None:
    from tests.api.test_who_may import ROUTES

    with stack.client(Role.ADMIN) as client:
        for asked in ROUTES:
            if asked.method == "GET":
                text = client.get(asked.address).text
                assert SECRET_KEY not in text
                assert PASSWORD not in text
                assert "argon2" not in text
        settings = client.get("/api/settings").json()["settings"]
    hidden = {key for key, setting in settings.items() if setting["value"] == "(hidden)"}
    assert {"api.secret_key", "broker.secrets_key"} <= hidden
    json.dumps(settings)


def test_every_answer_has_the_headers_that_keep_browsers_safe(stack: Stack) -> None:
    with stack.client() as client:
        for path in ("/api/health", "/api/operations", "/nowhere", "/", "/docs", "/openapi.json", "/api/nowhere"):
            headers = client.get(path).headers
            assert "default-src 'none'" in headers["content-security-policy"], path
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "DENY"
            assert "server" not in headers
            assert "access-control-allow-origin" not in headers
        preflight = client.options(
            "/api/operations", headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}
        )
        assert "access-control-allow-origin" not in preflight.headers
