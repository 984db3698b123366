"""``backtest``: a strategy over recorded data, with the engine that trades live."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer

from live_trading.assembly import engine_config
from live_trading.backtest import BacktestRequest, run_backtest
from live_trading.backtest.page import page
from live_trading.backtest.report import result_fields, show_result
from live_trading.cli.operations import distance, parameter_values
from live_trading.cli.shell import Answer, Shell
from live_trading.cli.sweeping import SweepOptions
from live_trading.cli.sweeping import sweep as run_swept
from live_trading.config import Settings
from live_trading.domain.bar_size import BarSize
from live_trading.domain.errors import InvalidInput
from live_trading.domain.values import StopLossType, TakeProfitType
from live_trading.paper_exchange.catalogue import default_catalogue, read_catalogue
from live_trading.paper_exchange.core import AccountSettings


def backtest(
    shell: Shell,
    strategy: Annotated[str, typer.Option("--strategy", help="The strategy's name, or file.py:Class")],
    data: Annotated[list[Path], typer.Option("--data", help="Ticks or bars: Lean zip, .parquet, .csv; repeatable")],
    asset: Annotated[str | None, typer.Option("--asset", help="Whose data, where the file does not tell")] = None,
    bar_size: Annotated[
        list[str] | None, typer.Option("--bar-size", help='Such as "1 min"; the first triggers; the data\'s own')
    ] = None,
    param: Annotated[
        list[str] | None, typer.Option("--param", "-p", metavar="NAME=VALUE", help="A parameter of the strategy")
    ] = None,
    quantity: Annotated[str, typer.Option("--quantity", help="Units bought or sold at each entry")] = "1000",
    capital: Annotated[str, typer.Option("--capital", help="Initial capital, in the asset's currency")] = "10000",
    stop: Annotated[str | None, typer.Option("--stop", metavar="TYPE=VALUE", help="Such as ATR=1.5; or none")] = None,
    target: Annotated[
        str | None, typer.Option("--target", metavar="TYPE=VALUE", help="Such as RISK_REWARD=2; or none")
    ] = None,
    since: Annotated[str | None, typer.Option("--from", metavar="TIME", help="Leave out what is earlier (UTC)")] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Leave out what is later (UTC)")] = None,
    latency: Annotated[float, typer.Option("--latency", min=0, help="Seconds that an order is on its way")] = 0.0,
    stale_after: Annotated[
        float | None, typer.Option("--stale-after", min=0, help="Refuse entries after so many seconds without a tick")
    ] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write the report as one HTML page")] = None,
    sweep: Annotated[
        list[str] | None,
        typer.Option(
            "--sweep",
            metavar="NAME=VALUES",
            help="Try them all: 5,8,13 or low:high:step; several: each with each; .NAME is a setting of the operation",
        ),
    ] = None,
    jobs: Annotated[int | None, typer.Option("--jobs", min=1, help="Runs of a sweep at once; all cores")] = None,
    sort: Annotated[str | None, typer.Option("--sort", help="What a sweep is ranked by; net_profit")] = None,
    random: Annotated[
        int | None, typer.Option("--random", min=1, metavar="N", help="Only N combinations of a sweep, by chance")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Which chance; 0")] = None,
    backend: Annotated[str | None, typer.Option("--backend", help="A sweep's: loky, or a cluster: dask, ray")] = None,
) -> Answer:
    """Run a strategy over recorded ticks or bars, with the engine that trades live and the exchange's own matching.

    What is not given comes from the configuration: limits and protections from risk_management, instruments and their
    costs from broker.paper.
    """
    options = SweepOptions(tuple(sweep or ()), jobs, backend, sort, random, seed)
    options.check()
    check_page(html)
    first, end = moment("--from", since), moment("--to", until)
    if first is not None and end is not None and first >= end:
        raise InvalidInput("--from", f"{since} is not before --to {until}", "Give the earlier one as --from")
    operation: dict[str, Any] = {
        "strategy_name": strategy,
        "strategy_config": parameter_values(strategy, param or [], is_whole=not options.axes),
        "quantity": quantity,
        "initial_capital": capital,
        **distance("stop_loss", stop, StopLossType, "--stop"),
        **distance("take_profit", target, TakeProfitType, "--target"),
    }
    if bar_size:
        operation["bar_sizes"] = [BarSize.parse(size, "--bar-size").value for size in bar_size]
    request = request_of(
        shell.settings,
        operation,
        data=tuple(data),
        symbol=asset,
        first=first,
        end=end,
        latency=latency,
        stale_after=stale_after,
    )
    if options.axes:
        return run_swept(shell, request, options, html)
    result = run_backtest(request)
    if html is not None:
        html.write_text(page(result), encoding="utf-8")
        shell.note(f"The report is in {html}")
    return Answer(result_fields(result), lambda console: show_result(result, console))


def request_of(settings: Settings, operation: dict[str, Any], **rest: Any) -> BacktestRequest:
    """A backtest with the configuration's limits, defaults, instruments and account."""
    paper = settings.broker.paper
    path = paper.instruments
    return BacktestRequest(
        operation=operation,
        config=engine_config(settings, lossless_ticks=True),
        catalogue=default_catalogue(always_open=False) if path is None else read_catalogue(path),
        account=AccountSettings(currency=paper.currency, cash=Decimal(paper.initial_balance)),
        **rest,
    )


def check_page(path: Path | None) -> None:
    """Refuse a place where no file can be written, before hours of work go there."""
    if path is not None and (path.is_dir() or not path.parent.is_dir()):
        raise InvalidInput("--html", f"{path} is not a file in a folder that is there", "Such as report.html")


def moment(option: str, text: str | None) -> datetime | None:
    """A time that a person gave, in UTC unless it tells its zone."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(option, f'"{text}" is not a time', "Such as 2014-05-08 or 2014-05-08T12:30") from None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
