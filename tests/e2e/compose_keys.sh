# tests/e2e/compose_keys.sh -- keys that act only now and then: hooks, pull_policy, platform, names that move; and those refused
. "$(dirname "$0")/../lib/e2e.sh"

run devbox pull -q busybox; expect_status 0
write() { e2e_as tee "$1" >/dev/null; }
state_is() { [ "$(e2e_as devbox inspect -f '{{.State.Status}}' "$1" 2>/dev/null)" = "$2" ]; }

# post_start and pre_stop: in order, as whom and where the file says, again at a restart
write compose.yaml <<'END'
name: h
services:
  a:
    image: busybox
    init: true
    user: "7"
    command: sleep 1000
    volumes: [said:/said]
    post_start:
      - {command: sh -c 'echo "begins $$X $$(id -u) $$PWD" | tee -a /said/all', user: "0", environment: [X=1], working_dir: /tmp}
      - {command: sh -c 'echo second >>/said/all', user: root}
    pre_stop: [{command: sh -c 'echo ends >>/said/all', user: root}]
  b: {image: busybox, init: true, command: sleep 1000, depends_on: [a]}
volumes: {said: }
END
run devbox compose up -d;	expect_status 0
case $stderr in *'h-a-1 -> | begins 1 0 /tmp'*'h-a-1  Started'*'h-b-1  Starting'*) ;; *) fail 'the hook is not part of the start' ;; esac
run devbox compose restart -t 0 a;	expect_status 0
run devbox compose exec -T a cat /said/all
expect_stdout 'begins 1 0 /tmp
second
ends
begins 1 0 /tmp
second'
# a hook that fails before the stop is told; one after the start is a start that failed
e2e_as sed -i "s/echo ends/exit 3; echo/" compose.yaml
run devbox compose down -t 0;	expect_status 0
expect_stderr_has 'compose.yaml:12:*services.a.pre_stop: the hook ended with status 3'
expect_stderr_has 'Container h-a-1  Removed'
e2e_as sed -i "s/echo second/exit 4; echo/" compose.yaml
run devbox compose up -d;	expect_status 1
expect_stderr_has 'compose.yaml:11:*services.a.post_start: the hook ended with status 4'
state_is h-b-1 created || fail 'what depends on the service was started'
run devbox compose down -v -t 0;	expect_status 0

# pull_policy: when a registry is asked
manifest='registry-1.docker.io/v2/library/busybox/manifests/*'
policy() {	# POLICY PULLS
	write policy.yaml <<<"services: {a: {image: busybox, pull_policy: $1}}"
	hub_clear
	run devbox compose -f policy.yaml create;	expect_status 0
	[ "$(hub_count "$manifest" | sed 's/^[1-9].*/1/')" = "$2" ] || fail "pull_policy $1: $(hub_count "$manifest") requests"
}
policy missing 0
policy if_not_present 0
policy never 0
policy daily 1
policy daily 0
policy weekly 0
policy every_1w2d3h 0
e2e_as sh -c 'touch -d "26 hours ago" "$1"/cache/pulled/*' sh "$(store)"
policy every_1d3h 0
policy daily 1
policy refresh 1
policy always 1
run devbox compose -f policy.yaml down;	expect_status 0

# a network that the file changes is made again; its containers stay, with their data
write net.yaml <<'END'
name: w
services:
  a: {image: busybox, init: true, command: sleep 1000, networks: [n]}
  b: {image: busybox, init: true, command: sleep 1000, networks: [n, other], depends_on: [a]}
  c: {image: busybox, init: true, command: sleep 1000, networks: [other]}
networks: {n: {ipam: {config: [{subnet: 10.77.1.0/24}]}}, other: }
END
run devbox compose -f net.yaml up -d;	expect_status 0
run devbox compose -f net.yaml exec -T a sh -c 'echo kept >/kept; ip addr';	expect_stdout_has 'inet 10.77.1.'
before=$(e2e_as devbox compose -f net.yaml ps -q)
e2e_as sed -i s/10.77.1/10.77.2/ net.yaml
run devbox compose -f net.yaml up -d a;	expect_status 0
expect_stderr_has 'network n is not as the files say: `up` of all services makes it again'
run devbox compose -f net.yaml up -d;	expect_status 0
expect_stderr_has 'Network w_n  Removed'
expect_stderr_has 'Network w_n  Created'
expect_stderr_has 'Container w-c-1  Running'
run devbox compose -f net.yaml exec -T a sh -c 'cat /kept; ip addr';	expect_stdout 'kept*inet 10.77.2.*'
run devbox compose -f net.yaml exec -T b ping -c 1 -w 5 a;	expect_status 0
expect_equal "$(e2e_as devbox compose -f net.yaml ps -q)" "$before"
run devbox compose -f net.yaml up -d;	expect_status 0; expect_stderr_lines 3
run devbox compose -f net.yaml down -t 0;	expect_status 0

# a port that is for root goes to one that nobody has, and stays there
write low.yaml <<'END'
name: low
services: {a: {image: busybox, init: true, command: sleep 1000, ports: ["80:80"]}}
END
run devbox run -d --name holder -p 8080:80 busybox sleep 1000;	expect_status 0
run devbox compose -f low.yaml up -d;	expect_status 0
expect_stderr_has 'a: port 80 needs root on this host: it is published on 8081'
run devbox compose -f low.yaml up -d --force-recreate;	expect_status 0
run devbox compose -f low.yaml port a 80;	expect_stdout '127.0.0.1:8081*'
run devbox compose -f low.yaml down -t 0;	expect_status 0
run devbox rm -f holder;	expect_status 0

# a name that moves from a service to another one
write named.yaml <<'END'
name: n
services: {old: {image: busybox, init: true, command: sleep 1000, container_name: fixed}}
END
run devbox compose -f named.yaml up -d;	expect_status 0
e2e_as sed -i s/old:/new:/ named.yaml
run devbox compose -f named.yaml up -d;	expect_status 1; expect_stderr_has 'Conflict. The container name "/fixed" is already in use'
run devbox compose -f named.yaml up -d --remove-orphans;	expect_status 0
run devbox compose -f named.yaml ps --services;	expect_stdout new
run devbox compose -f named.yaml up -d --scale new=2;	expect_status 1; expect_stderr_has 'container_name, which only one'
# scaling down takes the highest numbers
e2e_as sed -i 's/, container_name: fixed//' named.yaml
run devbox compose -f named.yaml up -d --scale new=3;	expect_status 0
run devbox compose -f named.yaml up -d --scale new=1;	expect_status 0
run devbox compose -f named.yaml ps --format '{{.Name}}';	expect_stdout n-new-1
run devbox compose -f named.yaml down -t 0;	expect_status 0

# what cannot be had is refused with its place before anything is made; what means nothing is named
while IFS='|' read -r code keys glob <&3; do
	write key.yaml <<<"{services: {a: {image: busybox, $keys}}}"
	run devbox compose -f key.yaml create;	expect_status "$code"
	expect_stderr_has "$glob"
	[ "$code" = 0 ] || expect_stderr_lines 1
done 3<<'END'
1|models: [llm]}}, models: {llm: {model: x|key.yaml:1:*services.a: models are not supported
1|provider: {type: x}|key.yaml:1:*services.a: providers are not supported
1|use_api_socket: true|services.a.use_api_socket: there is no engine
1|gpus: all|service "a" asks for a GPU
1|platform: linux/mips64|services.a.platform: this machine runs linux/
1|platform: nonsense/x/y/z|key.yaml:1:
1|pull_policy: sometimes|services.a.pull_policy: it must be always, never
1|pull_policy: every_day|services.a.pull_policy: it must be always, never
1|pid: host|services.a.pid: host is not supported
1|runtime: kata|services.a.runtime: kata is not supported
0|storage_opt: {size: 1G}|services.a.storage_opt has no effect here
0|cgroup_parent: x|services.a.cgroup_parent has no effect here
0|build: {dockerfile_inline: FROM busybox, cache_from: [x], provenance: false}|services.a.build.cache_from has no effect here
0|annotations: [a=b]|services.a.annotations has no effect here
END
run devbox compose -f key.yaml down;	expect_status 0
expect_no_leftovers
