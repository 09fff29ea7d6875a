# tests/e2e/life_update.sh -- update: limits and restart policy of containers that run, and that do not
. "$(dirname "$0")/../lib/e2e.sh"

run devbox pull -q busybox;		expect_status 0
run devbox run -d --name u1 busybox sh -c 'until [ -e /go ]; do usleep 20000; done; head -c 209715200 /dev/zero | tail | wc -c; sleep 600'
expect_status 0;			expect_stderr ''
run devbox update -m 64m --restart on-failure:1 u1;	expect_status 0;	expect_stdout u1
run devbox inspect -f '{{.HostConfig.Memory}} {{.HostConfig.LimitsMode}} {{.HostConfig.RestartPolicy.Name}}' u1
expect_stdout '67108864 soft on-failure'
run devbox exec u1 touch /go;		expect_status 0
again() { [ "$(e2e_as devbox inspect -f '{{.RestartCount}} {{.State.Status}} {{.State.OOMKilled}}' u1)" = '1 exited true' ]; }
eventually 20 again
run devbox rm u1;			expect_status 0

# what does not run takes them at its next start
run devbox create --name u2 busybox nproc
run devbox update --cpus 1 u2;		expect_status 0;	expect_stderr ''
run devbox start -a u2;			expect_status 0;	expect_stdout 1
run devbox update -m 1m u2;		expect_status 1
expect_stderr 'devbox: Cannot update container u2: Minimum memory limit allowed is 6MB'
run devbox update u2;			expect_status 1
expect_stderr 'devbox: you must provide one or more flags when using this command'
run devbox inspect -f '{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}}' u2;	expect_stdout '0 1000000000'
run devbox rm u2;			expect_status 0
run devbox run -d --rm --name u3 busybox sleep 600
run devbox update --restart always u3;	expect_status 1;	expect_stderr_has 'Restart policy cannot be updated because AutoRemove is enabled'
run devbox update --cpus 1 u3;		expect_status 0;	expect_stderr 'devbox: limits are soft: those of CPUs and io hold from the next start on'
run devbox rm -f u3;			expect_status 0
expect_no_leftovers
