#!/bin/sh
# replicate.sh -- make db-read follow db-write; run it in this folder once both are up
set -eu
devbox=${DEVBOX:-devbox}
sql() { "$devbox" compose exec -T "$1" mysql -uroot -p1234 -e "$2"; }

sql db-write "CREATE USER IF NOT EXISTS 'repl'@'%' IDENTIFIED BY 'slavepw';
	GRANT REPLICATION SLAVE ON *.* TO 'repl'@'%'; FLUSH PRIVILEGES;"
# the address stays with the container; its name, db-write, is as good
address=$("$devbox" inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$("$devbox" compose ps -q db-write)")
# file and position of the binary log, the first two words of the last line
at=$(sql db-write 'SHOW BINARY LOG STATUS' | tail -n 1)
sql db-read "STOP REPLICA; CHANGE REPLICATION SOURCE TO SOURCE_HOST='$address', SOURCE_USER='repl',
	SOURCE_PASSWORD='slavepw', SOURCE_CONNECT_RETRY=2, SOURCE_LOG_FILE='$(echo "$at" | cut -f 1)',
	SOURCE_LOG_POS=$(echo "$at" | cut -f 2), GET_SOURCE_PUBLIC_KEY=1; START REPLICA;"
