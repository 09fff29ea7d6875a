#!/bin/sh
# The entrypoint of the test image "haproxy": the official one's contract (master and worker, in the foreground).
set -e
[ "${1#-}" = "$1" ] || set -- haproxy "$@"
if [ "$1" = haproxy ]; then
	shift
	set -- haproxy -W -db "$@"
fi
exec "$@"
