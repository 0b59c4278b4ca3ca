#!/usr/bin/env bash
# Everything that has to hold: lints, every crate by itself, and all tests.
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

scripts/lint.sh

say "each crate by itself"
for package in netwright-record netwright-policy netwright-policy-fuzz netwright-resolve netwright-service netwright-collector netwright-abi netwright netwright-agent netwright-tests; do
  cargo check --locked --quiet -p "$package"
  say "  $package"
done

# What runs at a desk must build there; only `check`, so no foreign linker is needed. The pure crates alone where C code
# in the tree needs a foreign compiler.
say "off Linux"
others=$(rustup target list --installed 2>/dev/null | grep -v -- '-linux-' || true)
if [ -z "$others" ]; then
  say "  skipped: no Rust target off Linux is installed (rustup target add x86_64-pc-windows-gnu)"
fi
for target in $others; do
  cargo check --locked --quiet -p netwright -p netwright-policy -p netwright-record --target "$target"
  say "  $target"
done

# What runs in pods is tested from the images that are shipped, with the profile of the other tests: it checks more, and is
# built sooner.
export NETWRIGHT_IMAGE_PROFILE=${NETWRIGHT_IMAGE_PROFILE:-dev}
if [ "$(id -u)" = 0 ]; then
  scripts/images.sh "$NETWRIGHT_IMAGES" agent collector actor
else
  say "images: skipped, not root"
fi

say "tests"
cargo build --locked -p netwright-agent -p netwright-collector -p netwright -p netwright-tests
cargo test --locked "${host_packages[@]}" --no-fail-fast
