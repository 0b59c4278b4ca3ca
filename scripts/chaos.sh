#!/usr/bin/env bash
# Agents and a collector under load, killed NETWRIGHT_KILLS times at random points, half of them with each store; says at the end what
# was done to them and what came of it. NETWRIGHT_SEED repeats the choices of a run.
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

export NETWRIGHT_KILLS=${NETWRIGHT_KILLS:-1000}
cargo build --locked -p netwright-collector
# Where a part cannot run the test says so in one line and passes, as in `make test`.
exec cargo test --locked -p netwright-tests --test chaos
