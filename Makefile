# If you are new here, all you need is `make run` and `make test`. All caches are in .cache/ and target/.
SHELL := /bin/bash
.DEFAULT_GOAL := help
export npm_config_cache := $(CURDIR)/.cache/npm
export PIP_CACHE_DIR := $(CURDIR)/.cache/pip

STOA := target/release/stoa
# The build that releases, images and every benchmark use.
DIST := $(CURDIR)/target/dist/stoa
# More arguments for `stoa serve`: make run ARGS="--http 0.0.0.0:8000"
ARGS ?=

.PHONY: help run build dist web test test-long bench bench-turn turn-matrix turn-soak figures fuzz lint clean

help: ## list these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

run: build ## build everything and start a server to try out, on http://localhost:7880
	exec $(STOA) serve --dev $(ARGS)

build: web ## build the program, web app included, as target/release/stoa
	cargo build --release -p server

dist: web ## build the program for releases and benchmarks as target/dist/stoa: small and fast, no overflow checks, slow to build
	cargo build --profile dist -p server

web: web/node_modules/.package-lock.json
	cd web && npm run build

web/node_modules/.package-lock.json: web/package-lock.json
	cd web && npm ci
	@touch $@

test: ## install what the tests need and run all of them
	scripts/test

test-long: build ## run the slow tests: 20,000 examples for the OpenAPI document, LiveKit's suite three times, ten minutes of fuzzing per parser
	scripts/setup-test
	.cache/venv/bin/python tests/schemathesis/run.py 20000
	tests/livekit-node/run 3
	fuzz/run 600

bench: dist ## load a server with rooms of one publisher and ten subscribers, and measure the cost of a packet
	STOA_TEST_BINARY=$(DIST) scripts/bench $(ARGS)

bench-turn: dist ## compare the CPU cost of a relayed packet with coturn's
	scripts/setup-test
	STOA_TEST_BINARY=$(DIST) scripts/bench-turn $(ARGS)

turn-matrix: build ## run coturn's client against the built-in TURN server, with up to a thousand clients
	scripts/setup-test
	tests/turn/matrix full

turn-soak: build ## send a million strangers and ten minutes of churn at the TURN server, and check that nothing leaks
	scripts/setup-test
	tests/turn/soak

figures: dist ## measure start-up time, time to first frame, memory, and the source itself
	scripts/setup-test
	scripts/lines
	cd tests && STOA_TEST_BINARY=$(DIST) npx --no-install vitest run figures

fuzz: ## fuzz each parser that reads network input, for ten minutes
	fuzz/run 600

lint: web ## check formatting, clippy, ESLint and types
	cargo fmt --all --check
	cargo clippy --release --workspace --all-targets -- -D warnings
	cd web && npm run lint
	cd tests && npm ci --silent && npm run check
	@if command -v cargo-deny >/dev/null; then cargo deny check; fi

clean: ## delete build output and caches
	cargo clean
	rm -rf .cache web/node_modules web/app/dist tests/node_modules
