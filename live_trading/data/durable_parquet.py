"""Parquet files that are there whole or not at all, whatever moment the process dies at."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from live_trading.runtime import failpoint

ASIDE = ".new"
"""What is added to the name of a file that is being written. One that a crash left is overwritten."""


def replace_file(path: Path, table: pa.Table, root: Path, name: str) -> None:
    """Write ``table`` to ``path`` in place of what is there: aside, made durable, renamed; folders down from ``root``
    are made and made durable too. Failpoints ``{name}.rename.before`` and ``.after`` are around the rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(path.name + ASIDE)
    with aside.open("wb") as file:
        pq.write_table(table, file, compression="zstd")
        file.flush()
        os.fsync(file.fileno())
    failpoint(f"{name}.rename.before")
    aside.replace(path)
    folder = path.parent
    sync_folder(folder)
    while folder != root and root in folder.parents:
        folder = folder.parent
        sync_folder(folder)
    failpoint(f"{name}.rename.after")


@contextmanager
def open_file(path: Path) -> Iterator[pq.ParquetFile]:
    """Read a file of ours. One that is damaged is an ``OSError`` that names it, as any other failure of the disk is."""
    try:
        with pq.ParquetFile(path) as file:
            yield file
    except pa.ArrowException as error:
        raise OSError(errno.EIO, f"damaged, move it away ({error})", str(path)) from error


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
