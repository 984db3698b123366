#!/usr/bin/env bash
# Every check, to its end: what fails is all told at once. Exits with 1 if any did.
cd "$(dirname "$0")/.." || exit 1
export PATH="$PWD/.venv/bin:$PATH"
failed=()

step() {
  local name=$1
  shift
  printf '── %s\n' "$name"
  "$@" || failed+=("$name")
}

code=(live_trading scripts)
for folder in tests benchmarks; do [ -d "$folder" ] && code+=("$folder"); done

step lint ruff check .
step format ruff format --check .
step types mypy "${code[@]}"
step imports lint-imports --no-logo
step 'forbidden things' python -m scripts.check_forbidden
step links python -m scripts.check_links
step 'configuration files' python -m live_trading.config.render --check
step 'web pages set up' scripts/setup_web.sh modules
web() { (cd frontend && npx --no-install "$@"); }
step 'web types' web tsc -b
step 'web lint' web eslint . --max-warnings 0 --cache --cache-location node_modules/.cache/eslint/
step 'web format' web prettier --check --log-level warn .
step 'web types are those of the interface' scripts/web_types.sh --check

if [ ${#failed[@]} -gt 0 ]; then
  printf 'failed:'
  printf ' %s' "${failed[@]}"
  printf '\n'
  exit 1
fi
echo 'all checks passed'
