#!/usr/bin/env bash
# The entrypoint of the test image "postgres": the contract of the official one.
set -Eeo pipefail
shopt -s nullglob

fail() { printf '%s\n' "$*" >&2; exit 1; }

from_env_or_file() {	# NAME [DEFAULT]
	local name=$1 file=${1}_FILE
	[ -z "${!name:-}" ] || [ -z "${!file:-}" ] || fail "error: both $name and $file are set (but are exclusive)"
	if [ -n "${!name:-}" ]; then
		export "${name?}"
	elif [ -n "${!file:-}" ]; then
		export "$name=$(<"${!file}")"
	else
		export "$name=${2:-}"
	fi
	unset "$file"
}

asks_for_help() {
	local a
	for a; do
		case $a in -'?'|--help|--describe-config|-V|--version) return 0 ;; esac
	done
	return 1
}

make_directories() {
	mkdir -p "$PGDATA"
	chmod 00700 "$PGDATA" || :
	mkdir -p /var/run/postgresql || :
	chmod 03775 /var/run/postgresql || :
	if [ "$(id -u)" = 0 ]; then
		find "$PGDATA" \! -user postgres -exec chown postgres '{}' +
		find /var/run/postgresql \! -user postgres -exec chown postgres '{}' +
	fi
}

check_variables() {
	if [ -z "$POSTGRES_PASSWORD" ] && [ "$POSTGRES_HOST_AUTH_METHOD" != trust ]; then
		fail 'Error: Database is uninitialized and superuser password is not specified.
       You must specify POSTGRES_PASSWORD to a non-empty value for the
       superuser. For example, "-e POSTGRES_PASSWORD=password" on "docker run".

       You may also use "POSTGRES_HOST_AUTH_METHOD=trust" to allow all
       connections without a password. This is *not* recommended.

       See PostgreSQL documentation about "trust":
       https://www.postgresql.org/docs/current/auth-trust.html'
	fi
}

server_sql() {
	PGHOST='' PGHOSTADDR='' psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --no-password --no-psqlrc "$@"
}

start_temporary_server() {	# the options of the real one, but reached by a unix socket only
	set -- "$@" -c listen_addresses='' -p "${PGPORT:-5432}"
	PGUSER=${PGUSER:-$POSTGRES_USER} pg_ctl -D "$PGDATA" -o "$(printf '%q ' "$@")" -w start
}

run_init_files() {
	local f
	printf '\n'
	for f in /docker-entrypoint-initdb.d/*; do
		case $f in
		*.sh)
			if [ -x "$f" ]; then
				printf '%s: running %s\n' "$0" "$f"
				"$f"
			else
				printf '%s: sourcing %s\n' "$0" "$f"
				# shellcheck disable=SC1090
				. "$f"
			fi ;;
		*.sql) printf '%s: running %s\n' "$0" "$f"; server_sql --dbname "$POSTGRES_DB" -f "$f"; printf '\n' ;;
		*.sql.gz) printf '%s: running %s\n' "$0" "$f"; gunzip -c "$f" | server_sql --dbname "$POSTGRES_DB" ;;
		*.sql.xz) printf '%s: running %s\n' "$0" "$f"; xzcat "$f" | server_sql --dbname "$POSTGRES_DB" ;;
		*.sql.zst) printf '%s: running %s\n' "$0" "$f"; zstd -dc "$f" | server_sql --dbname "$POSTGRES_DB" ;;
		*) printf '%s: ignoring %s\n' "$0" "$f" ;;
		esac
		printf '\n'
	done
}

initialise() {
	check_variables
	ls /docker-entrypoint-initdb.d/ >/dev/null
	eval 'initdb --username="$POSTGRES_USER" --pwfile=<(printf "%s\n" "$POSTGRES_PASSWORD") '"$POSTGRES_INITDB_ARGS"
	{
		printf '\n'
		if [ "$POSTGRES_HOST_AUTH_METHOD" = trust ]; then
			printf '# warning trust is enabled for all connections\n'
		fi
		printf 'host all all all %s\n' "${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}"
	} >>"$PGDATA/pg_hba.conf"
}

[ "${1:0:1}" != - ] || set -- postgres "$@"

if [ "$1" = postgres ] && ! asks_for_help "$@"; then
	from_env_or_file POSTGRES_PASSWORD
	from_env_or_file POSTGRES_USER postgres
	from_env_or_file POSTGRES_DB "$POSTGRES_USER"
	from_env_or_file POSTGRES_INITDB_ARGS
	: "${POSTGRES_HOST_AUTH_METHOD:=}"
	make_directories
	if [ "$(id -u)" = 0 ]; then
		exec gosu postgres "$0" "$@"
	fi
	if [ ! -s "$PGDATA/PG_VERSION" ]; then
		initialise
		# only a unix socket until the data is complete
		PGPASSWORD=${PGPASSWORD:-$POSTGRES_PASSWORD}
		export PGPASSWORD
		start_temporary_server "${@:2}"
		if [ "$POSTGRES_DB" != postgres ]; then
			echo 'CREATE DATABASE :"db" ;' | server_sql --dbname postgres --set db="$POSTGRES_DB"
			printf '\n'
		fi
		run_init_files
		PGUSER=${PGUSER:-postgres} pg_ctl -D "$PGDATA" -m fast -w stop
		unset PGPASSWORD
		printf '\nPostgreSQL init process complete; ready for start up.\n\n'
	else
		printf '\nPostgreSQL Database directory appears to contain a database; Skipping initialization\n\n'
	fi
fi

exec "$@"
