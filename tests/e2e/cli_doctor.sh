# tests/e2e/cli_doctor.sh -- doctor: one line a check, with the mend for what is missing
. "$(dirname "$0")/../lib/e2e.sh"

run devbox doctor
expect_status 0
expect_stdout_has 'ok    user namespaces'
expect_stdout_has 'ok    subordinate ids'
expect_stdout_has 'ok    overlayfs'
expect_stdout_has 'ok    network device   /dev/net/tun can be opened'
run devbox doctor --format json
while read -r line; do
	python3 -c 'import json, sys; c = json.loads(sys.argv[1]); assert c["Status"] in ("ok", "warn", "fail") and c["Name"] and c["Text"]' "$line" ||
		fail "not JSON: $line"
done <<<"$stdout"
# without subordinate ids: still no failure, and what to type
as dbx0 run devbox doctor
expect_status 0
expect_stdout_has 'warn  subordinate ids'
expect_stdout_has 'usermod --add-subuids 100000-165535 --add-subgids 100000-165535 dbx0'
tun closed
run devbox doctor;	expect_status 0;	expect_stdout_has 'a veth pair is used instead'
tun open
as root run devbox doctor;	expect_stdout_has 'ok    user namespaces'
# a store that cannot be written
run env XDG_DATA_HOME=/proc/nowhere devbox doctor
expect_status 1
expect_stdout_has 'fail  storage'
expect_no_leftovers
