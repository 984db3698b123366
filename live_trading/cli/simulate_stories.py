"""``simulate --scenario`` and ``simulate --exhaustive``: short stories, with deaths in them."""

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
from rich.table import Table

from live_trading.cli.exits import Exit
from live_trading.cli.shell import Answer
from live_trading.domain.errors import InvalidInput
from live_trading.simulation.effects import Death, Way
from live_trading.simulation.exhaustive import BROKERS, Case, Tried, cases, repeat, run_all
from live_trading.simulation.forks import Search
from live_trading.simulation.scenarios import SCENARIOS
from live_trading.simulation.telling import PLAIN, Broker, tell

_SHOWN = 20
"""How many failures are told with the command that repeats them; the others are counted."""


def told(scenario: str, broker: str | None, deaths: str | None) -> Answer:
    """One story, and what is wrong at its end."""
    case = Case(_scenario(scenario), _broker(broker) or PLAIN)
    planned = _deaths(deaths)
    story = tell(case.scenario, planned, case.broker)
    data = {
        "scenario": case.scenario,
        "broker": str(case.broker),
        "deaths": [str(death) for death in planned],
        "died": story.deaths,
        "effects": story.effects,
        "entries": story.entries,
        "engines": story.engines,
        "head": story.head,
        "problems": story.problems,
    }

    def show(console: Console) -> None:
        dying = {death.effect: death.way.value for death in planned}
        for number, effect in enumerate(story.effects):
            console.print(f"{number:4}  {effect}{f'  <- dies: {dying[number]}' if number in dying else ''}")
        console.print(f"{case}: {story.entries} entries, {story.engines} engines started, {story.deaths} died")
        console.print(f"the last entry's hash: {story.head}")
        for problem in story.problems or ["nothing is wrong."]:
            console.print(problem, markup=False)

    return Answer(data, show, Exit.FAILED if story.problems else Exit.OK)


def explored(scenario: str | None, broker: str | None, pairs: bool, one_in: int, jobs: int | None) -> Answer:
    """Every story there is, or those of one scenario or broker."""
    chosen, at = [_scenario(scenario)] if scenario else list(SCENARIOS), _broker(broker)
    search = Search(singles=one_in, pairs=one_in if pairs else 0)
    wanted = [(case, search) for case in cases(chosen, BROKERS if at is None else [at])]
    columns = ("dying", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("stories")
        tried = run_all(wanted, jobs, lambda done, total: progress.update(task, completed=done, total=total))
    failed = [(each.case, deaths) for each in tried for deaths in each.failures]
    data = {
        "stories": [each.fields() for each in tried],
        "repeat": [repeat(case, deaths) for case, deaths in failed[:_SHOWN]],
    }
    return Answer(data, lambda console: _show(console, tried), Exit.FAILED if failed else Exit.OK)


def _show(console: Console, tried: Sequence[Tried]) -> None:
    table = Table(title="Deaths", title_justify="left")
    table.add_column("story")
    for column in ("effects", "deaths", "two deaths", "entries", "failed"):
        table.add_column(column, justify="right")
    for each in tried:
        counts = (each.effects, each.singles, each.pairs, each.entries, len(each.failures))
        table.add_row(str(each.case), *(f"{count:,}" for count in counts))
    console.print(table)
    console.print(summary(tried))
    failed = [(each.case, deaths, problems) for each in tried for deaths, problems in each.failures.items()]
    for case, deaths, problems in failed[:_SHOWN]:
        console.print(f"\n{'; '.join(problems)}\nrepeat it with: {repeat(case, deaths)}", markup=False, soft_wrap=True)
    if len(failed) > _SHOWN:
        console.print(f"and {len(failed) - _SHOWN:,} more")


def summary(tried: Sequence[Tried]) -> str:
    """All of it in a line."""
    singles, pairs = sum(each.singles for each in tried), sum(each.pairs for each in tried)
    return (
        f"{len(tried):,} stories, {singles:,} deaths, {pairs:,} times two deaths, "
        f"{sum(each.engines for each in tried):,} engines started, {sum(each.entries for each in tried):,} entries: "
        f"{sum(len(each.failures) for each in tried):,} failed"
    )


def _scenario(name: str) -> str:
    if name not in SCENARIOS:
        raise InvalidInput("--scenario", f'there is no "{name}"', f"Use one of {', '.join(SCENARIOS)}")
    return name


def _broker(text: str | None) -> Broker | None:
    try:
        return None if text is None else Broker.parse(text)
    except ValueError:
        words = "atomic, linked or none, and after a comma each what differs: in-parts, no-oca, no-stops, no-trailing"
        raise InvalidInput("--broker", f'"{text}" is none', f"Use {words}") from None


def _deaths(text: str | None) -> list[Death]:
    try:
        return [Death.parse(part) for part in (text or "").split(",") if part.strip()]
    except ValueError:
        ways = ", ".join(way.value for way in Way)
        raise InvalidInput("--deaths", f'"{text}" is not of the form 5:before,9:frozen', f"Ways are {ways}") from None
