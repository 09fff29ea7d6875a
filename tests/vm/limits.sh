# tests/vm/limits.sh -- limits kept by cgroup v2, for a user in a login session and for root, with systemd
set -u
failed=0
export HOME=/root
ok() { echo "ok $*"; }
not_ok() { echo "not ok $*"; failed=1; }
# shellcheck disable=SC2053 # $2 is a pattern
is() { [[ $1 == $2 ]] && ok "$3" || { not_ok "$3"; echo "# got \"$1\" instead of \"$2\""; }; }
# A command as a login session's: pam_systemd gives it a scope below user-1000.slice.
as_user() { su - dbx1 -c "export XDG_RUNTIME_DIR=/run/user/1000; $(printf '%q ' "$@")"; }
who=dbx1
db() { if [ $who = dbx1 ]; then as_user devbox "$@"; else devbox "$@"; fi; }

install -m 755 /mnt/devbox /usr/local/bin/devbox
loginctl enable-linger dbx1
systemctl start user@1000.service

tests() {
	local out id path i

	mkdir -p /tmp/image/bin /tmp/image/tmp
	cp /bin/busybox /tmp/image/bin/busybox
	for i in sh cat dd sleep echo true mkdir ls grep seq tail; do ln -sf busybox /tmp/image/bin/$i; done
	tar -C /tmp/image -cf /tmp/image.tar .
	out=$(db import /tmp/image.tar box 2>&1) || not_ok "$who: import: $out"

	out=$(db run -d --name box1 --memory 64m --pids-limit 20 --cpus 0.5 box sleep 1000 2>&1)
	is "$out" '*limits are kept by the kernel (cgroup v2)*' "$who: limits are the kernel's"
	id=$(db inspect -f '{{.State.Pid}}' box1)
	path=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/$id/cgroup)
	is "$path" '*devbox-*.scope/devbox-*' "$who: in a scope of systemd's"
	is "$(cat $path/memory.max)" 67108864 "$who: memory.max"
	is "$(cat $path/memory.swap.max)" 67108864 "$who: memory.swap.max"
	is "$(cat $path/pids.max)" 20 "$who: pids.max"
	is "$(cat $path/cpu.max)" '50000 100000' "$who: cpu.max"
	is "$(db inspect -f '{{.HostConfig.LimitsMode}}' box1)" cgroup "$who: inspect says so"
	is "$(db exec box1 cat /sys/fs/cgroup/memory.max)" 67108864 "$who: the container sees its limit"
	is "$(db exec box1 cat /proc/self/cgroup)" '0::/' "$who: exec joins it"
	out=$(db exec box1 sh -c 'for i in $(seq 40); do sleep 5 & done; echo started' 2>&1)
	is "$out" "*can't fork*" "$who: pids are limited, exec included"
	db update --memory 96m --memory-swap 192m box1 >/dev/null
	is "$(cat $path/memory.max)" 100663296 "$who: update changes the limit of what runs"

	db pause box1 >/dev/null
	is "$(cat $path/cgroup.freeze) $(grep frozen $path/cgroup.events)" '1 frozen 1' "$who: pause freezes"
	is "$(db ps --format '{{.Status}}')" '*Paused)' "$who: ps says so"
	db unpause box1 >/dev/null
	is "$(grep frozen $path/cgroup.events)" 'frozen 0' "$who: unpause thaws"
	db pause box1 >/dev/null
	out=$(db rm -f box1 2>&1)
	is "$out" box1 "$who: rm -f of a frozen one"
	for i in $(seq 100); do [ -d "${path%/*}" ] || break; sleep 0.1; done
	[ ! -d "${path%/*}" ] && ok "$who: its scope is gone" || not_ok "$who: ${path%/*} is still there"

	db run -d --name box2 --memory 64m box tail -c 209715200 /dev/zero >/dev/null 2>&1
	out=$(db wait box2)
	is "$out" 137 "$who: 200 MiB in 64 MiB are killed"
	is "$(db inspect -f '{{.State.OOMKilled}}' box2)" true "$who: inspect says out of memory"
	is "$(db ps -a --filter name=box2 --format '{{.Status}}')" '*memory limit*' "$who: so does ps"
	db rm box2 >/dev/null

	out=$(db run --rm --memory 64m --restart no --cpuset-cpus 0 --blkio-weight 100 box grep Cpus_allowed_list /proc/self/status 2>&1)
	is "$out" '*Cpus_allowed_list:?0*' "$who: without a controller the soft form"
	out=$(db run -d --name box3 --restart always --memory 64m box sh -c 'exit 3' 2>&1)
	for i in $(seq 100); do [ "$(db inspect -f '{{.RestartCount}}' box3)" -lt 2 ] || break; sleep 0.1; done
	is "$(db inspect -f '{{.HostConfig.LimitsMode}}' box3)" cgroup "$who: restarted in its cgroup"
	db rm -f box3 >/dev/null
	is "$(systemctl list-units --all --no-legend 'devbox-*.scope')" '' "$who: nothing is left of the scopes"
}

tests
who=root
tests
exit $failed
