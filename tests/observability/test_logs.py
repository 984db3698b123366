"""What a log line holds, and what it never holds."""

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from pydantic import BaseModel, SecretStr

from live_trading.config import LogFormat, LoggingSettings, LogLevel
from live_trading.observability import configure, context, get_logger

SECRET = "hunter2-the-password"


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    for handler in list(root.handlers):
        if handler not in handlers:
            root.removeHandler(handler)
            handler.close()
    root.setLevel(level)
    structlog.reset_defaults()


def start(tmp_path: Path, **settings: Any) -> io.StringIO:
    stream = io.StringIO()
    configure(LoggingSettings(**settings), tmp_path, [SecretStr(SECRET)], stream)
    return stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_line_is_json_with_time_level_logger_and_values(tmp_path: Path) -> None:
    stream = start(tmp_path)
    get_logger("live_trading.orders").warning("order in doubt", client_order_id="A1")
    (line,) = lines(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "order in doubt",
        "level": "warning",
        "logger": "live_trading.orders",
        "client_order_id": "A1",
    }


async def test_bound_context_stands_on_each_line_inside_and_on_none_after(tmp_path: Path) -> None:
    stream = start(tmp_path)
    log = get_logger("x")
    with context(operation_id="op", sequence_number=7):
        log.info("one")
        logging.getLogger("foreign").warning("of another library")
        with context(command_id="c"):
            log.info("two")
    log.info("three")
    found = [(entry["event"], entry.get("sequence_number"), entry.get("command_id")) for entry in lines(stream)]
    assert found == [("one", 7, None), ("of another library", 7, None), ("two", 7, "c"), ("three", None, None)]


def test_level_of_the_settings_holds(tmp_path: Path) -> None:
    stream = start(tmp_path, level=LogLevel.WARNING)
    get_logger("x").info("no")
    get_logger("x").error("yes")
    assert [line["event"] for line in lines(stream)] == ["yes"]


class Credentials(BaseModel):
    user: str
    token: SecretStr


class Unshowable:
    def __str__(self) -> str:
        raise RuntimeError(SECRET)


@pytest.mark.parametrize("format_", [LogFormat.JSON, LogFormat.CONSOLE])
def test_secret_is_never_rendered(tmp_path: Path, format_: LogFormat) -> None:
    stream = start(tmp_path, format=format_, file=True)
    log = get_logger("x")
    secret = SecretStr(SECRET)
    log.info("as itself", value=secret, nested={"a": [secret, (secret,)]}, model=Credentials(user="u", token=secret))
    log.info(f"inside the event {SECRET}", **{SECRET: 1})
    log.info("revealed", value=secret.get_secret_value(), address=f"mongodb://u:{SECRET}@host", set_of={SECRET})
    log.info("that cannot be shown", value=Unshowable())
    logging.getLogger("foreign").warning("of another library: %s", SECRET)
    try:
        raise ConnectionError(f"cannot reach mongodb://u:{SECRET}@host")
    except ConnectionError:
        log.exception("with a traceback")
    written = stream.getvalue() + (tmp_path / "logs" / "live-trading.log").read_text()
    assert SECRET not in written
    assert "with a traceback" in written
    assert "ConnectionError" in written
    assert written.count("(hidden)") >= 16


def test_file_is_json_and_rotated(tmp_path: Path) -> None:
    start(tmp_path, file=True, file_max_megabytes=1, file_count=2)
    log = get_logger("x")
    for number in range(40):
        log.info("filler", number=number, text="x" * 100_000)
    folder = tmp_path / "logs"
    assert sorted(path.name for path in folder.iterdir()) == [
        "live-trading.log", "live-trading.log.1", "live-trading.log.2",
    ]  # fmt: skip
    newest = (folder / "live-trading.log").read_text().splitlines()[-1]
    assert json.loads(newest)["number"] == 39


def test_configuring_again_does_not_double_the_lines(tmp_path: Path) -> None:
    stream = io.StringIO()
    for _ in range(2):
        configure(LoggingSettings(), tmp_path, stream=stream)
    get_logger("x").info("once")
    assert len(lines(stream)) == 1
