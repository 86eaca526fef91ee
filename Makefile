# Thin: each target is one command, and what it needs it installs or names. `make help` explains.
export MOORING_CACHE ?= /var/cache/mooring
export CARGO_TARGET_DIR ?= $(MOORING_CACHE)/target
SHELL := /bin/bash

.PHONY: help demo test lint unit processes sim fuzz e2e e2e-versions soak bench clib images crds openapi audit sbom release down

help: ## what there is
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: ## the main job on a real two-node Kubernetes, shown step by step (up to 25 min the first time, 1 min afterwards)
	e2e/run demo

test: ## everything that must pass: lint, unit, and the scenarios on the cluster
	e2e/test

lint: ## formatting, clippy, shell scripts, the chart, the CRDs
	e2e/lint

unit: ## unit, property and process-level tests
	e2e/unit

processes: ## servers and 200 sidecars as processes, killed, stopped, on clocks that jump; no cluster: make processes [ONLY=name]
	e2e/processes $(ONLY)

sim: ## simulated worlds against the promises: make sim [SEEDS=10000] [STEPS=1000] [FIRST=0], or SEED=n [SEVERAL=1] to see one
	SEEDS="$(SEEDS)" STEPS="$(STEPS)" FIRST="$(FIRST)" SEED="$(SEED)" MISTAKE="$(MISTAKE)" SEVERAL="$(SEVERAL)" e2e/sim

fuzz: ## fuzz targets: make fuzz [T=license|chain|token|client_token|annotation|message|admission|route|socket|answer|worker] [SECONDS=60]
	e2e/fuzz "$(or $(T),all)" "$(or $(SECONDS),60)"

e2e: ## scenarios on the cluster: make e2e [T=main_job|gate|corpus|leases|outage|anchors|devices|pods|kueue|revoke|servers|strangers|rotation|skew] [ONLY=name]
	e2e/run scenarios $(or $(T),main_job) $(ONLY)

e2e-versions: ## the same on the other versions of Kubernetes that are supported: make e2e-versions [MOORING_K8S="1.34.4 1.36.3"]
	e2e/versions $(MOORING_K8S)

soak: ## what takes long: 50 pods for 5 seats, two groups ten times, 500 pods in a minute, Kueue, 200 pods of two vendors, a standby on another node: make soak [ONLY=name]
	e2e/run scenarios soak,kueue,servers $(ONLY)

bench: ## against the simplest thing that could answer, beside the goals: make bench [PART="renew claim"] [DRAW=1]
	DRAW="$(DRAW)" e2e/bench $(PART)

clib: ## the C library as it is shipped: its size, and builds for glibc 2.17, musl and arm64 (zig from PyPI)
	e2e/clib && e2e/clib portable

images: ## the container images, and into the cluster if it runs
	e2e/cluster/build && e2e/cluster/images

crds: ## crds/*.yaml and the chart's copies, from the Rust types
	cargo run --locked -q -p mooring-operator -- crds --out crds && e2e/chart-crds

openapi: ## docs/openapi/*.json, docs/schema/*.json and the configuration in docs/contracts.md, from the Rust types and the tables in openapi/
	cargo run --locked -q -p mooring-openapi -- --out docs/openapi

audit: ## licenses, doubled crates, known holes; Miri and loom over the C library: make audit [T="dependencies advisories miri loom"]
	e2e/audit $(T)

sbom: ## what is linked into each program, as CycloneDX: make sbom [OUT=sbom]
	e2e/sbom "$(or $(OUT),sbom)"

release: ## images on a base that is told by its digest, SBOMs, digests: make release BASE=NAME@sha256:… [OUT=release]
	BASE="$(BASE)" e2e/release "$(or $(OUT),release)"

down: ## ends the cluster and leaves nothing behind
	e2e/cluster/down && e2e/cluster/check-clean
