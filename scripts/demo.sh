#!/usr/bin/env bash
# The demo: builds, then watches a shop of real processes and proves the policies written for it. Outputs: out/demo.
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

say "building"
cargo build --locked -p netwright-agent -p netwright -p netwright-tests
exec "${CARGO_TARGET_DIR:-target}/debug/netwright-demo" out/demo
