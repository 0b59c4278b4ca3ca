#!/usr/bin/env bash
# The cost of watching as ratios measured in one run, what agent and collector use, and what questions about policies and writing them
# cost; results go to target/bench/results.json. `scripts/bench.sh --bench policy` runs one of them.
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# The programs that the benches start: those of the tests in the profile of `cargo bench`, command, agent and collector as people get them.
cargo build --locked --profile bench --bins -p netwright-tests
cargo build --locked --release -p netwright -p netwright-agent -p netwright-collector
# Where no benchmark exists this fails, rather than measure nothing.
[ $# -gt 0 ] || set -- --bench '*'
exec cargo bench --locked -p netwright-tests "$@"
