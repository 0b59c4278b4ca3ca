#!/usr/bin/env bash
# What needs no running: formatting, lints, documentation, licences, shell, image files.
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

say "formatting"
cargo fmt --all --check
say "clippy"
cargo clippy --locked "${host_packages[@]}" --all-targets -- -D warnings
say "documentation"
# Private items are documented too, for who works on them, so links to them are fine.
RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" cargo doc --locked "${host_packages[@]}" --no-deps --quiet
say "licences, bans and sources"
# The whole tree is looked at, with what only other operating systems compile.
cargo fetch --locked --quiet
cargo deny --offline check licenses bans sources
say "shell scripts"
shellcheck --external-sources scripts/*.sh .ci/run tests/cluster/images/*.sh deploy/krew/*.sh
say "image files"
hadolint deploy/image/*.Containerfile tests/cluster/images/*.Containerfile
say "Go"
unformatted=$(gofmt -l tests/cluster)
[ -z "$unformatted" ] || fail "gofmt would change: $unformatted"
say "alerts"
promtool check rules deploy/alerts/netwright.rules.yaml
