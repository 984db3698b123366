"""One Parquet file of all bars of an asset and bar size, merged from the archive's days on request.

The archive has a file for each day, and in it the bars of every operation on the asset. The master file has each bar
once, oldest first: what one gives to pandas, to a notebook, to a back-test of years. It is made anew from the days and
from the master file there was, and optionally from a file of one's own with older history; so days may be deleted once
they are merged, and merging again changes nothing.

Where several sources have a bar of one start, the better one is kept, by rules that need no memory: a real bar before a
filled one, more ticks before fewer, the live feed before a broker's history, then the archive before the master file,
then the lesser operation id. How many there were of each, and the digest of every source, are written into the file and
returned: the file proves what it was made of.
"""

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from live_trading.data.bar_archive import BAR_FIELDS, BarArchive, bar_of, bar_row, rows_of
from live_trading.data.durable_parquet import replace_file
from live_trading.data.tick_files import number
from live_trading.domain.bar_size import BarSize
from live_trading.domain.errors import InvalidInput
from live_trading.domain.market import Bar

_PROOF = b"live_trading.master_file"
_DAY = re.compile(r"^\d{4}-\d{2}-\d{2}$")
_PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True, slots=True)
class Source:
    """A file that was merged: its name, the SHA-256 of its content, and how many bars it had."""

    name: str
    sha256: str
    bars: int


@dataclass(frozen=True, slots=True)
class MasterFile:
    """What merging came to."""

    path: str
    bars: int
    duplicates: int
    """Bars that another source had just the same."""
    conflicts: int
    """Bars that another source had otherwise; the better one was kept."""
    sources: tuple[Source, ...] = field(default_factory=tuple)


class _Candidate(NamedTuple):
    """A bar with what decides between it and another of the same start: the least wins."""

    filled: bool
    fewer_ticks: int
    from_history: bool
    rank: int
    operation: str
    bar: Bar


def merge_master(archive: BarArchive, asset: str, bar_size: BarSize, *, history: Path | None = None) -> MasterFile:
    """Make the master file of an asset and bar size anew, in the archive's folder; what it came to.

    ``history``: a Parquet file of one's own with the columns timestamp, open, high, low, close and perhaps volume.
    Blocks on the disk: call it in a thread. Raises :class:`InvalidInput` for a file that cannot be read, and where
    there is nothing to merge.
    """
    path = master_path(archive, asset, bar_size)
    merging = _Merging()
    for day in sorted(archive.folder(asset, bar_size).glob("*.parquet")):
        if _DAY.match(day.stem):
            archived = archive.read(asset, bar_size, date.fromisoformat(day.stem))
            merging.add(
                day, 0, ((str(each.operation_id), each.stored.from_history, each.stored.bar) for each in archived)
            )
    if path.exists():
        merging.add(path, 1, (("", False, bar) for bar in read_master(path)))
    if history is not None:
        merging.add(history, 2, (("", True, bar) for bar in _own_history(history, asset, bar_size)))
    if not merging.best:
        raise InvalidInput("asset", f"there are no archived bars of {asset} by {bar_size.value}", "Name another")
    made = MasterFile(str(path), len(merging.best), merging.duplicates, merging.conflicts, tuple(merging.sources))
    rows = [bar_row(merging.best[start].bar) for start in sorted(merging.best)]
    table = pa.Table.from_pylist(rows, pa.schema(BAR_FIELDS)).replace_schema_metadata(
        {_PROOF: json.dumps(asdict(made))}
    )
    replace_file(path, table, archive.directory, "bars.master")
    return made


def master_path(archive: BarArchive, asset: str, bar_size: BarSize) -> Path:
    """Where the master file is: ``{archive}/{asset}/{bar_size}/master.parquet``."""
    return archive.folder(asset, bar_size) / "master.parquet"


def read_master(path: Path) -> Iterator[Bar]:
    """The bars of a master file, oldest first."""
    with _opened(path) as file:
        for batch in file.iter_batches(batch_size=8_192):
            for row in rows_of(pa.Table.from_batches([batch])):
                yield bar_of(row)


def proof_of(path: Path) -> MasterFile:
    """What a master file says it was made of. :class:`InvalidInput` for any other file."""
    with _opened(path) as file:
        proof = (file.schema_arrow.metadata or {}).get(_PROOF)
    if proof is None:
        raise InvalidInput(str(path), "it is no master file", "Merge the archive anew")
    found = json.loads(proof)
    return MasterFile(**{**found, "sources": tuple(Source(**each) for each in found["sources"])})


class _Merging:
    """The best bar of each start so far, and what there was beside it."""

    def __init__(self) -> None:
        self.best: dict[int, _Candidate] = {}
        self.sources: list[Source] = []
        self.duplicates = self.conflicts = 0

    def add(self, path: Path, rank: int, bars: Iterable[tuple[str, bool, Bar]]) -> None:
        count = 0
        for operation, from_history, bar in bars:
            count += 1
            candidate = _Candidate(bar.filled, -bar.tick_count, from_history, rank, operation, bar)
            known = self.best.setdefault(bar.start_ns, candidate)
            if known is candidate:
                continue
            if _same(known.bar, bar):
                self.duplicates += 1
            else:
                self.conflicts += 1
            if candidate[:-1] < known[:-1]:
                self.best[bar.start_ns] = candidate
        self.sources.append(Source(path.name, hashlib.sha256(path.read_bytes()).hexdigest(), count))


def _same(one: Bar, other: Bar) -> bool:
    return (one[:9], one.filled) == (other[:9], other.filled)


# -- rows


def _opened(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise InvalidInput(str(path), f"it cannot be read as Parquet: {error}", "Name a Parquet file") from error


def _own_history(path: Path, asset: str, bar_size: BarSize) -> Iterator[Bar]:
    """The bars of somebody's own file. A float is read as the shortest decimal that denotes it."""
    with _opened(path) as file:
        names = set(file.schema_arrow.names)
        wanted = {"timestamp", *_PRICES}
        if not wanted <= names:
            lacking = ", ".join(sorted(wanted - names))
            raise InvalidInput(str(path), f"it has no column {lacking}", f"It has {', '.join(sorted(names))}")
        columns = [*sorted(wanted), *(["volume"] if "volume" in names else [])]
        table = file.read(columns=columns)
    kind = table.schema.field("timestamp").type
    if not pa.types.is_timestamp(kind):
        raise InvalidInput(str(path), f"its timestamp is {kind}", "Give times, in UTC or with their time zone")
    column = table.column("timestamp").cast(pa.timestamp("ns", tz=kind.tz))
    table = table.set_column(table.schema.get_field_index("timestamp"), "timestamp", column)
    for line, row in enumerate(rows_of(table), start=1):
        try:
            opens, high, low, close = (number(row[name]) for name in _PRICES)
            volume = number(row.get("volume") or 0)
        except ValueError as error:
            raise InvalidInput(str(path), f"row {line}: {error}", "Use numbers") from error
        yield Bar(asset, bar_size, row["timestamp"], opens, high, low, close, volume)


def main(arguments: Sequence[str]) -> int:
    """Merge from the command line; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m live_trading.data.master_file", description=__doc__)
    parser.add_argument("archive", type=Path, help="the archive's folder, data_dir/archive")
    parser.add_argument("asset")
    parser.add_argument("bar_size", help='such as "1 min"')
    parser.add_argument("--history", type=Path, help="a Parquet file of one's own with older bars")
    given = parser.parse_args(arguments)
    try:
        made = merge_master(
            BarArchive(given.archive), given.asset, BarSize.parse(given.bar_size), history=given.history
        )
    except InvalidInput as error:
        print(error, file=sys.stderr)
        return 2
    print(
        f"{made.path}: {made.bars} bars of {len(made.sources)} files, {made.duplicates} twice, "
        f"{made.conflicts} of which another was kept"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
