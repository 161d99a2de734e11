.DEFAULT_GOAL := help

# Tools are pinned here and never enter go.mod: they would move the libraries
# we ship.
GOLANGCI := go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOFUMPT  := go run mvdan.cc/gofumpt@v0.12.0 -modpath gatehouse
VULN     := go run golang.org/x/vuln/cmd/govulncheck@v1.9.0
COMPOSE  := go run github.com/compose-spec/compose-go/v2/cmd@v2.9.0
CADDY    := go run github.com/caddyserver/caddy/v2/cmd/caddy@v$(shell sed -n 's/^    image: caddy://p' docker-compose.yml)
KUBE     := go run sigs.k8s.io/kubectl-validate@v0.0.4

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
COMMIT  := $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
DATE    := $(shell git log -1 --format=%cI 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT) -X main.date=$(DATE)

# The race detector needs cgo, and with it a C driver of SQLite is compiled that
# no code of ours calls. Unoptimised that takes seconds instead of minutes. The
# SQLite that we do call is C made Go: one connection has it at a time, and
# watching each of its reads would take three times as long as all else in a test.
# Codecs of pictures share nothing either.
UNSHARED := -gcflags=modernc.org/sqlite/lib=-race=false -gcflags=image/...=-race=false -gcflags=golang.org/x/image/...=-race=false
RACE     := CGO_ENABLED=1 CGO_CFLAGS=-O0 go test -race $(UNSHARED) -shuffle=on
FUZZTIME ?= 10s

.PHONY: help
help: ## List the targets
	@awk -F':.*## ' '/^[a-z\/-]+:.*## /{printf "%-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: build ## Build, and serve with the defaults
	./bin/gatehouse serve

.PHONY: build
build: ## The static binary, in bin
	CGO_ENABLED=0 go build -trimpath -ldflags "$(LDFLAGS)" -o bin/gatehouse ./cmd/gatehouse

.PHONY: test
test: postgres redis chromium ## All tests, with the race detector
	$(RACE) ./...

.PHONY: faults
faults: postgres redis ## The fault suite with all its rounds: kills, cuts, outages, races
	go test -count=1 -timeout 30m -v ./cmd/gatehouse/faulttest -long

.PHONY: postgres
postgres:
	@.ci/postgres

.PHONY: redis
redis:
	@.ci/redis

.PHONY: chromium
chromium:
	@.ci/chromium

.PHONY: check
check: fmt/check tidy/check vet generate/check lint test ## Everything CI runs

.PHONY: vet
vet: ## Vet
	go vet ./...

.PHONY: lint
lint: ## Lint
	$(GOLANGCI) run ./...

.PHONY: fmt
fmt: ## Format
	$(GOFUMPT) -w .

.PHONY: fmt/check
fmt/check:
	@test -z "$$($(GOFUMPT) -l .)" || { $(GOFUMPT) -d .; exit 1; }

.PHONY: tidy/check
tidy/check:
	go mod tidy -diff

.PHONY: generate
generate: ## Generate code from the API document
	go generate ./adapters/http/api

.PHONY: generate/check
generate/check: generate
	git diff --exit-code -- adapters/http/api

.PHONY: bench
bench: postgres ## Benchmarks: hot use cases and requests on both databases, and what they are made of
	go test -run '^$$' -bench . -benchmem $$(grep -rl --include='*_test.go' '^func Benchmark' . | xargs -n1 dirname | sort -u)

.PHONY: fuzz
fuzz: ## Every fuzz target for FUZZTIME (10s)
	@go list ./... | while read -r pkg; do \
		for target in $$(go test -list '^Fuzz' "$$pkg" | grep '^Fuzz'); do \
			go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) "$$pkg" || exit 1; \
		done; \
	done

.PHONY: cover
cover: postgres redis chromium ## Coverage of all packages by all tests
	go test -coverpkg=./... -coverprofile=cover.out ./... && go tool cover -func=cover.out | tail -1

.PHONY: deploy/check
deploy/check: ## Compose file, proxy, Kubernetes example and image, without a container engine
	mkdir -p bin && $(COMPOSE) -format json docker-compose.yml >bin/map.json
	$(CADDY) validate --adapter caddyfile --config deploy/Caddyfile
	$(KUBE) deploy/kubernetes
	.ci/image

.PHONY: deploy/run
deploy/run: deploy/check ## Start the compose file as processes, and kill some of them (root)
	.ci/map

.PHONY: vuln
vuln: ## Known vulnerabilities that we call
	$(VULN) ./...
