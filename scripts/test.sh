#!/usr/bin/env bash
# Every test, the web pages' included, and a last line that counts them all. Tests that need no machine for themselves run
# on all cores at once; those that kill processes, or use all cores already, one after the other. Exits with 1 if any
# part failed.
cd "$(dirname "$0")/.." || exit 1
export PATH="$PWD/.venv/bin:$PATH" NO_COLOR=1
said=$(mktemp)
trap 'rm -f "$said"' EXIT
passed=0 failed=0 skipped=0 status=0

count() { # count WORD: how many of it the last summary names
  grep -aE ' in [0-9.]+s|^ *Tests ' "$said" | tail -n 1 | grep -aoE "[0-9]+ $1" | awk '{n += $1} END {print n + 0}'
}

part() { # part NAME COMMAND…
  local name=$1
  shift
  printf '── %s\n' "$name"
  if ! "$@" 2>&1 | tee "$said"; then status=1; fi
  passed=$((passed + $(count passed)))
  failed=$((failed + $(count 'failed|[0-9]+ errors?')))
  skipped=$((skipped + $(count skipped)))
}

set -o pipefail
part 'components of the web pages' make test-components
part 'the web pages in a browser' make test-browser
part 'on all cores' python -m pytest -n auto --dist worksteal -m 'not crash and not crash_full and not alone'
part 'one after the other' python -m pytest -m '(crash or alone) and not crash_full'

printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
exit "$status"
