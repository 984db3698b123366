"""The project's own files agree with each other."""

import json
import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def pinned(lock: str) -> dict[str, str]:
    text = (ROOT / lock).read_text(encoding="utf-8")
    return {canonicalize_name(name): version for name, version in re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.M)}


@pytest.mark.parametrize(
    ("lock", "extras"), [("requirements.lock", ["embedded", "dev"]), ("requirements-bench.lock", ["bench"])]
)
def test_lock_pins_what_the_project_asks_for(lock: str, extras: list[str]) -> None:
    pins = pinned(lock)
    asked = PROJECT["dependencies"] + [line for extra in extras for line in PROJECT["optional-dependencies"][extra]]
    for requirement in map(Requirement, asked):
        version = pins.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} is not in {lock}: run `make lock`"
        assert requirement.specifier.contains(version), f"{lock} has {requirement.name} {version}: run `make lock`"


def test_locks_agree_carry_hashes_and_name_no_source() -> None:
    main, bench = pinned("requirements.lock"), pinned("requirements-bench.lock")
    assert {name: version for name, version in bench.items() if main.get(name, version) != version} == {}
    for lock in ("requirements.lock", "requirements-bench.lock"):
        text = (ROOT / lock).read_text(encoding="utf-8")
        assert "://" not in text
        assert not re.search(r"^-", text, re.M)
        requirements = re.split(r"^(?=\w)", text, flags=re.M)[1:]
        assert [part.splitlines()[0] for part in requirements if "--hash=sha256:" not in part] == []


def test_every_dependency_has_its_line_in_the_documents() -> None:
    document = (ROOT / "docs/dependencies.md").read_text(encoding="utf-8")
    every = PROJECT["dependencies"] + [line for extra in PROJECT["optional-dependencies"].values() for line in extra]
    names = {Requirement(line).name for line in every}
    ours, pages = document.split("## Of the web pages")
    assert set(re.findall(r"^\| `([\w.-]+)`", ours, re.M)) == names
    packages = json.loads((ROOT / "frontend/package.json").read_text(encoding="utf-8"))["dependencies"]
    assert [name for name in packages if f"`{name}`" not in pages] == []


def test_make_help_tells_of_every_target() -> None:
    said = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = re.findall(r"^ {2}make (\w+)", said, re.M)
    assert {"run", "test", "check", "bench", "lock", "clean", "help"} <= set(targets)


@pytest.mark.parametrize(
    ("failing", "status"), [("", 0), ("check", 1), ("test", 1), ("check test", 1)]
)  # fmt: skip
def test_ci_runs_checks_and_tests_and_fails_when_either_does(tmp_path: Path, failing: str, status: int) -> None:
    """Run with a stand-in ``make`` that fails for the targets it is told to."""
    make = tmp_path / "make"
    make.write_text(f'#!/bin/sh\necho "make $1"\ncase " {failing} " in *" $1 "*) exit 2;; esac\n', encoding="utf-8")
    make.chmod(0o755)
    environ = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", ".ci/run"], cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["make check", "make test"]
    assert done.returncode == status
