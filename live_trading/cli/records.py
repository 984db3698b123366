"""``journal``, ``state``, ``snapshots`` and ``rebuild``: the record itself."""

import json
from contextlib import aclosing
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console

from live_trading.archive import ArchiveMissing, SegmentReport, verify_collection, verify_with_archive
from live_trading.cli.access import Access, opened
from live_trading.cli.entries import entry_line, style_of
from live_trading.cli.exits import Exit, NotFound
from live_trading.cli.shell import Answer, Shell, command
from live_trading.cli.tables import ORDER_COLUMNS, Column, at, money, show_fields, show_table, table
from live_trading.domain.entries import Entry
from live_trading.domain.errors import InvalidInput
from live_trading.journal import Anchor, Report, verify
from live_trading.models import queries
from live_trading.projections.read_models_verify import ReadModelsReport, verify_read_models
from live_trading.projections.rebuild import rebuild as rebuild_read_models
from live_trading.projections.time_travel import describe, ledger_at

journal = typer.Typer(help="The journal: everything that happened.", no_args_is_help=True)
snapshots = typer.Typer(help="Snapshots of the ledger.", no_args_is_help=True)


@command(journal, "tail")
async def tail(
    shell: Shell,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as entries come, until Ctrl-C")] = False,
    count: Annotated[int, typer.Option("--count", "-n", help="How many entries to begin with")] = 20,
    operation: Annotated[str | None, typer.Option("--operation", help="Only those of this operation")] = None,
) -> Exit:
    """Print the journal's last entries."""
    async with opened(shell) as access:
        found = await queries.last_entries(access.reader, count=count, operation_id=operation)
        if shell.json and not follow:
            shell.emit({"entries": [queries.entry_fields(entry) for entry in found]})
            return Exit.OK
        for entry in found:
            _print(shell, entry)
        if not found and not follow:
            shell.console.print("There are no such entries.")
        if follow:
            key = None if operation is None else queries.object_id(operation, "operation")
            reached = found[-1].sequence_number if found else (await access.reader.head()).sequence_number
            async with aclosing(access.reader.follow(reached)) as batches:
                async for entries in batches:
                    for entry in entries:
                        if key is None or entry.operation_id == key:
                            _print(shell, entry)
    return Exit.OK


def _print(shell: Shell, entry: Entry) -> None:
    """One entry on a line: JSON for machines."""
    if shell.json:
        print(json.dumps(queries.entry_fields(entry), ensure_ascii=False), flush=True)
    else:
        shell.console.print(entry_line(entry), style=style_of(entry), markup=False, overflow="ellipsis", no_wrap=True)


@command(journal, "show")
async def show(shell: Shell, number: Annotated[int, typer.Argument(min=1, help="The entry's number")]) -> Answer:
    """Show one entry with all its facts."""
    async with opened(shell) as access:
        entry = await access.reader.entry(number)
        head = await access.reader.head()
    if entry is None:
        raise NotFound(f"sequence_number: there is no entry {number}; the journal ends at {head.sequence_number}")
    fields = queries.entry_fields(entry)
    return Answer(fields, show_fields(fields))


@command(journal, "verify")
async def verify_(
    shell: Shell,
    after: Annotated[int, typer.Option(min=0, help="Begin after this entry")] = 0,
    anchor: Annotated[
        str | None, typer.Option(metavar="NUMBER:HASH", help="A head noted earlier; it must still be in the chain")
    ] = None,
    read_models: Annotated[bool, typer.Option(help="Compare the read models too")] = True,
    with_archive: Annotated[
        bool, typer.Option("--with-archive", help="The archive's files too, as one chain from entry 1")
    ] = False,
) -> Answer:
    """Check that the record is what was written, and that the read models are what it says.

    Without --with-archive entries that were archived are left out; that the journal says so is checked.
    """
    noted = None if anchor is None else _anchor(anchor)
    if with_archive and after:
        raise InvalidInput("--after", "does not go with --with-archive", "The whole chain is checked, from entry 1")
    segments: list[SegmentReport] | None = None
    async with opened(shell) as access:
        if with_archive:
            report, segments = await verify_with_archive(access.reader, noted)
        elif after:
            report = await verify(access.reader, after, noted)
        else:
            report = await verify_collection(access.reader, noted)
        models = await _verify_models(access) if read_models and report.is_sound and not after else None
    data: dict[str, Any] = {"journal": report_fields(report), "read_models": models}
    if segments is not None:
        data["archive"] = {"segments": [_segment_fields(segment) for segment in segments]}
    sound = report.is_sound and (models is None or models["equal"] is not False)

    def show_it(console: Console) -> None:
        show_report(console, report)
        if segments is not None and report.is_sound:
            _show_segments(console, segments)
        elif report.is_sound and report.first > 1 and not after:
            console.print(f"Entries 1 to {report.first - 1} are in the archive: --with-archive checks them too.")
        if models is not None:
            _show_models(console, models)

    return Answer(data, show_it, Exit.OK if sound else Exit.FAILED)


def _segment_fields(report: SegmentReport) -> dict[str, Any]:
    return {
        "file": str(report.segment.path),
        "first": report.segment.first,
        "last": report.segment.last,
        "sha256": report.sha256,
        "recorded": report.recorded,
    }


def _show_segments(console: Console, segments: list[SegmentReport]) -> None:
    unfinished = [each for each in segments if not each.recorded]
    count = sum(each.entries for each in segments)
    console.print(f"[green]The archive is sound:[/] {len(segments)} files, {count:,} entries, each vouched for.")
    for each in unfinished:
        text = f"{each.segment.path.name} was never finished; its entries are still in the database"
        console.print(f"[yellow]Except:[/] {text}. live-trading journal archive goes on with it.", soft_wrap=True)


def _anchor(text: str) -> Anchor:
    number, _, digest = text.partition(":")
    if not number.isdigit() or len(digest) != 64:
        raise InvalidInput("--anchor", f'"{text}" is not NUMBER:HASH', "As journal verify prints it as the head")
    return Anchor(int(number), digest.lower())


async def _verify_models(access: Access) -> dict[str, Any]:
    if (await queries.freshness(access.database, access.reader))["state"] == "none":
        return {"equal": None, "text": "there are none yet: the engine writes them, or live-trading rebuild"}
    try:
        return _models_fields(await verify_read_models(access.database, access.reader))
    except InvalidInput as error:
        return {"equal": False, "text": f"{error.problem}. {error.remedy}"}
    except ArchiveMissing as error:
        return {"equal": None, "text": f"they cannot be compared: {error}"}


def _models_fields(report: ReadModelsReport) -> dict[str, Any]:
    first = report.first_difference
    return {
        "equal": report.is_equal,
        "sequence_number": report.sequence_number,
        "version": report.version,
        "collections": {
            found.collection: {
                "documents": found.documents,
                "differences": len(found.differences),
                "hash": found.fold_hash,
            }
            for found in report.collections
        },
        "text": None if first is None else f"{first}. live-trading rebuild makes them anew",
    }


def report_fields(report: Report) -> dict[str, Any]:
    """What verifying found, as plain values."""
    broken = report.broken
    return {
        "sound": report.is_sound,
        "entries": report.entries,
        "first": report.first,
        "last": report.last,
        "head": f"{report.last}:{report.head_hash}",
        "first_timestamp": queries.plain(report.first_timestamp),
        "last_timestamp": queries.plain(report.last_timestamp),
        "epochs": report.epochs,
        "broken": None if broken is None else {"sequence_number": broken.sequence_number, "text": str(broken)},
    }


def show_report(console: Console, report: Report) -> None:
    """What verifying found, for people."""
    if report.broken is not None:
        console.print(f"[bold red]The journal is not sound:[/] {report.broken}", soft_wrap=True)
        console.print(f"Sound up to entry {report.last}. Do not trade on it: keep a copy, restore a backup.")
        return
    times = f"{at(queries.plain(report.first_timestamp))} to {at(queries.plain(report.last_timestamp))}"
    console.print(f"[green]The journal is sound:[/] {report.entries:,} entries, {report.epochs} epochs, {times}.")
    console.print(f"Its head, to note elsewhere: {report.last}:{report.head_hash}", soft_wrap=True)


def _show_models(console: Console, models: dict[str, Any]) -> None:
    if models["equal"] is None:
        console.print(f"Read models: {models['text']}.")
    elif models["equal"]:
        counts = ", ".join(f"{name} {found['documents']:,}" for name, found in models["collections"].items())
        console.print(f"[green]The read models are equal[/] as of entry {models['sequence_number']}: {counts}.")
    else:
        console.print(f"[bold red]The read models differ:[/] {models['text']}.", soft_wrap=True)


# ---- state -----------------------------------------------------------------------------------------------------------


async def state(
    shell: Shell,
    moment: Annotated[
        str | None, typer.Option("--at", metavar="NUMBER|TIME", help="An entry, or 2026-03-01T12:00:00Z; now")
    ] = None,
) -> Answer:
    """Show the whole state as of any entry or time."""
    at_ = None if moment is None else moment_of(moment, "--at")
    async with opened(shell) as access:
        described = describe(await ledger_at(access.reader, access.snapshots, at_))

    def show_it(console: Console) -> None:
        brief = {name: value for name, value in described.items() if not isinstance(value, list | dict)}
        brief["kill_switch"] = described["kill_switch"]
        show_fields(brief, f"As of entry {described['sequence_number']}")(console)
        show_fields({"pnl_by_currency": described["pnl_by_currency"]})(console)
        for name, columns in (("operations", _OPERATIONS), ("open_positions", _POSITIONS), ("working_orders", _ORDERS)):
            if described[name]:
                console.print(table(described[name], columns, "\n" + name.replace("_", " ")))

    return Answer(described, show_it)


_OPERATIONS = (
    Column("id", "id"),
    Column("asset", "asset"),
    Column("status", "status"),
    Column("position", "quantity", number=True),
    Column("realised", "total_pnl", signed=True),
    Column("cur", "currency"),
    Column("trades", "trades", number=True),
    Column("reason", "status_reason"),
)
_POSITIONS = (
    Column("operation", "operation_id"),
    Column("symbol", "contract_symbol"),
    Column("quantity", "quantity", number=True),
    Column("entry", lambda row: money(row["entry_price"]), number=True),
    Column("stop", "stop_loss", number=True),
    Column("target", "take_profit", number=True),
)
_ORDERS = tuple(column for column in ORDER_COLUMNS if column.heading not in ("price", "average"))


def moment_of(text: str, option: str) -> int | datetime:
    """An entry's number or a time that a person gave."""
    if text.isdigit():
        return int(text)
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(
            option, f'"{text}" is neither an entry\'s number nor a time', "Such as 1200 or 2026-03-01T12:00:00Z"
        ) from None


# ---- what can be made again ------------------------------------------------------------------------------------------


@command(snapshots, "list")
async def list_snapshots(shell: Shell) -> Answer:
    """List the snapshots that a start can begin from."""
    async with opened(shell) as access:
        found = await queries.snapshots(access.database)
    columns = (
        Column("entry", "id", number=True),
        Column("fold version", "fold_version"),
        Column("usable", lambda row: "yes" if row["is_current"] else "no"),
        Column("state hash", "state_hash"),
    )
    return Answer({"snapshots": found}, show_table(found, columns, "There are no snapshots yet."))


async def rebuild(shell: Shell) -> Answer:
    """Build the read models anew from the journal and put them in place of the old ones, also while the engine runs."""
    async with opened(shell) as access:
        done = await rebuild_read_models(access.database, access.reader, access.runtime)
    data = {"version": done.version, "sequence_number": done.sequence_number, "documents": done.documents}
    return Answer(data, show_fields(data, "The read models were built anew"))
