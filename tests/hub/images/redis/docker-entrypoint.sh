#!/bin/sh
# The entrypoint of the test images "redis" and "valkey": the official ones' contract.
set -e
server=$(cat /etc/docker-entrypoint-server)

# flags or a configuration file first: they are for the server
if [ "${1#-}" != "$1" ] || [ "${1%.conf}" != "$1" ]; then
	set -- "$server" "$@"
fi

if [ "$1" = "$server" ] && [ "$(id -u)" = 0 ]; then
	find . \! -user "${server%-server}" -exec chown "${server%-server}" '{}' +
	exec gosu "${server%-server}" "$0" "$@"
fi

# the official programs are built with protected mode off; Debian's are not
if [ "$1" = "$server" ]; then
	case " $* " in
	*.conf\ *|*" --protected-mode "*) ;;
	*) set -- "$@" --protected-mode no ;;
	esac
fi

# new files are nobody else's business unless somebody chose another mask
[ "$(umask)" != 0022 ] || umask 0077
exec "$@"
