# Everything starts here: `make run` boots the embedded guest, `make test` runs all tests. Both do
# their own set-up. `make help` lists the rest.

SWIFT ?= swift
RELEASE := $(SWIFT) build -c release
# Tests run optimised (they boot real kernels) and see internal declarations, so they have a build
# directory of their own.
TEST_FLAGS := -c release -Xswiftc -enable-testing --scratch-path .build-tests
SWIFT_SOURCES := Package.swift Sources Tests roms

.PHONY: admission help run test build setup guests lint format bench regression measure-window programs fuzz asan boots \
  lockstep goldens pictures clean
.DEFAULT_GOAL := help

help: ## Lists the targets.
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' Makefile | expand -t 16

setup: ## Installs what the build needs, if anything is missing.
	@scripts/setup.sh

build: setup ## Builds the release binary, .build/release/switchback.
	$(RELEASE) --product switchback

run: build ## Boots the embedded demonstration guest. Arguments: make run ARGS="--stats".
	.build/release/switchback run --demo $(ARGS)

guests: setup ## Fetches Debian's i386 kernels and busybox into guests/.
	@scripts/fetch-guests.sh

test: setup guests ## Runs all tests. A part of them: make test FILTER=Loader.
	$(SWIFT) build --build-tests $(TEST_FLAGS)
	$(SWIFT) test $(TEST_FLAGS) $(if $(FILTER),--filter $(FILTER))

lint: ## Checks format, style rules and shell scripts.
	$(SWIFT) format lint --strict --parallel --recursive $(SWIFT_SOURCES)
	@scripts/check-style.sh

format: ## Formats all Swift sources.
	$(SWIFT) format --in-place --parallel --recursive $(SWIFT_SOURCES)

bench: build guests ## Measures native and every engine: table, JSON, CSV and plots in benchmarks/results/.
	@mkdir -p benchmarks/results
	.build/release/switchback bench --suite all --output benchmarks/results $(ARGS)

measure-window: build guests ## Measures what the window costs: idle guest, frames a second, speed of the guest.
	@mkdir -p benchmarks/results
	benchmarks/window.py --json benchmarks/results/window.json $(ARGS)

programs: build guests ## Measures five programs of Debian, with profiles, in benchmarks/results/programs/.
	benchmarks/real.py $(ARGS)

regression: build ## Compares the user suite with benchmarks/baseline.json and names what got slower.
	@mkdir -p benchmarks/results
	.build/release/switchback bench --json benchmarks/results/regression.json $(ARGS)
	benchmarks/regression.py benchmarks/baseline.json benchmarks/results/regression.json

admission: setup ## Measures what a decision for or against direct execution costs.
	$(SWIFT) build --build-tests $(TEST_FLAGS)
	SWITCHBACK_ADMISSION=1 $(SWIFT) test $(TEST_FLAGS) --skip-build --filter AdmissionCost

fuzz: setup ## Runs random code against the host until interrupted; translated code: make fuzz ENGINE=translated.
	$(SWIFT) build --build-tests $(TEST_FLAGS)
	SWITCHBACK_FUZZ=$(or $(ENGINE),1) $(SWIFT) test $(TEST_FLAGS) --skip-build --filter OracleTests

asan: setup ## Fuzzes all devices with AddressSanitizer: make asan MILLIONS=8.
	$(SWIFT) build --build-tests -c release -Xswiftc -enable-testing --scratch-path .build-asan --sanitize=address
	SWITCHBACK_DEVICE_FUZZ=$(or $(MILLIONS),4) ASAN_OPTIONS=detect_leaks=0 $(SWIFT) test --skip-build -c release \
	  -Xswiftc -enable-testing --scratch-path .build-asan --sanitize=address \
	  --filter 'DeviceFuzzTests|deviceSurvives|memoryDeviceSurvives|DevicesTests'

boots: build guests ## Boots memtest86+, Debian's installer and a Debian with systemd: make boots ARGS="translator".
	scripts/boot-systems.sh $(ARGS)

lockstep: setup guests ## Boots both kernels to the end on interpreter and translator side by side.
	$(SWIFT) build --build-tests $(TEST_FLAGS)
	SWITCHBACK_LOCKSTEP=full $(SWIFT) test $(TEST_FLAGS) --skip-build --filter LockstepBootTests

goldens: setup ## Accepts the code that the translator emits now as what it should emit.
	$(SWIFT) build --build-tests $(TEST_FLAGS)
	SWITCHBACK_ACCEPT=1 $(SWIFT) test $(TEST_FLAGS) --skip-build --filter GoldenTests

pictures: build guests ## Makes the pictures of the documentation.
	scripts/make-pictures.py

clean: ## Removes build products and fetched guests.
	rm -rf .build .build-tests guests benchmarks/results
