#!/usr/bin/env bash
# The cost of watching, as ratios measured in one run; results go to target/bench/results.json.
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# The programs that the benches start; the profile is that of `cargo bench`.
cargo build --locked --profile bench --bins -p netwright-tests
# Where no benchmark exists this fails, rather than measure nothing.
exec cargo bench --locked -p netwright-tests --bench '*' "$@"
