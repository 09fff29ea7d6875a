<?php
ini_set('session.save_handler', 'redis');
ini_set('session.save_path', 'tcp://' . getenv('REDIS_HOST') . ':' . getenv('REDIS_PORT'));

function database(): PDO
{
	static $db;
	return $db ??= new PDO(
		'mysql:host=' . getenv('DB_HOST') . ';dbname=' . getenv('DB_DATABASE'),
		getenv('DB_USERNAME'),
		getenv('DB_PASSWORD'),
		[PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]
	);
}

function cache(): Redis
{
	static $redis;
	if (!$redis) {
		$redis = new Redis();
		$redis->connect(getenv('REDIS_HOST'), (int)getenv('REDIS_PORT'));
	}
	return $redis;
}
