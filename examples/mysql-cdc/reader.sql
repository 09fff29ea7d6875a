-- what a reader of the binary log needs, and no more
CREATE USER 'reader'@'%' IDENTIFIED BY 'reader-secret';
GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO 'reader'@'%';
