"""A recorded day for ``run --ticks``: the file is read through first, and every replay has a fresh place of its own."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from live_trading.assembly import has_data
from live_trading.config import Settings
from live_trading.data import read_ticks
from live_trading.domain.errors import InvalidInput
from live_trading.runtime import Clock, utc_from_ns

_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Recording:
    """A file of ticks that can be read to its end."""

    path: Path
    symbol: str
    ticks: int
    first: datetime
    last: datetime


def read_through(path: Path, symbol: str | None) -> Recording:
    """Read the whole file, so that what is wrong with it is known before anything is started."""
    count, first_ns, last_ns, name = 0, 0, 0, ""
    for tick in read_ticks(path, symbol):
        if not count:
            first_ns, name = tick.time_ns, tick.symbol
        count, last_ns = count + 1, tick.time_ns
    if not count:
        raise InvalidInput("--ticks", f"there is no tick in {path}", "Give a file with ticks")
    return Recording(path, name, count, utc_from_ns(first_ns), utc_from_ns(last_ns))


def parse_speed(text: str) -> float:
    """Market seconds a second; 0 for ``max``."""
    if text == "max":
        return 0.0
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed <= 100_000:
        raise InvalidInput("--speed", f'"{text}" is not a speed', "Give a number over 0, at most 100000, or max")
    return speed


def place_for(settings: Settings, recording: Recording, clock: Clock, *, chosen: bool) -> Settings:
    """The settings with a fresh data directory (and database) for a replay; ``chosen``: the directory as it was given.

    A directory that was chosen may hold a replay that was cut short, which is then gone on with.
    """
    engine, mongodb = settings.engine, settings.database.mongodb
    if not chosen:
        engine = engine.model_copy(update={"data_dir": _fresh(engine.data_dir / "replays", recording.path.stem)})
        if mongodb.url is not None:
            name = f"{mongodb.db_name[:19]}_replay_{clock.now():%y%m%d%H%M%S}"
            mongodb = mongodb.model_copy(update={"db_name": name[:38]})
    paper = settings.broker.paper.model_copy(update={"ticks": recording.path})
    return settings.model_copy(
        update={
            "engine": engine,
            "broker": settings.broker.model_copy(update={"paper": paper}),
            "database": settings.database.model_copy(update={"mongodb": mongodb}),
        }
    )


def _fresh(parent: Path, stem: str) -> Path:
    """A directory that did not exist, made now: two replays at once get two."""
    for number in range(1, _MOST):
        directory = parent / f"{stem}-{number}"
        try:
            directory.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise InvalidInput("data_dir", f"{parent} cannot be written: {error.strerror}", "Use --data-dir") from error
        return directory
    raise InvalidInput("data_dir", f"{parent} is full of replays", "Remove old ones")


def is_continued(settings: Settings) -> bool:
    """Whether a replay's place has been used before."""
    return settings.database.mongodb.url is None and has_data(settings)
