"""The running program records every tick of what it trades when the setting says so, and nothing when it does not."""

import subprocess
import sys
from pathlib import Path

import pytest

from live_trading.data import read_ticks

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("records", [True, False])
def test_ticks_of_a_run_are_recorded_when_asked_for(tmp_path: Path, records: bool) -> None:
    command = [sys.executable, "-m", "live_trading.main", "run", "--data-dir", str(tmp_path), "--duration", "6"]
    command += ["--set", "engine.lease_ttl_seconds=2", "--set", f"market_data.record_ticks={str(records).lower()}"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assets = sorted((tmp_path / "ticks" / "paper").iterdir()) if records else []
    assert bool(list((tmp_path).glob("ticks"))) is records
    for asset in assets:
        times = [tick.time_ns for file in sorted(asset.rglob("*.parquet")) for tick in read_ticks(file)]
        assert len(times) > 5
        assert times == sorted(times)
    assert bool(assets) is records
