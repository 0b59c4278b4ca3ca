# Every target installs what it needs and keeps it for next time (scripts/setup.sh says what it does and skips what is there).

.PHONY: help setup demo demo-cluster images test chaos bench lint clean

help: ## This list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: ## Install everything that building, the demo and the tests need
	@scripts/setup.sh

demo: ## Watch a shop of real processes, write its policies, prove them (root)
	@scripts/setup.sh demo
	@scripts/demo.sh

demo-cluster: ## The same on a whole real Kubernetes, with the chart installed by Helm (root)
	@scripts/setup.sh demo-cluster
	@scripts/demo-cluster.sh

images: ## Images of agent and collector, and of the actor of tests, in out/images (root)
	@scripts/setup.sh build
	@scripts/setup.sh cluster
	@scripts/images.sh

test: ## Lints, every crate by itself, all tests (the kernel's need root)
	@scripts/setup.sh test
	@scripts/test.sh

chaos: ## A thousand kills of agents and collector under load, full disks, cut networks (root)
	@scripts/setup.sh test
	@scripts/chaos.sh

bench: ## What watching costs, what questions about policies cost, and what writing them costs
	@scripts/setup.sh bench
	@scripts/bench.sh

lint: ## Formatting, clippy, documentation, licences, shell scripts
	@scripts/setup.sh test
	@scripts/lint.sh

clean: ## Remove what was built and what the demo wrote; the tools in ~/.cache/netwright stay
	cargo clean
	rm -rf out
