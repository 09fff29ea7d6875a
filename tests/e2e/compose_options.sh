# tests/e2e/compose_options.sh -- every option that Docker's Compose 2.40 has: it works, means nothing here, or is refused
# Each line of the table: exit status | what is typed behind `devbox compose` | a pattern of what it prints.
. "$(dirname "$0")/../lib/e2e.sh"

run devbox pull -q busybox; expect_status 0
e2e_as sh -c 'echo V=from-file >vars; echo here >here; mkdir -p b; printf "FROM busybox\nARG A=0\nRUN echo \$A >/a\n" >b/Dockerfile'
e2e_as tee compose.yaml >/dev/null <<'END'
name: t
services:
  web: {image: busybox, init: true, command: sleep 1000, ports: ["127.0.0.1:18093:80"], scale: 2, volumes: [data:/data]}
  job: {image: busybox, init: true, command: sh -c 'echo said; sleep 1000', depends_on: [web]}
  made: {build: ./b, image: "127.0.0.1:5000/me/made", init: true, entrypoint: [sleep, "1000"], profiles: [m]}
volumes: {data: , spare: }
END
e2e_as sed -i 's/18093:80/18093-18094:80/' compose.yaml

check() {	# STATUS WORDS GLOB
	local words
	eval "words=($2)"
	run devbox compose "${words[@]}"
	[ "$status" = "$1" ] || fail "compose $2: status $status instead of $1"
	# shellcheck disable=SC2053
	[[ "$stdout"$'\n'"$stderr" == *$3* ]] || fail "compose $2: it does not print \"$3\""
}
table() {
	local code words glob
	while IFS='|' read -r code words glob <&3; do
		check "$code" "$words" "$glob"
	done 3<&0 </dev/null
}

# nothing is there yet, and a dry run leaves it so
table <<'END'
0|--dry-run up -d|DRY-RUN MODE -  Container t-web-1  Started
0|up --dry-run|DRY-RUN MODE -  Network t_default  Created
0|--dry-run --profile m up -d --build|DRY-RUN MODE -  Service made  Built
0|--dry-run pull|DRY-RUN MODE -  Image busybox  Pulled
0|build --dry-run made|DRY-RUN MODE -  Service made  Built
0|push --dry-run made|DRY-RUN MODE -  Image 127.0.0.1:5000/me/made  Pushed
0|run --dry-run --rm web true|DRY-RUN MODE -  Container web  Run
0|ps -aq|
END
run devbox ps -aq;	expect_stdout ''
run devbox network ls -q --filter name=t_;	expect_stdout ''
run devbox volume ls -q;	expect_stdout ''

table <<'END'
0|--all-resources config|spare
0|--ansi never --progress plain --parallel -1 --compatibility version --short|2.
0|--version|Docker Compose version
0|-v|Docker Compose version
0|version --format json|"version"
0|config -q|
0|config --quiet --no-consistency|
0|config --services|web
0|config --volumes|data
0|config --networks|default
0|config --images|busybox
0|config --profiles|m
0|config --models|
0|config --environment|PATH=
0|config --variables|ALTERNATE VALUE
0|config --hash web|web ????????
0|config --format json|"services"
0|config --no-interpolate --no-normalize --no-path-resolution --no-env-resolution|services:
0|config -o out.yaml|
0|config --resolve-image-digests web|image: docker.io/library/busybox:latest@sha256:
0|config --lock-image-digests|image: docker.io/library/busybox:latest@sha256:
1|config --format toml|unsupported format
0|pull --policy missing --ignore-buildable --include-deps -q job|
0|pull --ignore-pull-failures --policy always web|Pulled
1|pull --policy sometimes|must be "missing" or "always"
0|build --build-arg A=1 --no-cache --pull --with-dependencies --builder default -m 1g made|made  Built
0|build -q --ssh default=/dev/null --provenance false --sbom=false made|
1|build --sbom true made|it is not supported: images are made without annotations and attestations
1|build --check made|--check: *
1|build --print made|--print: *
0|build --push made|Pushed
0|push -q --ignore-push-failures --include-deps made|
0|create --build --force-recreate --quiet-pull --pull missing --remove-orphans --scale web=1 -y|t-web-1  Created
1|create --build --no-build|incompatible
0|create --no-recreate --no-build|
0|up -d --no-start --quiet-pull --quiet-build -y|
0|up -d --wait --wait-timeout 60 --pull never --no-deps web|t-web-1
0|up -d --no-build --always-recreate-deps -t 0 job|t-web-1  Started
0|up -d -V --force-recreate --no-color --no-log-prefix --timestamps --no-attach web --timeout 0|t-web-2  Started
1|up --watch|--watch: *
1|up --attach web --attach-dependencies|cannot combine
1|up --always-recreate-deps --no-recreate|incompatible
1|up -d --exit-code-from web|cannot be used with --detach
1|up --pull sometimes|must be
0|ps|t-web-1
0|ps -a --no-trunc --orphans=false --format json|"Service":"web"
0|ps --services --filter status=running --status running|web
0|ps -q web|
1|ps --filter name=x|unknown filter name
0|ls -a -q --filter name=t --format json|
0|ls --all|running(3)
0|images -q|
0|images --format json|busybox
0|volumes|t_data
0|volumes -q web|t_data
0|volumes --format json|"Driver":"local"
0|logs --index 1 --no-color --no-log-prefix --since 10m --until 0s -n 1 -t job|said
0|logs --tail all job|job-1*said
0|top web|sleep
0|stats --no-stream --no-trunc -a --format json|t-web-1
0|port --index 2 --protocol tcp web 80|127.0.0.1:1809
0|exec -T --index 2 -e A=b -u 0 -w /tmp --privileged web sh -c 'echo $A $PWD'|b /tmp
0|exec -d web true|
0|exec -it --no-TTY web true|
0|cp -a -L here web:/tmp/here|
0|exec -T --index 2 web cat /tmp/here|here
0|cp --index 1 --all web:/tmp/here there|
1|cp here there|unknown copy direction
0|run --rm -T --no-deps -e A=1 --env-from-file vars -u 0 -w /tmp -l x=y --name one --cap-add NET_ADMIN --cap-drop MKNOD -v .:/here web sh -c 'echo $A $V $PWD; ls /here/vars'|1 from-file /tmp*/here/vars
0|run --rm -T -i=false -P --use-aliases --remove-orphans --no-deps --quiet-pull --quiet-build --pull missing -q job echo out|out
0|run -d --rm --name d1 -p 127.0.0.1:18096:80 --entrypoint sleep --no-deps web 1000|d1
0|kill --dry-run|DRY-RUN MODE -  Container t-web-1  Killed
0|pause --dry-run web|DRY-RUN MODE -  Container t-web-1  Paused
0|unpause --dry-run web|Unpaused
0|events --json --since 1h --until 0s web|"service":"web"
0|commit --index 1 -a me -m words -c 'ENV X=y' -p=false web made:copy|sha256:
0|export --index 1 -o out.tar web|
0|attach --dry-run --index 1 --no-stdin --sig-proxy=false --detach-keys ctrl-x web|Attached
0|wait --dry-run web|Waited
1|watch --dry-run --no-up --prune --quiet|not for this command
1|publish --app --oci-version 1.1 --resolve-image-digests --with-env -y me/app|not published
1|bridge convert|config --format kubernetes
1|alpha viz|not there
0|scale --no-deps --dry-run web=1|DRY-RUN MODE -  Container t-web-2  Removed
0|scale --no-deps web=1|t-web-2  Removed
0|restart --no-deps -t 0 web|t-web-1  Started
0|stop --dry-run|DRY-RUN MODE -  Container t-web-1  Stopped
0|stop -t 0 web|t-web-1  Stopped
0|start --dry-run|DRY-RUN MODE -  Container t-web-1  Started
0|start --wait web|t-web-1
0|kill -s KILL --remove-orphans job|t-job-1  Killed
0|rm --dry-run -f|DRY-RUN MODE -  Container t-job-1  Removed
0|rm -f -s -v job|t-job-1  Removed
0|down --dry-run -v --rmi all|DRY-RUN MODE -  Volume t_data  Removed
0|ps -q|??
1|down --rmi some|
0|down -v --rmi local --remove-orphans -t 0|Volume t_data  Removed
END
expect_file out.yaml '*services:*'
expect_file there here
[ -s "$(home)/out.tar" ] || fail 'the export is empty'

# cobra's way of telling what is not there
check 1 'up --forse-recreate' 'unknown flag: --forse-recreate'
run devbox volume ls -q;	expect_stdout ''
expect_no_leftovers
