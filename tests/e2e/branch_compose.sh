# tests/e2e/branch_compose.sh -- a compose project that follows the git branches: containers, volumes, addresses
# packages: redis-tools git
. "$(dirname "$0")/../lib/e2e.sh"

shop() { run env -C "$(home)/shop" "$@"; }
git_() { shop git -c user.email=a@example.org -c user.name=a "$@"; expect_status 0; }
compose() { shop devbox compose --branch "$@"; }
own() { sed -n "s/^  db  *\(127[0-9.]*\):6379 .*/\1/p" <<<"$stderr"; }
stable() { sed -n "s/^  db .* checked out \(127[0-9.]*\):6379$/\1/p" <<<"$stderr"; }
get() { run redis-cli -h "$1" get who; expect_status 0; }
answers() { eventually 20 redis-cli -h "$1" ping; }

run git init -q -b main shop
cat >"$(home)/shop/compose.yaml" <<'END'
services:
  db:
    image: redis
    container_name: shop_db
    ports: ["127.0.0.1:6379:6379"]
    volumes: [data:/data]
  files:
    image: busybox
    command: sleep 1000
    init: true
    volumes: [files:/files, shared:/shared]
  more:
    image: busybox
    command: sleep 1000
    init: true
    volumes: [shared:/shared]
volumes:
  data:
  files: {name: uploads}
  shared:
END
run devbox compose --project-directory shop -f shop/compose.yaml up --branch -d;	expect_status 0
expect_stderr_has 'branch main of shop-main'
expect_stderr_has 'main.shop.localhost), and for what is checked out 127.'
main=$(own) stable=$(stable)
answers "$main"
git_ commit -q --allow-empty -m one
run redis-cli -h "$main" set who main;	expect_stdout OK
compose exec files sh -c 'echo main | tee /files/f >/shared/f';	expect_status 0
run devbox volume ls -q;		expect_stdout $'shop-main_data\nshop-main_shared\nuploads-main'

note 'from then on the project follows, unless it is named'
shop devbox compose ps -q;		expect_status 0;	expect_equal "$(wc -l <<<"$stdout")" 3
shop devbox compose -p shop ps -q;	expect_stdout ''
shop env DEVBOX_COMPOSE_BRANCH=0 devbox compose ps -q;	expect_stdout ''

note 'a new branch: forks of all volumes at one instant, also unsaved keys; both live side by side'
git_ switch -q -c feature/x
compose ps -q;				expect_stdout ''
compose up -d;				expect_status 0
expect_stderr_has 'Volume uploads-feature-x  Forked from branch main'
feature=$(own)
[ "$(stable)" = "$stable" ] || fail 'the stable address has changed'
answers "$feature"
get "$feature";				expect_stdout main
run redis-cli -h "$feature" set who feature;	expect_stdout OK
compose exec more cat /shared/f;	expect_stdout main
compose exec files sh -c 'echo feature >/files/f';	expect_status 0
get "$main";				expect_stdout main
compose exec db sh -c 'getent hosts shop_db >/dev/null && hostname';	expect_status 0
shop devbox ps --format '{{.Names}}' --filter name=shop_db
expect_stdout $'shop_db-*\nshop_db-*'

note 'the stable address leads to what is checked out, and ends connections to another branch'
get "$stable";				expect_stdout feature
# shellcheck disable=SC2016	# for the inner shell
start pool bash -c 'exec 3<>"/dev/tcp/$0/6379" && printf "GET who\r\n" >&3 && exec cat <&3' "$stable"
eventually 20 grep -q feature "$E2E_TMP/pool/out"
git_ switch -q main
finish pool
get "$stable";				expect_stdout main
compose exec files cat /files/f;	expect_stdout main

note 'snapshots of the whole project'
shop devbox snapshot create --project shop-main before;	expect_status 0
expect_stdout $'shop-main_data@before\nshop-main_shared@before\nuploads-main@before'
shop devbox snapshot restore --project shop-main before;	expect_status 1
expect_stderr_has 'is in use by container '
run redis-cli -h "$main" set who later;	expect_stdout OK
compose stop;				expect_status 0
shop devbox snapshot restore --project shop-main before;	expect_status 0
compose up -d;				expect_status 0
answers "$main"
get "$main";				expect_stdout main

note 'a program that writes to two volumes in turn: every fork has both as of one moment, also if its maker was killed'
compose exec -d files sh -c 'i=0; while :; do i=$((i+1)); echo $i >/files/n; echo $i >/shared/n; done';	expect_status 0
compose exec files sh -c 'until [ -s /shared/n ]; do :; done';	expect_status 0
for i in 1 2 3; do
	git_ switch -q -c "again$i" main
	[ $i = 1 ] || shop timeout -s KILL "0.0$((RANDOM % 90 + 10))" devbox compose --branch create
	compose create;		expect_status 0
	run devbox run --rm -v "uploads-again$i:/f" -v "shop-again${i}_shared:/s" busybox sh -c \
		'n=$(cat /f/n) m=$(cat /s/n); [ -z "$n" ] || [ -z "$m" ] || [ $n = $m ] || [ $n = $((m + 1)) ] || echo "$n $m"'
	expect_stdout ''
	compose down -v;	expect_status 0
	git_ switch -q main
done

note 'seen, taken away, brought back'
shop devbox db ls --format '{{.Branch}}|{{.Service}}|{{.State}}|{{.From}}'
expect_stdout $'\* main|compose shop|running 3/3|\nfeature/x|compose shop|running 3/3|main'
compose --dry-run down -v;		expect_status 0
shop devbox db ls --format '{{.Branch}}|{{.State}}';	expect_stdout_has 'main|running 3/3'
compose down -v;			expect_status 0
shop devbox db ls -q;			expect_stdout feature/x
run devbox undo;			expect_status 0
compose up -d;				expect_status 0
expect_stderr_has 'branch main of shop-main'
answers "$main"
get "$main";				expect_stdout main

note 'a branch that git has no longer: its stack goes as a whole'
git_ branch -q -D feature/x
shop devbox db ls;			expect_stdout_has 'gone from git';	expect_stderr_has 'git no longer has feature/x'
shop devbox db prune --force;		expect_status 0;	expect_stdout feature/x
run devbox volume ls -q;		expect_stdout $'shop-main_data\nshop-main_shared\nuploads-main'
run devbox compose ls -q;		expect_stdout shop-main
shop env DEVBOX_COMPOSE_BRANCH=1 devbox compose down -v;	expect_status 0
shop devbox db ls -q;			expect_status 0;	expect_stdout ''

shop devbox compose config --format json;	expect_stdout_has '"name": "shop"'

note 'without git there is nothing to follow'
run mkdir plain
run cp shop/compose.yaml plain/
run devbox compose -f plain/compose.yaml --branch up -d;	expect_status 1
expect_stderr_has 'plain is not in a git work tree (hint: git init makes it one)'
expect_no_leftovers
