# tests/e2e/compose_django.sh -- one Django project against three servers beside each other; their settings and their logs
# packages: python3-django python3-mysqldb
. "$(dirname "$0")/../lib/e2e.sh"

tar -C "$lib/../../examples" -c django-mysql | e2e_as tar x
c() { run sh -c 'cd django-mysql && exec devbox compose "$@"' sh "$@"; }
manage() { run sh -c "cd django-mysql && eval \"\$(devbox env $1)\" && PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 manage.py $2 --no-color"; }
sql() { c exec -T -e MYSQL_PWD=secret mysql mysql -uroot -Ne "$1"; expect_status 0; }

c up -d --wait;	expect_status 0
for server in 'mysql 9.' 'mariadb 11.8.*MariaDB' 'mariadb-10 10.11.*MariaDB'; do
	manage "${server% *}" migrate
	expect_status 0;	expect_stdout_has 'Applying notes.0003_welcome... OK'
	manage "${server% *}" check_database
	expect_status 0;	expect_stdout "MySQL ${server#* }*, database app, *a write and a query passed"
done
run sh -c 'cd django-mysql && devbox env -f dotenv mariadb >.env.mariadb && set -a && . ./.env.mariadb &&
	mariadb --protocol=tcp -h "$DB_HOST" -P "$DB_PORT" -u "$DB_USER" -p"$DB_PASSWORD" "$DB_NAME" -Ne "SELECT @@max_connections"'
[ $status = 127 ] || expect_stdout 66	# 127: the host has no client

# settings from the file and from the command line
sql 'SELECT @@max_connections, @@long_query_time, @@character_set_server, @@innodb_flush_log_at_trx_commit'
expect_stdout $'77\t0.500000\tutf8mb4\t2'
# what it says, what was slow, what was asked
sql "SET GLOBAL general_log = 1; SELECT SLEEP(0.6), 'a slow one'"
c logs mysql;	expect_stdout_has 'ready for connections. *port: 3306'
c cp mysql:/var/lib/mysql-files/slow.log .;	expect_status 0
expect_file django-mysql/slow.log "*Query_time: 0.*SELECT SLEEP(0.6), 'a slow one'*"
c exec -T mysql cat /var/lib/mysql-files/general.log;	expect_stdout_has "Query?SELECT SLEEP(0.6), 'a slow one'"

# down and up: volumes stay, and what had none begins anew
c down;	expect_status 0
c up -d --wait mysql mariadb-10;	expect_status 0
manage mysql migrate;	expect_stdout_has 'No migrations to apply.'
manage mariadb-10 migrate;	expect_stdout_has 'Applying notes.0003_welcome... OK'
c exec -T mysql cat /var/lib/mysql-files/slow.log;	expect_stdout_has "'a slow one'"

# `devbox env` without a name, where there is more than one
run env -C "$(home)/django-mysql" devbox env
expect_status 1;	expect_stderr_has '2 databases are running (hint: name one of django-mysql-mariadb-10-1, django-mysql-mysql-1)'
run devbox env mariadb;	expect_status 1; expect_stderr_has 'No such container: mariadb'
c down -v;	expect_status 0
expect_no_leftovers
