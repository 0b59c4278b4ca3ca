#!/usr/bin/env bash
# The demo on a real Kubernetes: builds, then has the chart watch a shop for three minutes, and proves the policies written
# for it. Outputs: out/demo-cluster. NETWRIGHT_DEMO_SECONDS is for how long the shop is watched.
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# As in `make demo`, programs are built for speed of building.
NETWRIGHT_IMAGE_PROFILE=${NETWRIGHT_IMAGE_PROFILE:-dev} scripts/images.sh "$NETWRIGHT_IMAGES" agent collector actor
say "building"
cargo build --locked -p netwright-agent -p netwright -p netwright-tests
exec "${CARGO_TARGET_DIR:-target}/debug/netwright-demo-cluster" out/demo-cluster "${NETWRIGHT_DEMO_SECONDS:-180}"
