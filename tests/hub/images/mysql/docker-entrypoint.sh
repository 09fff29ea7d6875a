#!/bin/bash
# The entrypoint of the test image "mysql".  It keeps the contract that the official image documents -- variables,
# order of events, words of its messages -- so that what works with it works with the official one.
set -eo pipefail
shopt -s nullglob

note() { printf '%s [Note] [Entrypoint]: %s\n' "$(date --rfc-3339=seconds)" "$*"; }
warn() { printf '%s [Warn] [Entrypoint]: %s\n' "$(date --rfc-3339=seconds)" "$*" >&2; }
fail() { printf '%s [ERROR] [Entrypoint]: %s\n' "$(date --rfc-3339=seconds)" "$*" >&2; exit 1; }

# NAME from the environment or from the file named by NAME_FILE, which may hold a secret.
from_env_or_file() {
	local name=$1 file=${1}_FILE
	[ -z "${!name:-}" ] || [ -z "${!file:-}" ] || fail "Both $name and $file are set (but are exclusive)"
	if [ -n "${!file:-}" ]; then
		export "$name=$(<"${!file}")"
	fi
	unset "$file"
}

# What mysqld itself says about one of its settings.
setting() {
	mysqld --verbose --help --log-bin-index="$(mktemp -u)" "${@:2}" 2>/dev/null |
		awk -v key="$1" '$1 == key && /^[^ \t]/ { sub(/^[^ \t]+[ \t]+/, ""); print; exit }'
}

# Arguments that ask mysqld for words only.
asks_for_help() {
	local a
	for a; do
		case $a in -'?'|-h|--help|--print-defaults|-V|--version) return 0 ;; esac
	done
	return 1
}

client() {	# a client of the temporary server, as root
	mysql --defaults-extra-file=<(credentials) --protocol=socket -uroot -hlocalhost --socket="$socket" \
		--comments "$@"
}
credentials() {
	if [ -n "$password_is_set" ] && [ -n "$MYSQL_ROOT_PASSWORD" ]; then
		printf '[client]\npassword="%s"\n' "$(sed 's/[\\"]/\\&/g' <<<"$MYSQL_ROOT_PASSWORD")"
	fi
}
quoted() { printf "'%s'" "$(sed "s/\\\\/&&/g; s/'/''/g" <<<"$1")"; }

start_temporary_server() {
	"$@" --daemonize --skip-networking --default-time-zone=SYSTEM --socket="$socket" ||
		fail 'Unable to start server.'
}

set_up_accounts() {
	local host=${MYSQL_ROOT_HOST-%} db
	if [ -z "${MYSQL_INITDB_SKIP_TZINFO:-}" ] && [ -d /usr/share/zoneinfo ]; then
		mysql_tzinfo_to_sql /usr/share/zoneinfo 2>/dev/null | client --database=mysql 2>/dev/null || true
	fi
	if [ -n "${MYSQL_RANDOM_ROOT_PASSWORD:-}" ]; then
		MYSQL_ROOT_PASSWORD=$(openssl rand -base64 24)
		note "GENERATED ROOT PASSWORD: $MYSQL_ROOT_PASSWORD"
	fi
	{
		echo 'SET @@SESSION.SQL_LOG_BIN=0;'
		echo "ALTER USER 'root'@'localhost' IDENTIFIED BY $(quoted "$MYSQL_ROOT_PASSWORD");"
		echo "GRANT ALL ON *.* TO 'root'@'localhost' WITH GRANT OPTION;"
		if [ -n "$host" ] && [ "$host" != localhost ]; then
			echo "CREATE USER 'root'@$(quoted "$host") IDENTIFIED BY $(quoted "$MYSQL_ROOT_PASSWORD");"
			echo "GRANT ALL ON *.* TO 'root'@$(quoted "$host") WITH GRANT OPTION;"
		fi
		echo 'FLUSH PRIVILEGES;'
		echo 'DROP DATABASE IF EXISTS test;'
	} | client --database=mysql
	password_is_set=1
	if [ -n "${MYSQL_DATABASE:-}" ]; then
		note "Creating database $MYSQL_DATABASE"
		echo "CREATE DATABASE IF NOT EXISTS \`$MYSQL_DATABASE\`;" | client --database=mysql
	fi
	if [ -n "${MYSQL_USER:-}" ] && [ -n "${MYSQL_PASSWORD:-}" ]; then
		note "Creating user $MYSQL_USER"
		echo "CREATE USER $(quoted "$MYSQL_USER")@'%' IDENTIFIED BY $(quoted "$MYSQL_PASSWORD");" |
			client --database=mysql
		if [ -n "${MYSQL_DATABASE:-}" ]; then
			note "Giving user $MYSQL_USER access to schema $MYSQL_DATABASE"
			db=${MYSQL_DATABASE//_/\\_}
			echo "GRANT ALL ON \`$db\`.* TO $(quoted "$MYSQL_USER")@'%';" | client --database=mysql
		fi
	fi
}

run_init_files() {
	local f use=${MYSQL_DATABASE:+--database=$MYSQL_DATABASE}
	echo
	for f in /docker-entrypoint-initdb.d/*; do
		case $f in
		*.sh)
			if [ -x "$f" ]; then
				note "running $f"
				"$f"
			else
				note "sourcing $f"
				# shellcheck disable=SC1090
				. "$f"
			fi ;;
		*.sql) note "running $f"; client $use <"$f" ;;
		*.sql.gz) note "running $f"; gunzip -c "$f" | client $use ;;
		*.sql.bz2) note "running $f"; bunzip2 -c "$f" | client $use ;;
		*.sql.xz) note "running $f"; xzcat "$f" | client $use ;;
		*.sql.zst) note "running $f"; zstd -dc "$f" | client $use ;;
		*) warn "ignoring $f" ;;
		esac
		echo
	done
}

initialise() {
	if [ -z "$MYSQL_ROOT_PASSWORD" ] && [ -z "${MYSQL_ALLOW_EMPTY_PASSWORD:-}" ] &&
			[ -z "${MYSQL_RANDOM_ROOT_PASSWORD:-}" ]; then
		fail 'Database is uninitialized and password option is not specified
    You need to specify one of the following as an environment variable:
    - MYSQL_ROOT_PASSWORD
    - MYSQL_ALLOW_EMPTY_PASSWORD
    - MYSQL_RANDOM_ROOT_PASSWORD'
	fi
	[ "${MYSQL_USER:-}" != root ] || fail 'MYSQL_USER="root", MYSQL_USER and MYSQL_PASSWORD are for configuring a regular user and cannot be used for the root user
    Remove MYSQL_USER="root" and use one of the following to control the root user password:
    - MYSQL_ROOT_PASSWORD
    - MYSQL_ALLOW_EMPTY_PASSWORD
    - MYSQL_RANDOM_ROOT_PASSWORD'
	if [ -n "${MYSQL_USER:-}" ] && [ -z "${MYSQL_PASSWORD:-}" ]; then
		warn 'MYSQL_USER specified, but missing MYSQL_PASSWORD; MYSQL_USER will not be created'
	elif [ -z "${MYSQL_USER:-}" ] && [ -n "${MYSQL_PASSWORD:-}" ]; then
		warn 'MYSQL_PASSWORD specified, but missing MYSQL_USER; MYSQL_PASSWORD will be ignored'
	fi
	ls /docker-entrypoint-initdb.d/ >/dev/null
	note 'Initializing database files'
	"$@" --initialize-insecure --default-time-zone=SYSTEM
	note 'Database files initialized'
	note 'Starting temporary server'
	start_temporary_server "$@"
	note 'Temporary server started.'
	set_up_accounts
	run_init_files
	if [ -n "${MYSQL_ONETIME_PASSWORD:-}" ]; then
		echo "ALTER USER 'root'@$(quoted "${MYSQL_ROOT_HOST-%}") PASSWORD EXPIRE;" | client --database=mysql
	fi
	note 'Stopping temporary server'
	mysqladmin --defaults-extra-file=<(credentials) shutdown -uroot --socket="$socket" ||
		fail 'Unable to shut down server.'
	note 'Temporary server stopped'
	echo
	note 'MySQL init process done. Ready for start up.'
	echo
}

[ "${1:0:1}" != - ] || set -- mysqld "$@"

if [ "$1" = mysqld ] && ! asks_for_help "${@:2}"; then
	note "Entrypoint script for MySQL Server $MYSQL_VERSION started."
	if ! words=$("$@" --verbose --help --log-bin-index="$(mktemp -u)" 2>&1 >/dev/null); then
		fail "mysqld failed while attempting to check config
    command was: $* --verbose --help --log-bin-index
    $words"
	fi
	datadir=$(setting datadir "${@:2}")
	socket=$(setting socket "${@:2}")
	if [ "$(id -u)" = 0 ]; then
		mkdir -p "$datadir"
		find "$datadir" \! -user mysql -exec chown --no-dereference mysql '{}' +
		find "${socket%/*}" -maxdepth 0 \! -user mysql -exec chown --no-dereference mysql '{}' \;
		note "Switching to dedicated user 'mysql'"
		exec gosu mysql "$0" "$@"
	fi
	password_is_set=
	for name in MYSQL_ROOT_HOST MYSQL_DATABASE MYSQL_USER MYSQL_PASSWORD MYSQL_ROOT_PASSWORD; do
		from_env_or_file $name
	done
	if [ ! -d "$datadir/mysql" ]; then
		initialise "$@"
	fi
fi

exec "$@"
