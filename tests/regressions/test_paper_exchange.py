"""A paper exchange whose store cannot be used ends with one line that says so."""

import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from live_trading.paper_exchange.options import STORE_FILE

_LITTLE = 40_000
_SOME = 300_000
"""Bytes a file may have: room for no store, and for a store that soon finds the disk full."""


def _run(data_dir: Path, room: int | None) -> "subprocess.CompletedProcess[str]":
    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        if room is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    words = [sys.executable, "-m", "live_trading.paper_exchange", "--data-dir", str(data_dir), "--port", "0"]
    return subprocess.run(words, capture_output=True, text=True, timeout=120, preexec_fn=limit, check=False)


def _file_in_its_place(data_dir: Path) -> None:
    data_dir.write_text("not a folder")


def _rubbish_in_its_place(data_dir: Path) -> None:
    data_dir.mkdir()
    (data_dir / STORE_FILE).write_bytes(b"not a database, by any means" * 1_000)


@pytest.mark.parametrize(
    ("prepare", "room", "says"),
    [
        (None, _LITTLE, "Look for room on its disk"),
        (None, _SOME, "Look for room on its disk"),
        (_file_in_its_place, None, "Take another folder"),
        (_rubbish_in_its_place, None, "not a database"),
    ],
)
def test_a_store_that_cannot_be_used_is_told_in_one_line(
    tmp_path: Path, prepare: object, room: int | None, says: str
) -> None:
    data_dir = tmp_path / "paper"
    if callable(prepare):
        prepare(data_dir)
    said = _run(data_dir, room)
    assert said.returncode == 1
    assert "Traceback" not in said.stderr
    assert len(said.stderr.splitlines()) == 1, said.stderr
    assert says in said.stderr
