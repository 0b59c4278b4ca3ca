# What a cluster of the tests is made of: Kubernetes, CoreDNS and Helm from their Go modules, and images of what runs in
# every cluster. To be sourced by setup.sh; tests/cluster/README.md says how a cluster is started.
# shellcheck shell=bash
# shellcheck source=scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# buildah makes images without a daemon; postgresql and redis-server are packed into images, and run in pods.
# shellcheck disable=SC2034 # used by who sources this
cluster_packages=(buildah busybox-static conntrack containerd containernetworking-plugins etcd-server iproute2 ipset
  iptables nftables postgresql redis-server runc util-linux)

# Builds a Go module of tests/cluster: NAME DIRECTORY HOW-LONG LINKER-FLAGS
build_module() {
  local name=$1 directory=$2 began=$SECONDS
  if [ -x "$directory/$name" ]; then
    say "${directory##*/}: there ($cache)"
    return
  fi
  command -v go >/dev/null || fail "no go to build $name with; install Go (https://go.dev/dl)"
  say "${directory##*/}: building it once, $3 with nothing cached"
  mkdir -p "$directory"
  # Beside its place, then moved there: an interrupted build leaves nothing that looks complete.
  (cd "$root/tests/cluster/$name" && CGO_ENABLED=0 GOFLAGS=-buildvcs=false \
    go build -trimpath -ldflags "-s -w $4" -o "$directory/$name.new" .)
  mv "$directory/$name.new" "$directory/$name"
  say "${directory##*/}: built in $((SECONDS - began)) s"
}

install_helm() {
  if [ -x "$helm/helm" ]; then
    say "helm $helm_version: there ($helm)"
    return
  fi
  command -v go >/dev/null || fail "no go to build helm with; install Go (https://go.dev/dl)"
  say "helm $helm_version: building it once, some 2 minutes"
  GOBIN=$helm CGO_ENABLED=0 GOFLAGS=-buildvcs=false go install "helm.sh/helm/v4/cmd/helm@v$helm_version"
}

install_cluster() {
  local version=${hyperkube##*/hyperkube-}
  # Without its version the API server would call itself v0.0.0, and clients would believe it.
  build_module hyperkube "$hyperkube" "some 6 minutes on two cores" \
    "-X k8s.io/component-base/version.gitVersion=v${version%-*}"
  ln -sf hyperkube "$hyperkube/kubectl"
  build_module coredns "$coredns" "a minute" ""
  install_helm
  if [ -e "$cluster_images/complete" ]; then
    say "images of every cluster: there ($cluster_images)"
  else
    "$root/scripts/images.sh" "$cluster_images" busybox coredns postgresql redis
    touch "$cluster_images/complete"
  fi
}
