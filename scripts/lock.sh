#!/usr/bin/env bash
# Pins every dependency with its hashes. No index addresses are written: the files install from wherever pip is set up to.
set -euo pipefail
cd "$(dirname "$0")/.."
options=(--quiet --generate-hashes --allow-unsafe --strip-extras --no-header --no-annotate
  --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options "$@")
.venv/bin/pip-compile "${options[@]}" --build-deps-for editable --extra embedded --extra dev -o requirements.lock pyproject.toml
.venv/bin/pip-compile "${options[@]}" --constraint requirements.lock --extra bench -o requirements-bench.lock pyproject.toml
