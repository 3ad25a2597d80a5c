# Everything that people and CI do with this repository. `make test` and
# `make lint` are what must pass.

GOLANGCI_LINT = go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOFUMPT       = go run mvdan.cc/gofumpt@v0.12.0
FUZZTIME     ?= 5s
CHAOS_TIME   ?= 10m
SOAK_TIME    ?= 30m
SEED         ?= 0
BOOTSTRAP    ?= one
ROUNDS       ?= 1

# The toolchain that go.mod names, also where the environment says to stay with
# the one that is installed: the older ones have known faults in HTTP/2.
export GOTOOLCHAIN = auto

.PHONY: run build test unit e2e chaos soak lint fmt bench bench-go bench-peers fuzz picture

run:
	@echo "Building sluice. The first time, with modules to fetch, this takes a minute or two …"
	@go run ./cmd/sluice dev

build:
	go build -o sluice ./cmd/sluice

# First what the tests need is installed, and what is missing is said. A failure
# does not end it before all tests have run: one run tells all that is wrong.
test:
	go run ./bench/stack/stackd -install
	@failed=0; $(MAKE) unit || failed=1; $(MAKE) e2e || failed=1; exit $$failed

unit:
	go test -race -shuffle=on -timeout 20m $$(go list ./... | grep -Ev '/bench/(e2e|chaos|soak)$$')

# End to end, with real Kafka, Redis and Chromium, a minute of chaos and one of
# soak. Without -race, as these tests move a lot of data; the servers under test
# are processes of their own. Most tests wait most of their time, so that several run at once.
e2e:
	go test -count=1 -p 1 -parallel 4 -timeout 30m ./bench/e2e ./bench/chaos ./bench/soak

# Instances, brokers, Redis and the balancer are killed and paused for so long
# under load. The same SEED strikes the same at the same times; 0 draws one. With
# BOOTSTRAP=one each instance is told of one broker, with all of all. Among the
# strikes are unclean elections, of a topic of their own.
chaos:
	go run ./bench/chaos -time $(CHAOS_TIME) -seed $(SEED) -bootstrap $(BOOTSTRAP)

# Clients of all kinds come and go for so long, and what an instance still has
# after each round is compared with what it accounts for. The same SEED has the
# same clients; 0 draws one.
soak:
	go run ./bench/soak -time $(SOAK_TIME) -seed $(SEED)

lint:
	go mod verify
	go mod tidy -diff
	go vet ./...
	go -C bench/peers vet ./...
	@unformatted=$$($(GOFUMPT) -l .) && if [ -n "$$unformatted" ]; then \
		echo "gofumpt wants other formatting (make fmt):"; echo "$$unformatted"; exit 1; fi
	$(GOLANGCI_LINT) run ./...
	.ci/govulncheck

fmt:
	$(GOFUMPT) -w .

# All scenarios, or those in SCENARIOS (go run ./bench/load -list), into the tables
# of web/docs/measurements.md and README.md. Where records are delivered live and
# without a filter, the peer bare is measured beside Sluice, ROUNDS times in turn: the
# limit of what a server can do on this machine.
bench:
	go run ./bench/load -short -rounds $(ROUNDS) -results .cache/bench.json -tables web/docs/measurements.md,README.md $(SCENARIOS)

# The inner loops, with their allocations.
bench-go:
	go test -run '^$$' -bench . -benchmem -benchtime 1s ./hub/... ./transport/... ./auth

# Sluice beside other servers and bare, into the tables of web/docs/comparison.md.
bench-peers:
	go run ./bench/load -short -peers all -results .cache/bench-peers.json -tables web/docs/comparison.md $(SCENARIOS)

# The pictures in README.md and the documents, by Chromium.
picture:
	go run ./bench/picture web/docs

# Every fuzz target that there is, each for FUZZTIME.
fuzz:
	@set -eu; for package in $$(go list ./...); do \
		targets=$$(go test -list '^Fuzz' $$package); \
		for target in $$(echo "$$targets" | grep '^Fuzz' || true); do \
			echo "$$package $$target"; \
			go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$package; \
		done; \
	done
