# tests/slow/branch_kill.sh -- tests/e2e/branch_kill.sh with KILLS (250) rounds of four kills each
# timeout: 7200
KILLS=${KILLS:-250}
. "$(dirname "$0")/../e2e/branch_kill.sh"
