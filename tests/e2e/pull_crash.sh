# tests/e2e/pull_crash.sh -- killed, interrupted, out of space, out of power: nothing half visible, the next try works
# timeout: 240
. "$(dirname "$0")/../lib/e2e.sh"
CDN='production.cloudflare.docker.com/*'
S=$(store)
hub_set remaining=100000
nothing_visible() {
	run devbox images -q;	expect_stdout ''
	expect_equal "$(find "$S/layers" "$S/tmp" -mindepth 1)" ''
}
on_disk() { ! grep -q boot "$S/index.json" "$S"/layers/*.ok; }

# --- kill -9 in the middle: the children go too, the next pull goes on with what is there ---------------------------
hub_fault "$CDN" stall=400000 skip=1
start victim devbox pull -q busybox
hub_wait "GET $CDN" count=2 timeout=20
eventually 10 sh -c "[ \$(stat -c %s '$S'/cache/*.part) -ge 200000 ]"
kill -9 "$victim_pid"
finish victim;	expect_status 137
hub_clear
run devbox pull -q busybox
expect_status 0
hub_log "GET $CDN" | grep -q '"range": "bytes=' || fail "the download began anew: $(hub_log "GET $CDN")"
run devbox run --rm --network none busybox echo works;	expect_stdout works
run devbox prune -af
expect_no_leftovers

# --- Ctrl-C ends at once ------------------------------------------------------------------------------------------------
hub_fault "$CDN" hold count=-1
pty devbox pull busybox <<'END'
expect Pulling from
send \^C
within 2
eof
END
expect_status 130
hub_clear
run devbox prune -af

# --- two at once share the work ---------------------------------------------------------------------------------------
hub_fault "$CDN" slow=400000 count=-1
start one devbox pull -q busybox
start two devbox pull -q busybox
finish one;	expect_status 0;	expect_stdout 'docker.io/library/busybox:latest'
finish two;	expect_status 0;	expect_stdout 'docker.io/library/busybox:latest'
big=$(hub_log "GET $CDN" | grep -c '"bytes": 10[0-9]*,') || true
[ "$big" = 1 ] || fail "the layer was fetched $big times: $(hub_log "GET $CDN")"
hub_clear
# the one that waits takes over if the other one dies
run devbox prune -af
hub_fault "$CDN" stall=400000 skip=1
start one devbox pull -q busybox
hub_wait "GET $CDN" count=2 timeout=20
start two devbox pull -q busybox
hub_wait 'GET registry-1.docker.io/v2/library/busybox/manifests/*' count=3 'done' timeout=20
kill -9 "$one_pid"
finish one;	expect_status 137
finish two;	expect_status 0
hub_clear
run devbox prune -af
expect_no_leftovers

# --- disk full ------------------------------------------------------------------------------------------------------------
small_disk .local/share/devbox 48
run devbox pull -q debian
expect_status 1
expect_stderr 'devbox: pulling debian: *No space left on device'
expect_stderr_lines 1
nothing_visible
[ "$(df --output=pcent "$S" | tr -dc 0-9)" -lt 30 ] || fail "space is still taken: $(du -a "$S" | sort -n | tail -5)"
run devbox pull -q busybox;	expect_status 0
run devbox run --rm --network none busybox echo works;	expect_stdout works
# ten gigabytes of zeros are no reason to fail: they take no space
run devbox pull -q odd/bomb;	expect_status 0
[ "$(df --output=pcent "$S" | tr -dc 0-9)" -lt 80 ] || fail 'the zeros were written'
run devbox prune -af;		expect_status 0
small_disk_gone .local/share/devbox
E2E_DISKS=()

# --- power lost before all was on disk: the layer is not trusted, the blob is if its digest is right ---------------
run devbox pull -q busybox;	expect_status 0
eventually 20 on_disk
lose_power() { sed -i 's/}$/,"boot":"00000000-dead"}/' "$S"/layers/*.ok; sed -i 's/"io.devbox.size"/"io.devbox.boot":"00000000-dead",&/' "$S/index.json"; }
lose_power
truncate -s 0 "$S"/layers/*/bin/busybox
run devbox images -q;		expect_stdout ''
run devbox run --rm --pull never busybox true;	expect_status 125;	expect_stderr 'devbox: *No such image: busybox*'
hub_clear
run devbox run --rm --network none busybox echo works
expect_status 0;	expect_stdout works
expect_equal "$(hub_count "GET $CDN")" 0
eventually 20 on_disk
lose_power
for blob in "$S"/blobs/sha256/*; do
	[ "$(stat -c %s "$blob")" -lt 100000 ] || printf '\0\0\0\0' | dd of="$blob" bs=1 seek=5000 conv=notrunc status=none
done
run devbox pull -q busybox;	expect_status 0
run devbox run --rm --network none busybox echo works;	expect_stdout works
expect_equal "$(hub_count "GET $CDN")" 1

# --- memory -------------------------------------------------------------------------------------------------------------
run /usr/bin/python3 -c 'import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)' devbox pull -q mysql
expect_status 0
[ "$stdout" -lt 65536 ] || fail "a pull takes $stdout KiB"
note "peak memory of a pull: $stdout KiB"
expect_no_leftovers
