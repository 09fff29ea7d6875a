# tests/e2e/build_instructions.sh -- each instruction of a Dockerfile does what the reference says
# timeout: 120
. "$(dirname "$0")/../lib/e2e.sh"

dir=$(home)/ctx
file() {	# PATH < CONTENT: a file of the context, the user's
	mkdir -p "$(dirname "$dir/$1")"
	cat >"$dir/$1"
	chown -R "$(stat -c %u:%g "$(home)")" "$dir"
}
inspect() { run devbox image inspect -f "$1" img; expect_status 0; }

file Dockerfile <<'DF'
# syntax=docker/dockerfile:1
ARG TAG=latest
FROM busybox:${TAG} AS base
MAINTAINER Ann <ann@example.org>
ARG GREETING=hello UNSET
ENV A=1 B="two words" C=$GREETING \
    # a comment inside a continuation

    D=${A:-x}${NOPE:+y}
ENV OLD style of it
LABEL org.example.a="1 2" b=${C}
WORKDIR /work
WORKDIR sub
RUN echo "$A|$B|$C|$D|$OLD|$GREETING|$PWD" > seen && umask > mask
RUN ["sh", "-c", "echo exec > exec"]
RUN <<EOF
set -e
echo first > heredoc
echo second >> heredoc
EOF
RUN <<EOF
#!/bin/sh -eu
echo "script $0" > script
EOF
RUN cat <<'ONE' > one && cat <<-TWO > two
$A stays
ONE
	tabs go
TWO
COPY <<"RAW" <<COOKED /copied/
$A
RAW
$A ${B}
COOKED
EXPOSE 80 53/udp 8000-8002
VOLUME ["/data", "/more"]
VOLUME /third
USER 1000:1001
RUN id > /tmp/id
STOPSIGNAL SIGINT
HEALTHCHECK --interval=5s --timeout=2s --retries=4 --start-period=1s CMD test -f /work/sub/seen
SHELL ["/bin/sh", "-ec"]
ENTRYPOINT ["/bin/sh", "-c"]
CMD echo default \
DF
run devbox build -t img ctx;		expect_status 0; expect_stderr_has 'RUN ["sh", "-c", "echo exec > exec"]'
inspect '{{json .Config.Env}}'
expect_stdout_has ',"A=1","B=two words","C=hello","D=x","OLD=style of it"]'
inspect '{{json .Config.Labels}} {{.Author}} {{.Config.WorkingDir}} {{.Config.User}} {{.Config.StopSignal}}'
expect_equal "$stdout" '{"b":"hello","org.example.a":"1 2"} Ann <ann@example.org> /work/sub 1000:1001 SIGINT'
inspect '{{json .Config.ExposedPorts}} {{json .Config.Volumes}}'
expect_equal "$stdout" '{"53/udp":{},"80/tcp":{},"8000/tcp":{},"8001/tcp":{},"8002/tcp":{}} {"/data":{},"/more":{},"/third":{}}'
inspect '{{json .Config.Healthcheck}}'
expect_equal "$stdout" '{"Test":["CMD-SHELL","test -f /work/sub/seen"],"Interval":5000000000,"Timeout":2000000000,"StartPeriod":1000000000,"Retries":4}'
inspect '{{json .Config.Entrypoint}} {{json .Config.Cmd}}'
expect_equal "$stdout" '["/bin/sh","-c"] ["/bin/sh","-ec","echo default"]'
run devbox run --rm img 'cd /work/sub; cat seen mask exec heredoc one two script /copied/RAW /copied/COOKED /tmp/id'
expect_status 0
expect_equal "$stdout" "1|two words|hello|x|style of it|hello|/work/sub
0022
exec
first
second
\$A stays
tabs go
script /dev/pipes/EOF
\$A
1 two words
uid=1000 gid=1001 groups=1001"
# nothing of what the containers were given is left in the layers
run devbox run --rm img 'ls -A /dev/pipes /run/secrets 2>&1 | head -1; ls -la /etc/resolv.conf | head -1'
expect_stdout_has 'No such file'

# COPY and ADD: what is called what, owners, modes, links, archives
file a.txt <<<a
file dir/b.txt <<<b
file dir/sub/c.md <<<c
file dir/skip.log <<<log
file many/x1 <<<1
file many/x2 <<<2
file many/y <<<y
ln -s b.txt "$dir/dir/link"
ln -s dir/b.txt "$dir/to-file"
chmod 750 "$dir/a.txt"; chmod 700 "$dir/dir/sub"
mkdir "$dir/t" && echo packed >"$dir/t/p" && tar -C "$dir/t" -czf "$dir/ar.tgz" p && gzip -c "$dir/a.txt" >"$dir/plain.gz"
chown -R -h "$(stat -c %u:%g "$(home)")" "$dir"
file Dockerfile <<'DF'
FROM busybox
RUN echo ann:x:500:500::/:/bin/sh >>/etc/passwd && mkdir /there /real && ln -s /real /lnk
COPY a.txt /one
COPY a.txt /there
COPY a.txt dir/b.txt /new/deep/
COPY dir /d1
COPY dir/ /d2/
COPY --chown=ann:100 --chmod=640 a.txt /own/
COPY --chown=7 dir /own7
COPY m*/x? /wild/
COPY ["a.txt", "/with space/"]
COPY to-file /followed
COPY a.txt /lnk/
COPY --exclude=*.log --exclude=sub dir /ex
COPY --parents dir/sub/c.md ./dir/./b.txt /par/
COPY --link --chmod=600 a.txt /linked/
ADD ar.tgz /un/
ADD plain.gz /un/
ADD --chown=9:9 ar.tgz /un9/
COPY ar.tgz /
DF
run devbox build -t img ctx;		expect_status 0
run devbox run --rm img sh -c 'for f in /one /there/a.txt /new/deep/b.txt /d1/b.txt /d1/link /d1/sub /d2/sub/c.md /own/a.txt /own7 /own7/b.txt /wild/x1 "/with space/a.txt" /followed /real/a.txt /linked/a.txt /un/p /un/plain.gz /un9/p /ar.tgz /par/dir/sub/c.md /par/b.txt; do stat -c "%n %F %a %u:%g" "$f"; done; readlink /d1/link; ls /ex /wild'
expect_status 0
expect_equal "$stdout" '/one regular file 750 0:0
/there/a.txt regular file 750 0:0
/new/deep/b.txt regular file 644 0:0
/d1/b.txt regular file 644 0:0
/d1/link symbolic link 777 0:0
/d1/sub directory 700 0:0
/d2/sub/c.md regular file 644 0:0
/own/a.txt regular file 640 500:100
/own7 directory 755 7:7
/own7/b.txt regular file 644 7:7
/wild/x1 regular file 644 0:0
/with space/a.txt regular file 750 0:0
/followed regular file 644 0:0
/real/a.txt regular file 750 0:0
/linked/a.txt regular file 600 0:0
/un/p regular file 644 0:0
/un/plain.gz regular file 644 0:0
/un9/p regular file 644 9:9
/ar.tgz regular file 644 0:0
/par/dir/sub/c.md regular file 644 0:0
/par/b.txt regular file 644 0:0
b.txt
/ex:
b.txt
link

/wild:
x1
x2'

# ONBUILD runs in the image made from it, and is gone from that
file Dockerfile <<'DF'
FROM busybox
ONBUILD COPY a.txt /triggered
ONBUILD RUN <<EOF
echo again >> /triggered
EOF
DF
run devbox build -t parent ctx;		expect_status 0
file Dockerfile <<'DF'
FROM parent
CMD ["cat", "/triggered"]
DF
run devbox build -t img ctx;		expect_status 0
run devbox run --rm img;		expect_equal "$stdout" $'a\nagain'
run sh -c "printf 'FROM img\n' | devbox build -q -";	expect_status 0

# --build-arg, --target, --label, -f, --iidfile, Dockerfile from stdin
file other.df <<'DF'
ARG V=1
FROM busybox AS first
ARG V
ARG W
RUN echo "$V $W" > /v
FROM first AS second
RUN echo never && exit 9
DF
run devbox build -q -t img -f ctx/other.df --target first --build-arg V=7 --build-arg W=w --label l=x --iidfile iid ctx
expect_status 0;			expect_stdout 'sha256:*'
expect_file iid "$stdout"
run devbox run --rm img cat /v;		expect_stdout '7 w'
inspect '{{.Config.Labels.l}}';		expect_stdout x
run sh -c "printf 'FROM busybox\nCMD [\"true\"]\n' | devbox build -q -t img -";	expect_status 0
run sh -c "tar -C ctx -c . | devbox build -q -t img -f other.df --target first -";	expect_status 0
run sh -c "printf 'FROM busybox\nCOPY a.txt /\n' | devbox build -q -t img -f - ctx";	expect_status 0
run devbox build -o out -f ctx/other.df --target 0 ctx;	expect_status 0
expect_file out/v '1 '
run devbox rmi -f img parent;		expect_status 0
expect_no_leftovers
