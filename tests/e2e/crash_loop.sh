# tests/e2e/crash_loop.sh -- kill -9 of any devbox process at any moment: every verb goes on to answer, nothing stays behind
# timeout: 170
# CRASH_SEED repeats a sequence of verbs and moments, CRASH_KILLS (200) makes it longer.
. "$(dirname "$0")/../lib/e2e.sh"

seed=${CRASH_SEED:-4711} kills=${CRASH_KILLS:-200}
note "CRASH_SEED=$seed CRASH_KILLS=$kills"
RANDOM=$seed
S=$(store)
uid=$(stat -c %u "$(home)")
run devbox pull -q busybox;	expect_status 0
run devbox pull -q odd/whiteout;	expect_status 0

words() {	# what to do next
	local c=c$((RANDOM % 4))
	case $((RANDOM % 26)) in
	0 | 1) echo "run -d --name $c -p 127.0.0.1:1808${c#c}:80 busybox sh -c 'trap exit TERM; sleep 1000 & wait'" ;;
	2) echo "run -d --name $c busybox sleep 1000" ;;
	3) echo "run -d --rm --init --name $c -v /anon busybox sleep 1000" ;;
	4) echo "run --rm --network none busybox true" ;;
	5) echo "run --rm busybox true" ;;
	6) echo "exec $c true" ;;
	7) echo "exec -d $c sleep 1000" ;;
	8) echo "stop -t 1 $c" ;;
	9) echo "restart -t 0 $c" ;;
	10) echo "start $c" ;;
	11 | 12) echo "rm -f -v $c" ;;
	13) echo "pull -q odd/whiteout" ;;
	14) echo "run -d --restart always --name $c -v vol:/v busybox sh -c 'sleep 0.2; exit 1'" ;;
	15) echo "run -d --health-cmd true --health-interval 50ms --memory 50m --name $c busybox sleep 1000" ;;
	16) echo "pause $c" ;;
	17) echo "unpause $c" ;;
	18) echo "cp /etc/passwd $c:/tmp/copied" ;;
	19) echo "cp $c:/bin - >/dev/null" ;;
	20) echo "commit $c made:$c" ;;
	21) echo "rename $c c$((RANDOM % 4))" ;;
	22) echo "update --memory 6${c#c}m --restart on-failure:2 $c" ;;
	23) echo "volume rm -f vol" ;;
	24) echo "volume create --label crash=1 vol" ;;
	25) echo "export -o /dev/null $c" ;;
	esac
}

# One of the user's: client, monitor, relay, its helpers; not the containers' own processes.
victim() {
	local all
	mapfile -t all < <(pgrep -U "$uid" '^dev|^new.id')
	[ ${#all[@]} -gt 0 ] && echo "${all[$((RANDOM % ${#all[@]}))]}"
}

done_kills=0 turns=0
begin=$SECONDS
while [ $done_kills -lt "$kills" ] && [ $((SECONDS - begin)) -lt 110 ]; do
	turns=$((turns + 1))
	what=$(words)
	[ $((turns % 40)) != 0 ] || e2e_as devbox rmi -f odd/whiteout >/dev/null 2>&1
	"$lib/world" _as "$AS" timeout -k 1 20 sh -c "exec devbox $what" >/dev/null 2>"$E2E_TMP/err" </dev/null &
	client=$!
	# the moment: from before it began to after it has ended
	read -rt "0.0$(printf %02d $((RANDOM % 50)))" <> <(:) || true
	if pid=$(victim) && kill -9 "$pid" 2>/dev/null; then
		done_kills=$((done_kills + 1))
	fi
	wait $client
	code=$?
	[ $code != 124 ] || fail "turn $turns: devbox $what: no answer; CRASH_SEED=$seed"
	! grep -E 'Assertion|Segmentation|runtime error' "$E2E_TMP/err" || fail "turn $turns: devbox $what"
done
note "$done_kills kills in $turns turns, $((SECONDS - begin)) s"
[ $done_kills -ge "$kills" ] || fail "only $done_kills kills in the time there was"

# every verb answers, and what is listed is true
run devbox ps -a --format '{{.Names}} {{.Status}}';	expect_status 0;	expect_stderr ''
while read -r name state _; do
	[ -n "$name" ] || continue
	case $name in
	c[0-3])	# a stop whose client was killed is still carried out, so "Up" may not last: start it until it stays
		run devbox inspect "$name";	expect_status 0
		run devbox unpause "$name"	# if it is paused
		run devbox diff "$name";	expect_status 0
		if [ "$(e2e_as devbox inspect -f '{{.HostConfig.RestartPolicy.Name}} {{index .Config.Cmd 0}}' "$name")" != "always sh" ]; then
		eventually 15 sh -c "'$lib/world' _as $AS devbox start $name && '$lib/world' _as $AS devbox exec $name true"
		fi
		run devbox logs "$name";	expect_status 0
		run devbox stop -t 0 "$name";	expect_status 0 ;;
	*)	# "run --rm busybox true", whose client or monitor was killed before it began: it ends now
		[ "$state" = Up ] || run devbox start "$name"
		eventually 5 sh -c "! '$lib/world' _as $AS devbox inspect $name" ;;
	esac
	run devbox ps -a --filter "name=^$name\$" -q
	[ -z "$stdout" ] || { run devbox rm "$name";	expect_status 0; }
done <<<"$stdout"
for n in 0 1 2 3; do
	run devbox run --rm --name c$n -p 127.0.0.1:1808$n:80 busybox true;	expect_status 0;	expect_stderr ''
done
run devbox volume rm -f vol;	expect_status 0
run devbox pull -q odd/whiteout;	expect_status 0
run devbox run --rm odd/whiteout cat /f;	expect_status 0
run devbox ps -aq;	expect_stdout ''
run devbox prune -f --volumes;	expect_status 0
expect_no_leftovers
for d in containers names volumes tmp; do
	expect_equal "$d: $(ls -A "$S/$d")" "$d: "
done
