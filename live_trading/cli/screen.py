"""The live view of ``run`` on a terminal. It draws pictures in a thread; the engine never waits for the terminal."""

import asyncio
import io
from collections import deque
from collections.abc import Callable

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from live_trading.assembly import Phase
from live_trading.cli.picture import OperationRow, Picture
from live_trading.cli.tables import Column, cell, signed
from live_trading.runtime import Clock

_REFRESH_SECONDS = 0.5
_LOG_LINES = 4
_PHASE_STYLES = {Phase.TRADING: "bold green", Phase.STANDING_BY: "bold yellow", Phase.STOPPED: "dim"}


class LogLines(io.StringIO):
    """A stream for logs that keeps the last lines for the screen."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: deque[str] = deque(maxlen=_LOG_LINES)

    def write(self, text: str) -> int:
        self.lines.extend(line for line in text.splitlines() if line.strip())
        return len(text)


async def show_live(console: Console, take: Callable[[], Picture], clock: Clock) -> None:
    """Draw what ``take`` gives, twice a second, until cancelled."""
    with Live(console=console, auto_refresh=False, screen=False, redirect_stdout=False, redirect_stderr=False) as live:
        while True:
            picture = take()
            await asyncio.to_thread(_draw, live, console, picture)
            await clock.sleep(_REFRESH_SECONDS)


def _draw(live: Live, console: Console, picture: Picture) -> None:
    live.update(render(picture, console.height), refresh=True)


def render(picture: Picture, height: int) -> Group:
    """The whole view, ``height`` lines at most: the journal's tail gets what the rest leaves."""
    head = _head(picture)
    operations = _operations(picture.operations)
    used = 3 + len(picture.alarms) + max(len(picture.operations), 1) + 3 + len(picture.totals) + len(picture.log) + 4
    room = max(height - used, 3)
    tail = Text("\n").join(
        Text(line, style=style, no_wrap=True, overflow="ellipsis") for line, style in picture.tail[-room:]
    )
    tail.no_wrap, tail.overflow = True, "ellipsis"
    parts: list[RenderableType] = [
        head,
        *(Text(f"! {alarm}", style="bold red") for alarm in picture.alarms),
        operations,
    ]
    parts += [_total(currency, *sums) for currency, sums in picture.totals.items()]
    parts.append(Panel(tail, title=f"journal, entry {picture.head}", title_align="left", border_style="dim"))
    parts += [Text(line, style="dim", no_wrap=True, overflow="ellipsis") for line in picture.log]
    return Group(*parts)


def _head(picture: Picture) -> Text:
    text = Text("live-trading ", style="bold")
    text.append(picture.phase.value, style=_PHASE_STYLES.get(picture.phase, "yellow"))
    if picture.waiting_for:
        text.append(f": waiting for {picture.waiting_for}")
    if picture.market_time:
        text.append(f"   market {picture.market_time} UTC", style="dim")
    if picture.lag:
        text.append(f"   read models {picture.lag} behind", style="yellow")
    text.append(f"   {picture.where}   Ctrl-C stops", style="dim")
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


_COLUMNS = (
    Column("op", "number", number=True),
    Column("asset", "asset"),
    Column("strategy", "strategy"),
    Column("bars", "bars"),
    Column("status", "status"),
    Column("position", "quantity", number=True),
    Column("entry", "entry", number=True),
    Column("price", "price", number=True),
    Column("unrealised", "unrealized", signed=True),
    Column("realised", "realized", signed=True),
    Column("cur", "currency"),
    Column("trades", "trades", number=True),
    Column("signals", "signals", number=True),
)


def _operations(rows: tuple[OperationRow, ...]) -> Table | Text:
    if not rows:
        return Text("no operations yet: live-trading operations create", style="dim")
    result = Table(header_style="bold", box=None, pad_edge=False)
    for column in _COLUMNS:
        result.add_column(column.heading, justify="right" if column.number or column.signed else "left", no_wrap=True)
    for row in rows:
        fields = {name: getattr(row, name) for name in OperationRow.__slots__}
        result.add_row(*(cell(fields, column) for column in _COLUMNS))
    return result


def _total(currency: str, realized: str, unrealized: str) -> Text:
    text = Text(f"{currency}  realised ", style="bold")
    text.append_text(signed(realized))
    text.append("  unrealised ")
    return text.append_text(signed(unrealized))
