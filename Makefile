# The commands of this project, which CI runs. `make help` lists them.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.NOTPARALLEL:

target := $(or $(CARGO_TARGET_DIR),target)
with := tests/tools/with
scripts = $(shell grep -rIlE --exclude-dir=target --exclude-dir=.git '^\#!(/usr)?/bin/(env )?(ba)?sh$$' .)

.PHONY: help
help: ## list the commands
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1|\2/p' Makefile | column -t -s '|'

.PHONY: demo
demo: toolchain ## start the exporter against a small cluster and registries that are made up
	cargo build --locked --bin regcred-exporter --example demo
	@exec $(target)/debug/examples/demo $(target)/debug/regcred-exporter

.PHONY: test
test: build ## set up what is missing, then run every test
	$(with) apt python k8s oracle -- cargo test --workspace --locked --no-fail-fast
	$(with) apt -- bash -c '"$$REGCRED_PROMTOOL" check rules alerts/*.yaml'
	$(with) apt -- bash -c '"$$REGCRED_PROMTOOL" test rules alerts/tests/*.yaml'
	$(with) apt python k8s -- bash -c 'for script in $$(find tests/ops -maxdepth 1 -type f -perm -u+x | sort); do echo "$$script"; "$$script" || exit; done'

.PHONY: score
score: toolchain ## classify the messages of CORPUS=path, JSON Lines with their classes, and count what is right
	@test -n "$(CORPUS)" || { echo "say which: make score CORPUS=path" >&2; exit 64; }
	cargo run --quiet --locked --release --example score -- "$(CORPUS)"

.PHONY: bench
bench: toolchain ## messages classified a second; what an attempt, an Event, a look and taking a login cost beside many
	cargo bench --locked --bench classify --bench attempts --bench look --bench schedule

.PHONY: load
load: build ## a quarter of an hour: 200 Pods that fail on a real API server, Events that are to be listed every minute
	REGCRED_LOAD_SECONDS=300 $(with) k8s -- cargo test --locked --test integration -- failures::what_kubelets failures::events_that --nocapture

.PHONY: build
build: toolchain ## build the program, the demo and the tests, all of which the tests need
	cargo test --workspace --locked --no-run

.PHONY: check
check: fmt scripts deps clippy doc ## formatting, scripts, dependencies, lints, docs: what CI checks first

.PHONY: fmt
fmt: toolchain ## only: is it formatted?
	cargo fmt --all --check

.PHONY: scripts
scripts: ## only: shellcheck
	@$(with) apt -- bash -c '"$$REGCRED_SHELLCHECK" "$$@"' shellcheck $(scripts)

.PHONY: deps
deps: toolchain ## only: licences, bans and sources of dependencies; no test code in the program
	cargo fetch --quiet --locked --target x86_64-unknown-linux-gnu
	$(with) deny -- bash -c '"$$REGCRED_CARGO_DENY" --offline --workspace check bans licenses sources'
	@! cargo tree --locked -e normal | grep regcred-stand-ins || { echo "the program must not contain the tests' stand-ins"; exit 1; }

.PHONY: clippy
clippy: toolchain ## only: lints
	cargo clippy --workspace --all-targets --locked -- -D warnings

.PHONY: doc
doc: toolchain ## only: comments as documentation
	RUSTDOCFLAGS='-D warnings -A rustdoc::private_intra_doc_links' cargo doc --workspace --no-deps --document-private-items --locked

.PHONY: toolchain
toolchain:
	@tests/tools/toolchain
