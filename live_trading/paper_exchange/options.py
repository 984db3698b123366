"""How a paper exchange of its own process is set up, and how that is said on a command line."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from pathlib import Path

READY_FILE = "paper-exchange.json"
STORE_FILE = "paper-exchange.sqlite"


@dataclass(frozen=True, slots=True)
class PaperExchangeOptions:
    """Everything the process is told. ``port`` 0 takes any free one.

    ``ticks`` are files of recorded ticks (else the market is synthetic, from ``seed``); ``speed`` is market seconds for
    each second, 0 as fast as possible; in ``lockstep`` nothing more happens until every client is through with what it
    was told, so that the same clients come to the same trades at any speed. ``wait_for_subscribers`` holds the feed
    until that many instruments have been subscribed to. ``instruments`` limits the synthetic market to these symbols
    (none: all). ``fronts`` are further protocols to serve, ``NAME`` on any free port or ``NAME=PORT``.
    ``commission_rate`` and the rest replace what the listings say.
    """

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 0
    accounts: tuple[str, ...] = ("PAPER-1",)
    currency: str = "USD"
    initial_balance: Decimal = Decimal(1_000_000)
    ticks: tuple[Path, ...] = ()
    symbol: str | None = None
    speed: float = 1.0
    lockstep: bool = False
    wait_for_subscribers: int = 0
    seed: int = 1
    ticks_per_second: float = 4.0
    history_hours: float = 24.0
    instruments: tuple[str, ...] = ()
    fronts: tuple[str, ...] = ()
    catalogue: Path | None = None
    commission_rate: Decimal | None = None
    commission_minimum: Decimal | None = None
    slippage_ticks: int | None = None
    max_fill: Decimal | None = None
    partial_fills: float | None = None
    commission_delay: float = 0.0
    enable_faults: bool = False
    quiet: bool = False

    def arguments(self) -> list[str]:
        """The command line that says the same."""
        words: list[str] = []
        for option in fields(self):
            value = getattr(self, option.name)
            flag = "--" + option.name.replace("_", "-")
            if value is None or value is False:
                continue
            if value is True:
                words.append(flag)
            elif isinstance(value, tuple):
                for item in value:
                    words += [flag, str(item)]
            else:
                words += [flag, str(value)]
        return words


def parse_options(arguments: Sequence[str]) -> PaperExchangeOptions:
    """The options of a command line; a wrong one ends the program with an explanation."""
    parser = argparse.ArgumentParser(prog="paper-exchange", description="An exchange with real matching and no money.")
    parser.add_argument("--data-dir", type=Path, required=True, help="where the store is")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 takes any free one")
    parser.add_argument("--accounts", action="append", help="an account's id; may be repeated (PAPER-1)")
    parser.add_argument("--currency", default="USD", help="the accounts' currency")
    parser.add_argument(
        "--initial-balance", type=Decimal, default=Decimal(1_000_000), help="an account's cash at birth"
    )
    parser.add_argument("--ticks", type=Path, action="append", help="a file of recorded ticks; may be repeated")
    parser.add_argument("--symbol", help="whose ticks they are, where the file does not tell")
    parser.add_argument("--speed", type=float, default=1.0, help="market seconds a second; 0: as fast as possible")
    parser.add_argument("--lockstep", action="store_true", help="recorded ticks wait until each one has been handled")
    parser.add_argument("--wait-for-subscribers", type=int, default=0, metavar="N", help="start the feed only then")
    parser.add_argument("--seed", type=int, default=1, help="of the synthetic market and of all chance")
    parser.add_argument("--ticks-per-second", type=float, default=4.0, help="of each synthetic instrument")
    parser.add_argument("--history-hours", type=float, default=24.0, help="made up before a synthetic market's birth")
    parser.add_argument("--instruments", action="append", help="a symbol of the synthetic market; may be repeated")
    parser.add_argument("--fronts", action="append", metavar="NAME[=PORT]", help="a protocol to serve; may be repeated")
    parser.add_argument("--catalogue", type=Path, help="a YAML file of listings")
    parser.add_argument("--commission-rate", type=Decimal, help="of each fill's value, for all listings")
    parser.add_argument("--commission-minimum", type=Decimal, help="least commission of an order, for all listings")
    parser.add_argument("--slippage-ticks", type=int, help="of market orders, for all listings")
    parser.add_argument("--max-fill", type=Decimal, help="the most an order gets at one tick, for all listings")
    parser.add_argument("--partial-fills", type=float, help="how often a tick fills only a part, for all listings")
    parser.add_argument("--commission-delay", type=float, default=0.0, help="seconds from a fill to its commission")
    parser.add_argument("--enable-faults", action="store_true", help="open the endpoint for faults on purpose")
    parser.add_argument("--quiet", action="store_true", help="no ticks but those put in through that endpoint")
    values = vars(parser.parse_args(arguments))
    for name in ("ticks", "instruments", "fronts"):
        values[name] = tuple(values[name] or ())
    values["accounts"] = tuple(values["accounts"] or ("PAPER-1",))
    return PaperExchangeOptions(**values)
