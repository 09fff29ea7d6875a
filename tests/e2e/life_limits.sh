# tests/e2e/life_limits.sh -- limits without cgroups: kept softly, said so, and the reason shown
. "$(dirname "$0")/../lib/e2e.sh"

run devbox pull -q busybox;		expect_status 0
run devbox run --name m1 -m 64m busybox sh -c 'head -c 209715200 /dev/zero | tail | wc -c; until [ -e /go ]; do usleep 20000; done'
expect_status 137
expect_stderr_has 'limits are soft: no cgroup v2 is delegated to this process'
run devbox inspect -f '{{.State.OOMKilled}} {{.State.Error}} {{.HostConfig.LimitsMode}} {{.HostConfig.Memory}} {{.HostConfig.MemorySwap}}' m1
expect_stdout 'true memory limit (soft) soft 67108864 134217728'
run devbox ps -a --format '{{.Status}}';	expect_stdout 'Exited (137) *, memory limit (soft)'
run devbox rm m1;			expect_status 0

# what runs through exec counts
run devbox run -d --name e1 -m 64m --cpu-quota 50000 busybox sleep 600;	expect_status 0
run devbox stats --no-stream --format '{{.MemUsage}}' e1;	expect_stdout '* / 64MiB'
run devbox inspect -f '{{.HostConfig.CpuQuota}} {{.HostConfig.CpuPeriod}}' e1;	expect_stdout '50000 0'
run devbox update --cpus 1 e1;	expect_status 1;	expect_stderr '*Conflicting options: Nano CPUs and CPU Quota cannot both be set'
run devbox exec e1 sh -c 'head -c 209715200 /dev/zero | tail | wc -c; sleep 600';	expect_status 137
run devbox wait e1;			expect_stdout 137
run devbox rm e1;			expect_status 0

# a limit that is kept, and none
run devbox run --rm -m 64m --pids-limit 50 busybox sh -c 'head -c 10000000 /dev/zero | tail | wc -c'
expect_status 0;			expect_stdout 10000000
run devbox run --name n1 busybox true;	expect_stderr ''
run devbox inspect -f '{{.State.OOMKilled}} {{.HostConfig.LimitsMode}} {{.HostConfig.Memory}}' n1
expect_stdout 'false none 0'
run devbox rm n1

run devbox run --name p1 --pids-limit 20 busybox sh -c 'for i in $(seq 30); do sleep 600 & done; wait'
expect_status 137
run devbox inspect -f '{{.State.OOMKilled}} {{.State.Error}} {{.HostConfig.PidsLimit}}' p1
expect_stdout 'false pids limit (soft) 20'
run devbox rm p1;			expect_status 0

# CPUs and their share; of exec, too
run devbox run -d --name c1 --cpus 0.5 -c 512 busybox sleep 600;	expect_status 0
run devbox exec c1 sh -c 'nproc; cut -d" " -f19 /proc/self/stat';	expect_stdout $'1\n4'
run devbox rm -f c1
run devbox run --rm --cpuset-cpus 0 busybox grep Cpus_allowed_list /proc/self/status
expect_stdout $'Cpus_allowed_list:\t0'

# Docker's rules
run devbox run --rm -m 1m busybox true;			expect_status 125
expect_stderr 'devbox: Minimum memory limit allowed is 6MB'
run devbox run --rm --memory-swap 1g busybox true;	expect_status 125
expect_stderr 'devbox: You should always set the Memory limit when using Memoryswap limit, see usage'
run devbox run --rm --cpuset-cpus 900 busybox true;	expect_status 125
expect_stderr 'devbox: Requested CPUs are not available - requested 900, available: 0-*'
run devbox run --rm --cpus 5000 busybox true;		expect_status 125
expect_stderr 'devbox: Range of CPUs is from 0.01 to *'
expect_no_leftovers
