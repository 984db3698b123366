#!/usr/bin/env bash
# Makes .venv hold exactly what the lock files say, and this package. Quick when it already does.
# usage: scripts/setup.sh [LOCK …]   (default: requirements.lock)
set -euo pipefail
cd "$(dirname "$0")/.."

locks=("$@")
[ ${#locks[@]} -gt 0 ] || locks=(requirements.lock)
stamp=.venv/.stamp-$(basename "${locks[-1]}")

say() { printf 'setup: %s\n' "$*" >&2; }

usable() { # a Python of 3.11 or newer that can make virtual environments
  "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
  local candidate
  for candidate in "${PYTHON:-}" python3.13 python3.12 python3.11 python3; do
    if [ -n "$candidate" ] && usable "$candidate"; then
      printf '%s' "$candidate"
      return
    fi
  done
  return 1
}

may_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

apt_install() {
  say "installing $*"
  DEBIAN_FRONTEND=noninteractive apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

need_python() {
  python=$(find_python) && return
  if may_install; then apt_install python3 python3-venv; fi
  python=$(find_python) && return
  say 'no Python of 3.11 or newer with the venv module was found.'
  say 'On Debian 12 or Ubuntu 24.04: apt-get install python3 python3-venv. Or name one: make PYTHON=/path/to/python3'
  exit 1
}

# The bundled mongod is linked with OpenSSL 3 and libcurl, which minimal systems may lack.
need_libraries() {
  [ "$(uname -sm)" = 'Linux x86_64' ] || return 0
  local missing=() pair
  for pair in libssl.so.3:libssl3 libcurl.so.4:libcurl4; do
    "$python" -c "import ctypes; ctypes.CDLL('${pair%%:*}')" 2>/dev/null || missing+=("${pair##*:}")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  if may_install; then
    apt_install "${missing[@]}"
  else
    say "the bundled mongod needs ${missing[*]}: apt-get install ${missing[*]}, or set MONGODB_URL to a replica set of yours"
  fi
}

wanted=$(cat "${locks[@]}" pyproject.toml scripts/setup.sh | sha256sum | cut -d' ' -f1)
if [ -x .venv/bin/python ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then exit 0; fi

if command -v flock >/dev/null; then # two makes at once take turns
  exec 9>.setup.lock
  flock 9
  if [ -x .venv/bin/python ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then exit 0; fi
fi

need_python
need_libraries
if ! usable .venv/bin/python; then
  say "making .venv with $("$python" --version)"
  "$python" -m venv --clear .venv
fi
say "installing what ${locks[*]} pins"
.venv/bin/python -m pip install -qq --disable-pip-version-check --require-hashes $(printf -- '-r %s ' "${locks[@]}")
.venv/bin/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
printf '%s\n' "$wanted" >"$stamp"
