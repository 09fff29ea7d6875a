# tests/e2e/branch_replica.sh -- replicas follow their source, are read-only, and can become servers of their own
# packages: mariadb-client-core postgresql-client redis-tools git
. "$(dirname "$0")/../lib/e2e.sh"

db() { run env -C "$(home)/shop" devbox db "$@"; }
addresses() {	# of service $1: $source, $copy
	db url main -s "$1";		source=$(sed -n 's/.*[/@]\(127[0-9.]*\):.*/\1/p' <<<"$stdout")
	db url main-replica -s "$1";	copy=$(sed -n 's/.*[/@]\(127[0-9.]*\):.*/\1/p' <<<"$stdout")
}
my() { run mariadb --protocol=tcp -h "$1" -uroot -psecret app -Ne "$2"; }
my_is() { my "$1" "$2"; [ "$stdout" = "$3" ]; }
pg() { run env PGPASSWORD=secret psql -h "$1" -U postgres -Atc "$2"; }
pg_is() { pg "$1" "$2"; [ "$stdout" = "$3" ]; }
red_is() { run redis-cli -h "$1" get k; [ "$stdout" = "$2" ]; }

run git init -q -b main shop
run git -C shop -c user.email=a@example.org -c user.name=a commit -q --allow-empty -m one

for image in mysql mariadb; do
	db up -q $image -e MYSQL_ROOT_PASSWORD=secret -e MYSQL_DATABASE=app;	expect_status 0
	db url -s $image main;			source=$(sed -n 's/.*@\([0-9.]*\):.*/\1/p' <<<"$stdout")
	my "$source" 'CREATE TABLE t (n INT); INSERT INTO t VALUES (1)';	expect_status 0
	db replica add -s $image;		expect_status 0; expect_stdout main-replica
	expect_stderr_has "main-replica replicates $image of branch main, checked"
	addresses $image
	my "$copy" 'SELECT n FROM t';		expect_stdout 1
	my "$source" 'INSERT INTO t VALUES (2)'
	eventually 10 my_is "$copy" 'SELECT COUNT(*) FROM t' 2
	my "$copy" 'SELECT @@read_only';	expect_stdout 1
	db replica ls;				expect_stdout "main-replica?$image?main?$copy:3306"
	if [ $image = mysql ]; then
		my "$copy" 'INSERT INTO t VALUES (3)';	expect_status 1; expect_stderr_has 'read-only'
		db replica promote main-replica;	expect_status 0
		my "$copy" 'INSERT INTO t VALUES (3); SELECT COUNT(*) FROM t';	expect_stdout 3
		my "$source" 'SELECT COUNT(*) FROM t';	expect_stdout 2
		db replica rm main-replica;	expect_status 1; expect_stderr_has 'mysql has no replica main-replica'
	else
		db replica rm main-replica;	expect_status 0
	fi
	db rm --all;				expect_status 0
done

db up -q postgres -e POSTGRES_PASSWORD=secret;	expect_status 0
db up -q redis;				expect_status 0
db replica add;				expect_status 1; expect_stderr_has 'has 2 databases*-s: postgres, redis'
db replica add -s postgres main-replica;	expect_status 0
addresses postgres
pg "$source" 'CREATE TABLE t (n INT)'
eventually 10 pg_is "$copy" 'SELECT COUNT(*) FROM t' 0
pg "$copy" 'INSERT INTO t VALUES (1)';	expect_status 1; expect_stderr_has 'read-only transaction'
db replica promote -s postgres main-replica;	expect_status 0
pg "$copy" 'INSERT INTO t VALUES (1)';	expect_status 0
pg "$source" 'SELECT COUNT(*) FROM t';	expect_stdout 0
db rm -s postgres main-replica;		expect_status 0

db replica add -s redis main-replica;	expect_status 0
addresses redis
run redis-cli -h "$source" set k v
eventually 10 red_is "$copy" v
run redis-cli -h "$copy" set k w;	expect_stdout 'READONLY*'
db replica promote -s redis main-replica;	expect_status 0
run redis-cli -h "$copy" set k w;	expect_stdout OK
red_is "$source" v || fail 'the source has changed'
db rm --all;				expect_status 0
expect_no_leftovers
