# Everything that is built, tested and measured here. "make help" lists it.

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
COMMIT  ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
SOAK    ?= 10m
FUZZ    ?= 30s

# Programs that are built once, at the versions in tools/.
TOOLS   := $(CURDIR)/.cache/tools
CLIENTS := crane regctl oras helm helm-cm-push conformance registry cosign notation

POSTGRES := postgresql:postgres
LDAP     := slapd:slapd
ENGINES  := docker.io:dockerd docker.io:docker docker-registry:docker-registry podman:podman skopeo:skopeo buildah:buildah

# What the portal is built of. Without npm the program is built without it.
NPM    := $(shell command -v npm)
PORTAL := $(shell find portal -path portal/node_modules -prune -o -path portal/dist -prune -o -path portal/.cache -prune -o -path portal/e2e -prune -o -type f ! -name schema.d.ts -print)

.PHONY: help build run portal browser screenshots speed test check e2e soak bench fuzz vuln clean
.DELETE_ON_ERROR:

help: ## list these targets
	@sed -n 's/^\([a-z0-9]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

build: $(if $(NPM),portal/dist/index.html) ## build bin/berth, with the portal where npm is there
	$(if $(NPM),,@echo "npm is missing: building without the portal" >&2)
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w -X main.number=$(VERSION) -X main.commit=$(COMMIT)' -o bin/berth ./cmd/berth

portal: portal/dist/index.html ## build the portal into portal/dist, and run its unit tests
	cd portal && npm test

portal/node_modules/.package-lock.json: portal/package-lock.json
	tools/debian nodejs:node npm:npm
	cd portal && npm ci --no-audit --no-fund

# The types of the API are made of its document, and both only change together.
portal/src/api/schema.d.ts: $(shell find internal/serve/api -name '*.go' ! -name '*_test.go') portal/tools/types.mjs portal/node_modules/.package-lock.json
	mkdir -p .cache
	go run ./cmd/berth openapi > .cache/openapi.json
	cd portal && node tools/types.mjs ../.cache/openapi.json

portal/dist/index.html: $(PORTAL) portal/src/api/schema.d.ts
	cd portal && npm run build

browser: $(TOOLS)/crane $(TOOLS)/helm $(TOOLS)/cosign ## the portal in Chromium, against the real binary
	tools/debian nodejs:node npm:npm chromium:chromium
	$(MAKE) build
	cd portal && npm run browser

screenshots: $(TOOLS)/crane $(TOOLS)/helm $(TOOLS)/cosign ## each page of the portal into portal/.cache/screenshots
	tools/debian nodejs:node npm:npm chromium:chromium
	$(MAKE) build
	cd portal && npm run screenshots

STOCK := $(CURDIR)/.cache/stock.db
speed: ## how soon pages of the portal are there, with 10,000 repositories and 100,000 artifacts
	tools/debian nodejs:node npm:npm chromium:chromium
	$(MAKE) build
	BERTH_TEST_STOCK=$(STOCK) go test -count 1 -run TestKeepStock ./internal/storage/sqlstore
	cd portal && BERTH_TEST_STOCK=$(STOCK) npm run speed

run: build ## build and start a server: make run ARGS="--listen 127.0.0.1:9000"
	bin/berth serve $(ARGS)

test: ## vet, and run all Go tests on SQLite and PostgreSQL
	tools/debian $(POSTGRES) $(LDAP)
	go vet ./...
	tools/postgres go test -timeout 10m ./...

# SQLite's own code, which was translated from C, is left out of the race detector's
# view: it took three quarters of the time, and is not ours to mend.
check: $(TOOLS)/golangci-lint ## formatting, vet, lint, and all Go tests under the race detector
	@unformatted=$$(gofmt -l cmd internal portal/*.go test); [ -z "$$unformatted" ] || { echo "not formatted: $$unformatted"; exit 1; }
	go vet -tags e2e ./...
	cd test/goclient && go vet -tags e2e ./...
	$(TOOLS)/golangci-lint run
	tools/debian nodejs:node npm:npm
	$(MAKE) portal
	tools/debian gcc:gcc libc6-dev:gcc $(LDAP)
	CGO_ENABLED=1 go test -race -gcflags='modernc.org/sqlite/lib=-race=false' -timeout 25m ./...

e2e: build $(CLIENTS:%=$(TOOLS)/%) ## real clients, conformance, another registry, crashes, a full disk
	tools/debian $(ENGINES) $(POSTGRES) $(LDAP)
	tools/postgres go test -tags e2e -count 1 -p 1 -timeout 15m ./test/...
	cd test/goclient && BERTH_TEST_BIN=$(CURDIR)/bin/berth go test -tags e2e -count 1 -timeout 10m ./...

soak: build ## kill the server again and again for SOAK, on both databases at once
	tools/debian $(POSTGRES)
	BERTH_TEST_SOAK=$(SOAK) tools/postgres go test -tags e2e -count 1 -v -timeout 0 -run TestNothingAcknowledgedIsLost ./test/crash

bench: build $(TOOLS)/benchstat ## measure speed beside Debian's docker-registry
	tools/debian docker-registry:docker-registry
	go run ./test/bench -raw .cache/bench.txt $(BENCH)
	$(TOOLS)/benchstat -col /server .cache/bench.txt

fuzz: ## run each fuzz target for FUZZ
	@for file in $$(git ls-files -co --exclude-standard '*_test.go' | xargs grep -l '^func Fuzz'); do \
		for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9]*\).*/\1/p' $$file); do \
			go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZ) -fuzzminimizetime 10x ./$$(dirname $$file) || exit 1; \
		done; \
	done

vuln: $(TOOLS)/govulncheck ## known vulnerabilities in what we depend on; needs vuln.go.dev
	$(TOOLS)/govulncheck ./...

clean: ## remove what was built; data stays
	rm -rf bin .cache portal/.cache portal/node_modules portal/src/api/schema.d.ts
	find portal/dist -mindepth 1 ! -name .gitkeep -delete

# The linter and benchstat have their versions in tools/go.mod, Helm and its
# plugin in tools/helm/go.mod, notation in tools/notation/go.mod, other clients in
# tools/clients. Go's own caches make a second build quick.
$(TOOLS)/golangci-lint: PKG := github.com/golangci/golangci-lint/v2/cmd/golangci-lint
$(TOOLS)/benchstat:     PKG := golang.org/x/perf/cmd/benchstat
$(TOOLS)/govulncheck:   PKG := golang.org/x/vuln/cmd/govulncheck
$(TOOLS)/golangci-lint $(TOOLS)/benchstat $(TOOLS)/govulncheck: tools/go.mod
	cd tools && CGO_ENABLED=0 GOBIN=$(TOOLS) go install $(PKG)

$(TOOLS)/helm:         PKG := helm.sh/helm/v3/cmd/helm
$(TOOLS)/helm-cm-push: PKG := github.com/chartmuseum/helm-push/cmd/helm-cm-push
$(TOOLS)/helm $(TOOLS)/helm-cm-push: tools/helm/go.mod
	cd tools/helm && CGO_ENABLED=0 GOBIN=$(TOOLS) go install $(PKG)

$(TOOLS)/notation: tools/notation/go.mod
	cd tools/notation && CGO_ENABLED=0 GOBIN=$(TOOLS) go install github.com/notaryproject/notation/cmd/notation

$(patsubst %,$(TOOLS)/%,$(filter-out helm% notation,$(CLIENTS))): $(TOOLS)/%: tools/clients
	CGO_ENABLED=0 GOBIN=$(TOOLS) go install $$(awk '$$1 == "$*" { print $$2 }' tools/clients)
