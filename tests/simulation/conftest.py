"""What the laboratory has tried is told at the end of a run, also of one that went well."""

from collections.abc import Callable

import pytest

_LINES = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def told(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Says a line of it."""
    lines: list[str] = []
    request.config.stash[_LINES] = lines
    return lines.append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if lines := config.stash.get(_LINES, []):
        terminalreporter.section("crash laboratory")
        for line in lines:
            terminalreporter.write_line(line)
