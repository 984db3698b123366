# Every target sets up what it needs in .venv first; a second run finds it done.
.DEFAULT_GOAL := help
.PHONY: help setup web web-dev web-types test-web test-components test-browser test-browser-full screenshots run test simulate-nightly test-crash-full chaos chaos-nightly api-nightly check bench lock format clean
MAKEFLAGS += --no-print-directory
PY := .venv/bin/python
export PYTHON

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' Makefile

setup: ## make .venv with the locked dependencies
	@scripts/setup.sh

web: ## build the web pages into frontend/dist; needs Node 20 or newer
	@scripts/setup_web.sh build

web-dev: ## the web pages as they are written, on the interface at API_URL (http://127.0.0.1:8000)
	@scripts/setup_web.sh modules
	@cd frontend && npx --no-install vite

web-types: setup ## write the web pages' types anew from the interface's OpenAPI document
	@scripts/setup_web.sh modules
	@scripts/web_types.sh

run: setup web ## start the engine; BROKER=ibkr or oanda in that protocol; ARGS="…" are passed on to "live-trading run"
	@exec .venv/bin/live-trading run $(if $(BROKER),--broker $(BROKER)) $(ARGS)

test: setup ## run every test; with ARGS="…" only what they tell pytest
	@$(if $(ARGS),$(PY) -m pytest $(ARGS),scripts/test.sh)

test-web: test-components test-browser-full ## the web pages' tests alone

test-components: ## the web pages' components and live data, in jsdom
	@scripts/setup_web.sh modules
	@cd frontend && npx --no-install vitest run --project unit

test-browser: setup ## a person's day in Chromium on the real stack, and every page with axe
	@scripts/setup_web.sh browser
	@cd frontend && npx --no-install vitest run --project e2e e2e/flow.e2e.ts e2e/pictures.e2e.ts

test-browser-full: setup ## the same, and what the pages cost: size, answers under load, memory over half an hour of updates
	@scripts/setup_web.sh browser
	@cd frontend && npx --no-install vitest run --project e2e

screenshots: setup ## take the pictures in docs/ui anew
	@scripts/setup_web.sh browser
	@cd frontend && SCREENSHOTS=$(CURDIR)/docs/ui npx --no-install vitest run --project e2e e2e/pictures.e2e.ts

simulate-nightly: setup ## 100,000 simulated worlds, every pair of deaths in every story, every bug on purpose; hours of it
	@.venv/bin/live-trading simulate --exhaustive --pairs $(ARGS)
	@.venv/bin/live-trading simulate --mutants --seeds 60 $(ARGS)
	@.venv/bin/live-trading simulate --seeds 100000 $(ARGS)

test-crash-full: setup ## kill engines and mongod at every single moment; hours of it
	@$(PY) -m pytest -m crash_full -s $(ARGS)

chaos: setup ## kill, freeze and cut off all processes at random under load, 100 kills; some 20 minutes
	@$(PY) -m pytest -m crash_full -s tests/crash/test_chaos.py $(ARGS)

chaos-nightly: setup ## the same with 1,000 kills, and 60 fail-overs of a replica set; hours of it
	@LIVE_TRADING_CHAOS_KILLS=1000 $(PY) -m pytest -m crash_full -s tests/crash/test_chaos.py tests/crash/test_fail_over.py $(ARGS)

api-nightly: setup ## fuzz the HTTP interface by its own document for half an hour; LIVE_TRADING_API_MINUTES says how long
	@LIVE_TRADING_API_MINUTES=$${LIVE_TRADING_API_MINUTES:-30} $(PY) -m pytest -m crash_full -s tests/api/test_fuzz.py $(ARGS)

check: setup ## lint, types, import rules, and that the generated files are up to date
	@scripts/check.sh

bench: ## measure; ARGS="…" are passed on
	@scripts/setup.sh requirements.lock requirements-bench.lock
	@$(PY) -m benchmarks $(ARGS)

format: setup ## format the code, and write config.yaml and docs/configuration.md anew
	@scripts/setup_web.sh modules
	@cd frontend && npx --no-install prettier --write --log-level warn .
	@.venv/bin/ruff check --fix-only -q .
	@.venv/bin/ruff format -q .
	@$(PY) -m live_trading.config.render

lock: setup ## pin the dependencies anew; ARGS=--upgrade takes newer ones
	@scripts/lock.sh $(ARGS)
	@scripts/setup.sh

clean: ## remove what building and testing left, never the data in var/
	@rm -rf .venv .setup.lock dist frontend/dist frontend/node_modules frontend/.setup.lock .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
