#!/bin/bash
# The entrypoint of the test image "mariadb": the contract of the official one (MARIADB_* and MYSQL_* names).
set -eo pipefail
shopt -s nullglob

note() { printf '%s [Note] [Entrypoint]: %s\n' "$(date --rfc-3339=seconds)" "$*"; }
warn() { printf '%s [Warn] [Entrypoint]: %s\n' "$(date --rfc-3339=seconds)" "$*" >&2; }
fail() { printf '%s [ERROR] [Entrypoint]: %s\n' "$(date --rfc-3339=seconds)" "$*" >&2; exit 1; }

# MARIADB_X or MYSQL_X, from the environment or from the file named by ..._FILE, ends up in MARIADB_X.
from_env_or_file() {
	local prefix name file value=
	for prefix in MARIADB MYSQL; do
		name=${prefix}_$1 file=${prefix}_${1}_FILE
		[ -z "${!name:-}" ] || [ -z "${!file:-}" ] || fail "Both $name and $file are set (but are exclusive)"
		[ -n "$value" ] || value=${!name:-}
		[ -n "$value" ] || [ -z "${!file:-}" ] || value=$(<"${!file}")
		unset "$file"
	done
	export "MARIADB_$1=$value"
}

setting() {
	mariadbd --verbose --help --log-bin-index="$(mktemp -u)" "${@:2}" 2>/dev/null |
		awk -v key="$1" '$1 == key && /^[^ \t]/ { sub(/^[^ \t]+[ \t]+/, ""); print; exit }'
}

asks_for_help() {
	local a
	for a; do
		case $a in -'?'|-h|--help|--print-defaults|-V|--version) return 0 ;; esac
	done
	return 1
}

client() {
	MYSQL_PWD=$password mariadb --protocol=socket -uroot -hlocalhost --socket="$socket" --comments "$@"
}
quoted() { printf "'%s'" "$(sed "s/\\\\/&&/g; s/'/''/g" <<<"$1")"; }

start_temporary_server() {
	local i
	"$@" --skip-networking --default-time-zone=SYSTEM --socket="$socket" --wsrep_on=OFF --skip-slave-start \
		--loose-innodb_buffer_pool_load_at_startup=0 &
	server=$!
	note 'Waiting for server startup'
	for ((i = 0; i < 300; i++)); do
		if client --database=mysql --skip-ssl -e 'SELECT 1' >/dev/null 2>&1; then
			note 'Temporary server started.'
			return
		fi
		kill -0 $server 2>/dev/null || break
		sleep 0.1
	done
	fail 'Unable to start server.'
}

set_up_accounts() {
	local host=${MARIADB_ROOT_HOST:-%} db
	if [ -n "$MARIADB_RANDOM_ROOT_PASSWORD" ]; then
		MARIADB_ROOT_PASSWORD=$(head -c 24 /dev/urandom | base64)
		note "GENERATED ROOT PASSWORD: $MARIADB_ROOT_PASSWORD"
	fi
	if [ -z "${MARIADB_INITDB_SKIP_TZINFO:-${MYSQL_INITDB_SKIP_TZINFO:-}}" ] && [ -d /usr/share/zoneinfo ]; then
		{ echo 'SET @@SESSION.SQL_LOG_BIN=0;'; mariadb-tzinfo-to-sql --skip-write-binlog /usr/share/zoneinfo 2>/dev/null
		} | client --database=mysql
	fi
	{
		echo 'SET @@SESSION.SQL_LOG_BIN=0;'
		# made without a password by mariadb-install-db
		echo "DROP USER IF EXISTS root@'127.0.0.1', root@'::1';"
		echo "EXECUTE IMMEDIATE CONCAT('DROP USER IF EXISTS root@\\'', @@hostname, '\\'');"
		if [ "$host" != localhost ]; then
			echo "CREATE USER 'root'@$(quoted "$host") IDENTIFIED BY $(quoted "$MARIADB_ROOT_PASSWORD");"
			echo "GRANT ALL ON *.* TO 'root'@$(quoted "$host") WITH GRANT OPTION;"
		fi
		if [ -n "$MARIADB_DATABASE" ]; then
			note "Creating database $MARIADB_DATABASE" >&2
			echo "CREATE DATABASE IF NOT EXISTS \`$MARIADB_DATABASE\`;"
		fi
		if [ -n "$MARIADB_USER" ] && [ -n "$MARIADB_PASSWORD" ]; then
			note "Creating user $MARIADB_USER" >&2
			echo "CREATE USER $(quoted "$MARIADB_USER")@'%' IDENTIFIED BY $(quoted "$MARIADB_PASSWORD");"
			if [ -n "$MARIADB_DATABASE" ]; then
				note "Giving user $MARIADB_USER access to schema $MARIADB_DATABASE" >&2
				db=${MARIADB_DATABASE//_/\\_}
				echo "GRANT ALL ON \`$db\`.* TO $(quoted "$MARIADB_USER")@'%';"
			fi
		fi
		echo "SET PASSWORD FOR 'root'@'localhost' = PASSWORD($(quoted "$MARIADB_ROOT_PASSWORD"));"
	} | client --database=mysql
	password=$MARIADB_ROOT_PASSWORD
}

run_init_files() {
	local f use=${MARIADB_DATABASE:+--database=$MARIADB_DATABASE}
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
		*.sql.xz) note "running $f"; xzcat "$f" | client $use ;;
		*.sql.zst) note "running $f"; zstd -dc "$f" | client $use ;;
		*) warn "ignoring $f" ;;
		esac
		echo
	done
}

initialise() {
	if [ -z "$MARIADB_ROOT_PASSWORD$MARIADB_ALLOW_EMPTY_ROOT_PASSWORD$MARIADB_RANDOM_ROOT_PASSWORD" ]; then
		fail 'Database is uninitialized and password option is not specified
	You need to specify one of MARIADB_ROOT_PASSWORD, MARIADB_ROOT_PASSWORD_HASH, MARIADB_ALLOW_EMPTY_ROOT_PASSWORD and MARIADB_RANDOM_ROOT_PASSWORD'
	fi
	note 'Initializing database files'
	mariadb-install-db --datadir="$datadir" --rpm --auth-root-authentication-method=normal --skip-test-db \
		--default-time-zone=SYSTEM --skip-log-bin --expire-logs-days=0 \
		--loose-innodb_buffer_pool_load_at_startup=0 --loose-innodb_buffer_pool_dump_at_shutdown=0 >/dev/null
	note 'Database files initialized'
	note 'Starting temporary server'
	start_temporary_server "$@"
	set_up_accounts
	run_init_files
	note 'Stopping temporary server'
	kill $server
	wait $server || fail 'Unable to shut down server.'
	note 'Temporary server stopped'
	echo
	note 'MariaDB init process done. Ready for start up.'
	echo
}

[ "${1:0:1}" != - ] || set -- mariadbd "$@"

if { [ "$1" = mariadbd ] || [ "$1" = mysqld ]; } && ! asks_for_help "${@:2}"; then
	note "Entrypoint script for MariaDB Server $MARIADB_VERSION started."
	datadir=$(setting datadir "${@:2}")
	socket=$(setting socket "${@:2}")
	if [ "$(id -u)" = 0 ]; then
		mkdir -p "$datadir" "${socket%/*}"
		find "$datadir" \! -user mysql -exec chown mysql: '{}' +
		find "${socket%/*}" -maxdepth 0 \! -user mysql -exec chown mysql: '{}' +
		note "Switching to dedicated user 'mysql'"
		exec gosu mysql "$0" "$@"
	fi
	for name in ROOT_HOST DATABASE USER PASSWORD ROOT_PASSWORD RANDOM_ROOT_PASSWORD; do
		from_env_or_file $name
	done
	MARIADB_ALLOW_EMPTY_ROOT_PASSWORD=${MARIADB_ALLOW_EMPTY_ROOT_PASSWORD:-${MYSQL_ALLOW_EMPTY_PASSWORD:-}}
	password=
	if [ ! -d "$datadir/mysql" ]; then
		initialise "$@"
	fi
fi

exec "$@"
