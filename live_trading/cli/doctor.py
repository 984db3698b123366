"""``doctor``: looks at everything an engine needs and says what to do."""

from typing import Any

from rich.console import Console
from rich.text import Text

from live_trading.assembly.checkup import Check, Level, check_everything
from live_trading.cli.exits import Exit
from live_trading.cli.shell import Answer, BrokerOption, Shell, explained
from live_trading.config import ConfigError
from live_trading.runtime import Runtime

_STYLES = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "bold red"}


async def doctor(shell: Shell, broker: BrokerOption = None) -> Answer:
    """Check everything an engine needs, and say what to do. Exit code 1 when something fails."""
    shell.trade_at(broker)
    try:
        settings = shell.settings
    except ConfigError as error:
        _, lines, _ = explained(error)
        return _answer([Check("configuration", Level.FAIL, line) for line in lines])
    checks = [Check("configuration", Level.OK, "valid")]
    runtime = Runtime()
    try:
        checks += [check async for check in check_everything(settings, runtime)]
    finally:
        await runtime.tasks.close()
    return _answer(checks)


def _answer(checks: list[Check]) -> Answer:
    worst = Level.FAIL if any(check.level is Level.FAIL for check in checks) else Level.OK
    data: dict[str, Any] = {"healthy": worst is Level.OK, "checks": [check._asdict() for check in checks]}

    def show(console: Console) -> None:
        width = max(len(check.name) for check in checks)
        for check in checks:
            line = Text(f"{check.level.value:4} ", style=_STYLES[check.level])
            line.append(f"{check.name.ljust(width)}  ", style="bold").append(check.text, style="default")
            console.print(line, soft_wrap=True)
            if check.remedy:
                console.print(Text(f"{'':5}{'':{width}}  → {check.remedy}", style="cyan"), soft_wrap=True)

    return Answer(data, show, Exit.OK if worst is Level.OK else Exit.FAILED)
