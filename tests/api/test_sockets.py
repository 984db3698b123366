"""Live updates: nothing is missed, nothing is told twice, and one that is slow costs only itself."""

import json
import random
import socket as plain_socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as open_socket

from live_trading.api.auth.roles import Role
from live_trading.api.schemas.messages import MESSAGES
from tests.api.stack import OPERATION, PASSWORD, PATIENCE, Stack, until


def listen(stack: Stack, path: str = "/ws/overall", after: int | None = None, **options: Any) -> ClientConnection:
    address = stack.url.replace("http", "ws") + path + ("" if after is None else f"?after={after}")
    protocols: Any = ["live-trading", f"bearer.{stack.token(Role.VIEWER)}"]
    socket: ClientConnection = open_socket(
        address, subprotocols=protocols, open_timeout=PATIENCE, ping_interval=None, **options
    )
    return socket


def heard(socket: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(socket.recv(timeout=PATIENCE))
    MESSAGES[message["type"]].model_validate(message, strict=False)
    return message


def ending(socket: ClientConnection, said: list[dict[str, Any]]) -> ConnectionClosed:
    """Listen until the other side ends it."""
    try:
        while True:
            said.append(heard(socket))
    except ConnectionClosed as closed:
        return closed


def entries_until(socket: ClientConnection, last: int) -> list[int]:
    """Numbers of the entries that are told, up to one."""
    numbers: list[int] = []
    while not numbers or numbers[-1] < last:
        message = heard(socket)
        if message["type"] == "entry":
            assert message["entry"]["sequence_number"] == message["seq"]
            numbers.append(message["seq"])
    return numbers


def notes(stack: Stack, operation: str, count: int) -> int:
    """Write notes; the number of the last one's entry."""
    number = 0
    with stack.client(Role.TRADER) as client:
        for each in range(count):
            answer = client.post(f"/api/operations/{operation}/notes", json={"text": f"note {each}"})
            number = answer.json()["sequence_number"]
    return number


def test_everything_from_the_first_entry_on_is_told_once_in_order(stack: Stack, operation: str) -> None:
    last = notes(stack, operation, 3)
    with listen(stack, after=0) as socket:
        hello = heard(socket)
        assert hello["type"] == "hello"
        assert hello["seq"] == 0
        assert hello["head"] >= last
        assert entries_until(socket, last) == list(range(1, last + 1))
        later = notes(stack, operation, 2)
        assert entries_until(socket, later) == list(range(last + 1, later + 1))


def test_twenty_clients_that_leave_at_random_each_end_with_every_entry_once_in_order(
    stack: Stack, operation: str
) -> None:
    start = notes(stack, operation, 1)

    def follow(seed: int) -> list[int]:
        chance, numbers, position = random.Random(seed), [], start
        while position < goal:
            with listen(stack, after=position) as socket:
                for _ in range(chance.randint(1, 25)):
                    message = heard(socket)
                    if message["type"] == "entry":
                        numbers.append(message["seq"])
                    position = message["seq"]
                    if position >= goal:
                        break
        return numbers

    goal = start + 60
    with ThreadPoolExecutor(21) as pool:
        following = [pool.submit(follow, seed) for seed in range(20)]
        pool.submit(notes, stack, operation, 60).result(PATIENCE)
        for each in following:
            numbers = each.result(PATIENCE)
            assert numbers[: goal - start] == list(range(start + 1, goal + 1))


def test_read_and_socket_meet_without_a_gap(stack: Stack, operation: str) -> None:
    with stack.client(Role.VIEWER) as client:
        seq = client.get(f"/api/operations/{operation}").json()["seq"]
    last = notes(stack, operation, 2)
    with listen(stack, after=seq) as socket:
        assert entries_until(socket, last) == list(range(seq + 1, last + 1))


def test_socket_of_an_operation_tells_its_entries_its_price_and_its_bars_and_no_others(
    stack: Stack, operation: str
) -> None:
    with stack.client(Role.TRADER) as client:
        other = client.post("/api/operations", json={**OPERATION, "asset": "GBP-USD"}).json()["operation_id"]
    with listen(stack, f"/ws/operations/{operation}", after=0) as socket:
        notes(stack, other, 1)
        last = notes(stack, operation, 1)
        kinds: set[str] = set()
        symbols: set[str] = set()
        owners: set[str] = set()
        seqs: list[int] = []
        while not {"entry", "tick", "bar", "read_models"} <= kinds or seqs[-1] < last:
            message = heard(socket)
            kinds.add(message["type"])
            seqs.append(message["seq"])
            if message["type"] == "tick":
                symbols.add(message["symbol"])
            if message["type"] == "entry":
                owners.add(message["entry"]["operation_id"])
            if message["type"] == "bar":
                assert message["operation_id"] == operation
                assert message["bar"]["asset"] == "EUR-USD"
    assert symbols == {"EUR-USD"}
    assert owners == {operation}
    assert seqs == sorted(seqs)


def test_ticks_are_at_most_four_a_second(stack: Stack, operation: str) -> None:
    with listen(stack, f"/ws/operations/{operation}") as socket:
        times: list[str] = []
        while len(times) < 12:
            message = heard(socket)
            if message["type"] == "tick":
                times.append(message["priced_at"])
        assert len(set(times)) == len(times)


def test_client_that_does_not_read_is_dropped_with_a_reason_and_others_hear_everything(
    mongo_url: str, tmp_path: Any
) -> None:
    stack = Stack(mongo_url, "api_slow", tmp_path, overrides={"api.socket_backlog": 50})
    try:
        with stack.client(Role.TRADER) as client:
            operation = client.post("/api/operations", json=OPERATION).json()["operation_id"]
        with listen(stack) as good, stack.client() as metrics, ThreadPoolExecutor(1) as pool:
            goal: list[int] = []

            def everything() -> list[int]:
                numbers: list[int] = []
                while not goal or not numbers or numbers[-1] < goal[0]:
                    message = heard(good)
                    if message["type"] == "entry":
                        numbers.append(message["seq"])
                return numbers

            hearing = pool.submit(everything)
            small = plain_socket.create_connection(("127.0.0.1", int(stack.url.rsplit(":", 1)[1])))
            small.setsockopt(plain_socket.SOL_SOCKET, plain_socket.SO_RCVBUF, 4096)
            dropped = "live_trading_api_sockets_dropped_total 1.0"
            with listen(stack, sock=small, max_queue=1, close_timeout=1) as slow, stack.client(Role.TRADER) as client:
                address, written = f"/api/operations/{operation}/notes", 0
                while dropped not in metrics.get("/metrics").text:
                    for _ in range(20):
                        client.post(address, json={"text": "𝕏" * 4000})
                        written += 1
                    assert written < 5_000, "it was not dropped"
                goal.append(client.post(address, json={"text": "the last"}).json()["sequence_number"])
                numbers = hearing.result(PATIENCE)
                closed = ending(slow, [])
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "nobody else missed anything"
            assert len(numbers) > written
            assert closed.rcvd is None or closed.rcvd.code == 4408
    finally:
        stack.close()


def test_socket_is_closed_when_its_log_in_is_ended(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("live_trading.api.websocket.sockets._HEARTBEAT_SECONDS", 0.2)
    with stack.client(Role.ADMIN) as ada:
        ada.post("/api/users", json={"name": "sven", "role": "viewer", "password": PASSWORD}).raise_for_status()
        token = stack.log_in("sven")["access_token"]
        protocols: Any = ["live-trading", f"bearer.{token}"]
        with open_socket(stack.url.replace("http", "ws") + "/ws/overall", subprotocols=protocols) as socket:
            until(lambda: heard(socket)["type"] == "heartbeat")
            assert ada.put("/api/users/sven", json={"revoke": True}).status_code == 200
            said: list[dict[str, Any]] = []
            closed = ending(socket, said)
        assert said[-1]["type"] == "bye"
        assert said[-1]["code"] == "TOKEN_REVOKED"
        assert closed.rcvd is not None
        assert closed.rcvd.code == 4401
