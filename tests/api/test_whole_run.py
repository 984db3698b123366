"""``live-trading run`` as a person starts it: one process that trades and serves, and says no secret."""

import json
import re
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect as open_socket

from tests.cli.conftest import PATIENCE, Program

KEY = "0f9d1c47be8053391aa0cde5567f01b2 and then some"
BROKER_KEY = "7b8c9d0e1f2a3b4c5d6e7f8091a2b3c4d5e6f708"
WRONG = "wr0ng-passphrase-nobody-has"
API_KEY = "br0ker-t0ken-5ecret-0123456789"


@pytest.mark.timeout(600)
def test_whole_run_serves_while_it_trades_says_no_secret_and_ends_promptly(tmp_path: Path) -> None:
    environment = {"SECRET_KEY": KEY, "BROKER_SECRETS_KEY": BROKER_KEY, "LOG_LEVEL": "DEBUG", "API_PORT": "0"}
    program = Program("run", "--no-demo", "--data-dir", str(tmp_path), environment=environment)
    said: list[str] = []
    try:
        url = program.until("The interface is at", 200).split()[-1]
        password = program.until("the password").split()[-1]
        program.until("RECOVERY_COMPLETED")
        with httpx.Client(base_url=url, timeout=PATIENCE, trust_env=False) as client:

            def ask(method: str, path: str, **more: Any) -> httpx.Response:
                answer = client.request(method, path, **more)
                if path not in ("/api/login", "/api/refresh"):
                    said.append(answer.text)
                return answer

            assert ask("POST", "/api/login", json={"name": "admin", "password": WRONG}).status_code == 401
            first = ask("POST", "/api/login", json={"name": "admin", "password": password}).json()
            tokens = ask("POST", "/api/refresh", json={"refresh_token": first["refresh_token"]}).json()
            client.headers["Authorization"] = f"Bearer {tokens['access_token']}"
            broker = {"name": "practice", "broker_name": "OANDA", "account_id": "101", "api_key": API_KEY}
            assert ask("POST", "/api/brokers", json=broker).status_code == 201
            assert ask("POST", "/api/brokers", json={**broker, "account_id": 1}).status_code == 422
            assert ask("POST", "/api/users", json={"name": "x", "role": "queen", "password": WRONG}).status_code == 422
            assert ask("POST", "/api/users", content=f'{{"password":"{WRONG}"').status_code == 422
            assert ask("GET", f"/api/profile?access_token={tokens['access_token']}").status_code == 200
            for path in (
                "/api/settings",
                "/api/users",
                "/api/brokers",
                "/api/journal?limit=1000",
                "/api/state",
                "/metrics",
            ):
                assert ask("GET", path).status_code == 200
            protocols: Any = ["live-trading", f"bearer.{tokens['access_token']}"]
            with open_socket(url.replace("http", "ws") + "/ws/overall?after=0", subprotocols=protocols) as socket:
                said.append(str(socket.recv(timeout=PATIENCE)))
                began = time.monotonic()
                assert program.stop() == 0, "a clean end, with a client connected"
                assert time.monotonic() - began < PATIENCE
                try:
                    while True:
                        said.append(str(socket.recv(timeout=PATIENCE)))
                except ConnectionClosed:
                    said.append("closed")
    finally:
        if program.process.poll() is None:
            program.kill()
    assert program.said("ENGINE_STOPPED")
    lines = [line for line in program.lines if "the password" not in line]
    secrets = [KEY, BROKER_KEY, WRONG, API_KEY, password, first["access_token"], first["refresh_token"]]
    secrets += [tokens["access_token"], tokens["refresh_token"], first["refresh_token"].partition(".")[2]]
    everything = "\n".join([*lines, *said])
    assert [secret[:4] for secret in secrets if secret in everything] == []
    assert not re.search(r"argon2id\$", everything)
    assert "/api/profile" in "\n".join(lines), "requests are logged"
    json.dumps(said)
