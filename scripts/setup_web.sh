#!/usr/bin/env bash
# Makes frontend/node_modules hold exactly what package-lock.json says, and builds frontend/dist. Quick when both are so.
# usage: scripts/setup_web.sh [modules|build|browser]   (default: build, which needs the modules and gets them)
set -euo pipefail
cd "$(dirname "$0")/../frontend"

say() { printf 'setup: %s\n' "$*" >&2; }
may_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }
stamped() { [ "$(cat "$1" 2>/dev/null)" = "$2" ]; }

recent_node() { # 20.19 or newer, as the build needs it
  command -v npm >/dev/null && node -e 'const [a, b] = process.versions.node.split(".").map(Number);
    process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' 2>/dev/null
}

need_node() {
  recent_node && return
  say "the web pages are built with Node 20.19 or newer and npm; $(node --version 2>/dev/null || echo 'none') was found."
  say 'Install Node 20 or newer (your distribution, or nodejs.org), so that node and npm are in the PATH.'
  exit 1
}

modules() {
  local wanted
  wanted=$({ cat package-lock.json; node --version; } | sha256sum | cut -d' ' -f1)
  stamped node_modules/.stamp "$wanted" && return
  say 'installing what frontend/package-lock.json pins'
  npm ci --no-audit --no-fund --ignore-scripts --loglevel=error >&2
  printf '%s\n' "$wanted" >node_modules/.stamp
}

sources() { # everything that a build depends on, in a fixed order
  find src public index.html vite.config.ts tsconfig.json tsconfig.app.json package-lock.json -type f -print0 |
    LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1
}

build() {
  local wanted
  wanted=$(sources)
  stamped dist/.stamp "$wanted" && return
  say 'building the web pages'
  npx --no-install vite build --logLevel warn >&2
  printf '%s\n' "$wanted" >dist/.stamp
}

browser() {
  local found
  for found in "${CHROMIUM:-}" chromium chromium-browser google-chrome; do
    [ -n "$found" ] && command -v "$found" >/dev/null && return
  done
  if may_install; then
    say 'installing chromium'
    DEBIAN_FRONTEND=noninteractive apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null
    return
  fi
  say 'the end-to-end tests drive Chromium: apt-get install chromium, or set CHROMIUM to one.'
  exit 1
}

if command -v flock >/dev/null; then # two makes at once take turns
  exec 8>.setup.lock
  flock 8
fi
need_node
modules
case "${1:-build}" in
  modules) ;;
  build) build ;;
  browser) build && browser ;;
  *) say "there is no $1: modules, build or browser" && exit 1 ;;
esac
