# tests/e2e/branch_django.sh -- the example of the branches: a migration on one branch is none of the other's
# packages: python3-django python3-mysqldb git
# timeout: 200
. "$(dirname "$0")/../lib/e2e.sh"

cp -r "$lib/../../examples/django-mysql" "$lib/../../examples/branches" "$(home)"
chown -R "$(stat -c %u:%g "$(home)")" "$(home)/django-mysql" "$(home)/branches"
run env IMAGE=mariadb branches/demo.sh
expect_status 0
expect_stdout_has 'main: 3 migrations of notes are applied'
expect_stdout_has 'Applying notes.0004_stars... OK'
expect_stdout_has 'feature: 4 migrations are applied'
expect_stdout_has $'the data as it was\nmain: 3 migrations are applied'
expect_stdout_has 'a write and a query passed'
run devbox ps -aq;	expect_stdout ''
expect_no_leftovers
