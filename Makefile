# Needs Go (the version of go.mod) and, for lint, conformance, e2e and deploy-check, node >= 20 with npm.

GO      ?= go
NPM     ?= npm
PYTHON  ?= python3
TOOLS   := internal/tools
TOOL    := $(GO) tool -modfile=$(TOOLS)/go.mod
TAGS    := e2e,bench,mutation,browser
MODULES := $(TOOLS)/node_modules/.package-lock.json

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)

# Arguments of the demo and the emulator, for example ARGS="--for 20s".
ARGS ?=
# How long each fuzz target runs.
FUZZTIME ?= 1m
# Which figures are measured, and what else go test is told, for example BENCHFLAGS=-benchtime=1x.
BENCH      ?= .
BENCHFLAGS ?=
# make sim: how many schedules each simulation plays, in place of its own number; the seed of one schedule to repeat (its
# faults, not what the scheduler made of them); and what else go test is told, for example SIMFLAGS=-race.
RUNS     ?=
SEED     ?=
SIMFLAGS ?=

# In random order, and without the vet that make lint does.
GOTEST := $(GO) test -shuffle=on -vet=off
# The source files, without the modules of tools.
FILES  := --include='*.go' --exclude-dir=tools alert checkpoint cmd consumer deploy internal
# The packages that $(1) occurs in.
having  = $(addprefix ./,$(sort $(dir $(shell grep -rlE $(1) $(FILES)))))
# What the race detector can find something in, what go test -short does not play whole, and the simulations;
# internal/system has a test of these lists.
RACED  = $(call having,'"sync(/atomic)?"|"testing/synctest"|goleak')
LONG   = $(call having,'"pgregory.net/rapid"|testkit[.](Long|Runs|Cases|Named)')
SIMS   = $(call having,'^func TestSim')

.DEFAULT_GOAL := help
.PHONY: help demo emulator build docs quickstart test test-race lint fmt conformance e2e bench bench-smoke mixed fuzz sim soak mutate deploy-check screenshots images release-dry pin-images npm-emulators moto clean

help: ## show this list; durations are of two cores, with modules and build cache warm
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## the daemon as a story of a minute: a message, a storm, a kill; Ctrl-C ends it, ARGS="--for 20s" ends it by itself
	@GO=$(GO) $(TOOLS)/compile.sh bin/demo ./cmd/demo -trimpath
	@exec bin/demo $(ARGS)

emulator: ## Kinesis, DynamoDB, SNS, SQS and S3 on 127.0.0.1:4566, with a stream, a topic and what its readers get; ARGS=--help
	@GO=$(GO) $(TOOLS)/compile.sh bin/demo ./cmd/demo -trimpath
	@exec bin/demo --serve $(ARGS)

build: ## the static daemon, bin/kinesis-alerter
	@GO=$(GO) CGO_ENABLED=0 $(TOOLS)/compile.sh bin/kinesis-alerter ./cmd/kinesis-alerter \
		-trimpath -ldflags '-s -w -X kinesis-alerter/internal/daemon.version=$(VERSION)'

test: ## every test, in random order; simulations and properties with few seeds: make sim plays them whole; 1.5 minutes
	$(GOTEST) -short -timeout 10m ./...

test-race: ## the same with the race detector, of the packages that have more than one goroutine; 6 minutes
	$(GOTEST) -race -short -timeout 20m $(RACED)

quickstart: ## the README's quick start, word by word, from a fresh clone to its alert; half a minute
	deploy/quickstart.sh

docs: ## the documentation's site, bin/site/html/index.html; a link that leads nowhere fails it; needs python3 with venv; half a minute
	deploy/site/build.sh

lint: ## golangci-lint with gosec, formatting, go vet, a tidy go.mod, known vulnerabilities; changes nothing; 2 minutes, the first time 4
	$(TOOL) golangci-lint run --build-tags $(TAGS) ./...
	$(TOOL) golangci-lint fmt --diff
	$(GO) vet -tags $(TAGS) ./...
	$(GO) test -tags mutation -run '^TestMutationsFitTheSource$$' ./internal/system
	for module in . $$(git ls-files ':internal/tools/*/go.mod' | xargs -n 1 dirname); do $(GO) mod -C $$module tidy -diff || exit 1; done
	$(GO) mod verify
	GO=$(GO) node $(TOOLS)/vulnerabilities.mjs

fmt: ## formats every Go file as lint wants it
	$(TOOL) golangci-lint fmt

conformance: npm-emulators ## one table of behaviours against fakeaws and against the npm emulators; half a minute
	CONFORMANCE_NPM=1 $(GO) test -race -count=1 -run 'Conformance|Servers' ./internal/fakeaws/...

e2e: npm-emulators moto ## the built daemon, twice, on the npm emulators, and on moto in three accounts and behind real writers: reshards, SIGKILL, SIGTERM, 20,000 records; 7 minutes
	$(GO) test -tags e2e -count=1 -timeout 25m -v -run E2E ./internal/system

# The other version of a mixed fleet, as git names it.
FROM ?= HEAD~1

mixed: npm-emulators ## workers of the version FROM=git-revision beside this one, killed and replaced: nothing is lost or forgotten; 2 minutes
	@set -e; folder=$$(mktemp -d); trap 'git worktree remove --force "$$folder/source"; rm -rf "$$folder"' EXIT; \
	git worktree add --quiet --detach "$$folder/source" "$(FROM)"; \
	(cd "$$folder/source" && CGO_ENABLED=0 $(GO) build -trimpath -o "$$folder/previous" ./cmd/kinesis-alerter); \
	"$$folder/previous" version; \
	$(GO) test -tags e2e -count=1 -timeout 10m -v -run E2ERemembered ./internal/system -previous "$$folder/previous"

# How long the soak puts records, and the seed of one whose faults are to be drawn again (0 draws one).
MINUTES  ?= 10
SOAKSEED ?= 0

soak: ## two processes for MINUTES=10 under load, reshards, faults, bad answers and kills: an exact ledger, and nothing grows
	$(GO) test -tags e2e -count=1 -timeout 60m -v -run 'TestSoak$$' ./internal/system -soak.minutes $(MINUTES) -soak.seed $(SOAKSEED)

bench: ## every figure that is promised, beside its bar; asserts nothing on a clock; a quarter of an hour
	$(GO) test -tags bench -count=1 -timeout 30m -v -run Figure ./internal/system
	SCALE=1 $(GO) test -count=1 -timeout 10m -v -run 'ScaleOfTheFleet|HandoffGap|StartHundredShards|TestStorm$$' ./checkpoint ./consumer ./alert/dispatch
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem $(BENCHFLAGS) ./...

bench-smoke: ## every Go benchmark once: that it runs, not how fast; 1 minute
	$(GO) test -run '^$$' -bench . -benchtime=1x ./...

fuzz: ## each fuzz target for FUZZTIME (1m); a crasher stays under testdata/fuzz; half an hour
	@set -e; found=0; \
	for pkg in $$($(GO) list ./...); do \
		list=$$($(GO) test -list '^Fuzz' $$pkg); \
		for target in $$(echo "$$list" | grep '^Fuzz'); do \
			found=$$((found + 1)); \
			echo "== $$pkg $$target $(FUZZTIME)"; \
			$(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$pkg; \
		done; \
	done; \
	test $$found -gt 0 || { echo "no fuzz target found" >&2; exit 1; }

sim: ## what make test shortens, whole; RUNS=200 plays so many schedules of each simulation alone, SEED=n repeats one; 3 minutes
ifeq ($(RUNS)$(SEED),)
	$(GOTEST) $(SIMFLAGS) -timeout 30m $(LONG)
else
	MODEL_SCHEDULES=$(RUNS) MODEL_SEED=$(SEED) $(GO) test $(SIMFLAGS) -count=1 -timeout 60m -run TestSim $(SIMS) \
		$(if $(SEED),-rapid.seed=$(SEED) -rapid.checks=1,-rapid.checks=$(RUNS))
endif

# Of the combinations of make hostile, only those that this matches, for example ONLY='later, sns'.
ONLY ?=

hostile: ## every operation meets every answer that is none: whole daemons in virtual time; ONLY=regexp plays some of them; 5 minutes
	$(GO) test -count=1 -timeout 30m -v -run TestHostileAll ./internal/system -hostile -hostile.only '$(ONLY)'

mutate: ## breaks the source in every way that the guarantees exclude, and shows which test finds it; half an hour
	$(GO) test -tags mutation -count=1 -parallel 2 -timeout 30m -v -run TestMutations ./internal/system

# Which parts of deploy/ are checked; all without it.
PARTS ?=

deploy-check: ## image, charts, rules, dashboards, Terraform, compose: each validator says what it ran, or why it was skipped; 5 minutes
	deploy/check.sh $(PARTS)

screenshots: ## the status page in Chromium; the pictures are in bin/screenshots; 2 minutes
	deploy/browser/check.sh

images: ## the pictures of README and docs, from make demo as it runs; 2 minutes
	deploy/browser/images.sh

# Where a release goes: REPOSITORY=owner/name, IMAGE=registry/path, MAINTAINER='Name <address>', SOURCE=https://...
release-dry: ## all that a release has, published nowhere: run by hand, needs docker buildx and syft; 10 minutes
	@mkdir -p bin && deploy/release/notes.sh >bin/release-notes.md
	deploy/release/goreleaser.sh release --config deploy/release/goreleaser.yaml --snapshot --clean --release-notes bin/release-notes.md

pin-images: ## the digests of the base images' tags, into the Dockerfile; asks their registries
	deploy/image/pin.sh

npm-emulators: $(MODULES) ## the pinned npm emulators, from internal/tools/package-lock.json

# fauxqs asks for node 22; the lock file brings one for Linux, so node 20 is enough to start with.
# No package needs its install script: dynalite's native part is only for tables on disk.
$(MODULES): $(TOOLS)/package-lock.json $(TOOLS)/package.json
	cd $(TOOLS) && $(NPM) ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

# Kinesis, SNS, SQS, DynamoDB and STS with several accounts: no npm emulator has these.
MOTO := bin/moto/bin/moto_server

moto: $(MOTO) ## moto, from internal/tools/moto.txt; needs python3 >= 3.10 with venv

$(MOTO): $(TOOLS)/moto.txt
	$(PYTHON) -m venv --clear bin/moto
	bin/moto/bin/pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r $(TOOLS)/moto.txt
	@touch $@

clean: ## removes what was built and installed
	rm -rf bin $(TOOLS)/node_modules $(TOOLS)/browser/node_modules $(TOOLS)/iam/node_modules
