# tests/e2e/cli_flags.sh -- every option of Docker's verbs is known: it works, changes nothing here, or is refused with why
. "$(dirname "$0")/../lib/e2e.sh"

# As Docker's own --help has them; a value stands behind each, right or wrong, and --help, so that nothing is done.
cat >"$E2E_TMP/flags" <<'END'
run: -a --add-host --annotation --attach --blkio-weight --blkio-weight-device -c --cap-add --cap-drop
	--cgroup-parent --cgroupns --cidfile --cpu-count --cpu-percent --cpu-period --cpu-quota
	--cpu-rt-period --cpu-rt-runtime --cpu-shares --cpus --cpuset-cpus --cpuset-mems -d --detach
	--detach-keys --device --device-cgroup-rule --device-read-bps --device-read-iops --device-write-bps
	--device-write-iops --disable-content-trust --dns --dns-opt --dns-option --dns-search --domainname -e
	--entrypoint --env --env-file --expose --gpus --group-add --health-cmd --health-interval
	--health-retries --health-start-interval --health-start-period --health-timeout --hostname -i --init
	--interactive --io-maxbandwidth --io-maxiops --ip --ip6 --ipc --isolation --kernel-memory -l --label
	--label-file --link --link-local-ip --log-driver --log-opt -m --mac-address --memory
	--memory-reservation --memory-swap --memory-swappiness --mount --name --net --net-alias --network
	--network-alias --no-healthcheck --oom-kill-disable --oom-score-adj -P -p --pid --pids-limit
	--platform --privileged --publish --publish-all --pull -q --quiet --read-only --restart --rm --runtime
	--security-opt --shm-size --sig-proxy --stop-signal --stop-timeout --storage-opt --sysctl -t --tmpfs
	--tty -u --ulimit --use-api-socket --user --userns --uts -v --volume --volume-driver --volumes-from -w
	--workdir
create: -a --add-host --annotation --attach --blkio-weight --blkio-weight-device -c --cap-add --cap-drop
	--cgroup-parent --cgroupns --cidfile --cpu-count --cpu-percent --cpu-period --cpu-quota
	--cpu-rt-period --cpu-rt-runtime --cpu-shares --cpus --cpuset-cpus --cpuset-mems --device
	--device-cgroup-rule --device-read-bps --device-read-iops --device-write-bps --device-write-iops
	--disable-content-trust --dns --dns-opt --dns-option --dns-search --domainname -e --entrypoint --env
	--env-file --expose --gpus --group-add --health-cmd --health-interval --health-retries
	--health-start-interval --health-start-period --health-timeout --hostname -i --init --interactive
	--io-maxbandwidth --io-maxiops --ip --ip6 --ipc --isolation --kernel-memory -l --label --label-file
	--link --link-local-ip --log-driver --log-opt -m --mac-address --memory --memory-reservation
	--memory-swap --memory-swappiness --mount --name --net --net-alias --network --network-alias
	--no-healthcheck --oom-kill-disable --oom-score-adj -P -p --pid --pids-limit --platform --privileged
	--publish --publish-all --pull -q --quiet --read-only --restart --rm --runtime --security-opt
	--shm-size --stop-signal --stop-timeout --storage-opt --sysctl -t --tmpfs --tty -u --ulimit
	--use-api-socket --user --userns --uts -v --volume --volume-driver --volumes-from -w --workdir
exec: -d --detach --detach-keys -e --env --env-file -i --interactive --privileged -t --tty -u --user -w
	--workdir
ps: -a --all -f --filter --format -l --last --latest -n --no-trunc -q --quiet -s --size
logs: --details -f --follow -n --since -t --tail --timestamps --until
attach: --detach-keys --no-stdin --sig-proxy
start: -a --attach --checkpoint --checkpoint-dir --detach-keys -i --interactive
stop: -s --signal -t --time --timeout
restart: -s --signal -t --time --timeout
kill: -s --signal
rm: -f --force -l --link -v --volumes
update: --blkio-weight -c --cpu-period --cpu-quota --cpu-rt-period --cpu-rt-runtime --cpu-shares --cpus
	--cpuset-cpus --cpuset-mems --kernel-memory -m --memory --memory-reservation --memory-swap
	--pids-limit --restart
cp: -a --archive --follow-link -L -q --quiet
commit: -a --author -c --change -m --message -p --pause
export: -o --output
stats: -a --all --format --no-stream --no-trunc
inspect: -f --format -s --size --type
events: -f --filter --format --since --until
info: -f --format
version: -f --format
login: -p --password --password-stdin -u --username
images: -a --all --digests -f --filter --format --no-trunc -q --quiet --tree
pull: -a --all-tags --disable-content-trust --platform -q --quiet
push: -a --all-tags --disable-content-trust --platform -q --quiet
save: -o --output --platform
load: -i --input --platform -q --quiet
import: -c --change -m --message --platform
history: --format -H --human --no-trunc --platform -q --quiet
rmi: -f --force --no-prune --platform
search: -f --filter --format --limit --no-trunc
build: --add-host --allow --annotation --attest --build-arg --build-context --builder -c --cache-from
	--cache-to --call --cgroup-parent --check --compress --cpu-period --cpu-quota --cpu-shares
	--cpuset-cpus --cpuset-mems -D --debug --disable-content-trust -f --file --force-rm --iidfile
	--isolation --label --load -m --memory --memory-swap --metadata-file --network --no-cache
	--no-cache-filter -o --output --platform --progress --provenance --pull --push -q --quiet --rm --sbom
	--secret --security-opt --shm-size --squash --ssh -t --tag --target --ulimit
builder prune: -a --all -f --filter --force --keep-storage --max-used-space --min-free-space --reserved-space
	--verbose
container inspect: -f --format -s --size
container prune: -f --filter --force
context ls: --format -q --quiet
image inspect: -f --format --platform
image prune: -a --all -f --filter --force
manifest inspect: --insecure -v --verbose
network connect: --alias --driver-opt --gw-priority --ip --ip6 --link --link-local-ip
network create: --attachable --aux-address --config-from --config-only -d --driver --gateway --ingress --internal
	--ip-range --ipam-driver --ipam-opt --ipv4 --ipv6 --label -o --opt --scope --subnet
network disconnect: -f --force
network inspect: -f --format -v --verbose
network ls: -f --filter --format --no-trunc -q --quiet
network prune: -f --filter --force
network rm: -f --force
system df: --format -v --verbose
system events: -f --filter --format --since --until
system info: -f --format
system prune: -a --all -f --filter --force --volumes
volume create: --availability -d --driver --group --label --limit-bytes --name -o --opt --required-bytes --scope
	--secret --sharing --topology-preferred --topology-required --type
volume inspect: -f --format
volume ls: --cluster -f --filter --format -q --quiet
volume prune: -a --all -f --filter --force
volume rm: -f --force
END
cat >"$(home)/try.sh" <<'END'
while read -r word rest; do
	verb=${verb-}
	case "$word $rest" in *:*) verb="${word%:}"; [ "$word" != "${word%:}" ] || { verb="$word ${rest%%:*}"; rest=${rest#*:}; }; word= ;; esac
	for flag in $word $rest; do
		# shellcheck disable=SC2086	# "volume create"
		devbox $verb "$flag=1" --help >/dev/null 2>err
		status=$?
		case $status,$(head -n 1 err) in
		0,) ;;
		125,'invalid argument '*:\ *) ;;
		*) echo "$verb $flag: $status, $(head -n 1 err)" ;;
		esac
		echo "$verb $flag" >&2
	done
done
END
run bash try.sh <"$E2E_TMP/flags"
expect_status 0
expect_stdout ''
[ "$(wc -l <<<"$stderr")" -gt 400 ] || fail "only $(wc -l <<<"$stderr") options were tried"

# what is refused says why
refused() {	# VERB... FLAG WORDS
	local why=${*: -1}
	run devbox "${@:1:$#-1}" --help;	expect_status 125
	expect_stderr_has "it is not supported: $why"
}
for verb in run create update; do
	refused $verb --cpuset-mems=0 '*--cpuset-cpus is there'
	refused $verb --cpu-rt-period=1000 "real-time budgets are cgroup v1's"
	refused $verb --cpu-rt-runtime=1000 "real-time budgets are cgroup v1's"
	refused $verb --kernel-memory=1g "the kernel's memory counts as --memory"
done
for verb in run create; do
	refused $verb --memory-swappiness=10 'cgroup v2 has no swappiness of its own'
	refused $verb --oom-kill-disable 'what is above its memory limit is ended'
	refused $verb --device-cgroup-rule='c 1:3 r' '*rights of their files (--device)'
	refused $verb --cgroup-parent=/x 'a cgroup is asked from your systemd'
	refused $verb --cgroupns=host 'each container has its own cgroup namespace'
	refused $verb --isolation=hyperv 'it is for Windows'
	refused $verb --runtime=runsc 'devbox runs containers itself'
	refused $verb --gpus=all '*rights of their files (--device)'
	refused $verb --storage-opt=size=1g 'containers share the file system'
	refused $verb --volume-driver=nfs 'volumes are directories of yours'
	refused $verb --device-read-bps=/dev/sda:1mb 'rates of single devices are not kept'
	refused $verb --use-api-socket 'there is no daemon'
	refused $verb --pid host 'each container has its own processes'
done
refused start --checkpoint=x 'checkpoints of processes are not there'
refused rm --link 'links go with their containers'
refused network connect --gw-priority=5 'the first network is the way out'
refused network create --ingress 'networks are of one machine'
refused network create --ipam-driver=x 'addresses are given by devbox itself'
refused build --builder=x 'there is one builder, "default"'
refused build --provenance=max 'images are made without annotations and attestations'
refused volume create --sharing=all 'volumes are of one machine'
refused builder prune --keep-storage=1g 'the cache keeps to 20 GB by itself'
refused -H unix:///run/docker.sock ps 'there is no daemon to be reached'
refused --context=other ps 'there is no daemon to be reached'
refused --config=/x ps '*DOCKER_CONFIG'
run devbox --context default -D --log-level=debug ps -q;	expect_status 0;	expect_stderr ''
run devbox -D container ls -q;	expect_status 0;	expect_stdout ''
run devbox --debug;		expect_status 0;	expect_stdout_has 'Usage:  devbox'
run devbox --nosuch ps;		expect_status 125;	expect_stderr_has 'unknown flag: --nosuch'
run devbox swarm init;		expect_status 1;	expect_stderr_has 'It is not supported: there is no swarm'
run devbox run --nosuch x;	expect_status 125;	expect_stderr_has 'unknown flag: --nosuch'

# what asks for what is done anyway goes through
run devbox pull -q busybox;	expect_status 0
run devbox network create --ingress=false --config-from= --ipam-driver=default plain;	expect_status 0
run devbox network rm plain;	expect_status 0
run devbox build --rm=banana --help;	expect_status 125;	expect_stderr_has 'neither true nor false'
run devbox run --rm --cgroupns=private --ipc= --isolation=default --runtime=runc --memory-swappiness=-1 --kernel-memory=0 \
	--oom-kill-disable=false --disable-content-trust --volume-driver local --cpu-rt-period 0 busybox echo works
expect_status 0;	expect_stdout works;	expect_stderr ''

# inspect --size
run devbox create --name sized busybox true;	expect_status 0
run devbox inspect -s -f '{{.SizeRw}} {{.SizeRootFs}}' sized;	expect_stdout '4096 1986732'
run devbox container inspect --size sized;	expect_stdout_has '"SizeRootFs": 1986732'
run devbox inspect sized;	[[ $stdout != *SizeRw* ]] || fail 'sizes without --size'
run devbox rm sized;		expect_status 0
expect_no_leftovers
