"""The project's own checks find what they are there to find, and let pass what is right."""

from pathlib import Path

import pytest

from scripts.check_forbidden import MAX_LINES, findings, forbidden_calls, forbidden_text
from scripts.check_links import anchors, broken

HERE = Path("module.py")


@pytest.mark.parametrize(
    "text",
    [
        "import datetime\ndatetime.datetime.now()",
        "from datetime import UTC, datetime\ndatetime.now(UTC)",
        "from datetime import datetime as dt\ndt.utcnow()",
        "import datetime as d\nd.date.today()",
        "import time\ntime.time()",
        "from time import time\ntime()",
        "import time as t\nt.time_ns()",
        "import random\nrandom.random()",
        "import random\nrandom.Random()",
        "from random import shuffle\nshuffle([])",
        "from uuid import uuid4\nuuid4()",
        "import secrets\nsecrets.token_hex()",
        "import asyncio\nasyncio.create_task(f())",
        "from asyncio import ensure_future as ef\nef(f())",
        "import asyncio\nasyncio.get_running_loop().create_task(f())",
        "loop.create_task(f())",
    ],
)
def test_input_that_is_not_injected_is_found(text: str) -> None:
    assert len(list(forbidden_calls(HERE, text))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "clock.now()",
        "from datetime import datetime\ndatetime.fromisoformat('2024-01-01')",
        "import time\ntime.perf_counter()",
        "import random\nrandom.Random(7).random()",
        "def f(random):\n    return random.choice([1])",
        "import asyncio\nasync def f():\n    async with asyncio.TaskGroup() as group:\n        group.create_task(g())",
        "# datetime.now() in a comment\n'datetime.now()'",
        "tasks.start(f(), 'name')",
    ],
)
def test_injected_input_passes(text: str) -> None:
    assert list(forbidden_calls(HERE, text)) == []


def test_long_file_unfinished_work_and_registry_address_are_found() -> None:
    unfinished, registry = "# TO" + "DO: later\n", "see https://example.org/sim" + "ple/thing\n"
    assert len(list(forbidden_text(HERE, unfinished))) == 1
    assert len(list(forbidden_text(Path("a.lock"), registry))) == 1
    assert len(list(forbidden_text(Path("a.lock"), "--extra-index" + "-url https://x\n"))) == 1
    assert len(list(forbidden_text(HERE, "x = 1\n" * (MAX_LINES + 1)))) == 1
    assert list(forbidden_text(HERE, "x = 1\n" * MAX_LINES)) == []
    assert list(forbidden_text(Path("a.lock"), "x = 1\n" * (MAX_LINES + 1))) == []


def test_runtime_may_and_tests_may_and_what_is_left_behind_is_not_looked_at(tmp_path: Path) -> None:
    text = "import time\ntime.time()\n"
    for place in ("live_trading/runtime/clock.py", "tests/test_x.py", ".venv/lib/x.py", "live_trading/bad.py"):
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert [str(finding.path) for finding in findings(tmp_path)] == ["live_trading/bad.py"]


def test_broken_links_and_missing_headings_are_found(tmp_path: Path) -> None:
    (tmp_path / "b.md").write_text("# The journal's `head`\n")
    (tmp_path / "a.md").write_text(
        "# Top\n[good](b.md) [good](b.md#the-journals-head) [good](#top) [good](https://example.org/x)\n"
        "[bad](c.md) [bad](b.md#tail) [bad](#bottom)\n```\n[not a link](d.md)\n```\n`[nor this](e.md)`\n"
    )
    assert list(broken(tmp_path)) == [
        "a.md: c.md: there is no such file",
        "a.md: b.md#tail: there is no such heading",
        "a.md: #bottom: there is no such heading",
    ]


def test_repeated_headings_are_numbered_as_on_github() -> None:
    assert anchors("# A b\n## A b\n```\n# not one\n```\n") == {"a-b", "a-b-1"}
