# tests/e2e/build_errors.sh -- what is wrong in a Dockerfile or its context is said with its line; hostile ones do no harm
# timeout: 120
. "$(dirname "$0")/../lib/e2e.sh"

dir=$(home)/ctx
owner=$(stat -c %u:%g "$(home)")
file() { mkdir -p "$(dirname "$dir/$1")"; cat >"$dir/$1"; chown -hR "$owner" "$dir"; }
refused() {	# MESSAGE < Dockerfile
	file Dockerfile
	run devbox build -q ctx
	expect_status 1
	expect_stderr "devbox: building: $1"
	expect_stderr_lines 1
}
file a <<<a

# --- the Dockerfile
refused 'Dockerfile: the file has no instructions' <<<'# nothing'
refused 'Dockerfile:1: RUN before the first FROM: there is no image yet' <<<'RUN x'
refused 'Dockerfile:2: unknown instruction: COPPY (did you mean COPY?)' <<<$'FROM busybox\nCOPPY a b'
refused 'Dockerfile:3: COPY needs source and destination, got 1 word' <<<$'FROM busybox\n\nCOPY a'
refused 'Dockerfile:4: COPY: unknown flag --chwon (did you mean --chown?)' <<<$'FROM busybox\n# c\nCOPY \\\n --chwon=1 a b'
refused 'Dockerfile:2: the heredoc <<EOF is not ended by a line "EOF"' <<<$'FROM busybox\nRUN <<EOF\nx'
refused 'Dockerfile:2: ENV: failed to process "A=${B": syntax error: missing *}*' <<<$'FROM busybox\nENV A=${B'
refused 'Dockerfile:2: ENV: failed to process "A=${B:?must}": B: must' <<<$'FROM busybox\nENV A=${B:?must}'
refused 'Dockerfile:2: EXPOSE: invalid containerPort: http' <<<$'FROM busybox\nEXPOSE http'
refused 'Dockerfile:2: SHELL takes a list in JSON form*got "bash"' <<<$'FROM busybox\nSHELL bash'
refused 'Dockerfile:2: STOPSIGNAL: *FOO*' <<<$'FROM busybox\nSTOPSIGNAL FOO'
refused 'Dockerfile:2: RUN --mount=type=nope,target=/x: unsupported mount type "nope"*' <<<$'FROM busybox\nRUN --mount=type=nope,target=/x true'
refused 'Dockerfile:2: FROM isn*t allowed as an ONBUILD trigger' <<<$'FROM busybox\nONBUILD FROM x'
refused 'Dockerfile:1: FROM takes an image and perhaps "AS name", got "a b"' <<<'FROM a b'
refused 'Dockerfile:1: FROM nope:1: *nope:1*' <<<'FROM nope:1'
refused 'Dockerfile:3: only one escape directive can be used' <<<$'# syntax=x\n# escape=`\n# escape=`\nFROM x'
refused 'Dockerfile:2: COPY: "nothere" was not found in the build context' <<<$'FROM busybox\nCOPY nothere /'
refused 'Dockerfile:2: COPY: --chown=nobodyhere: unable to find user nobodyhere: *' <<<$'FROM busybox\nCOPY --chown=nobodyhere a /'
refused 'Dockerfile:2: process "/bin/sh -c exit 3" did not complete successfully: exit code: 3' <<<$'FROM busybox\nRUN exit 3'
refused 'Dockerfile:2: process "nope": exec: "nope": executable file not found in $PATH' <<<$'FROM busybox\nRUN ["nope"]'
file .dockerignore <<<'a'
refused 'Dockerfile:2: COPY: "a" was not found in the build context (hint: it is excluded by .dockerignore)' <<<$'FROM busybox\nCOPY a /'
file .dockerignore <<<'[a'
refused '.dockerignore:1: syntax error in pattern "[[]a"' <<<$'FROM busybox\nCOPY a /'
rm "$dir/.dockerignore"
run devbox build -t UPPER ctx;		expect_status 1; expect_stderr_has 'invalid tag "UPPER"'
run devbox build nowhere;		expect_status 1; expect_stderr_has 'path "nowhere"'
run devbox build -f nowhere ctx;	expect_status 1; expect_stderr_has 'nowhere'
run devbox build --network=host2 ctx;	expect_status 1; expect_stderr_has '--network host2'
run devbox build --target x ctx;	expect_status 1; expect_stderr_has 'there is no build stage "x"'
run devbox build --progress=loud ctx;	expect_status 1

# --- hostile contexts
mkdir "$dir/evil"
echo secret >"$(home)/outside"
ln -s ../../outside "$dir/evil/up"
ln -s /etc/passwd "$dir/evil/abs"
ln -s "$(home)" "$dir/evil/dirlink"
ln -s loop "$dir/evil/loop"
refused 'Dockerfile:2: COPY: "evil/up" was not found in the build context' <<<$'FROM busybox\nCOPY evil/up /'
refused 'Dockerfile:2: COPY: "evil/abs" was not found in the build context' <<<$'FROM busybox\nCOPY evil/abs /'
refused 'Dockerfile:2: COPY: "evil/dirlink/outside" was not found*' <<<$'FROM busybox\nCOPY evil/dirlink/outside /'
refused 'Dockerfile:2: COPY: *Too many levels of symbolic links' <<<$'FROM busybox\nCOPY evil/loop /'
refused 'Dockerfile:2: COPY: "../outside" was not found in the build context' <<<$'FROM busybox\nCOPY ../outside /'
mknod "$dir/evil/null" c 1 3
refused 'Dockerfile:2: COPY: evil/null is a device: it cannot be copied' <<<$'FROM busybox\nCOPY evil /e/'
rm "$dir/evil/null"
file Dockerfile <<<$'FROM busybox\nCOPY evil /e/'	# links as links: harmless
run devbox build -q -t img ctx;		expect_status 0
run devbox run --rm img readlink /e/abs;	expect_stdout /etc/passwd
# links in the image lead nowhere outside it either
echo mine >"$(home)/victim"; chown "$owner" "$(home)/victim"
file Dockerfile <<DF
FROM busybox
RUN ln -s $(home) /w && ln -s $(home)/victim /v
COPY a /w/planted
COPY a /v
WORKDIR /w/made
DF
run devbox build -q -t img ctx;		expect_status 0
expect_no_file planted; expect_no_file made; expect_file victim mine
# a line of a megabyte; a file of NUL bytes; a name of 4096 bytes; a bomb; a great many files
{ printf 'FROM busybox\nLABEL x="'; head -c 1000000 /dev/zero | tr '\0' x; printf '"\n'; } | file Dockerfile
run devbox build -q -t img ctx;		expect_status 0
{ printf 'FROM busybox\nRUN true '; head -c 1000000 /dev/zero | tr '\0' x; printf '\n'; } | file Dockerfile
run devbox build -q -t img ctx;		expect_status 1; expect_stderr_has 'Argument list too long'
{ printf 'FROM busybox\n'; head -c 100000 /dev/zero; } | refused 'Dockerfile:2: there is a NUL byte in this line'
( cd "$dir" && for ((i = 0; i < 17; i++)); do d=$(printf 'd%.0s' {1..250}); mkdir "$d" && cd "$d" || exit; done )
refused 'Dockerfile:2: COPY: *: File name too long' <<<$'FROM busybox\nCOPY . /all/'
find "$dir" -mindepth 1 -maxdepth 1 -name 'ddd*' -exec rm -rf {} +
head -c 10000000 /dev/zero | gzip -1 >"$dir/inner.gz"
{ /usr/bin/python3 -c '
import sys, tarfile
i = tarfile.TarInfo("zeros")
i.size = 1300000000
sys.stdout.buffer.write(i.tobuf())'; head -c 1300000000 /dev/zero; } | zstd -q -1 >"$dir/bomb.tgz"
refused 'Dockerfile:2: ADD: unpacking bomb.tgz: *: it holds more than * MB of data (hint: RUN tar unpacks what ADD refuses)' <<<$'FROM busybox\nADD bomb.tgz /'
file Dockerfile <<<$'FROM busybox\nADD inner.gz /'	# no archive: copied as it is
run devbox build -q -t img ctx;		expect_status 0
rm "$dir/bomb.tgz" "$dir/inner.gz"
/usr/bin/python3 - "$dir/many" <<'PY'
import os, sys
for d in range(100):
    p = '%s/%d' % (sys.argv[1], d)
    os.makedirs(p)
    for i in range(200):
        os.close(os.open('%s/%d' % (p, i), os.O_CREAT | os.O_WRONLY, 0o644))
PY
file Dockerfile <<<$'FROM busybox\nCOPY many /many\nRUN [ $(find /many -type f | wc -l) = 20000 ]'
run devbox build -q -t img ctx;		expect_status 0
# archives whose names lead out, and a Dockerfile that is a link out of the context
rm -rf "$dir/many"
/usr/bin/python3 - "$dir/up.tar" <<'PY'
import sys, tarfile, io
with tarfile.open(sys.argv[1], 'w') as t:
    i = tarfile.TarInfo('../../../../planted'); i.size = 1
    t.addfile(i, io.BytesIO(b'x'))
PY
refused 'Dockerfile:2: ADD: unpacking up.tar: *leads out of the archive' <<<$'FROM busybox\nADD up.tar /'
expect_no_file planted
run sh -c 'devbox build -q - < ctx/up.tar';	expect_status 1; expect_no_file planted
rm "$dir/Dockerfile"; ln -s "$(home)/outside" "$dir/Dockerfile"
run devbox build -q ctx;		expect_status 1
expect_no_leftovers
