#!/bin/bash
# reader.sh -- the changes of rows that $SOURCE writes to its newest binary log, and all that follow, as text
set -euo pipefail
log=$(mysql -h "$SOURCE" -u reader -N -e 'SHOW BINARY LOGS' | tail -n 1 | cut -f 1)
echo "reading $log of $SOURCE"
mysqlbinlog --read-from-remote-server --host="$SOURCE" --user=reader --stop-never --to-last-log --connection-server-id=99 \
	--base64-output=decode-rows --verbose "$log" | grep --line-buffered '^###'
