#!/bin/sh
# The entrypoint of the test image "memcached".
set -e
[ "${1#-}" = "$1" ] || set -- memcached "$@"
exec "$@"
