"""Logging in and staying logged in: passwords, rotation, reuse, lock-out, revocation; and all of it in the journal."""

import re
from typing import Any

import pytest

from live_trading.api.auth.live import check_live, is_weak
from live_trading.api.auth.passwords import Passwords
from live_trading.api.auth.roles import Role
from live_trading.api.auth.tokens import signing_key
from live_trading.config import Settings
from live_trading.domain.errors import InvalidInput
from live_trading.runtime import SystemIds
from tests.api.stack import NAMES, PASSWORD, Stack, until

NEW = {"name": "nina", "role": "trader", "password": "a long enough passphrase"}


def test_password_is_kept_as_argon2id_only(stack: Stack) -> None:
    async def kept() -> Any:
        return await stack.database["users"].find_one({"_id": NAMES[Role.ADMIN]})

    user = stack.call(kept)
    assert user["password_hash"].startswith("$argon2id$")
    assert PASSWORD not in str(user)


async def test_wrong_password_takes_as_long_as_a_user_that_does_not_exist() -> None:
    passwords = Passwords()
    kept = await passwords.hash(PASSWORD)
    assert await passwords.verify(PASSWORD, kept)
    assert not await passwords.verify("wrong", kept)
    assert not await passwords.verify("nobody's password", None), "what stands in for a hash lets nobody in"


def test_refresh_token_is_good_once_and_its_second_use_ends_the_log_in(stack: Stack) -> None:
    first = stack.log_in(NAMES[Role.VIEWER])
    with stack.client() as client:
        second = client.post("/api/refresh", json={"refresh_token": first["refresh_token"]})
        assert second.status_code == 200
        fresh = {"Authorization": f"Bearer {second.json()['access_token']}"}
        assert client.get("/api/profile", headers=fresh).status_code == 200
        stolen = client.post("/api/refresh", json={"refresh_token": first["refresh_token"]})
        assert stolen.status_code == 401
        assert client.get("/api/profile", headers=fresh).json()["code"] == "TOKEN_REVOKED", (
            "the thief's and the owner's"
        )
        assert client.post("/api/refresh", json={"refresh_token": second.json()["refresh_token"]}).status_code == 401
    refused = until(lambda: [e for e in stack.entries("USER_REFUSED") if "used twice" in e["action_data"]["reason"]])
    assert refused[0]["action_data"]["user"] == NAMES[Role.VIEWER]


@pytest.mark.parametrize("token", ["x", "x.y", ".", "0" * 32 + ".", '{"$gt":""}.x'])
def test_refresh_token_that_is_none_is_refused(stack: Stack, token: str) -> None:
    with stack.client() as client:
        assert client.post("/api/refresh", json={"refresh_token": token}).status_code == 401


def test_logging_out_ends_both_tokens_and_no_other_log_in(stack: Stack) -> None:
    one, other = stack.log_in(NAMES[Role.VIEWER]), stack.log_in(NAMES[Role.VIEWER])
    with stack.client() as client:
        headers = {"Authorization": f"Bearer {one['access_token']}"}
        assert client.post("/api/logout", headers=headers).status_code == 204
        assert client.get("/api/profile", headers=headers).status_code == 401
        assert client.post("/api/refresh", json={"refresh_token": one["refresh_token"]}).status_code == 401
        others = {"Authorization": f"Bearer {other['access_token']}"}
        assert client.get("/api/profile", headers=others).status_code == 200


def test_wrong_passwords_lock_a_name_whether_it_exists_or_not(stack: Stack) -> None:
    with stack.client() as client:
        answers = {}
        for name in ("lars", "nobody"):
            if name == "lars":
                with stack.client(Role.ADMIN) as ada:
                    assert ada.post("/api/users", json={**NEW, "name": name}).status_code == 201
            tried = [client.post("/api/login", json={"name": name, "password": "wrong"}) for _ in range(6)]
            answers[name] = [(each.status_code, each.json()["code"], each.json()["detail"]) for each in tried]
            assert [status for status, *_ in answers[name]] == [401] * 5 + [429]
            assert 0 < int(tried[-1].headers["retry-after"]) <= 60
        assert answers["lars"] == answers["nobody"], "nothing tells which of the two there is"
        right = client.post("/api/login", json={"name": "lars", "password": NEW["password"]})
        assert right.status_code == 429, "not even with the right password"
    found = until(lambda: [e for e in stack.entries("USER_REFUSED") if "locked" in e["action_data"]["reason"]])
    assert {entry["action_data"]["user"] for entry in found} <= {"lars", "nobody"}


def test_user_is_added_changed_disabled_and_removed_and_each_is_journaled_with_who_did_it(stack: Stack) -> None:
    with stack.client(Role.ADMIN) as ada:
        assert ada.post("/api/users", json=NEW).status_code == 201
        assert ada.post("/api/users", json=NEW).json()["code"] == "USER_EXISTS"
        nina = {"Authorization": f"Bearer {stack.log_in('nina', NEW['password'])['access_token']}"}
        assert ada.get("/api/profile", headers=nina).json()["role"] == "trader"
        assert ada.put("/api/users/nina", json={"role": "viewer"}).json()["role"] == "viewer"
        assert ada.get("/api/profile", headers=nina).status_code == 401, "another role means another log-in"
        assert ada.put("/api/users/nina", json={"disabled": True}).status_code == 200
        refused = ada.post("/api/login", json={"name": "nina", "password": NEW["password"]})
        assert refused.json()["code"] == "WRONG_CREDENTIALS"
        assert ada.put("/api/users/nina", json={"revoke": True}).status_code == 200
        assert ada.put("/api/users/nina", json={}).status_code == 422
        assert ada.delete("/api/users/nina").status_code == 204
        assert ada.get("/api/users/nina").status_code == 404
        assert NEW["password"] not in ada.get("/api/users").text
        assert "argon2" not in ada.get("/api/users").text

    def changes() -> list[str]:
        entries = stack.entries("USER_CHANGED")
        mine = [entry for entry in entries if entry["action_data"]["user"] == "nina"]
        assert all(entry["actor"] == "user:ada" for entry in mine)
        return [entry["action_data"]["change"] for entry in mine]

    wanted = ["added as trader", "role viewer", "disabled", "log-ins revoked", "removed"]
    until(lambda: changes() == wanted)
    assert NEW["password"] not in str(stack.entries("USER_CHANGED"))


def test_last_admin_can_neither_be_removed_nor_disabled_nor_made_less(stack: Stack) -> None:
    with stack.client(Role.ADMIN) as ada:
        for change in ({"role": "viewer"}, {"disabled": True}):
            assert ada.put("/api/users/ada", json=change).json()["code"] == "LAST_ADMIN"
        assert ada.delete("/api/users/ada").json()["code"] == "LAST_ADMIN"
        assert ada.get("/api/profile").json()["role"] == "admin", "and nothing was changed by trying"


def test_log_in_is_journaled_with_the_address_once(stack: Stack) -> None:
    before = len(stack.entries("USER_AUTHENTICATED"))
    stack.log_in(NAMES[Role.TRADER])
    until(lambda: len(stack.entries("USER_AUTHENTICATED")) == before + 1)
    last = stack.entries("USER_AUTHENTICATED")[-1]
    assert last["actor"] == "user:tom"
    assert last["action_data"]["user"] == "tom"
    assert last["action_data"]["address"] == "127.0.0.1"
    assert last["action_data"]["command_id"]


@pytest.mark.parametrize("password", ["short", "aaaaaaaaaaaaaaaa", "nina is my passphrase"])
def test_password_that_is_easily_guessed_is_refused_and_not_repeated(stack: Stack, password: str) -> None:
    with stack.client(Role.ADMIN) as ada:
        refused = ada.post("/api/users", json={**NEW, "password": password})
    assert refused.status_code == 422
    assert refused.json()["field"] == "password"
    assert password not in refused.text


# ---- starting --------------------------------------------------------------------------------------------------------

LIVE = {"broker.type": "IBKR", "broker.ibkr.account_type": "LIVE", "broker.ibkr.port": 7496}
GOOD = {
    **LIVE,
    "api.secret_key": "f2a9c1d47be8053391aa0cde5567f01b",
    "api.tls_in_front": True,
    "api.confirm_live": True,
}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"api.secret_key": None}, "api.secret_key"),
        ({"api.secret_key": "changeme-changeme-changeme-changeme"}, "api.secret_key"),
        ({"api.secret_key": "a" * 40}, "api.secret_key"),
        ({"api.tls_in_front": False}, "api.tls_in_front"),
        ({"api.confirm_live": False}, "api.confirm_live"),
    ],
)
def test_live_account_refuses_to_start_without(change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_live(Settings.load(None, {}, {**GOOD, **change}))
    assert refused.value.field == field
    assert refused.value.remedy


def test_configured_live_account_asks_for_the_same_as_one_of_the_settings() -> None:
    with pytest.raises(InvalidInput, match="configured broker real") as refused:
        check_live(Settings(), "real")
    assert refused.value.field == "api.secret_key"
    kept = {name: value for name, value in GOOD.items() if name.startswith("api.")}
    check_live(Settings.load(None, {}, kept), "real")


def test_live_account_starts_with_all_of_it_and_a_paper_account_with_none() -> None:
    check_live(Settings.load(None, {}, GOOD))
    check_live(Settings())


@pytest.mark.parametrize("key", ["", "x" * 31, "your-secret-key-your-secret-key-1", "0123456789" * 4])
def test_weak_key_is_known(key: str) -> None:
    assert is_weak(key)
    assert not is_weak(str(GOOD["api.secret_key"]))


def test_key_of_its_own_is_made_once_for_its_owner_only(tmp_path: Any) -> None:
    settings = Settings.load(None, {}, {"engine.data_dir": tmp_path})
    key = signing_key(settings, SystemIds())
    assert signing_key(settings, SystemIds()) == key
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o077 == 0
    assert re.fullmatch(r"[0-9a-f]{64}", key.get_secret_value())
