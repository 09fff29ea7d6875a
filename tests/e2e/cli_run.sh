# tests/e2e/cli_run.sh -- run's own options: the two grammars, environment, labels, cidfile, pulling
. "$(dirname "$0")/../lib/e2e.sh"

# a missing image is pulled and said so on stderr; stdout is the container's
run devbox run --rm busybox echo hello
expect_status 0
expect_stdout 'hello'
expect_stderr_has "Unable to find image 'busybox:latest' locally"
expect_stderr_has 'Status: Downloaded newer image for busybox:latest'
run devbox run --rm busybox echo hello;			expect_stdout 'hello';	expect_stderr ''
run devbox run --rm --pull always -q busybox echo hello;	expect_stdout 'hello';	expect_stderr ''

# called devbox: options may follow IMAGE; the first other word starts the command
run devbox run --rm busybox -e X=1 -w /tmp sh -c 'echo "$X $PWD $*"' -- -e Y=2
expect_stdout '1 /tmp -e Y=2'
run devbox run --rm busybox -- echo -e x;		expect_stdout 'x'
run devbox run --rm busybox echo -d --rm -- -p;		expect_stdout '-d --rm -- -p'
# called docker: they end at IMAGE
run docker run --rm busybox -e X=1;			expect_status 127;	expect_stderr_has 'exec: "-e"'
run docker run --rm --entrypoint echo busybox -e -w x;	expect_stdout '-w x'

# environment
printf '# comment\n\nF=from file\nHERE\nNOWHERE\n' >"$(home)/env"
run env HERE=caller devbox run --rm --env-file env -e F2=2 -e HERE2 -e E= busybox sh -c 'echo "$F|$HERE|${NOWHERE-unset}|$F2|${HERE2-unset}|${E-unset}"'
expect_stdout 'from file|caller|unset|2|unset|'
run devbox run --rm --env-file env -e F=flag busybox sh -c 'echo "$F"';	expect_stdout 'flag'
printf 'A B=1\n' >"$(home)/bad"
run devbox run --rm --env-file bad busybox true;	expect_status 125;	expect_stderr "devbox: bad:1: variable 'A B' contains whitespaces"
run devbox run --rm --env-file nosuch busybox true;	expect_status 125;	expect_stderr 'devbox: *nosuch*: No such file or directory'

# cidfile
run devbox run --rm --cidfile cid busybox true;		expect_status 0
[[ $(<"$(home)/cid") =~ ^[0-9a-f]{64}$ ]] || fail 'no id in the cidfile'
run devbox run --rm --cidfile cid busybox true
expect_status 125
expect_stderr 'devbox: container ID file found, make sure the other container isn'\''t running or delete cid'
run devbox run --rm --cidfile cid2 --pull never nosuch;	expect_status 125;	expect_no_file cid2

# names and what is refused
run devbox create --name x1 busybox true;		expect_status 0
id=$stdout
run devbox create --name x1 busybox true
expect_status 125
expect_stderr "devbox: *The container name \"/x1\" is already in use by container \"$id\"*"
run devbox run --network nosuch busybox true;		expect_status 125;	expect_stderr_has 'network nosuch not found'
run devbox run --wait busybox true;			expect_status 125;	expect_stderr_has '--wait goes with -d'
run devbox run -d --wait busybox sleep 100;		expect_status 125;	expect_stderr_has 'no readiness test'
run devbox run -it --rm busybox true;			expect_status 1;	expect_stderr 'devbox: the input device is not a TTY'
run devbox ps -aq --no-trunc;				expect_stdout "$id"
run devbox start -a x1;					expect_status 0
run devbox rm x1;					expect_status 0

# a terminal
pty devbox run -it --rm --name t1 busybox sh <<'END'
expect #
send stty size; tty\r
expect /dev/pts/
send exit 5\r
END
expect_status 5
expect_no_leftovers
