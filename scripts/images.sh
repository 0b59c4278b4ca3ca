#!/usr/bin/env bash
# Builds images as docker-archive files, without Docker: images.sh DIRECTORY NAME…. Names: agent, collector, actor,
# busybox, coredns, postgresql, redis. Without names, the first three. The same binaries give the same bytes.
# An image is localhost/netwright-NAME:test; NETWRIGHT_IMAGE_TAG is another tag. NETWRIGHT_IMAGE_PROFILE is the Cargo profile
# of the binaries (release). Needs root and buildah (setup.sh cluster).
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

profile=${NETWRIGHT_IMAGE_PROFILE:-release}
triple=$(uname -m)-unknown-linux-gnu
target=${CARGO_TARGET_DIR:-$root/target}/static

# Arguments are those of Cargo that name packages and binaries. All at once: by itself each would have features of its own,
# and what several depend on would be built for each.
build_binaries() {
  say "static binaries ($profile): $*"
  # With --target the flags are not those of build scripts and procedural macros, which cannot be static.
  RUSTFLAGS="-C target-feature=+crt-static" CARGO_TARGET_DIR=$target \
    cargo build --locked --quiet --profile "$profile" --target "$triple" "$@"
}

binary() {
  local built=$target/$triple/${profile/#dev/debug}/$1
  [ -f "$built" ] || fail "$built is not there: $1 is no binary of its package"
  strip -o "$2/$1" "$built"
}

# What programs load, themselves included, below a new root: ROOT FILE…
copy_with_libraries() {
  local into=$1 file
  shift
  for file in "$@"; do printf '%s\n' "$file"; ldd "$file" | grep -o '/[^ ]*' || true; done | sort -u |
    while read -r file; do
      mkdir -p "$into${file%/*}"
      cp -L "$file" "$into$file"
    done
}

busybox_in() {
  mkdir -p "$1/bin" "$1/tmp" "$1/etc"
  chmod 1777 "$1/tmp"
  cp -L "$(command -v busybox)" "$1/bin/busybox"
  local applet
  for applet in $("$1/bin/busybox" --list); do
    [ "$applet" = busybox ] || ln -s busybox "$1/bin/$applet"
  done
}

# Everything that an image is made of, into the empty folder $2.
contents() {
  case $1 in
    agent | collector | actor) binary "netwright-$1" "$2" ;;
    busybox) busybox_in "$2/rootfs" ;;
    coredns) cp "$coredns/coredns" "$2/" ;;
    redis) copy_with_libraries "$2/rootfs" /usr/bin/redis-server /usr/bin/redis-cli ;;
    postgresql) postgresql_in "$2/rootfs" ;;
    *) fail "unknown image $1: agent, collector, actor, busybox, coredns, postgresql or redis" ;;
  esac
}

postgresql_in() {
  local installed
  installed=$(find /usr/lib/postgresql -mindepth 1 -maxdepth 1 | sort -V | tail -n 1)
  [ -n "$installed" ] || fail "PostgreSQL is not installed: scripts/setup.sh cluster"
  busybox_in "$1"
  mkdir -p "$1$installed/lib" "$1/usr/share/postgresql" "$1/data"
  # Not its compiler for queries: that is LLVM, many times the size of the rest.
  find "$installed/lib" -maxdepth 1 -name '*.so' ! -name 'llvmjit*' -exec cp {} "$1$installed/lib/" \;
  cp -r "/usr/share/postgresql/${installed##*/}" "$1/usr/share/postgresql/"
  mkdir -p "$1/usr/share" && cp -rL /usr/share/zoneinfo "$1/usr/share/"
  copy_with_libraries "$1" "$installed"/bin/{postgres,initdb,psql,pg_isready,pg_ctl} "$installed"/lib/{plpgsql,dict_snowball}.so
  ln -s "${installed##*/}/bin" "$1/usr/lib/postgresql/bin"
  printf 'postgres:x:65532:65532::/data:/bin/sh\n' >"$1/etc/passwd"
  chmod 1777 "$1/data"
  install -m 755 tests/cluster/images/postgresql.sh "$1/bin/start"
}

file_of() {
  case $1 in
    agent | collector) printf '%s\n' "deploy/image/$1.Containerfile" ;;
    *) printf '%s\n' "tests/cluster/images/$1.Containerfile" ;;
  esac
}

# Storage of our own: nothing is left in the machine's, and no image there is used.
package() {
  local name=$1 tag=localhost/netwright-$1:${NETWRIGHT_IMAGE_TAG:-test} context=$work/$1
  mkdir -p "$context"
  contents "$name" "$context"
  "${buildah[@]}" build --quiet --isolation chroot --timestamp 0 --build-arg "VERSION=$version" \
    --file "$(file_of "$name")" --tag "$tag" "$context" >/dev/null
  rm -f "$work/$name.tar"
  "${buildah[@]}" push --quiet "$tag" "docker-archive:$work/$name.tar:$tag"
  mv "$work/$name.tar" "$directory/$name.tar"
  say "$directory/$name.tar: $tag, $(du -h "$directory/$name.tar" | cut -f 1)"
}

directory=${1:-$root/out/images}
shift || true
names=("$@")
[ ${#names[@]} -gt 0 ] || names=(agent collector actor)
[ "$(id -u)" = 0 ] || fail "not root: buildah keeps the owners of files; run as root"
command -v buildah >/dev/null || fail "no buildah: scripts/setup.sh cluster installs it"
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
mkdir -p "$directory"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
buildah=(buildah --storage-driver vfs --root "$work/storage" --runroot "$work/run")

built=()
for name in "${names[@]}"; do
  case $name in
    agent | collector) built+=(-p "netwright-$name" --bin "netwright-$name") ;;
    actor) built+=(-p netwright-tests --bin netwright-actor) ;;
  esac
done
[ ${#built[@]} = 0 ] || build_binaries "${built[@]}"
for name in "${names[@]}"; do package "$name"; done
