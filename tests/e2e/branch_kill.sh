# tests/e2e/branch_kill.sh -- kill -9 of devbox while it forks, resets, removes, restores: a branch's data is what it was
# before or what it shall be, never anything in between.  KILLS (4) for each; what is not used for its time goes
# packages: redis-tools git
. "$(dirname "$0")/../lib/e2e.sh"
kills=${KILLS:-4}
RANDOM=${SEED:-$$}

git_() { run git -C shop -c user.email=a@example.org -c user.name=a "$@"; expect_status 0; }
db() { run env -C "$(home)/shop" devbox db "$@"; }
# A server that was being stopped when devbox died may answer once more, and then close connections without an answer
# until the next one wakes it.
answers() { run redis-cli -h "$address" "$@"; [ "$status" = 0 ] && [ -n "$stdout" ]; }
keeps() { answers set who "$1" && answers save && answers get who && [ "$stdout" = "$1" ]; }
who() { eventually 20 answers get who; }
set_who() { eventually 20 keeps "$1"; }
# A devbox that dies after a moment; often enough it is done before.
killed() { run env -C "$(home)/shop" timeout -s KILL "0.$(printf %03d $((RANDOM % 250 + 5)))" devbox "$@"; }

run git init -q -b main shop
git_ commit -q --allow-empty -m one
db up redis;	expect_status 0
address=$(sed -n 's/^  checked-out branch \(127[0-9.]*\):.*/\1/p' <<<"$stderr")
set_who main
for ((i = 1; i <= kills; i++)); do
	note "a fork ($i)"
	git_ switch -q -c "fork$i" main
	killed db up
	db up;		expect_status 0
	who;		expect_stdout main
	set_who "fork$i"

	note "a reset ($i)"
	killed db reset
	db up;		expect_status 0
	who
	[ "$stdout" = "fork$i" ] || expect_stdout main
	set_who "fork$i"

	note "a snapshot, and back ($i)"
	killed db snapshot create "s$i"
	db snapshot create "s$i"
	set_who later
	killed db snapshot restore "s$i"
	db up;		expect_status 0
	who
	[ "$stdout" = later ] || expect_stdout "fork$i"
	set_who "fork$i"

	note "away ($i)"
	git_ switch -q main
	killed db rm "fork$i"
	git_ switch -q "fork$i"
	db up;		expect_status 0
	who
	[ "$stdout" = "fork$i" ] || expect_stdout main
	git_ switch -q main
	db rm "fork$i";	expect_status 0
	who;		expect_stdout main
done

note 'a branch can be forked from more often than trees can lie on each other'
git_ switch -q -c often main
for i in $(seq 1 66); do
	db reset -q 2>/dev/null
done
who;		expect_stdout main
git_ switch -q main
who;		expect_stdout main
db rm often;	expect_status 0

note 'not used for its time to live: gone, but not what is checked out, protected or in use'
for name in old kept used; do
	git_ switch -q -c "$name" main
	db up --ttl 7d;	expect_status 0
	set_who "$name"
done
db protect kept;	expect_status 0
db sleep old kept main;	expect_status 0
git_ switch -q main
db prune;		expect_status 0;	expect_stdout ''
/usr/bin/python3 - "$(store)/branches/shop/project.json" <<'END'
import json, sys
p = json.load(open(sys.argv[1]))
for f in p['Services'][0]['Forks']:
    f['Used'] -= 8 * 86400 * 10**9
json.dump(p, open(sys.argv[1], 'w'))
END
db prune;		expect_status 0;	expect_stdout old
db ls -q;		expect_stdout $'main\nkept\nused'
run devbox undo;	expect_status 0
git_ switch -q old
db up;			expect_status 0
who;			expect_stdout old
db rm --all --force;	expect_status 0
expect_no_leftovers
