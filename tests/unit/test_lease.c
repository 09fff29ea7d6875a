#include <arpa/inet.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "core/base/fd.h"
#include "core/base/lock.h"
#include "core/store/network.h"
#include "tests/lib/tap.h"

static struct store *st;
static const struct lease any;
static char ids[8][ID_LEN + 1];

/* A container's directory with its lock, which is what leases look at. */
static void make_container(int i)
{
	_cleanup_free_ char *lock = NULL;
	int fd = -1;

	memset(ids[i], '0' + i, ID_LEN);
	ok(mkdirat(st->containers, ids[i], 0700) == 0, "container %d", i);
	lock = xasprintf("%s/lock", ids[i]);
	is_err(lock_try(st->containers, lock, false, &fd), NULL, "its lock");
	close(fd);
}

static void takes(const struct network *n, int i, const char *want, const char *got, const char *what)
{
	struct lease wish = { 0 }, l = { 0 };
	char text[INET_ADDRSTRLEN];

	if (want)
		inet_pton(AF_INET, want, &wish.ip);
	is_err(lease_take(st, n, ids[i], &wish, &any, &l), NULL, "%s", what);
	is_str(inet_ntop(AF_INET, &l.ip, text, sizeof(text)), got, "%s", what);
}

static void refused(const struct network *n, int i, const char *want, const char *why, const char *what)
{
	struct lease wish = { 0 }, l;

	if (want)
		inet_pton(AF_INET, want, &wish.ip);
	is_err(lease_take(st, n, ids[i], &wish, &any, &l), why, "%s", what);
}

static void test_leases(void)
{
	struct network_request req = { .name = "small" };
	_cleanup_network_ struct network n = { 0 }, again = { 0 };
	struct lease kept = { 0 }, l;
	struct lease_holder *holders = NULL;
	size_t n_holders = 0;
	int lock = -1;
	_cleanup_free_ char *lock_path = NULL;

	for (int i = 0; i < 8; i++)
		make_container(i);
	strv_add(&req.subnets, "10.9.8.0/29"); /* gateway .1, name server .6: four are left */
	is_err(network_create(st, &req, &n), NULL, "a small network");
	takes(&n, 0, NULL, "10.9.8.2", "the first address");
	takes(&n, 1, NULL, "10.9.8.3", "the next one");
	takes(&n, 0, NULL, "10.9.8.2", "whoever asks again keeps it");
	takes(&n, 2, "10.9.8.5", "10.9.8.5", "one that was asked for");
	refused(&n, 3, "10.9.8.1", "Address already in use: 10.9.8.1 on network small", "the gateway's");
	refused(&n, 3, "10.9.8.6", "Address already in use: *", "the name server's");
	refused(&n, 3, "10.9.8.0", "Address already in use: *", "the network's own");
	refused(&n, 3, "10.9.9.2", "invalid IP address 10.9.9.2*", "another network's");
	takes(&n, 3, NULL, "10.9.8.4", "the last free one");

	lock_path = xasprintf("%s/lock", ids[0]);
	is_err(lock_try(st->containers, lock_path, false, &lock), NULL, "container 0 runs");
	refused(&n, 4, "10.9.8.2", "Address already in use: *", "an address of one that runs");
	takes(&n, 4, NULL, "10.9.8.3", "one that does not run gives way when there is no other");
	is_err(lease_list(st, &n, true, &holders, &n_holders), NULL, "who runs");
	ok(n_holders == 1 && !strcmp(holders[0].id, ids[0]), "container 0");
	free(holders);
	is_err(network_remove(st, &n),
	       "error while removing network: network small id * has active endpoints*",
	       "a network in use");
	close(lock);

	lease_drop(st, "small", ids[2]);
	takes(&n, 5, NULL, "10.9.8.5", "what was given up");
	ok(unlinkat(st->containers, lock_path, 0) == 0 &&
		   unlinkat(st->containers, ids[0], AT_REMOVEDIR) == 0,
	   "container 0 is removed");
	takes(&n, 6, "10.9.8.2", "10.9.8.2", "what was left behind");
	kept.ip.s_addr = inet_addr("10.9.8.4");
	is_err(lease_take(st, &n, ids[3], &any, &kept, &l), NULL, "what it had before");
	ok(l.ip.s_addr == kept.ip.s_addr, "the same");
	is_err(network_find(st, "small", &again), NULL, "found");
	ok(!strcmp(again.id, n.id) && again.gateway.s_addr == n.gateway.s_addr, "as it was made");
	is_err(network_remove(st, &n), NULL, "removed");
	network_done(&again);
	is_err(network_find(st, "small", &again), "network small not found*", "gone");
	strv_done(&req.subnets);
}

int main(void)
{
	char dir[] = "/tmp/test_lease.XXXXXX";

	if (!mkdtemp(dir))
		return 1;
	setenv("XDG_DATA_HOME", dir, 1);
	is_err(store_open(&st), NULL, "a store");
	test_leases();
	store_free(st);
	is_err(fd_rm_tree(AT_FDCWD, dir), NULL, "removed");
	return done_testing();
}
