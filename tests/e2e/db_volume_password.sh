# tests/e2e/db_volume_password.sh -- a made-up password belongs to the data, not to the container
# packages: mariadb-client-core
. "$(dirname "$0")/../lib/e2e.sh"

run devbox run -d --wait --name one -v data:/var/lib/mysql -p 3306 -e MARIADB_DATABASE=app mariadb
expect_status 0
run devbox env one --format dotenv
first=$(sed -n 's/^DB_PASSWORD=//p' <<<"$stdout" | tr -d "'\"")
run devbox rm -f one;			expect_status 0
# a second container on the same data is told nothing, and knows
run devbox run -d --wait --name two -v data:/var/lib/mysql -p 3306 mariadb;	expect_status 0
run devbox env two --format dotenv
second=$(sed -n 's/^DB_PASSWORD=//p' <<<"$stdout" | tr -d "'\"")
expect_equal "$second" "$first"
run mariadb --protocol=tcp -h 127.0.0.1 -uroot -p"$second" -Ne 'SHOW DATABASES LIKE "app"'
expect_stdout 'app'
run sh -c 'stat -c %a "$HOME/.local/share/devbox/volumes/data/password"';	expect_stdout '600'
run devbox rm -f two;			expect_status 0
# data that came from elsewhere: devbox does not claim to know
run sh -c 'rm "$HOME/.local/share/devbox/volumes/data/password"'
run devbox run -d --name three -v data:/var/lib/mysql -p 3306 mariadb
expect_status 0
expect_stderr_has 'what its data was set up with still holds'
run devbox rm -f three;			expect_status 0
expect_no_leftovers
