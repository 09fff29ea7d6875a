# tests/e2e/cli_ps.sh -- ps: Docker's columns and words, filters, formats
. "$(dirname "$0")/../lib/e2e.sh"

run devbox pull -q busybox;	expect_status 0
run devbox ps
expect_stdout 'CONTAINER ID   IMAGE     COMMAND   CREATED   STATUS    PORTS     NAMES'

run devbox run -d --name up -p 127.0.0.1:18080:80 --expose 443 -l tier=web -l empty -v data:/d busybox sh -c 'sleep 100000; true' word
expect_status 0
id=$stdout
run devbox run --name gone busybox sh -c 'exit 3';	expect_status 3
run devbox create --name made busybox true;		expect_status 0

run devbox ps
expect_stdout "CONTAINER ID   IMAGE     COMMAND                  CREATED *   STATUS *   PORTS                              NAMES
${id:0:12}   busybox   \"sh -c 'sleep 100000…\"   *second* ago   Up *second*   127.0.0.1:18080->80/tcp, 443/tcp   up"
run devbox ps -a --format '{{.Names}}: {{.Status}}'
expect_stdout 'made: Created
gone: Exited (3) *ago
up: Up *'
run devbox ps -aq;				expect_equal "$(wc -l <<<"$stdout")" 3
run devbox ps -q --no-trunc;			expect_stdout "$id"
run devbox ps -l --format '{{.Names}}';		expect_stdout 'made'
run devbox ps -n 2 --format '{{.Names}}';	expect_stdout 'made
gone'
run devbox ps --no-trunc --format '{{.Command}}';	expect_stdout '"sh -c '\''sleep 100000; true'\'' word"'
run devbox container ls -q;			expect_stdout "${id:0:12}"

# filters
names() { run devbox ps "$@" --format '{{.Names}}'; expect_status 0; }
names -a --filter name=^up$;			expect_stdout 'up'
names -a --filter name=o;			expect_stdout 'gone'
names --filter status=exited;			expect_stdout 'gone'
names --filter exited=3;			expect_stdout 'gone'
names --filter exited=0;			expect_stdout ''
names -a --filter status=created --filter status=running;	expect_stdout 'made
up'
names --filter "id=${id:0:5}";			expect_stdout 'up'
names --filter label=tier;			expect_stdout 'up'
names --filter label=tier=web --filter label=empty=;	expect_stdout 'up'
names --filter label=tier=db;			expect_stdout ''
names --filter ancestor=busybox;		expect_stdout 'up'
names --filter ancestor=docker.io/library/busybox:latest;	expect_stdout 'up'
names --filter ancestor=debian;			expect_stdout ''
names --filter publish=80;			expect_stdout 'up'
names --filter publish=443;			expect_stdout ''
names --filter expose=443/tcp;			expect_stdout 'up'
names --filter volume=data;			expect_stdout 'up'
names -a --filter health=none;			expect_stdout 'made
gone
up'
run devbox ps --filter nosuch=none;		expect_status 1;	expect_stderr "devbox: invalid filter 'nosuch'*"
run devbox ps --filter name;			expect_status 1

# formats
run devbox ps --format 'table {{.ID}}\t{{.Names}}\t{{.Label "tier"}}'
expect_stdout "CONTAINER ID   NAMES     tier
${id:0:12}   up        web"
run devbox ps --format json
echo "$stdout" | python3 -c 'import json,sys; r = json.loads(sys.stdin.read()); assert r["Names"] == "up" and r["State"] == "running", r' ||
	fail 'not the JSON expected'
run devbox ps -s --format '{{.Names}} {{.Size}}';	expect_stdout 'up *B'
run devbox ps --format '{{.Nosuch}}';		expect_status 1;	expect_stderr 'devbox: template: 1:3: map has no entry for key "Nosuch"'
run devbox ps --format '{{.ID';			expect_status 1;	expect_stderr 'devbox: template: 1:1: this {{ is not closed'

run devbox port up;				expect_stdout '80/tcp -> 127.0.0.1:18080'
run devbox port up 80;				expect_stdout '127.0.0.1:18080'
run devbox port up 81;				expect_status 1;	expect_stderr "*no public port '81/tcp' published for up"
run devbox rm -f up gone made;			expect_status 0
expect_no_leftovers
