#!/usr/bin/env bash
# Prints the krew manifest of a release: release.sh VERSION HOMEPAGE URL DIRECTORY. DIRECTORY holds the archives that will be
# found below URL; each has to be there, since its checksum goes into the manifest.
set -euo pipefail

[ $# = 4 ] || { printf 'usage: %s VERSION HOMEPAGE URL DIRECTORY\n' "$0" >&2; exit 2; }
version=$1 homepage=$2 url=${3%/} directory=$4
[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]] || { printf 'error: %s is no version such as 1.2.3\n' "$version" >&2; exit 2; }

arguments=(-e '/^#/d' -e "s|@HOMEPAGE@|$homepage|; s|@URL@|$url|; s|@VERSION@|$version|g")
for platform in linux-amd64 linux-arm64 darwin-amd64 darwin-arm64 windows-amd64; do
  archive=$directory/netwright-$version-$platform.tar.gz
  [ -f "$archive" ] || { printf 'error: %s is not there\n' "$archive" >&2; exit 1; }
  sum=$(sha256sum "$archive")
  name=${platform^^}
  arguments+=(-e "s|@SHA256_${name//-/_}@|${sum%% *}|")
done
sed "${arguments[@]}" "$(dirname "${BASH_SOURCE[0]}")/netwright.yaml"
