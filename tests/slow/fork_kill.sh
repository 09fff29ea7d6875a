# tests/slow/fork_kill.sh -- tests/e2e/fork_kill.sh, KILLS (1000) rounds of it: hours
# timeout: 86400
KILLS=${KILLS:-1000}
. "$(dirname "$0")/../e2e/fork_kill.sh"
