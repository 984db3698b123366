#!/usr/bin/env bash
# Writes frontend/src/api/schema.d.ts from the interface's OpenAPI document; with --check it only says whether it is so.
set -euo pipefail
cd "$(dirname "$0")/.."
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
"${PYTHON_OF_PROJECT:-.venv/bin/python}" -m live_trading.api.openapi >"$made/openapi.json"
(cd frontend && npx --no-install openapi-typescript "$made/openapi.json" -o "$made/schema.d.ts" >/dev/null 2>&1)
if [ "${1:-}" = --check ]; then
  if cmp -s "$made/schema.d.ts" frontend/src/api/schema.d.ts; then exit 0; fi
  echo "frontend/src/api/schema.d.ts is not that of the interface: run make web-types"
  exit 1
fi
cp "$made/schema.d.ts" frontend/src/api/schema.d.ts
