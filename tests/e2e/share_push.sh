# tests/e2e/share_push.sh -- what is pushed comes back as the same image; broken uploads go on; who may not is told so
. "$(dirname "$0")/../lib/e2e.sh"
hub=registry-1.docker.io
forget() { run devbox prune -af; expect_status 0; }
id_of() { e2e_as devbox images -q --no-trunc "$1"; }
digest_of() { e2e_as devbox images --digests --format '{{.Digest}}' "$1"; }

# --- login ------------------------------------------------------------------------------------------------------------
run devbox pull -q busybox;	expect_status 0
run devbox tag busybox dbxuser/app:1;	expect_status 0
run devbox push dbxuser/app:1
expect_status 1
expect_stderr 'devbox: pushing dbxuser/app:1: push access denied for dbxuser/app:1: repository does not exist or may require authorization: authentication required (hint: no credentials for docker.io in ~/.docker/config.json: devbox login)'
run sh -c 'echo wrong | devbox login -u dbxuser --password-stdin'
expect_status 1;	expect_stderr 'devbox: logging in to docker.io: unauthorized: incorrect username or password'
expect_no_file .docker/config.json
run devbox login </dev/null
expect_status 1;	expect_stderr 'devbox: logging in to docker.io: Cannot perform an interactive login from a non TTY device (hint: *)'
run devbox login --password-stdin </dev/null
expect_status 1;	expect_stderr 'devbox: Must provide --username with --password-stdin'
run sh -c 'echo dbxpass | devbox login -u dbxuser --password-stdin'
expect_status 0;	expect_stdout 'Login Succeeded';	expect_stderr_has 'WARNING! Your credentials are stored unencrypted in *.docker/config.json'
expect_equal "$(stat -c %a "$(home)/.docker/config.json")" 600
run devbox login </dev/null
expect_status 0;	expect_stdout $'Authenticating with existing credentials...\nLogin Succeeded'
pty devbox login registry.test:8443 <<'SCRIPT'
expect Username:
send dbxuser\r
expect Password:
send dbxpass\r
eof
SCRIPT
expect_status 0;	expect_stdout_has 'Login Succeeded'
case $stdout in *dbxpass*) fail 'the password was shown' ;; esac
run devbox login -u dbxuser -p nope registry.test:8443
expect_status 1;	expect_stderr_has 'WARNING! Using --password via the CLI is insecure. Use --password-stdin.'
expect_stderr_has 'unauthorized: authentication required'

# --- mounted, known, pulled back ------------------------------------------------------------------------------------------
run devbox push dbxuser/app:1
expect_status 0;	expect_stderr ''
expect_stdout_has 'The push refers to repository \[docker.io/dbxuser/app\]'
expect_stdout_has ': Mounted from library/busybox'
expect_stdout_has '1: digest: sha256:* size: *'
run devbox push dbxuser/app:1;	expect_status 0;	expect_stdout_has ': Layer already exists'
run devbox push -q dbxuser/app:1;	expect_status 0;	expect_stdout docker.io/dbxuser/app:1
run devbox events --since 1h --until 0s --filter event=push --format '{{.Type}} {{.Actor.ID}} {{.Actor.Attributes.name}}'
expect_stdout_has 'image dbxuser/app:1 dbxuser/app'
for t in 2 3; do run devbox tag busybox "dbxuser/app:$t"; done
run devbox push -a dbxuser/app;	expect_status 0
expect_stdout_has '1: digest:';	expect_stdout_has '2: digest:';	expect_stdout_has '3: digest:'
# and what was just built
run sh -c 'printf "FROM busybox\nRUN echo new > /new\n" | devbox build -q --push -t dbxuser/app:built -t dbxuser/app:again -'
expect_status 0;	expect_stdout 'sha256:*';	expect_stderr ''
for t in built again; do run skopeo inspect --format '{{.Name}}' "docker://$hub/dbxuser/app:$t"; expect_status 0; done
run devbox push -a dbxuser/app:1;	expect_status 1;	expect_stderr "devbox: tag can't be used with --all-tags/-a"
run devbox push dbxuser/none;	expect_status 1
expect_stderr 'devbox: pushing dbxuser/none:latest: An image does not exist locally with the tag: dbxuser/none:latest'
run devbox tag busybox foreign/app;	run devbox push foreign/app
expect_status 1;	expect_stderr '*push access denied for foreign/app:latest*the credentials for docker.io in ~/.docker/config.json do not allow it)'
pushed=$(digest_of dbxuser/app:2) id=$(id_of dbxuser/app:2)
forget
run devbox pull -q dbxuser/app:2;	expect_status 0
expect_equal "$(digest_of dbxuser/app:2)" "$pushed";	expect_equal "$(id_of dbxuser/app:2)" "$id"
forget
run devbox pull -q "dbxuser/app@$pushed";	expect_status 0;	expect_stdout "docker.io/dbxuser/app@$pushed"
run devbox run --rm "dbxuser/app@$pushed" echo pinned;	expect_status 0;	expect_stdout pinned
run devbox pull -q dbxuser/app:2;	expect_status 0
# a pulled single image that is pushed elsewhere keeps its digest: Basic, plain HTTP, and by another tool's measure
run devbox tag dbxuser/app:2 registry.test:8443/team/app:x
run devbox push registry.test:8443/team/app:x;	expect_status 0;	expect_stdout_has "x: digest: $pushed size"
run devbox tag dbxuser/app:2 localhost:5000/team/app2
run devbox push localhost:5000/team/app2;	expect_status 0;	expect_stderr '';	expect_stdout_has "latest: digest: $pushed size"
expect_equal "$(curl -sI -H 'Accept: application/vnd.oci.image.manifest.v1+json' localhost:5000/v2/team/app2/manifests/latest |
	tr -d '\r' | sed -n 's/^Docker-Content-Digest: //Ip')" "$pushed"

# --- made here, of several pieces; the line breaks, a proxy finds it too large ------------------------------------------------
mkdir -p "$E2E_TMP/big" && head -c 40000000 /dev/urandom >"$E2E_TMP/big/data"
tar -C "$E2E_TMP/big" -c data | e2e_as devbox import - dbxuser/big >/dev/null || fail 'no import'
id=$(id_of dbxuser/big)
hub_clear
hub_fault "PATCH $hub/*" status=413
hub_fault "PATCH $hub/*" drop skip=1
run devbox push dbxuser/big
expect_status 0;	expect_stdout_has ': Pushed'
expect_stdout_has 'docker.io answered 413*; trying again in';	expect_stdout_has 'trying again in 0.2 s'
expect_equal "$(hub_count "POST $hub/v2/dbxuser/big/blobs/uploads/*")" 3	# layer, again after 413; configuration
forget
run devbox pull -q dbxuser/big;	expect_status 0;	expect_equal "$(id_of dbxuser/big)" "$id"
run devbox tag dbxuser/big registry.test:8443/team/big
# killed in the middle: the next push goes on where the registry is
hub_clear
hub_fault 'PATCH registry.test:8443/*' status=413
hub_fault 'PATCH registry.test:8443/*' hold skip=1
start killed devbox push registry.test:8443/team/big
hub_wait 'PATCH registry.test:8443/*' count=3
kill -KILL "$killed_pid";	finish killed
hub_clear
run devbox push registry.test:8443/team/big
expect_status 0;	expect_stdout_has ': Pushed'
expect_equal "$(hub_count 'POST registry.test:8443/v2/team/big/blobs/uploads/*')" 1	# the configuration's
expect_equal "$(hub_count 'PATCH registry.test:8443/*')" 1	# all that was missing
forget
run devbox pull -q registry.test:8443/team/big;	expect_status 0;	expect_equal "$(id_of registry.test:8443/team/big)" "$id"
# a token that ends meanwhile, and a registry that has had enough
hub_set token_ttl=1
run devbox tag registry.test:8443/team/big dbxuser/again;	run devbox push -q dbxuser/again;	expect_status 0
hub_clear
hub_fault "PUT $hub/v2/dbxuser/again/manifests/*" status=500 count=-1
run devbox push -q dbxuser/again;	expect_status 1;	expect_stderr 'devbox: pushing dbxuser/again:latest: docker.io answered 500: internal server error'
hub_clear

# --- logout, and a credential helper ------------------------------------------------------------------------------------
run devbox logout;	expect_status 0;	expect_stdout 'Removing login credentials for https://index.docker.io/v1/'
run devbox logout;	expect_status 0;	expect_stdout 'Not logged in to https://index.docker.io/v1/'
e2e_as mkdir -p bin dc
cat >"$(home)/bin/docker-credential-fake" <<'SCRIPT'
#!/bin/sh
case $1 in
store) cat >"$HOME/secret" ;;
get) [ -e "$HOME/secret" ] || { echo 'credentials not found in native keychain'; exit 1; }; cat "$HOME/secret" ;;
erase) rm -f "$HOME/secret" ;;
esac
SCRIPT
chmod 755 "$(home)/bin/docker-credential-fake"
echo '{"credsStore":"fake","HttpHeaders":{"X":"y"}}' >"$(home)/dc/config.json"
chown -R --reference="$(home)" "$(home)/dc"
helped=(sh -c 'PATH=$HOME/bin:$PATH DOCKER_CONFIG=$HOME/dc exec "$@"' -)
run "${helped[@]}" sh -c 'echo dbxpass | devbox login -u dbxuser --password-stdin'
expect_status 0;	expect_stderr '';	expect_stdout 'Login Succeeded'
expect_file secret '*"Secret":"dbxpass"*'
case $(<"$(home)/dc/config.json") in *dbxpass*|*auth\"*) fail 'a secret beside the helper' ;; *credsStore*HttpHeaders*auths*) ;; *) fail 'members of config.json were lost' ;; esac
run "${helped[@]}" devbox push -q dbxuser/again;	expect_status 0
run "${helped[@]}" devbox logout;	expect_status 0;	expect_no_file secret
forget
expect_no_leftovers
