# tests/e2e/cli_tty.sh -- terminals: size, detaching, attaching again, exec, passwords and Ctrl-C of the main job
# packages: python3
. "$(dirname "$0")/../lib/e2e.sh"

run devbox pull -q busybox;	expect_status 0

# detach keys leave the container running; attach finds it again
pty -s 33x77 devbox run -it --name tt busybox sh <<'END'
expect #
send stty size\r
expect 33 77
size 40 90
send stty size\r
expect 40 90
send \x10\x11
eof
END
expect_status 0
run devbox ps --format '{{.Names}} {{.State}}';	expect_stdout 'tt running'
pty devbox attach tt <<'END'
send echo again$((40+2))\r
expect again42
send exit 6\r
END
expect_status 6
run devbox attach tt;	expect_status 1;	expect_stderr 'devbox: You cannot attach to a stopped container, start it first'
pty devbox start -ai tt <<'END'
send echo once$((40+2))\r
expect once42
expect / #
send \x04
END
expect_status 0

# other keys
pty devbox run -it --detach-keys ctrl-x,q --name t2 busybox sh <<'END'
expect #
send \x18q
eof
END
expect_status 0
pty devbox exec -it -e V=1 -w /tmp t2 sh <<'END'
expect #
send echo $V $(pwd) $(tty)\r
expect 1 /tmp /dev/pts/
send exit 9\r
END
expect_status 9
run devbox exec t2 true;	expect_status 0

# Ctrl-C reaches the process in the foreground of the terminal, not devbox
pty devbox exec -it t2 sh -c 'echo ready; exec sleep 1000' <<'END'
expect ready
send \x03
eof
END
expect_status 130
run devbox exec t2 true;	expect_status 0
run devbox rm -f tt t2;	expect_status 0

# the bars of a pull: one line a layer, the cursor ends below
run devbox rmi busybox;	expect_status 0
pty devbox pull busybox <<'END'
expect Pull complete
expect Status: Downloaded newer image for busybox:latest
END
expect_status 0
[[ $stdout == *'Pull complete'*'Digest: sha256:'* ]] || fail "$stdout"
expect_no_leftovers
