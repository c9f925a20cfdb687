# The two commands that a newcomer needs are `make run` and `make test`. All caches lie in .cache/ and target/.
SHELL := /bin/bash
.DEFAULT_GOAL := help
export npm_config_cache := $(CURDIR)/.cache/npm
export PIP_CACHE_DIR := $(CURDIR)/.cache/pip

STOA := target/release/stoa
# What releases, images and every benchmark use.
DIST := $(CURDIR)/target/dist/stoa
# Further words for `stoa serve`: make run ARGS="--http 0.0.0.0:8000"
ARGS ?=

.PHONY: help run build dist web test test-long bench bench-turn turn-matrix turn-soak figures fuzz lint clean

help: ## what there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 16

run: build ## build everything and start a server for trying out, on http://localhost:7880
	exec $(STOA) serve --dev $(ARGS)

build: web ## leave the program, web app inside, in target/release/stoa
	cargo build --release -p server

dist: web ## the same for releases and benchmarks, in target/dist/stoa: small and fast, without overflow checks, and slow to build
	cargo build --profile dist -p server

web: web/node_modules/.package-lock.json
	cd web && npm run build

web/node_modules/.package-lock.json: web/package-lock.json
	cd web && npm ci
	@touch $@

test: ## set up and run every test there is
	scripts/test

test-long: build ## what takes too long for every day: 20,000 examples for the API's document, LiveKit's suite three times, ten minutes of fuzzing for each parser
	scripts/setup-test
	.cache/venv/bin/python tests/schemathesis/run.py 20000
	tests/livekit-node/run 3
	fuzz/run 600

bench: dist ## load a server with rooms of one publisher and ten subscribers, and report the cost of a packet
	STOA_TEST_BINARY=$(DIST) scripts/bench $(ARGS)

bench-turn: dist ## CPU of a relayed packet beside coturn's
	scripts/setup-test
	STOA_TEST_BINARY=$(DIST) scripts/bench-turn $(ARGS)

turn-matrix: build ## coturn's client against the built-in TURN server, a thousand clients among the rest
	scripts/setup-test
	tests/turn/matrix full

turn-soak: build ## a million strangers, and ten minutes of coming and going, at the TURN server: nothing is left
	scripts/setup-test
	tests/turn/soak

figures: dist ## start-up time, time to the first frame, memory
	scripts/setup-test
	cd tests && STOA_TEST_BINARY=$(DIST) npx --no-install vitest run figures

fuzz: ## ten minutes for each parser that faces a peer
	fuzz/run 600

lint: web ## formatting, clippy, ESLint, types
	cargo fmt --all --check
	cargo clippy --release --workspace --all-targets -- -D warnings
	cd web && npm run lint
	cd tests && npm ci --silent && npm run check
	@if command -v cargo-deny >/dev/null; then cargo deny check; fi

clean: ## remove what was built and cached
	cargo clean
	rm -rf .cache web/node_modules web/app/dist tests/node_modules
