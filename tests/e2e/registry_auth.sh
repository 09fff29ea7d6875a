# tests/e2e/registry_auth.sh -- credentials, helpers, other registries, mirrors, authorities, proxies
. "$(dirname "$0")/../lib/e2e.sh"
H=$(home)
docker_config() { as_user mkdir -p "$H/.docker"; cat >"$H/.docker/config.json"; chown -R --reference="$H" "$H/.docker"; }
devbox_config() { as_user mkdir -p "$H/.config/devbox"; cat >"$H/.config/devbox/config.json"; chown -R --reference="$H" "$H/.config"; }
as_user() { e2e_as "$@"; }
basic() { printf %s "$1" | base64 -w0; }
pulls() { run "$@"; expect_status 0; expect_stderr ''; }
forget() { run devbox prune -af; expect_status 0; }

# --- a private repository on the Hub ---------------------------------------------------------------------------------
run devbox pull -q dbx/private
expect_status 1
expect_stderr "devbox: pulling dbx/private: pull access denied for dbx/private:latest: repository does not exist or may require credentials: * (hint: no credentials for docker.io in ~/.docker/config.json: devbox login)"
docker_config <<<"{\"auths\":{\"https://index.docker.io/v1/\":{\"auth\":\"$(basic dbxuser:dbxpass)\"}}}"
pulls devbox pull -q dbx/private
! hub_log 'production.cloudflare.docker.com/*' | grep -q leak || fail 'credentials went to the CDN'
forget
docker_config <<<"{\"auths\":{\"https://index.docker.io/v1/\":{\"auth\":\"$(basic dbxuser:wrong)\"}}}"
run devbox pull -q dbx/private
expect_status 1;	expect_stderr '*pull access denied for dbx/private:latest* (hint: the credentials for docker.io in ~/.docker/config.json do not allow it)'
expect_stderr_lines 1

# --- credential helpers, in a folder of the user's own ----------------------------------------------------------------
as_user mkdir -p "$H/bin" "$H/dc"
cat >"$H/bin/docker-credential-fake" <<'END'
#!/bin/sh
[ "$1" = get ] || exit 2
read -r server
case $server in
https://index.docker.io/v1/) echo '{"ServerURL":"x","Username":"dbxuser","Secret":"dbxpass"}' ;;
registry.test:8443) echo 'credentials not found in native keychain'; exit 1 ;;
*) echo "the keychain is locked"; exit 1 ;;
esac
END
chmod 755 "$H/bin/docker-credential-fake"
echo '{"credsStore":"fake"}' >"$H/dc/config.json"
helped=(sh -c 'PATH=$HOME/bin:$PATH DOCKER_CONFIG=$HOME/dc exec "$@"' -)
pulls "${helped[@]}" devbox pull -q dbx/private
forget
echo '{"credHelpers":{"docker.io":"fake"}}' >"$H/dc/config.json"
run "${helped[@]}" devbox pull -q dbx/private
expect_status 1;	expect_stderr 'devbox: pulling dbx/private: docker-credential-fake failed with status 1: the keychain is locked'
echo '{"credHelpers":{"https://index.docker.io/v1/":"fake"}}' >"$H/dc/config.json"
pulls "${helped[@]}" devbox pull -q dbx/private
forget
echo '{"credsStore":"missing"}' >"$H/dc/config.json"
run "${helped[@]}" devbox pull -q busybox
expect_status 1;	expect_stderr 'devbox: pulling busybox: starting docker-credential-missing: No such file or directory (hint: *)'
echo '{"auths": [' >"$H/dc/config.json"
run "${helped[@]}" devbox pull -q busybox
expect_status 1;	expect_stderr 'devbox: pulling busybox: */dc: config.json: malformed JSON: *'

rm -r "$H/.docker"

# --- tokens end in the middle of a pull --------------------------------------------------------------------------------
hub_set token_ttl=1
pulls devbox pull -q debian
hub_clear
forget

# --- any registry: plain HTTP on the loopback, Basic, by name and port ----------------------------------------------
pulls devbox pull -q 127.0.0.1:5000/library/busybox
expect_stdout '127.0.0.1:5000/library/busybox:latest'
pulls devbox pull -q localhost:5000/library/busybox:1
run devbox pull -q registry.test:8443/library/busybox
expect_status 1;	expect_stderr '*pull access denied for registry.test:8443/library/busybox:latest*no credentials for registry.test:8443*'
echo '{"credsStore":"fake"}' >"$H/dc/config.json"
run "${helped[@]}" devbox pull -q registry.test:8443/library/busybox
expect_status 1;	expect_stderr '*no credentials for registry.test:8443*'
docker_config <<<"{\"auths\":{\"registry.test:8443\":{\"auth\":\"$(basic dbxuser:dbxpass)\"}}}"
pulls devbox pull -q registry.test:8443/library/busybox
run devbox images --format '{{.Repository}}:{{.Tag}}'
expect_stdout_has 'registry.test:8443/library/busybox:latest'
forget

# --- authorities that are in no bundle ---------------------------------------------------------------------------------
pulls env "SSL_CERT_FILE=$W/disk/ca/ca2.crt" devbox pull -q private-ca.test:8443/library/busybox
forget
as_user mkdir -p "$H/.config/devbox/certs.d/private-ca.test:8443"
cp "$W/disk/ca/ca2.crt" "$H/.config/devbox/certs.d/private-ca.test:8443/ca.crt"
pulls devbox pull -q private-ca.test:8443/library/busybox
forget
rm -r "$H/.config/devbox/certs.d"
devbox_config <<<'{"registries":{"private-ca.test:8443":{"insecure":true}}}'
pulls devbox pull -q private-ca.test:8443/library/busybox
forget

# --- mirrors: before the registry, which has the last word ------------------------------------------------------------
devbox_config <<<'{"registries":{"docker.io":{"mirrors":["https://mirror.test"]}}}'
hub_clear
pulls devbox pull -q busybox
expect_stdout 'docker.io/library/busybox:latest'
expect_equal "$(hub_count 'registry-1.docker.io/*')" 0
[ "$(hub_count 'mirror.test/*')" -gt 2 ] || fail 'the mirror was not asked'
forget
hub_fault 'mirror.test/*' status=404 count=-1
run devbox pull busybox
expect_status 0
[ "$(hub_count 'registry-1.docker.io/*')" -gt 2 ] || fail 'the registry was not asked'
hub_clear
forget
devbox_config <<<'{"registries":{"docker.io":{"mirrors":["http://127.0.0.1:5000"]}}}'
pulls devbox pull -q busybox
expect_equal "$(hub_count 'registry-1.docker.io/*')" 0
forget
devbox_config <<<'{"registries":{"docker.io":{"miror":[]}}}'
run devbox pull -q busybox
expect_status 1;	expect_stderr 'devbox: pulling busybox: devbox/config.json: registries: "docker.io": unknown member "miror" (hint: did you mean "mirrors"?)'
rm "$H/.config/devbox/config.json"

# --- proxies -----------------------------------------------------------------------------------------------------------
pulls env https_proxy=http://proxy.test:3128 devbox pull -q busybox
forget
pulls env HTTPS_PROXY=http://proxy:secret@proxy.test:3129 devbox pull -q busybox
forget
run env https_proxy=http://proxy.test:3129 devbox pull -q busybox
expect_status 1;	expect_stderr 'devbox: pulling busybox: the proxy does not let us through to registry-1.docker.io: * (hint: https_proxy=*'
run env https_proxy=http://no-proxy.test:1 devbox pull -q busybox
expect_status 1;	expect_stderr 'devbox: pulling busybox: cannot find the address of the proxy for registry-1.docker.io (hint: check http_proxy and https_proxy)'
pulls env https_proxy=http://no-proxy.test:1 http_proxy=http://no-proxy.test:1 devbox pull -q 127.0.0.1:5000/library/busybox
pulls env https_proxy=http://no-proxy.test:1 no_proxy=docker.io,docker.com devbox pull -q busybox
forget

# --- as the host's root: the user's files are read as the user, the rest happens as the mapped root -------------------
R=$(home root)
mkdir -p "$R/.docker"
chmod 700 "$R" "$R/.docker"
echo "{\"auths\":{\"https://index.docker.io/v1/\":{\"auth\":\"$(basic dbxuser:dbxpass)\"}}}" >"$R/.docker/config.json"
cp "$W/disk/ca/ca2.crt" "$R/.docker/private.crt"
as root run devbox pull -q dbx/private
expect_status 0
as root run env "SSL_CERT_FILE=$R/.docker/private.crt" devbox pull -q private-ca.test:8443/library/busybox
expect_status 0
as root run devbox prune -af;	expect_status 0
as dbx0 run devbox pull -q busybox
expect_status 0
expect_no_leftovers
