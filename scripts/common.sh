# What the other scripts share: where tools are kept, and how progress is said. To be sourced, from anywhere.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/netwright

bpf_linker_version=0.13.0
cargo_deny_version=0.20.2
nca_version=2.1.0
kubernetes_validate_version=1.37.0
kustomize_version=5.7.1
cilium_version=1.20.2
istio_api_version=1.31.1
network_policy_api_version=0.2.0
# Calico's releases are no Go versions; this is a commit of 2025-08-13.
calico_version=1.11.0-cni-plugin.0.20250813170300-a0db560f0520
hadolint_version=2.15.1
helm_version=4.3.1
# shellcheck disable=SC2034 # used by those who source this
llvm_version=22

# A Go module of tests/cluster is built anew when one of its files changes. go.mod says which version it is of.
module_cache() {
  local directory=$root/tests/cluster/$1 version key
  version=$(sed -n "s|^require $2 v||p; s|^\t$2 v||p" "$directory/go.mod")
  key=$(cat "$directory"/{go.mod,go.sum,main.go} | sha256sum)
  printf '%s\n' "$cache/$1-$version-${key:0:12}"
}

bpf_linker=$cache/bpf-linker-$bpf_linker_version
cargo_deny=$cache/cargo-deny-$cargo_deny_version
oracles=$cache/oracles-nca-$nca_version-kubernetes-validate-$kubernetes_validate_version
kustomize=$cache/kustomize-$kustomize_version
crds=$cache/crds-cilium-$cilium_version-istio-$istio_api_version-cluster-$network_policy_api_version-calico-${calico_version##*-}
hadolint=$cache/hadolint-$hadolint_version
helm=$cache/helm-$helm_version
hyperkube=$(module_cache hyperkube k8s.io/kubernetes)
coredns=$(module_cache coredns github.com/coredns/coredns)
cluster_images=$cache/cluster-images-${coredns##*-}-$(cat "$root"/tests/cluster/images/* "$root/scripts/images.sh" | sha256sum | cut -c 1-12)

# The build script of the agent looks for bpf-linker here; the tests look for second opinions there.
export NETWRIGHT_BPF_TOOLS=$bpf_linker/bin
export NETWRIGHT_NCA=$oracles/bin/nca
export NETWRIGHT_KUSTOMIZE=$kustomize/kustomize
export NETWRIGHT_CRDS=$crds/complete
# The cluster of the tests (tests/cluster/README.md) is made of these.
export NETWRIGHT_HYPERKUBE=$hyperkube/hyperkube
export NETWRIGHT_CLUSTER_IMAGES=$cluster_images
export NETWRIGHT_IMAGES=${NETWRIGHT_IMAGES:-$root/out/images}
export NETWRIGHT_HELM=$helm/helm
export PATH="$bpf_linker/bin:$cargo_deny/bin:$hadolint/bin:$PATH"

# Everything but the BPF programs, which build for the BPF target only (agent/build.rs does it).
# shellcheck disable=SC2034 # used by those who source this
host_packages=(--workspace --exclude netwright-programs)

say() {
  printf '%s\n' "-- $*" >&2
}

fail() {
  printf '%s\n' "error: $*" >&2
  exit 1
}

cd "$root" || fail "cannot enter $root"
