# tests/e2e/registry_faults.sh -- whatever a registry does wrong: one clear line, nothing half visible, the next try works
. "$(dirname "$0")/../lib/e2e.sh"
HUB=registry-1.docker.io/v2/library/busybox
CDN='production.cloudflare.docker.com/*'

# refused WORDS -- the pull fails with one line and leaves nothing that could be used
refused() {
	run "${with[@]}" devbox pull -q busybox
	expect_status 1
	expect_stdout ''
	expect_stderr "devbox: pulling busybox: $1"
	expect_stderr_lines 1
	run devbox images -q;		expect_stdout ''
	expect_equal "$(find "$(store)/layers" -mindepth 1 | wc -l)" 0
	hub_clear
}
works() {
	run devbox pull -q busybox;	expect_status 0;	expect_stdout 'docker.io/library/busybox:latest'
	run devbox rmi busybox;		expect_status 0
	hub_clear
}
with=(env)

# --- refusals --------------------------------------------------------------------------------------------------------
hub_fault "$HUB/manifests/*" status=404 count=-1
refused 'manifest for busybox:latest not found*'
run devbox pull -q busybox:nope
expect_status 1;	expect_stderr 'devbox: pulling busybox:nope: manifest for busybox:nope not found*'
run devbox pull -q no/such
expect_status 1;	expect_stderr "devbox: pulling no/such: pull access denied for no/such:latest: repository does not exist or may require credentials*"
hub_fault "$HUB/manifests/*" status=403 count=-1
refused 'pull access denied for busybox:latest: *'
works

# --- limits: told in words, with the time; a short one is waited for ------------------------------------------------
hub_fault "$HUB/manifests/*" status=429 count=-1 retry-after=3600
refused 'docker.io refuses more pulls for now*; try again in 60 minutes (hint: *mirror*'
hub_set remaining=0
refused 'docker.io refuses more pulls for now, 0 of 100 pulls left in 6 hours*'
hub_fault "$HUB/manifests/*" status=429 count=1 retry-after=1
run devbox pull busybox;	expect_status 0
hub_clear
run devbox rmi busybox

# --- a server in trouble ---------------------------------------------------------------------------------------------
hub_fault "$HUB/manifests/*" status=503 count=-1
refused 'docker.io answered 503*'
hub_fault "$HUB/manifests/*" status=500 count=2
hub_fault "$CDN" status=502 count=1
works
hub_fault "auth.docker.io/*" status=500 count=-1
refused 'the token service of docker.io answered 500'
hub_fault "auth.docker.io/*" malformed count=-1
refused "the token service's answer: malformed JSON: *"
hub_fault "$HUB/manifests/*" drop count=-1
refused 'the connection to registry-1.docker.io broke: *'
hub_fault "$HUB/manifests/*" drop count=1
hub_fault "$CDN" reset=300000 count=1
works

# --- wrong content ---------------------------------------------------------------------------------------------------
hub_fault "$HUB/manifests/*" malformed count=-1
refused '*'
hub_fault "$HUB/manifests/*" huge=20000000 count=-1
refused 'registry-1.docker.io sent an answer larger than 4194304 bytes'
hub_fault "$HUB/manifests/sha256:*" corrupt=100 count=-1
refused 'sha256:*: the bytes do not have this digest but sha256:*'
for k in 0 50000 1000000; do
	hub_fault "$CDN" corrupt=$k count=-1
	refused '*sha256:*: the bytes do not have this digest but sha256:*'
	works
done

# --- broken downloads go on where they broke ------------------------------------------------------------------------
hub_fault "$CDN" truncate=400000 skip=1 count=1
run devbox pull -q busybox
expect_status 0
hub_log "GET $CDN" | grep -q '"range": "bytes=4' || fail "not resumed: $(hub_log "GET $CDN")"
run devbox rmi busybox
hub_clear
broken() {	# after K bytes of the layer, and then for good
	hub_fault "$CDN" truncate=$1 skip=1 count=1
	hub_fault "$CDN" drop skip=1 count=-1
	refused 'layer sha256:*: the connection to production.cloudflare.docker.com broke: *'
}
broken 200000
# ...also by the next pull, and if the server ignores Range
hub_fault "$CDN" norange count=-1
works
# what was kept of it may be bad: then from the beginning
broken 600000
part=$(echo "$(store)"/cache/*.part)
[ -s "$part" ] || fail 'nothing was kept of the broken download'
printf garbage | dd of="$part" bs=1 seek=1000 conv=notrunc status=none
works

# --- silence ----------------------------------------------------------------------------------------------------------
with=(env DEVBOX_STALL_SECONDS=1)
hub_fault "$CDN" stall=100000 skip=1 count=1
hub_fault "$CDN" hold skip=1 count=-1
refused 'layer sha256:*: production.cloudflare.docker.com sent nothing for 1 seconds'
hub_fault "$HUB/manifests/*" hold count=-1
refused 'registry-1.docker.io sent nothing for 1 seconds'
hub_fault "$CDN" stall=100000 skip=1 count=1
run env DEVBOX_STALL_SECONDS=1 devbox pull -q busybox;	expect_status 0
run devbox rmi busybox
hub_clear

# --- credentials never follow a redirect -----------------------------------------------------------------------------
works
[ "$(hub_count 'GET registry-1.docker.io/v2/library/busybox/blobs/*')" = 0 ] || fail 'the log was not cleared'
run devbox pull -q busybox;	expect_status 0
[ "$(hub_count "GET $CDN")" -gt 0 ] || fail 'the CDN was not asked'
! hub_log "$CDN" | grep -q '"auth": true\|leak' || fail 'credentials went to the CDN'

# --- names that do not resolve, servers that are not there ----------------------------------------------------------
run devbox pull -q no-such-host.test/x
expect_status 1;	expect_stderr 'devbox: pulling no-such-host.test/x: cannot find the address of no-such-host.test (hint: *'
run devbox pull -q 127.0.0.1:9/x
expect_status 1;	expect_stderr 'devbox: pulling 127.0.0.1:9/x: cannot connect to 127.0.0.1:9: *'
run devbox pull -q private-ca.test:8443/library/busybox
expect_status 1;	expect_stderr 'devbox: pulling *: the certificate of private-ca.test:8443 is not trusted: *SSL_CERT_FILE*'
run devbox pull 'Bad Name'
expect_status 1;	expect_stderr 'devbox: *invalid reference format*'
expect_no_leftovers
