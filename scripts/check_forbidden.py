"""What the linters do not know about: inputs that must be injected, and what must not be committed.

* In ``live_trading``, outside ``live_trading/runtime``: reading the clock, randomness, random ids, starting tasks.
  They are inputs (see ``live_trading/runtime``), so that an engine can be replayed and simulated.
* Source files of more than 500 lines, marks of unfinished work, and addresses of package registries.

Prints one line a finding and exits with 1 if there is any.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from scripts.sources import ROOT, files

MAX_LINES = 500
_GENERATED = {Path("frontend/src/api/schema.d.ts")}
_SOURCE = (".py", ".ts", ".tsx", ".sh")
_TEXT = (*_SOURCE, ".md", ".toml", ".yaml", ".yml", ".lock", ".json", ".txt", ".cfg", ".npmrc", "Makefile", "run")

_CLOCK = "ask the Clock"
_RANDOM = "ask the IdSource, or make random.Random(seed) from a seed that was given"
_TASK = "start it with Tasks.start"
_FORBIDDEN_CALLS = {
    "datetime.datetime.now": _CLOCK,
    "datetime.datetime.utcnow": _CLOCK,
    "datetime.datetime.today": _CLOCK,
    "datetime.date.today": _CLOCK,
    "time.time": _CLOCK,
    "time.time_ns": _CLOCK,
    "uuid.uuid1": _RANDOM,
    "uuid.uuid4": _RANDOM,
    "os.urandom": _RANDOM,
    "asyncio.create_task": _TASK,
    "asyncio.ensure_future": _TASK,
}
_FORBIDDEN_MODULES = {"random": _RANDOM, "secrets": _RANDOM}
_UNFINISHED = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|X" + r"XX|NotImpl" + r"ementedError)\b")
_REGISTRY = re.compile(
    r"py[p]i\.org|python[h]osted\.org|registry\.np[m]js|--(?:extra-)?index-url[ =]|--find-[l]inks[ =]"
    r"|https?://[^\s\"']+/(?:simple|packages)/"
)


class Finding(NamedTuple):
    """One line of output."""

    path: Path
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}"


def forbidden_calls(path: Path, text: str) -> Iterator[Finding]:
    """Calls in a module that read the clock, draw randomness or start tasks."""
    tree = ast.parse(text, str(path))
    imported = dict(_imports(tree))
    groups = set(_task_groups(tree))
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = _dotted(node.func, imported)
        remedy = _FORBIDDEN_CALLS.get(name) or _FORBIDDEN_MODULES.get(name.partition(".")[0])
        if name == "random.Random" and node.args:
            remedy = None  # seeded: the same numbers in every run
        if remedy is None and isinstance(node.func, ast.Attribute) and node.func.attr == "create_task":
            receiver = node.func.value
            remedy = None if isinstance(receiver, ast.Name) and receiver.id in groups else _TASK
        if remedy is not None:
            yield Finding(path, node.lineno, f"{name}() is not injected: {remedy}")


def _imports(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Each imported name with the dotted name it stands for."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield (alias.asname, alias.name) if alias.asname else (alias.name.partition(".")[0],) * 2
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}"


def _task_groups(tree: ast.AST) -> Iterator[str]:
    """Names bound by ``async with asyncio.TaskGroup() as name``: their tasks cannot get lost."""
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncWith):
            for item in node.items:
                call = item.context_expr
                if (
                    isinstance(call, ast.Call)
                    and ast.unparse(call.func).endswith("TaskGroup")
                    and isinstance(item.optional_vars, ast.Name)
                ):
                    yield item.optional_vars.id


def _dotted(node: ast.expr, imported: dict[str, str]) -> str:
    if isinstance(node, ast.Name):
        return imported.get(node.id, node.id if node.id not in _FORBIDDEN_MODULES else f"local {node.id}")
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value, imported)}.{node.attr}"
    return "…"


def forbidden_text(path: Path, text: str) -> Iterator[Finding]:
    """Lines that must not be committed."""
    lines = text.splitlines()
    if path.name.endswith(_SOURCE) and len(lines) > MAX_LINES and path not in _GENERATED:
        yield Finding(path, MAX_LINES + 1, f"has {len(lines)} lines: split what is over {MAX_LINES}")
    for number, line in enumerate(lines, 1):
        if path.name.endswith(_SOURCE) and (mark := _UNFINISHED.search(line)):
            yield Finding(path, number, f"{mark[0]} marks unfinished work: finish it, or write an issue")
        if _REGISTRY.search(line):
            yield Finding(path, number, "names a package registry: installs go through the client's own configuration")


def findings(root: Path) -> Iterator[Finding]:
    """Everything wrong under ``root``."""
    package, runtime = root / "live_trading", root / "live_trading" / "runtime"
    for path in files(root, *_TEXT):
        text = path.read_text(encoding="utf-8")
        shown = path.relative_to(root)
        yield from forbidden_text(shown, text)
        if path.suffix == ".py" and path.is_relative_to(package) and not path.is_relative_to(runtime):
            yield from forbidden_calls(shown, text)


def main() -> int:
    """Check the project; the exit status."""
    found = list(findings(ROOT))
    for finding in found:
        print(finding)
    print(f"Forbidden things: {len(found) or 'none'} found")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
