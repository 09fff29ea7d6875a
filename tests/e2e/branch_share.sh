# tests/e2e/branch_share.sh -- a branch's data goes through a registry; the second time only what changed
# packages: redis-tools git
. "$(dirname "$0")/../lib/e2e.sh"

db() { run env -C "$(home)/shop" devbox db "$@"; }
project() {
	run git init -q -b main shop
	run git -C shop -c user.email=a@example.org -c user.name=a commit -q --allow-empty -m one
	db up -q redis;			expect_status 0
	db url;				address=$(sed -n 's/.*[/@]\(127[0-9.]*\):.*/\1/p' <<<"$stdout")
}
ref=127.0.0.1:5000/dbxuser/data

project
run sh -c "seq 1 20000 | sed 's/.*/set key& value&/' | redis-cli -h $address | sort -u";	expect_stdout OK
db snapshot push -q $ref:one;		expect_status 0; expect_stdout 'sha256:*'; expect_stderr ''
run redis-cli -h "$address" set more yes
db snapshot push $ref:two;		expect_status 0
expect_stderr_has "on top of $ref:one"
expect_stderr_has 'Layer already exists'
run devbox inspect $ref:two --format '{{len .RootFS.Layers}}';	expect_stdout 2

# somebody else's branch becomes what was pushed; what it was can be had again
AS=dbx2
project
run redis-cli -h "$address" set own data
db snapshot pull -q $ref:two;		expect_status 0
expect_stderr "redis of branch main is what it was in $ref:two"
run redis-cli -h "$address" get key20000;	expect_stdout value20000
run redis-cli -h "$address" mget more own;	expect_stdout 'yes*'
run redis-cli -h "$address" dbsize;	expect_stdout '*20001*'

# what is no snapshot, or of another engine, changes nothing
db snapshot pull -q redis;		expect_status 1; expect_stderr '*library/redis:latest is no snapshot of a database'
db snapshot pull -q $ref:none;		expect_status 1; expect_stderr '*manifest unknown*'
run redis-cli -h "$address" get more;	expect_stdout yes
db rm --all
expect_status 0
AS=dbx1
db rm --all
expect_status 0
expect_no_leftovers
