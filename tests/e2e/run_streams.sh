# tests/e2e/run_streams.sh -- stdin, large streams, half-close
. "$(dirname "$0")/../lib/e2e.sh"

run devbox pull -q busybox; expect_status 0

# without -i there is no input, with -i it ends when the caller's ends
run sh -c 'echo hello | devbox run --rm busybox cat';		expect_status 0;	expect_stdout ''
run sh -c 'echo hello | devbox run --rm -i busybox cat';	expect_stdout 'hello'
run sh -c 'devbox run --rm -i busybox cat </dev/null';		expect_status 0;	expect_stdout ''
run sh -c 'devbox run --rm -i busybox cat <&-';			expect_status 0;	expect_stdout ''

# 50 MB each way, unharmed; a reader that stops early does not hang us
run sh -c 'head -c 50000000 /dev/zero | devbox run --rm -i busybox wc -c'
expect_stdout '50000000'
run sh -c 'devbox run --rm busybox head -c 50000000 /dev/zero | wc -c'
expect_stdout '50000000'
run sh -c 'devbox run --rm busybox yes | head -1';		expect_stdout 'y'
run sh -c 'yes | devbox run --rm -i busybox head -1';		expect_status 0;	expect_stdout 'y'

# the container sees half-close: it can answer after its input has ended
run sh -c 'echo question | devbox run --rm -i busybox sh -c "cat >/dev/null; echo answer"'
expect_stdout 'answer'

# the same through exec
run devbox run -d --name srv busybox sleep 1000;			expect_status 0
run sh -c 'head -c 20000000 /dev/zero | devbox exec -i srv wc -c'; expect_stdout '20000000'
run sh -c 'devbox exec srv head -c 20000000 /dev/zero | wc -c';	expect_stdout '20000000'
run sh -c 'echo hello | devbox exec srv cat';			expect_stdout ''
run devbox exec srv sh -c 'echo out; echo err >&2; exit 9'
expect_status 9
expect_stdout 'out'
expect_stderr 'err'
run devbox exec srv nosuch;	expect_status 127;	expect_stderr '*executable file not found*'
run devbox rm -f srv;		expect_status 0
# -a: only these streams, and inspect knows
run devbox run --name some -a stdout busybox sh -c 'echo out; echo err >&2'
expect_status 0;	expect_stdout out;	expect_stderr ''
run devbox inspect -f '{{.Config.AttachStdin}} {{.Config.AttachStdout}} {{.Config.AttachStderr}}' some
expect_stdout 'false true false'
run devbox rm some
run sh -c 'echo in | devbox run --rm -i -a stdin -a stderr busybox sh -c "cat >&2"'
expect_status 0;	expect_stdout '';	expect_stderr in
run devbox run -d -a stdout busybox true;	expect_status 125;	expect_stderr '*Conflicting options: -a and -d'
run devbox run -a nothing busybox true;	expect_status 125;	expect_stderr_has 'valid streams are STDIN, STDOUT and STDERR'
# neither the relay of a published port nor --init keeps a stream open
for how in '-p 127.0.0.1::8080' --init; do
	run timeout -s KILL 20 sh -c "echo over | devbox run --rm -i $how busybox cat";	expect_status 0;	expect_stdout 'over'
	run timeout -s KILL 20 sh -c "devbox run --rm $how busybox yes | head -1";	expect_status 0;	expect_stdout 'y'
done
expect_no_leftovers
