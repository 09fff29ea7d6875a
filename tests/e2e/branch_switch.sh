# tests/e2e/branch_switch.sh -- every git branch has its own database, behind one address
# packages: mariadb-client-core git
. "$(dirname "$0")/../lib/e2e.sh"

repo() { run git -C shop -c user.email=a@example.org -c user.name=a "$@"; }
db() { run env -C "$(home)/shop" devbox db "$@"; }
# The answer of the server at ADDRESS.
ask() {
	run mariadb --protocol=tcp -h "$1" -uroot -psecret app -Ne "$2"
	expect_status 0
}
address() { sed -n 's/.*@\([0-9.]*\):3306.*/\1/p' <<<"$stdout"; }

run git init -q -b main shop;			expect_status 0
repo commit -q --allow-empty -m one
db ls;						expect_status 1; expect_stderr '*this repository has no database yet*devbox db up mysql*'
db up mariadb -e MARIADB_ROOT_PASSWORD=secret -e MARIADB_DATABASE=app
expect_status 0
expect_stderr_has 'mariadb of branch main is ready, a new database'
db url;						stable=$(address)
db url main;					main=$(address)
[[ $stable == 127.* && $main == 127.* && $stable != "$main" ]] || fail "addresses $stable and $main"
ask "$stable" 'CREATE TABLE t (w VARCHAR(9)); INSERT INTO t VALUES ("main")'

# a branch is forked from the one it was cut from, by the first connection that finds it checked out
repo switch -q -c feature/Login
ask "$stable" 'INSERT INTO t VALUES ("feature"); SELECT w FROM t'
expect_stdout $'main\nfeature'
db ls --format '{{.Branch}} {{.State}} {{.From}}'
expect_stdout $'main running \n\\* feature/Login running main'
db url feature/Login;				feature=$(address)
repo switch -q main
ask "$stable" 'SELECT w FROM t';		expect_stdout 'main'
# several live at once, each at its own address
ask "$feature" 'SELECT COUNT(*) FROM t';	expect_stdout 2
ask "$main" 'SELECT COUNT(*) FROM t';		expect_stdout 1

# a branch of a branch: its grandparent's data is not what it starts from
repo switch -q feature/Login
repo switch -q -c deeper
ask "$stable" 'SELECT COUNT(*) FROM t';		expect_stdout 2
db ls --format '{{.Branch}} {{.From}}';		expect_stdout_has '\* deeper feature/Login'

# connections that stay open do not stay with another branch
start pooled mariadb --protocol=tcp -h "$stable" -uroot -psecret app --skip-reconnect -Ne 'SELECT SLEEP(60)'
eventually 5 sh -c "mariadb --protocol=tcp -h $stable -uroot -psecret -Ne 'SHOW PROCESSLIST' | grep -q SLEEP"
repo switch -q main
finish pooled
expect_stderr_has 'Lost connection'

# the application's settings never change; the file tells the branch
expect_file shop/.env.devbox "*DEVBOX_BRANCH=main*DB_HOST=$stable*DB_PASSWORD=secret*"
repo status --short;				expect_stdout ''
run stat -c %a shop/.env.devbox;		expect_stdout 600
run env -C "$(home)/shop" devbox env -f dotenv;	expect_stdout_has "DB_HOST=$stable"

# renamed in git: the data goes with the name
repo branch -m deeper renamed
repo switch -q renamed
ask "$stable" 'SELECT COUNT(*) FROM t';		expect_stdout 2
db ls -q;					expect_stdout $'main\nfeature/Login\nrenamed'

# reset, protect, rm
ask "$stable" 'DROP TABLE t'
db protect;					expect_status 0
db reset;					expect_status 1; expect_stderr '*branch renamed is protected*'
db protect --off
db reset;					expect_status 0
expect_stderr_has 'mariadb of branch renamed is what it is on feature/Login now'
ask "$stable" 'SELECT COUNT(*) FROM t';		expect_stdout 2
# undo: after a reset, and after rm
ask "$stable" 'INSERT INTO t VALUES ("mine")'
db reset;					expect_status 0
ask "$stable" 'SELECT COUNT(*) FROM t';		expect_stdout 2
run devbox undo;				expect_status 0
ask "$stable" 'SELECT COUNT(*) FROM t';		expect_stdout 3
db rm renamed;					expect_status 0
run devbox undo;				expect_status 0
ask "$stable" 'SELECT COUNT(*) FROM t';		expect_stdout 3
repo switch -q main
db rm renamed feature/Login;			expect_status 0; expect_stdout $'renamed\nfeature/Login'
db ls -q;					expect_stdout 'main'
run mariadb --protocol=tcp -h "$feature" -uroot -psecret -Ne 'SELECT 1'
expect_status 1
expect_stderr_has "Can't connect"
# nothing to go back to: a new database, from the init cache
db reset;					expect_status 0
expect_stderr_has 'mariadb of branch main is empty now'
ask "$stable" 'SHOW TABLES';			expect_stdout ''
run devbox snapshot ls -q;			expect_stdout_has 'db.shop.mariadb.main@initial'
run devbox undo;				expect_status 0
ask "$stable" 'SELECT COUNT(*) > 0 FROM t';	expect_stdout 1
db rm --all;					expect_status 0
run devbox ps -aq;				expect_stdout ''
expect_no_leftovers
