# tests/e2e/compose_cdc.sh -- what is written to MySQL is read from its binary log by another service; Debezium's three services
. "$(dirname "$0")/../lib/e2e.sh"

tar -C "$lib/../../examples" -c mysql-cdc | e2e_as tar x
c() { run sh -c 'cd mysql-cdc && exec devbox compose "$@"' sh "$@"; }
sql() { c exec -T db mysql -uroot -psecret shop -e "$1"; expect_status 0; }
tells() { [[ $(e2e_as sh -c 'cd mysql-cdc && devbox compose logs --no-log-prefix reader') == *$1* ]]; }

c up -d --wait;	expect_status 0
eventually 30 tells 'reading binlog.'
sql "CREATE TABLE orders (id INT PRIMARY KEY, item VARCHAR(20)); INSERT INTO orders VALUES (1, 'tea')"
eventually 30 tells $'### INSERT INTO `shop`.`orders`\n### SET\n###   @1=1\n###   @2=\'tea\''
sql "UPDATE orders SET item = 'coffee'; DELETE FROM orders"
eventually 30 tells $'### UPDATE `shop`.`orders`\n### WHERE\n###   @1=1\n###   @2=\'tea\'\n### SET\n###   @1=1\n###   @2=\'coffee\''
eventually 30 tells $'### DELETE FROM `shop`.`orders`\n### WHERE\n###   @1=1\n###   @2=\'coffee\''
# its user may read the log, not the data
c exec -T -e MYSQL_PWD=reader-secret db mysql -ureader shop -e 'SELECT * FROM orders'
expect_status 1;	expect_stderr_has "Access denied for user 'reader'"

# a server that comes back is read again
c restart db;	expect_status 0
run devbox wait --ready mysql-cdc-db-1;	expect_status 0
sql "INSERT INTO orders VALUES (2, 'water')"
eventually 60 tells "@2='water'"
c down -v;	expect_status 0

# Debezium's file: without its images it says where they are looked for, and leaves nothing
c -f debezium.yaml config --images
expect_stdout $'quay.io/debezium/connect:3.0\nquay.io/debezium/example-mysql:3.0\nquay.io/debezium/kafka:3.0'
c -f debezium.yaml up -d;	expect_status 1
for image in kafka connect example-mysql; do
	expect_stderr_has "pulling quay.io/debezium/$image:3.0: cannot find the address of quay.io (hint: *)"
done
run devbox network ls -q -f name=debezium;	expect_stdout ''
# with something under their names: the services find each other as the file means it
run devbox pull -q busybox;	expect_status 0
for image in kafka connect example-mysql; do
	run devbox tag busybox "quay.io/debezium/$image:3.0";	expect_status 0
done
e2e_as tee mysql-cdc/played.yaml >/dev/null <<'END'
services:
  kafka: {command: httpd -f -p 9092 -h /etc, hostname: broker}
  mysql: {command: httpd -f -p 3306 -h /etc, hostname: database}
  connect:
    command:
      - sh
      - -c
      - |
        mkdir /w
        until wget -qO - http://$$KAFKA_PORT_9092_TCP_ADDR:9092/hostname http://mysql:3306/hostname >/w/both; do
            usleep 100000
        done
        echo "$$BOOTSTRAP_SERVERS" >>/w/both
        exec httpd -f -p 8083 -h /w
END
c -f debezium.yaml -f played.yaml up -d;	expect_status 0
connect() { [ "$(curl -s -m 5 http://127.0.0.1:8083/both)" = $'broker\ndatabase\nkafka:9092' ]; }
eventually 20 connect
c -f debezium.yaml -f played.yaml down;	expect_status 0
expect_no_leftovers
