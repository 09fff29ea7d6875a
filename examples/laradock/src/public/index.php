<?php
// Who answered, how many visits MySQL has seen from all of the web containers, and how often this visitor was here:
// the session lies in Redis, so it follows the visitor from container to container.
require __DIR__ . '/../lib.php';

session_start();
$_SESSION['visits'] = ($_SESSION['visits'] ?? 0) + 1;
database()->prepare('INSERT INTO visits (host) VALUES (?)')->execute([gethostname()]);
header('Content-Type: application/json');
echo json_encode([
	'host' => gethostname(),
	'all' => (int)database()->query('SELECT COUNT(*) FROM visits')->fetchColumn(),
	'yours' => $_SESSION['visits'],
	'cached' => cache()->get('foo') ?: null,
]), "\n";
