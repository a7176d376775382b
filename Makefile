# A thin menu. The logic lives in the plumbline command (harness/cli) and in the folders that each line names.

.DEFAULT_GOAL := help
SHELL := /bin/sh
export CARGO_TERM_COLOR ?= auto
TARGET := $(or $(CARGO_TARGET_DIR),target)
PLUMBLINE := $(TARGET)/debug/plumbline
SCENARIO ?= suites/scenarios/openshift/chain-example.yaml
PROFILE_FLAG := $(if $(PROFILE),--profile $(PROFILE))

.PHONY: help
help: ## Show this menu
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: command
command:
	@.ci/deps have || true
	@cargo build --locked -p plumbline

.PHONY: run
run: command ## The seed scenario on netns and on a kind cluster, set-up included (installs an engine where none is)
	@$(PLUMBLINE) run $(SCENARIO) --lane netns,kind --transcripts always --yes $(PROFILE_FLAG)

.PHONY: test
test: ## Every test: format, clippy, all nextest profiles, and the check that enough of them ran
	@.ci/test

.PHONY: requirements
requirements: command ## Every requirement on its lanes, as a table (installs an engine where none is)
	@$(PLUMBLINE) requirements $(REQUIREMENTS) --yes $(PROFILE_FLAG)

.PHONY: soak
soak: ## Feed every parser of untrusted text mutated inputs, SOAK_SECONDS (600) for each, and print a table
	@cargo run --locked -q -p plumbline-fuzz --bin soak -- $(or $(SOAK_SECONDS),600) $(SOAK_TARGETS)

.PHONY: lint
lint: ## Format, clippy, licences and sources of dependencies, actionlint
	@.ci/lint

.PHONY: rehearse
rehearse: ## The jobs of the GitHub workflow on this machine, in a clean clone (JOB=test LANE=kind PROFILE=three-nodes for one)
	@.ci/rehearse "$(JOB)" "$(LANE)" "$(PROFILE)"

.PHONY: bench
bench: command ## Ratios against the shell and against the pod's own time to Ready
	@bench/run $(PLUMBLINE) --up

.PHONY: images
images: command ## Build what is missing of images, tools and plugins into the user's cache
	@$(PLUMBLINE) images build

.PHONY: keys
keys: ## Write the table of configuration keys from the sources of the plugins' releases
	@cd images/keys && CGO_ENABLED=0 GOFLAGS=-buildvcs=false go run .

.PHONY: up
up: command ## Bring the cluster up, or check a warm one
	@$(PLUMBLINE) up $(PROFILE_FLAG) --yes

.PHONY: down
down: command ## Take our clusters down
	@$(PLUMBLINE) down $(PROFILE_FLAG)

.PHONY: gc
gc: command ## Take away what runs that died have left behind
	@$(PLUMBLINE) gc

.PHONY: clean
clean: ## Remove build products of this checkout (the user's cache stays)
	@cargo clean
