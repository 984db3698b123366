"""``simulate``: whole worlds in virtual time, from seeds, with everything going wrong that can."""

import shlex
import sys
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
from rich.table import Table

from live_trading.cli.exits import Exit
from live_trading.cli.shell import Answer, Shell
from live_trading.cli.simulate_stories import explored, told
from live_trading.domain.errors import InvalidInput
from live_trading.simulation.campaign import Tally, Verdict, run_many, silence
from live_trading.simulation.hunting import Hunt, hunt_all
from live_trading.simulation.plans import Plan, plan
from live_trading.simulation.shrink import shrink
from live_trading.simulation.swarm import Judgement, run, story

_SHRUNK = 3
"""How many failing seeds are shrunk and told; the others are named."""


def simulate(
    shell: Shell,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="How many seeds.")] = 100,
    first: Annotated[int, typer.Option("--first", min=0, help="The first of them.")] = 1,
    jobs: Annotated[int | None, typer.Option("--jobs", min=1, help="Processes; as many as cores by default.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Only this one, and tell its story.")] = None,
    only: Annotated[str | None, typer.Option("--only", help="With --seed: only these happenings, as 2,5,7.")] = None,
    mutants: Annotated[bool, typer.Option("--mutants", help="Put bugs into the engine, and see them caught.")] = False,
    exhaustive: Annotated[
        bool, typer.Option("--exhaustive", help="Tell every scenario, with a death at every effect in every way.")
    ] = False,
    pairs: Annotated[
        bool, typer.Option("--pairs", help="With --exhaustive: and a second one at every effect of the recovery.")
    ] = False,
    one_in: Annotated[
        int, typer.Option("--one-in", min=1, help="With --exhaustive: only one of so many, always the same ones.")
    ] = 1,
    scenario: Annotated[str | None, typer.Option("--scenario", help="Only this one.")] = None,
    broker: Annotated[
        str | None, typer.Option("--broker", help="With a scenario: at this broker, as linked,in-parts,no-oca.")
    ] = None,
    deaths: Annotated[
        str | None, typer.Option("--deaths", help="With a scenario: the engine dies there, as 5:before,9:frozen.")
    ] = None,
) -> Answer:
    """Live through simulated worlds and judge each by what must always hold.

    Virtual time: minutes of trading take a fraction of a second. The same seed gives the same journal, byte for byte. A
    seed that fails is made short and told, with the command that repeats it. A scenario is a short story, told with the
    engine dying at chosen effects, or at every one.
    """
    silence()
    if pairs and not exhaustive:
        raise InvalidInput("--pairs", "it belongs to all deaths there are", "Add --exhaustive, or leave it out")
    if exhaustive:
        if deaths is not None:
            raise InvalidInput("--deaths", "all there are are tried", "Leave it out, or leave --exhaustive out")
        return explored(scenario, broker, pairs, one_in, jobs)
    if scenario is not None:
        return told(scenario, broker, deaths)
    if broker is not None or deaths is not None:
        name = "--deaths" if deaths is not None else "--broker"
        raise InvalidInput(name, "it belongs to a scenario", "Add --scenario NAME, or leave it out")
    if mutants:
        if seed is not None:
            raise InvalidInput("--seed", "mutants are hunted from seed 1 on", "Leave it out, or give --seeds N")
        return _hunted(seeds, jobs)
    if seed is None:
        if only is not None:
            raise InvalidInput("--only", "it belongs to one seed", "Add --seed N, or leave it out")
        return _many(shell, range(first, first + seeds), jobs)
    chosen = plan(seed)
    return _one(run(chosen if only is None else chosen.only(_places(only, chosen))))


def _places(text: str, chosen: Plan) -> list[int]:
    try:
        places = [int(place) for place in text.split(",") if place.strip()]
    except ValueError:
        places = [-1]
    if any(place not in chosen.kept for place in places):
        raise InvalidInput("--only", f'"{text}" does not name happenings of this seed', f"Use 0 to {chosen.kept[-1]}")
    return places


def _one(judged: Judgement) -> Answer:
    data = {
        "seed": judged.plan.seed,
        "kept": list(judged.plan.kept),
        "problems": judged.problems,
        "entries": len(judged.entries),
        "engines": judged.engines,
        "deaths": judged.deaths,
        "head": judged.head,
    }

    def show(console: Console) -> None:
        console.print(story(judged), markup=False, soft_wrap=True)
        console.print(f"{len(judged.entries):,} entries; the last one's hash: {judged.head}")

    return Answer(data, show, Exit.FAILED if judged.problems else Exit.OK)


def _hunted(seeds: int, jobs: int | None) -> Answer:
    def on_hunt(hunt: Hunt) -> None:
        if sys.stderr.isatty():
            print(f"{hunt.mutant}: {hunt.caught_in or 'not caught'}", file=sys.stderr)

    hunts = hunt_all(seeds, jobs, on_hunt)
    data = {"mutants": [asdict(hunt) for hunt in hunts]}
    missed = [hunt.mutant for hunt in hunts if not hunt.is_caught]

    def show(console: Console) -> None:
        console.print("| bug | caught in | by |\n| --- | --- | --- |", markup=False)
        for hunt in hunts:
            caught = f"`{hunt.caught_in.removeprefix('live-trading simulate ')}`" if hunt.is_caught else "not caught"
            row = (hunt.what, caught, hunt.caught_by[:120])
            console.print(f"| {' | '.join(row)} |", markup=False, soft_wrap=True)
        console.print(f"\n{len(hunts) - len(missed)} of {len(hunts)} caught")

    return Answer(data, show, Exit.FAILED if missed else Exit.OK)


def _many(shell: Shell, seeds: range, jobs: int | None) -> Answer:
    columns = ("simulating", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("seeds", total=len(seeds))

        def on_world(world: Verdict) -> None:
            progress.advance(task)
            if world.problems:
                progress.console.print(f"seed {world.seed}: {world.problems[0]}", markup=False)

        tally = run_many(seeds, jobs, on_world)
    shrunk = [shrink(plan(seed)) for seed in sorted(tally.failures)[:_SHRUNK]]
    data = tally.fields() | {"repeat": {str(each.plan.seed): repeat(each.plan) for each in shrunk}}

    def show(console: Console) -> None:
        _show(console, tally)
        for judged in shrunk:
            console.print(f"\n{story(judged)}\nrepeat it with: {repeat(judged.plan)}", markup=False, soft_wrap=True)

    return Answer(data, show, Exit.FAILED if tally.failures else Exit.OK)


def repeat(chosen: Plan) -> str:
    """The command that lives through exactly this plan again."""
    only = ",".join(map(str, chosen.kept))
    return shlex.join(["live-trading", "simulate", "--seed", str(chosen.seed), "--only", only])


def _show(console: Console, tally: Tally) -> None:
    table = Table(title="What happened", title_justify="left")
    table.add_column("kind")
    table.add_column("times", justify="right")
    rows: dict[str, Any] = dict(sorted(tally.happened.items()))
    for kind, times in rows.items():
        table.add_row(kind.replace("_", " "), f"{times:,}")
    console.print(table)
    console.print(
        f"{tally.worlds:,} worlds, {tally.engines:,} engines started, {tally.deaths:,} died at a planned effect, "
        f"{tally.entries:,} entries: {len(tally.failures)} failed"
    )
    for seed, problems in sorted(tally.failures.items()):
        console.print(f"seed {seed}: {'; '.join(problems)}", markup=False)
