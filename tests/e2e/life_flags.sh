# tests/e2e/life_flags.sh -- the smaller flags of run, each with its effect, in exec too where that is Docker's way
. "$(dirname "$0")/../lib/e2e.sh"

run devbox pull -q busybox; expect_status 0
refused() { local want=$1; shift; run devbox run --rm "$@" busybox true; expect_status 125; expect_stderr_has "$want"; }
inside() { local cmd=${*: -1}; run devbox run --rm "${@:1:$#-1}" busybox sh -c "$cmd"; }

inside --shm-size 1m 'df -k /dev/shm | awk "END{print \$2}"';	expect_stdout '1024'
inside 'df -k /dev/shm | awk "END{print \$2}"';			expect_stdout '65536'
inside --ulimit nofile=100:200 --ulimit core=0 'ulimit -Sn; ulimit -Hn; ulimit -c';	expect_stdout '100
200
0'
refused 'invalid ulimit type: foo' --ulimit foo=1
refused 'ulimit soft limit must be less than or equal to hard limit: 3 > 2' --ulimit nofile=3:2
refused 'allows you at most' --ulimit nofile=-1
inside --sysctl net.ipv4.ip_unprivileged_port_start=1000 --sysctl net.core.somaxconn=77 'cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/core/somaxconn'
expect_stdout '1000
77'
refused "sysctl 'kernel.panic' is not allowed" --sysctl kernel.panic=1
refused "not allowed in the host's network namespace" --network host --sysctl net.core.somaxconn=1
refused 'sysctl net.ipv4.nosuch=1' --sysctl net.ipv4.nosuch=1
inside --group-add audio --group-add 1234 -u 5 'id -G | tr " " "\n" | grep -c -e ^29$ -e ^1234$'
[ "$stdout" = 2 ] || [ "$stdout" = 1 ] || fail "groups: $stdout"
refused 'nosuch' --group-add nosuch
inside --oom-score-adj 321 'cat /proc/self/oom_score_adj';	expect_stdout '321'
refused 'only the host'\''s root can make it less' --oom-score-adj -1000
refused 'range for oom score adj is' --oom-score-adj 1001
inside --dns 192.0.2.1 --dns-search example.org --dns-option ndots:3 'cat /etc/resolv.conf';	expect_stdout 'nameserver 192.0.2.1
search example.org
options ndots:3'
refused 'foo is not an ip address' --dns foo
inside --hostname web --domainname example.org 'hostname; cat /proc/sys/kernel/domainname; grep -c "web.example.org web" /etc/hosts';	expect_stdout 'web
example.org
2'
inside --mac-address 02:42:00:00:00:99 'cat /sys/class/net/eth0/address; nslookup registry-1.docker.io >/dev/null && echo answers'
expect_stdout '02:42:00:00:00:99
answers'
refused 'is not a valid mac address' --mac-address 01:00:5e:00:00:01
run sh -c 'printf "# no\na=1\n b\n" >labels && devbox create --name lab --label-file labels -l a=2 --expose 99 --stop-signal USR1 --stop-timeout 3 --ulimit nofile=9 --device /dev/fuse --sysctl net.core.somaxconn=5 busybox true'
expect_status 0
run devbox inspect -f '{{json .Config.Labels}} {{json .Config.ExposedPorts}} {{.Config.StopSignal}} {{.Config.StopTimeout}} {{json .HostConfig.Ulimits}} {{json .HostConfig.Sysctls}} {{(index .HostConfig.Devices 0).PathInContainer}} {{len .Mounts}}' lab
expect_equal "$stdout" '{"a":"2","b":""} {"99/tcp":{}} SIGUSR1 3 [{"Name":"nofile","Hard":9,"Soft":9}] {"net.core.somaxconn":"5"} /dev/fuse 0'
run devbox rm lab

# devices: those the user may open
inside --device /dev/fuse --device /dev/zero:/dev/nil 'test -c /dev/fuse && head -c 3 /dev/nil | wc -c';	expect_stdout '3'
refused 'error gathering device information while adding custom device: /dev/nosuch' --device /dev/nosuch
refused 'not a device node' --device /etc/passwd
refused 'devices that you may open yourself' --device /dev/console
refused 'device mode r is not supported' --device /dev/fuse:/dev/fuse:r

# exec has the same limits and groups
run devbox run -d --name ex --ulimit nofile=50:60 --group-add 1234 --init busybox sleep 600;	expect_status 0
run devbox exec -u 5 ex sh -c 'ulimit -n; id -G';	expect_stdout '50
*1234*'
run devbox rm -f ex

# refused with the reason
refused 'each container has its own processes' --pid host
refused 'each container has its own IPC namespace' --ipc host
refused '(--device)' --gpus all
refused 'No such container: x' --network container:x
run devbox run --rm --ipc private --runtime runc --cgroupns=private busybox true;	expect_status 0
run devbox run --rm --network none -p 80 busybox ip -o link;	expect_status 0;	expect_stderr 'WARNING: Published ports are discarded*none*'
[[ $stdout != *eth0* ]] || fail 'none has an interface'
expect_no_leftovers
