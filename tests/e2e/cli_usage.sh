# tests/e2e/cli_usage.sh -- usage errors, help, and names: Docker's words and exit codes
. "$(dirname "$0")/../lib/e2e.sh"

run devbox;			expect_status 0;	expect_stdout_has 'Usage:  devbox ?OPTIONS? COMMAND'
run devbox --help;		expect_status 0;	expect_stdout_has '  run         Create and run'
run devbox stop --help
expect_status 0
expect_stdout 'Usage:  devbox stop ?OPTIONS? CONTAINER ?CONTAINER...?

Stop one or more running containers

Aliases:
  devbox stop, devbox container stop

Options:
  -s, --signal string   Signal to send to the container
  -t, --timeout int     Seconds to wait before killing the container'

# arity
run devbox stop
expect_status 1
expect_stdout ''
expect_stderr '"devbox stop" requires at least 1 argument.
See '\''devbox stop --help'\''.

Usage:  devbox stop ?OPTIONS? CONTAINER ?CONTAINER...?

Stop one or more running containers'
run docker rm;			expect_status 1;	expect_stderr '"docker rm" requires at least 1 argument.*'
run docker run;			expect_status 1;	expect_stderr '"docker run" requires at least 1 argument.*'
run docker exec x;		expect_status 1;	expect_stderr '"docker exec" requires at least 2 arguments.*'
run docker tag x;		expect_status 1;	expect_stderr '"docker tag" requires exactly 2 arguments.*'
run docker images a b;		expect_status 1;	expect_stderr '"docker images" requires at most 1 argument.*'
run docker ps a;		expect_status 1;	expect_stderr '"docker ps" accepts no arguments.*'
run docker port a b c;		expect_status 1;	expect_stderr '"docker port" requires at least 1 and at most 2 arguments.*'
run docker container stop;	expect_status 1;	expect_stderr '"docker container stop" requires at least 1 argument.*'

# flags
run devbox ps --nosuch
expect_status 125
expect_stderr "unknown flag: --nosuch
See 'devbox ps --help'."
run devbox run --nmae x y;	expect_status 125;	expect_stderr '*did you mean --name*'
run devbox run -zz y;		expect_status 125;	expect_stderr "unknown shorthand flag: 'z' in -zz*"
run devbox run --name;		expect_status 125;	expect_stderr 'flag needs an argument: --name*'
run devbox stop -t soon x
expect_status 125
expect_stderr "invalid argument \"soon\" for \"-t, --timeout\" flag: 'soon' is not a whole number*"
run devbox run -p 99999:1 x;	expect_status 125;	expect_stderr 'invalid argument "99999:1" for "-p, --publish" flag: *'
run devbox --nosuch;		expect_status 125;	expect_stderr 'unknown flag: --nosuch*'

# verbs
run devbox stpo;		expect_status 1;	expect_stderr "devbox: 'stpo' is not a devbox command.
Did you mean 'devbox stop'?*"
run docker nosuch;		expect_status 1;	expect_stderr "docker: 'nosuch' is not a docker command.
See 'docker --help'"
run devbox container lss;	expect_status 1;	expect_stderr "*Did you mean 'devbox container ls'?*"
run devbox --;			expect_status 1

# no container, no image
run devbox stop nosuch;		expect_status 1;	expect_stderr 'devbox: No such container: nosuch'
run devbox inspect nosuch;	expect_status 1;	expect_stdout '?]';	expect_stderr 'devbox: No such object: nosuch'
run devbox exec nosuch true;	expect_stderr 'devbox: No such container: nosuch'
run devbox rm -f nosuch;	expect_status 0
run devbox run --pull never nosuch;	expect_status 125;	expect_stderr 'devbox: No such image: nosuch*'
run devbox rmi nosuch;		expect_status 1;	expect_stderr 'devbox: No such image: nosuch*'
run devbox run 'Bad:Name!';	expect_status 125;	expect_stderr 'devbox: invalid reference format*'

# versions
run devbox --version;		expect_status 0;	expect_stdout 'devbox version [0-9]*, build *'
run docker --version;		expect_status 0;	expect_stdout 'Docker version [0-9]*, build *'
run docker version --format '{{.Server.Version}} {{.Client.Os}}';	expect_stdout '[0-9]* linux'
run devbox version;		expect_stdout_has ' OS/Arch:           linux/'
run devbox info --format '{{.Driver}} {{.ContainersRunning}} {{.OSType}}';	expect_stdout 'overlay 0 linux'
run devbox info;		expect_stdout_has 'Storage Driver: overlay'
run sh -c 'devbox ps >/dev/full';	expect_status 1;	expect_stderr 'devbox: writing the output: No space left on device'
# which engine is it?
run docker context show;	expect_stdout default
run docker context ls --format '{{.Name}} {{.Current}}';	expect_stdout 'default true'
run docker context use other;	expect_status 1;	expect_stderr_has 'context "other": context not found'
run docker context inspect -f '{{.Name}}';	expect_stdout default
run docker info -f '{{.Swarm.LocalNodeState}}';	expect_stdout inactive
expect_no_leftovers
