#!/bin/sh
# The entrypoint of the test image "nginx": what lies in /docker-entrypoint.d runs before the server starts.
set -e
if [ "$1" = nginx ] || [ "$1" = nginx-debug ]; then
	for f in /docker-entrypoint.d/*; do
		case $f in
		*.envsh) [ ! -x "$f" ] || . "$f" ;;
		*.sh) [ ! -x "$f" ] || "$f" ;;
		esac
	done
fi
exec "$@"
