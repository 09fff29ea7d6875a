# tests/e2e/branch_trees.sh -- linked work trees, a detached HEAD, branches that git no longer has
# packages: redis-tools git
. "$(dirname "$0")/../lib/e2e.sh"

repo() { run git -C "$1" -c user.email=a@example.org -c user.name=a "${@:2}"; expect_status 0; }
db() { run env -C "$(home)/$1" devbox db "${@:2}"; }
address() { sed -n 's/.*[/@]\(127[0-9.]*\):.*/\1/p' <<<"$stdout"; }
get() { run redis-cli -h "$1" get who; expect_status 0; }

run git init -q -b main shop
repo shop commit -q --allow-empty -m one
repo shop commit -q --allow-empty -m two
db shop up redis;			expect_status 0
db shop url;				main=$(address)
run redis-cli -h "$main" set who main;	expect_stdout OK

# each work tree has an address of its own, which leads to its branch
repo shop worktree add -q -b other ../tree
db tree up;				expect_status 0
expect_stderr_has 'redis of branch other is ready, forked from main'
db tree url;				other=$(address)
[[ $other != "$main" ]] || fail 'both work trees have one address'
run redis-cli -h "$other" set who other;	expect_stdout OK
get "$main";				expect_stdout main
get "$other";				expect_stdout other
db shop ls -q;				expect_stdout $'main\nother'

# a detached HEAD: data of its own, from the branch that was left; it has a time to live
repo shop checkout -q --detach HEAD~1
get "$main";				expect_stdout main
run redis-cli -h "$main" set who detached;	expect_stdout OK
db shop ls --format '{{.Branch}} {{.From}}';	expect_stdout_has '\* @???????????? main'
repo shop switch -q main
get "$main";				expect_stdout main

# while a branch is rebased, HEAD is detached but the data is the branch's
repo shop switch -q -c topic
run redis-cli -h "$main" set who topic;	expect_stdout OK
run sh -c 'cd shop && mkdir .git/rebase-merge && echo refs/heads/topic > .git/rebase-merge/head-name'
repo shop checkout -q --detach HEAD~1
get "$main";				expect_stdout topic
run rm -r shop/.git/rebase-merge
repo shop switch -q main

# switch: the address leads where it is told, then follows git again
db shop create scratch;			expect_status 0; expect_stdout scratch
db shop switch scratch;			expect_status 0
run redis-cli -h "$main" set who scratch;	expect_stdout OK
repo shop switch -q topic
get "$main";				expect_stdout scratch
db shop switch -;			expect_status 0
get "$main";				expect_stdout topic
repo shop switch -q main

# gone from git: said, and removed when asked to; what git never had stays
repo shop branch -D topic
db shop up;				expect_status 0
expect_stderr_has 'git no longer has topic, whose data is still here'
db shop prune -f;			expect_status 0; expect_stdout topic
db shop ls -q;				[[ $stdout != *topic* && $stdout == *scratch* ]] || fail "left: $stdout"

# a hook, on request
db shop hook install;			expect_status 0
repo shop switch -q -c hooked
db shop ls -q;				expect_stdout_has hooked
db shop hook remove;			expect_status 0
expect_no_file shop/.git/hooks/post-checkout

# no repository
run devbox db up redis;			expect_status 1; expect_stderr '*not in a git work tree*devbox db create*'
run devbox db create alone redis;	expect_status 0; expect_stdout alone
run devbox db url -P alone;		alone=$(address)
run redis-cli -h "$alone" ping;		expect_stdout PONG
run devbox db rm --all -P alone;	expect_status 0
db shop rm --all;			expect_status 0
expect_no_leftovers
