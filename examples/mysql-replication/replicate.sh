#!/bin/sh
# replicate.sh -- make db-read follow db-write; run it in this folder once both are up.
# The words of SQL are those that the server has: MASTER and SLAVE up to MySQL 8.0 and in MariaDB, then SOURCE and REPLICA.
set -eu
devbox=${DEVBOX:-devbox}
sql() { "$devbox" compose exec -T -e MYSQL_PWD=1234 "$1" mysql -uroot --vertical -e "$2"; }
value() { sed -n "s/^ *$1: //p"; }

sql db-write "CREATE USER IF NOT EXISTS 'repl'@'%' IDENTIFIED BY 'slavepw';
	GRANT REPLICATION SLAVE ON *.* TO 'repl'@'%'; FLUSH PRIVILEGES;"
# the address stays with the container; its name, db-write, is as good
address=$("$devbox" inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$("$devbox" compose ps -q db-write)")
version=$(sql db-write 'SELECT VERSION() AS v' | value v)
case $version in
*MariaDB*) source=MASTER replica=SLAVE status='MASTER STATUS' key='' ;;
5.* | 8.0.*) source=MASTER replica=SLAVE status='MASTER STATUS' key=', GET_MASTER_PUBLIC_KEY=1' ;;
*) source=SOURCE replica=REPLICA status='BINARY LOG STATUS' key=', GET_SOURCE_PUBLIC_KEY=1' ;;
esac
case $source in
MASTER) change='CHANGE MASTER' ;;
*) change='CHANGE REPLICATION SOURCE' ;;
esac
at=$(sql db-write "SHOW $status")
sql db-read "STOP $replica; $change TO ${source}_HOST='$address', ${source}_USER='repl', ${source}_PASSWORD='slavepw',
	${source}_CONNECT_RETRY=2, ${source}_LOG_FILE='$(echo "$at" | value File)', ${source}_LOG_POS=$(echo "$at" | value Position)$key;
	START $replica;"
state() { sql db-read "SHOW $replica STATUS" | grep -E "$1"; }
for _ in 1 2 3 4 5 6 7 8 9 10; do	# it connects meanwhile
	state '_IO_Running: Yes' >/dev/null && break
	sleep 1
done
state '_Host:|_(IO|SQL)_Running:'
