# tests/e2e/run_users.sh -- with subordinate ids, without, and as the host's root: never more rights than the user has
. "$(dirname "$0")/../lib/e2e.sh"

# with subordinate ids: names and numbers of the image
run devbox pull -q busybox; expect_status 0
run devbox run --rm busybox id -u;			expect_stdout '0'
run devbox run --rm -u 1234:5678 busybox sh -c 'id -u; id -g; echo $HOME';	expect_stdout '1234
5678
/'
run devbox run --rm busybox sh -c 'touch /f; chown 4321 /f; stat -c %u /f';	expect_stdout '4321'
# the container's root is the user, on the host's files too
run sh -c 'cd && mkdir -p u && devbox run --rm -v ./u:/u busybox touch /u/f && stat -c %U u/f';	expect_stdout "dbx1"

# without: root alone
as dbx0 run devbox pull -q busybox;			expect_status 0
as dbx0 run devbox run --rm busybox id -u;		expect_stdout '0'
as dbx0 run devbox run --rm busybox sh -c 'echo x >/f; cat /f';	expect_stdout 'x'
# or one that is not root all the time, see run_oneid.sh
as dbx0 run devbox run --rm -u 1234 busybox sh -c 'id -u; touch /f';	expect_stdout '1234'

# as the host's root: inside it is an ordinary mapped id, with no power over the host
as root run devbox pull -q busybox;			expect_status 0
as root run devbox run --rm busybox id -u;		expect_stdout '0'
as root run devbox run -d --name rooted busybox sleep 1000;	expect_status 0
as root run sh -c 'stat -c %u "/proc/$(devbox inspect -f "{{.State.Pid}}" rooted)"';	[ "$stdout" != 0 ] || fail 'it runs as the uid 0 of the host'
as root run sh -c 'mkdir -p /root/only && chmod 700 /root/only && echo secret >/root/only/f && chmod 600 /root/only/f && devbox run --rm -v /root/only:/o busybox cat /o/f'
expect_status 1
expect_stderr '*denied*'
as root run devbox rm -f rooted;				expect_status 0
expect_no_leftovers
