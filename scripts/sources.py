"""Which files are the project's own: everything but what building, running and installing leave behind."""

import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_LEFT_BEHIND = {
    ".git", ".venv", "var", "dist", "node_modules", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache",
    ".hypothesis", ".import_linter_cache", ".benchmarks",
}  # fmt: skip


def files(root: Path, *suffixes: str) -> Iterator[Path]:
    """The files under ``root`` whose names end in one of ``suffixes`` (all without any), sorted."""
    for folder, names, contents in os.walk(root):
        names[:] = sorted(name for name in names if name not in _LEFT_BEHIND and not name.endswith(".egg-info"))
        for name in sorted(contents):
            if not suffixes or name.endswith(suffixes):
                yield Path(folder) / name
