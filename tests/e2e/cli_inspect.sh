# tests/e2e/cli_inspect.sh -- inspect: Docker's JSON, and the templates that scripts use on it
. "$(dirname "$0")/../lib/e2e.sh"

run devbox pull -q busybox;	expect_status 0
run devbox run -d --name c1 --hostname h1 -p 127.0.0.1:18081:80 -e A='x y' -l k=v -v data:/d:ro -v /anon --tmpfs /t:size=1m \
	-w /tmp -u 1000:1000 busybox sleep 1000
expect_status 0
id=$stdout
run devbox inspect c1
expect_status 0
python3 - "$id" <<END || fail 'the JSON differs'
import json, sys
c, = json.loads(r'''$stdout''')
assert c["Id"] == sys.argv[1] and c["Name"] == "/c1" and c["Path"] == "sleep" and c["Args"] == ["1000"]
s = c["State"]
assert s["Status"] == "running" and s["Running"] and s["Pid"] > 0 and s["ExitCode"] == 0
assert s["FinishedAt"] == "0001-01-01T00:00:00Z" and s["StartedAt"].startswith("20")
assert c["Image"].startswith("sha256:") and len(c["Image"]) == 71 and c["Driver"] == "overlay"
k = c["Config"]
assert k["Hostname"] == "h1" and k["User"] == "1000:1000" and k["WorkingDir"] == "/tmp" and "A=x y" in k["Env"]
assert k["Labels"]["k"] == "v" and k["Image"] == "busybox" and k["Cmd"] == ["sleep", "1000"] and not k["Tty"]
h = c["HostConfig"]
assert h["Binds"] == ["data:/d:ro"] and not h["AutoRemove"]
assert h["PortBindings"]["80/tcp"][0]["HostPort"] == "18081"
assert c["NetworkSettings"]["Ports"]["80/tcp"] == [{"HostIp": "127.0.0.1", "HostPort": "18081"}]
m = {x["Destination"]: x for x in c["Mounts"]}
assert m["/d"]["Type"] == "volume" and m["/d"]["Name"] == "data" and not m["/d"]["RW"]
assert m["/anon"]["RW"] and len(m["/anon"]["Name"]) == 64 and m["/t"]["Type"] == "tmpfs"
END

f() { run devbox inspect -f "$1" c1; expect_status 0; }
f '{{.State.Status}} {{.State.Running}}';				expect_stdout 'running true'
f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}';		expect_stdout '172.17.0.2'
f '{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}';	expect_stdout '18081'
f '{{range $p, $c := .NetworkSettings.Ports}}{{$p}} {{(index $c 0).HostPort}}{{end}}';	expect_stdout '80/tcp 18081'
f '{{index .Config.Labels "k"}}[{{index .Config.Labels "none"}}]';	expect_stdout 'v[]'
f '{{range .Config.Env}}{{println .}}{{end}}';				expect_stdout_has 'A=x y'
f '{{json .Mounts}}';							expect_stdout '?{"Type":*'
f '{{if .State.Running}}up{{else}}down{{end}}';				expect_stdout 'up'
run devbox inspect -f '{{.Nope}}' c1;	expect_status 1;	expect_stderr 'devbox: template: 1:3: map has no entry for key "Nope"'

# by prefix; several at once; what is not there does not hide the rest
run devbox inspect -f '{{.Name}}' "${id:0:8}" nosuch c1
expect_status 1
expect_stdout '/c1
/c1'
expect_stderr 'devbox: No such object: nosuch'

# images and volumes
run devbox inspect -f '{{index .RepoTags 0}} {{.Os}}' busybox;		expect_stdout 'busybox:latest linux'
run devbox image inspect -f '{{index .RepoDigests 0}}' busybox;		expect_stdout 'busybox@sha256:*'
run devbox inspect --type image c1;		expect_status 1;	expect_stderr 'devbox: No such image: c1*'
run devbox inspect --type volume -f '{{.Name}} {{.Driver}}' data;	expect_stdout 'data local'
run devbox volume inspect data;			expect_stdout_has '"Mountpoint": "/'
run devbox inspect --type nosuch c1;		expect_status 1
run devbox stop -t 0 c1;				expect_status 0
f '{{.State.Status}} {{.State.ExitCode}} {{.State.Pid}} [{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}]'
expect_stdout 'exited 137 0 \[\]'
run devbox rm -v c1;				expect_status 0
expect_no_leftovers
