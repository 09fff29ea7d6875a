# tests/e2e/api_images.sh -- images, registries and builds through Docker's API, by the docker CLI, python3-docker and
# docker-compose 1.29
. "$(dirname "$0")/../lib/e2e.sh"

sock=$(store)/docker.sock
run devbox pull -q dockercli;	expect_status 0
start service devbox system service
eventually 5 test -S "$sock"
run devbox run -d --name cli --network none -v "$sock:/run/docker.sock" -e DOCKER_HOST=unix:///run/docker.sock \
	-e DOCKER_BUILDKIT=0 -e COMPOSE_DOCKER_CLI_BUILD=0 dockercli sleep 1000
expect_status 0
in_cli() { run devbox exec cli "$@"; }
script() { run devbox exec -i cli sh; }
api() { in_cli curl -s --unix-socket /run/docker.sock "$@"; }

# --- pull, list, names ----------------------------------------------------------------------------------------------------
in_cli docker pull busybox;	expect_status 0;	expect_stderr ''
expect_stdout $'Using default tag: latest\nlatest: Pulling from library/busybox\n????????????: Pulling fs layer\n*: Pull complete\nDigest: sha256:*\nStatus: Downloaded newer image for busybox:latest\ndocker.io/library/busybox:latest'
in_cli docker pull busybox;	expect_status 0;	expect_stdout_has 'Status: Image is up to date for busybox:latest'
in_cli docker pull nope;	expect_status 1;	expect_stderr 'Error response from daemon: pulling nope:latest: pull access denied for nope:latest: *'
in_cli docker pull busybox:nope;	expect_status 1;	expect_stderr '*manifest for busybox:nope not found: manifest unknown'
api -X POST -w ' %{http_code}' 'http://d/images/create?fromImage=busybox&tag=nope';	expect_stdout '{"message":"*"} 404'
id=$(e2e_as devbox images -q --no-trunc busybox)
in_cli docker images --no-trunc --format '{{.Repository}} {{.Tag}} {{.ID}}' busybox;	expect_stdout "busybox latest $id"
in_cli docker image inspect busybox -f '{{.Id}} {{.RepoTags}} {{.Config.Cmd}}';	expect_stdout "$id ?busybox:latest? ?sh?"
in_cli docker history -q --no-trunc busybox;	expect_stdout "$id"$'\n<missing>'
in_cli docker tag busybox foo/bar:2;	expect_status 0
in_cli docker tag nope foo/bar:3;	expect_status 1;	expect_stderr 'Error response from daemon: No such image: nope'
in_cli docker tag busybox Foo;	expect_status 1;	expect_stderr_has 'repository name must be lowercase'
in_cli docker images -q --filter reference='foo/*';	expect_stdout "${id:7:12}"
in_cli docker rmi "$id";	expect_status 1;	expect_stderr_has 'image is referenced in multiple repositories'
in_cli docker rmi foo/bar:2;	expect_stdout 'Untagged: foo/bar:2'
in_cli docker rmi nope;	expect_status 1;	expect_stderr 'Error: No such image: nope'
run devbox create --name user busybox true;	expect_status 0
in_cli docker rmi busybox;	expect_status 1;	expect_stderr_has 'a container is using its referenced image'
run devbox rm user;	expect_status 0
api -w ' %{http_code}' 'http://d/images/json?filters=%7B%22color%22:%5B%22red%22%5D%7D';	expect_stdout '*invalid filter*color*400'

# --- archives ---------------------------------------------------------------------------------------------------------------
script <<'SH'
docker save busybox -o /tmp/b.tar && docker rmi busybox && docker load -i /tmp/b.tar
docker save nope; docker load </etc/hostname
SH
expect_stdout $'Untagged: busybox:latest\n*Deleted: *\nLoaded image: busybox:latest'
expect_stderr $'Error response from daemon: No such image: nope\nError response from daemon: loading: *'
in_cli docker image inspect busybox -f '{{.Id}}';	expect_stdout "$id"

# --- registries: credentials come with each request and stay with the client --------------------------------------------------
in_cli docker tag busybox dbxuser/fromapi:api;	expect_status 0
in_cli docker push dbxuser/fromapi:api;	expect_status 1;	expect_stderr '*push access denied for dbxuser/fromapi:api*'
in_cli docker login -u dbxuser -p nope;	expect_status 1;	expect_stderr_has 'unauthorized: incorrect username or password'
in_cli docker login -u dbxuser -p dbxpass;	expect_status 0;	expect_stdout 'Login Succeeded'
in_cli docker push dbxuser/fromapi:api;	expect_status 0
expect_stdout $'The push refers to repository [[]docker.io/dbxuser/fromapi]\n*: Pushed\napi: digest: sha256:* size: *'
expect_no_file .docker/config.json
run devbox push dbxuser/fromapi:api;	expect_status 1;	expect_stderr_has 'no credentials for docker.io in'
in_cli docker tag busybox foreign/app;	in_cli docker push foreign/app;	expect_status 1
expect_stderr '*push access denied for foreign/app:latest*the credentials for docker.io that came with the request do not allow it)'
in_cli docker push dbxuser/none;	expect_status 1;	expect_stderr_has 'An image does not exist locally with the tag: dbxuser/none'
run devbox rmi dbxuser/fromapi:api;	expect_status 0
in_cli docker pull -q dbxuser/fromapi:api;	expect_stdout docker.io/dbxuser/fromapi:api
# those for another registry are not sent to this one
other=$(printf '{"username":"dbxuser","password":"dbxpass","serveraddress":"registry.test:8443"}' | base64 -w0)
api -H "X-Registry-Auth: $other" -X POST 'http://d/images/dbxuser/fromapi/push?tag=api';	expect_stdout_has '"error":"pushing dbxuser/fromapi:api: push access denied'
api -H 'X-Registry-Auth: !' -X POST 'http://d/images/dbxuser/fromapi/push?tag=api' -w ' %{http_code}';	expect_stdout '*not base64*400'
api http://d/distribution/busybox/json;	expect_stdout '{"Descriptor":{"mediaType":"*","digest":"sha256:*","size":*},"Platforms":\[*"architecture":"arm64"*'

# who leaves is not pulled for
alone() { [ "$(pgrep -c -u "$(id -u dbx1)" -f 'devbox system service')" = 1 ]; }
hub_clear	# earlier requests would be waited for, too
hub_fault '*/library/busybox/blobs/*' hold count=-1
start leaver curl -sN --unix-socket "$sock" -X POST 'http://d/images/create?fromImage=busybox&tag=zstd'
hub_wait '*/library/busybox/blobs/*'
[ "$(pgrep -c -u "$(id -u dbx1)" -f 'devbox system service')" -gt 1 ] || fail 'nobody pulls'
kill "$leaver_pid"
eventually 5 alone
hub_clear

run devbox exec -i cli python3 - <<'PY'
import docker
c = docker.from_env()
img = c.images.pull('busybox', tag='latest')
assert img.tags == ['busybox:latest', 'dbxuser/fromapi:api'] or 'busybox:latest' in img.tags, img.tags
assert c.images.list(name='busybox')[0].id == img.id
assert img.history()[0]['Id'] == img.id
for line in c.api.pull('busybox', 'latest', stream=True, decode=True):
    assert 'status' in line, line
tar = b''.join(img.save())
assert c.images.load(tar)[0].id == img.id
img.tag('py/app', 'one')
c.images.remove('py/app:one')
assert c.images.get_registry_data('busybox').id.startswith('sha256:')
try:
    c.images.get('nope')
except docker.errors.ImageNotFound as e:
    print(e.explanation)
PY
expect_status 0;	expect_stdout 'No such image: nope'

# --- builds -----------------------------------------------------------------------------------------------------------------
script <<'SH'
mkdir /work/app; cd /work/app; echo hi >file; echo no >secret; echo secret >.dockerignore
printf '%s\n' 'FROM busybox AS one' 'RUN echo hello >/out; echo said' 'FROM busybox' 'ARG X=1' 'COPY --from=one /out /out' \
	'COPY . /ctx' 'RUN echo X=$X; ls /ctx' 'CMD ["cat", "/out"]' >Dockerfile
docker build --build-arg X=7 --label a=b -t my/app:1 -t my/app:2 .
SH
expect_status 0;	expect_stderr ''
expect_stdout_has $'Step 2/2 of one : RUN echo hello >/out; echo said\nsaid\n'
expect_stdout_has $'\nX=7\n*file\nSuccessfully built ????????????\nSuccessfully tagged my/app:1\nSuccessfully tagged my/app:2'
case $stdout in *secret*) fail 'what .dockerignore names was in the context' ;; esac
run devbox run --rm my/app:2;	expect_stdout hello
id=$(e2e_as devbox images -q --no-trunc my/app:1)
in_cli docker image inspect my/app:1 -f '{{.Id}} {{.Config.Labels}}';	expect_stdout "$id map?a:b?"
in_cli docker build -q --build-arg X=7 --label a=b /work/app;	expect_stdout "$id"
in_cli docker build --target one --build-arg X=7 -t one /work/app;	expect_stdout_has $'RUN echo hello >/out; echo said\n ---> Using cache\n'
script <<'SH'
printf 'FROM busybox\nCOPY file /f\nRUN cat /f\n' >/tmp/elsewhere; docker build -f /tmp/elsewhere --iidfile /tmp/iid /work/app && cat /tmp/iid
docker build -q --compress -f - /work/app </tmp/elsewhere
SH
expect_status 0;	expect_stderr '';	expect_stdout_has $'RUN cat /f\nhi\n';	expect_stdout_has $'\nsha256:*sha256:'
script <<'SH'
printf 'FROM busybox\nRUN exit 7\n' | docker build -
echo "status $?"
printf 'FRM busybox\n' | docker build -
DOCKER_BUILDKIT=1 docker build /work/app
docker build --network container:x /work/app
docker build -m 100m /work/app
docker build --cache-from x -q /work/app
SH
expect_stdout_has 'status 7'
expect_stderr_has 'Dockerfile:2: process "/bin/sh -c exit 7" did not complete successfully: exit code: 7'
expect_stderr_has 'Dockerfile:1: unknown instruction: FRM'
expect_stderr_has "BuildKit's protocol is not spoken: set DOCKER_BUILDKIT=0"
expect_stderr_has 'network mode container:x is not supported: a build can have default, none or host'
expect_stderr_has 'memory=104857600 is not supported: a RUN has the limits of who builds'
# a base image from where the client's credentials are needed
script <<'SH'
docker rmi dbxuser/fromapi:api >/dev/null; printf 'FROM dbxuser/fromapi:api\n' | docker build -
SH
expect_status 0;	expect_stdout_has $'api: Pulling from dbxuser/fromapi\n'
in_cli docker builder prune -f;	expect_status 0;	expect_stdout_has 'Total reclaimed space'
run devbox exec -i cli sh <<'SH'
cd /work/app; printf '%s\n' 'version: "3.7"' 'services:' '  web:' '    build: {context: ., args: {X: 9}}' '    image: web:c' \
	'  old:' '    image: busybox:1.35' >docker-compose.yml
docker-compose build; docker-compose pull old
SH
expect_status 0;	expect_stdout_has $'X=9\n*Successfully built *Successfully tagged web:c';	expect_stderr_has 'Pulling old ... done'
run devbox image inspect web:c busybox:1.35;	expect_status 0

# --- commit, import, df --------------------------------------------------------------------------------------------------------
run devbox create --name cc busybox sh -c 'echo x >/x';	expect_status 0
script <<'SH'
docker commit -m msg -a me -c 'ENV A=b' -c 'EXPOSE 80' cc made:1 && docker inspect made:1 -f '{{.Config.Env}} {{.Config.ExposedPorts}} {{.Comment}} {{.Author}} {{.Config.Cmd}}'
docker commit nope
tar c -C /work/app . | docker import -c 'CMD ["x"]' -m hey - imp:1 && docker inspect imp:1 -f '{{.Config.Cmd}} {{.Comment}}'
echo garbage | docker import - imp:2
docker import http://x/y imp:3
docker system df
SH
expect_stdout $'sha256:*\n*A=b? map?80/tcp:??? msg me ?sh -c echo x >/x?\nsha256:*\n?x? hey\nTYPE *\nImages *\nContainers  *\nLocal Volumes *\nBuild Cache *'
expect_stderr $'Error response from daemon: No such container: nope\nError response from daemon: damaged tar data: *\nError response from daemon: import from a URL is not supported: send the archive'
run devbox exec -i cli python3 - <<'PY'
import docker, io
c = docker.from_env()
i = c.containers.get('cc').commit('py', '2', conf={'Cmd': ['a', 'b'], 'Labels': {'k': 'v'}})
assert i.attrs['Config']['Cmd'] == ['a', 'b'] and i.labels == {'k': 'v'} and i.tags == ['py:2'], i.attrs
assert c.df()['LayersSize'] > 0
img, log = c.images.build(fileobj=io.BytesIO(b'FROM busybox\nRUN echo hi\n'), tag='pyb:1', rm=True)
assert img.tags == ['pyb:1'] and {'stream': 'hi\n'} in list(log)
assert '\N{CHECK MARK}' in ''.join(l.get('stream', '') for l in c.api.build(
    fileobj=io.BytesIO('FROM busybox\nRUN printf "\\342"; sleep .1; printf "\\234\\223"\n'.encode()), decode=True))
for text in b'FROM busybox\nRUN exit 3\n', b'FRM busybox\n':
    try:
        c.images.build(fileobj=io.BytesIO(text))
    except docker.errors.BuildError as e:
        print(e)
    except docker.errors.APIError as e:
        print(e.status_code, e.explanation)
PY
expect_status 0;	expect_stdout $'Dockerfile:2: process *exit code: 3\n400 Dockerfile:1: unknown instruction: FRM*'
# BuildKit's clients, gRPC over a connection that was upgraded, get a response that is only trailers
run devbox exec -i cli python3 - <<'PY'
import socket
s = socket.socket(socket.AF_UNIX)
s.connect('/run/docker.sock')
s.sendall(b'POST /grpc HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n')
f = s.makefile('rb')
print(f.readline().decode().strip())
while f.readline().strip():
    pass
s.sendall(b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' + b'\0\0\0\4\0\0\0\0\0' + b'\0\0\6\1\4\0\0\0\1' + b'\x83\x86\x84\x41\1d')
while True:
    head = f.read(9)
    f.read(int.from_bytes(head[:3], 'big'))
    if head[3] == 1:
        print('stream', head[8], 'ends' if head[4] & 1 else 'goes on')
        break
PY
expect_stdout $'HTTP/1.1 101 UPGRADED\nstream 1 ends'
run devbox rm cc;	expect_status 0
in_cli docker image prune -af;	expect_status 0;	expect_stdout_has 'deleted: sha256:'
in_cli docker images -q;	expect_stdout '????????????'
run devbox rm -f cli;	expect_status 0
