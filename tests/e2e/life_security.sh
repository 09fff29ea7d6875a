# tests/e2e/life_security.sh -- capabilities, --privileged, --security-opt; the same for exec
. "$(dirname "$0")/../lib/e2e.sh"

run devbox pull -q busybox; expect_status 0
shows='grep -E "^(CapEff|CapBnd|NoNewPrivs|Seccomp):" /proc/self/status | tr -d "\t" | tr "\n" " "'
refused() { local want=$1; shift; run devbox run --rm "$@" busybox true; expect_status 125; expect_stderr_has "$want"; }

run devbox run --rm --cap-drop ALL --cap-add chown --cap-add CAP_KILL busybox sh -c "$shows"
expect_stdout 'CapEff:0000000000000021 CapBnd:0000000000000021 NoNewPrivs:0 Seccomp:2 '
run devbox run --rm --cap-drop net_raw busybox sh -c "$shows"
expect_stdout 'CapEff:00000000a80405fb CapBnd:00000000a80405fb *'
run devbox run --rm --cap-add ALL --cap-drop SYS_ADMIN busybox sh -c "$shows"
expect_stdout 'CapEff:000001ffffdfffff *Seccomp:2 '
# what is added can be used, through the filter too
run devbox run --rm --cap-add NET_ADMIN busybox sh -c 'ip link set lo mtu 1234; cat /sys/class/net/lo/mtu';	expect_stdout '1234'
run devbox run --rm --cap-add SYS_ADMIN busybox sh -c 'mount -t tmpfs x /tmp && echo yes';	expect_stdout 'yes'
refused 'invalid capability: '\''FOO'\' --cap-add FOO

# no-new-privileges
run devbox run --rm --security-opt no-new-privileges -u 5 busybox sh -c "$shows";	expect_stdout 'CapEff:0000000000000000 *NoNewPrivs:1 Seccomp:2 '
run devbox run --rm --security-opt seccomp=unconfined busybox sh -c "$shows";	expect_stdout '*Seccomp:0 '

# --privileged: all there is inside the namespace, and still none of the host
run devbox run --rm --privileged busybox sh -c "$shows; mount -t tmpfs x /mnt 2>/dev/null || mkdir /m && mount -t tmpfs x /m && hostname inside && hostname"
expect_stdout 'CapEff:000001ffffffffff CapBnd:000001ffffffffff NoNewPrivs:0 Seccomp:0 inside'
run devbox run --rm --privileged busybox sh -c 'echo x >/proc/sys/kernel/core_pattern'; expect_status 1
run devbox run --rm --privileged busybox sh -c 'echo b >/proc/sysrq-trigger'; expect_status 1
run devbox run --rm --privileged busybox sh -c 'mknod /x b 8 0 && head -c 1 /x'; expect_status 1
run devbox run --rm --privileged --init busybox sh -c 'echo x >/proc/1/exe';	expect_status 1
run devbox run --rm --privileged --init busybox sh -c 'tr -d "\0" </proc/1/environ | wc -c';	expect_stdout '0'

# a profile of one's own; exec is under it too
cat >"$(home)/p.json" <<'END'
{ "defaultAction": "SCMP_ACT_ALLOW", "archMap": [ { "architecture": "SCMP_ARCH_X86_64", "subArchitectures": [ "SCMP_ARCH_X86" ] } ],
  "syscalls": [ { "names": [ "mkdir", "mkdirat", "no_such_call" ], "action": "SCMP_ACT_ERRNO", "errnoRet": 122 },
    { "names": [ "chmod", "fchmodat", "fchmodat2" ], "action": "SCMP_ACT_ERRNO", "includes": { "caps": [ "CAP_SYS_ADMIN" ] } },
    { "names": [ "socket" ], "action": "SCMP_ACT_ERRNO", "errnoRet": 97, "args": [ { "index": 0, "value": 2, "op": "SCMP_CMP_EQ" } ] } ] }
END
run devbox run -d --name prof --security-opt seccomp=p.json --cap-drop NET_RAW busybox sleep 600;	expect_status 0
for via in 'exec prof' 'run --rm --security-opt seccomp=p.json --cap-drop=NET_RAW busybox'; do
	# shellcheck disable=SC2086
	run devbox $via sh -c "mkdir /tmp/x; chmod 1777 /tmp && $shows"
	expect_stderr "*quota exceeded*" ;	expect_stdout 'CapEff:00000000a80405fb *Seccomp:2 '
done
run devbox exec --privileged prof sh -c "$shows";	expect_stdout 'CapEff:000001ffffffffff *Seccomp:2 '
run devbox exec prof nc 127.0.0.1 1;	expect_status 1;	expect_stderr '*Address family not supported*'
run rm p.json	# the container keeps it
run devbox restart -t 0 prof;	expect_status 0
run devbox exec prof mkdir /tmp/x;	expect_stderr '*quota exceeded*'
run devbox inspect -f '{{json .HostConfig.CapDrop}} {{len .HostConfig.SecurityOpt}} {{.HostConfig.Privileged}}' prof;	expect_stdout '\["CAP_NET_RAW"\] 1 false'
run devbox rm -f prof

run sh -c 'echo "{}" >bad.json; echo x >worse.json; echo "{\"defaultAction\":\"SCMP_ACT_NOTIFY\"}" >notify.json'
refused 'Decoding seccomp profile failed: defaultAction is missing' --security-opt seccomp=bad.json
refused 'Decoding seccomp profile failed: profile: malformed JSON' --security-opt seccomp=worse.json
refused 'SCMP_ACT_NOTIFY is not supported' --security-opt seccomp=notify.json
refused 'opening seccomp profile (nosuch.json) failed' --security-opt seccomp=nosuch.json
# meaningless ones are taken, those that would have to confine are refused
run devbox run --rm --security-opt label=disable --security-opt apparmor=unconfined busybox true;	expect_status 0
refused 'apparmor=mine is not supported' --security-opt apparmor=mine
refused 'invalid --security-opt 2: "foo=bar"' --security-opt foo=bar
expect_no_leftovers
