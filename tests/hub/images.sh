#!/bin/bash
# tests/hub/images.sh [NAME...] -- build the test images (or only these) and the registry's storage, once
#
# Debian packages become images that follow the contracts of the official ones (catalog.py, web.py), programs that speak
# Docker's API (clients.py), and a set of odd and hostile ones (odd.py); a real registry server is filled with them.
# All of it is kept in
# ${DEVBOX_TEST_CACHE:-/var/tmp/devbox-test-cache}, each piece named by a hash of what it is made from and put there
# by rename, so an interrupted build is simply started again and an unchanged one costs nothing.
# Needs root, and the Debian archive that the machine's apt is configured with.  Prints where the storage is,
# as the last line.
set -euo pipefail
cd "$(dirname "$0")"
cache=${DEVBOX_TEST_CACHE:-/var/tmp/devbox-test-cache}

[ "$(id -u)" = 0 ] || { echo "images: only root can unpack Debian packages into images" >&2; exit 1; }
missing=()
for p in python3 mmdebstrap zstd xz-utils openssl debian-archive-keyring; do
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || missing+=("$p")
done
if [ ${#missing[@]} -gt 0 ]; then
	echo "images: installing ${missing[*]}"
	{ apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends "${missing[@]}"
	} >/dev/null </dev/null
fi
mkdir -p "$cache"
exec 9>"$cache/lock"
flock -n 9 || { echo "images: waiting for another build in $cache"; flock 9; }
exec /usr/bin/python3 -B images.py "$cache" "$@"
