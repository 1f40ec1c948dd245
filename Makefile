# Entry points for people and CI; each is a script of scripts/ that also runs alone.
.DEFAULT_GOAL := help
.PHONY: help demo serve test test-dev test-stress bench bench-peers fuzz lint format clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## build, run a TypeScript server, let independent clients use it, print the statistics, drain
	@scripts/demo.sh

serve: ## build and run a server in the foreground (Ctrl-C drains)
	@scripts/serve.sh

test: ## everything: all tests, then again under ASan+UBSan and under TSan
	@scripts/test.sh dev asan tsan

test-dev: ## all tests once, without sanitizers
	@scripts/test.sh dev

test-stress: ## attacks in full size and many seeds of generated tests, at most 15 minutes
	@scripts/test_stress.sh

bench: ## release build, the server's figures beside their targets and the machine's limit, micro-benchmarks
	@scripts/bench.sh

bench-peers: ## transfers, requests, handshakes, memory beside ngtcp2's own server and Deno's built-in QUIC
	@scripts/bench_peers.sh

fuzz: ## each fuzz target for 30 s (SECONDS_EACH=n for longer)
	@scripts/fuzz.sh

lint: ## layers, circles of imports, file lengths, layout, TypeScript, clang-tidy
	@scripts/lint.sh

format: ## clang-format on every source file
	@scripts/format.sh

clean: ## remove build/
	@rm -rf build
