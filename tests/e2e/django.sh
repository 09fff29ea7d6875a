# tests/e2e/django.sh -- a Django project on the host migrates against the container of the main job's line
# packages: python3-django python3-mysqldb
# timeout: 200
. "$(dirname "$0")/../lib/e2e.sh"

cp -r "$lib/../../examples/django-mysql" "$(home)/project"
chown -R "$(stat -c %u:%g "$(home)")" "$(home)/project"
manage() { run sh -c "cd project && eval \"\$(devbox env db)\" && PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 manage.py $*"; }

start db devbox run mysql -p 3306 -e MYSQL_DATABASE=app --name db
eventually 120 grep -q '^DATABASE_URL=' "$db_err"
manage migrate --no-color
expect_status 0
expect_stdout_has 'Applying notes.0001_initial... OK'
manage check_database
expect_status 0
manage test --no-color --noinput
expect_status 0
expect_stderr_has 'OK'
# the data outlives a restart of the container
run devbox restart db;		expect_status 0
run devbox wait --ready db;	expect_status 0
manage migrate --no-color
expect_stdout_has 'No migrations to apply.'
run devbox rm -f -v db;		expect_status 0
expect_no_leftovers
