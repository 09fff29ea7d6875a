#include "core/store/fork.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/base/fd.h"
#include "core/store/trash.h"
#include "core/store/volume.h"
#include "tests/lib/tap.h"

static struct store *st;
static unsigned stops, goes;

static void put(const char *volume, const char *name, const char *text)
{
	_cleanup_free_ char *path = xasprintf("%s/data", volume);
	_cleanup_close_ int dir = openat(st->volumes, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	is_err(fd_write_atomic(dir, name, text, strlen(text), 0644, false), NULL,
	       "%s: %s is written", volume, name);
}

static void has(const char *volume, const char *name, const char *want)
{
	_cleanup_free_ char *path = xasprintf("%s/data/%s", volume, name), *text = NULL;

	err_free(fd_read_file(st->volumes, path, 4096, &text, NULL));
	is_str(text, want, "%s: what %s has", volume, name);
}

static struct err *stop(UNUSED void *arg)
{
	stops++;
	return NULL;
}

static void go(UNUSED void *arg)
{
	goes++;
}

static void test_forks(void)
{
	struct fork_pair two[] = { { .from = "app", .to = "one" }, { .from = "files", .to = "two" } };
	struct fork_pair bad[] = { { .from = "app", .to = "three" }, { .from = "none", .to = "four" } };
	struct fork_pair again = { .from = "app", .to = "one" };
	const struct fork_hold hold = { stop, go, NULL };
	struct fork_info info = { 0 };
	bool created;

	is_err(volume_ensure(st, "app", false, &created), NULL, "a volume");
	is_err(volume_ensure(st, "files", false, &created), NULL, "another volume");
	put("app", "f", "1");
	put("files", "g", "x");
	is_err(fork_volumes(st, two, 2, &hold), NULL, "both are forked");
	is_int(stops, 0, "nobody uses them: nobody is stopped");
	put("app", "f", "2");
	has("one", "f", "1");
	has("two", "g", "x");
	is_err(fork_volumes(st, &again, 1, NULL), "volume one exists already", "a name is used once");
	is_err(fork_volumes(st, bad, 2, NULL), "volume none does not exist*", "one of two is not there");
	ok(faccessat(st->volumes, "three", F_OK, 0) < 0, "so the other one is not made either");
	is_err(fork_info(st, "one", &info), NULL, "looking at a fork");
	is_str(info.from, "app", "where it came from");
	ok(info.method != FORK_NONE && info.made_ns > 0, "how and when");
	fork_info_done(&info);
}

static void test_snapshots(void)
{
	struct fork_pair snap = { .from = "app", .to = "app@before" },
			 back = { .from = "app@before", .to = "old" };
	struct snapshots l = { 0 };

	put("app", "f", "before");
	is_err(fork_volumes(st, &snap, 1, NULL), NULL, "a snapshot");
	is_err(fork_volumes(st, &snap, 1, NULL), "snapshot app@before exists already", "once");
	put("app", "f", "after");
	is_err(fork_volumes(st, &back, 1, NULL), NULL, "a volume from a snapshot");
	has("old", "f", "before");
	is_err(snapshot_list(st, "app", &l), NULL, "the list");
	is_int(l.n, 1, "has one");
	is_str(l.n ? l.v[0].name : NULL, "before", "of that name");
	snapshots_done(&l);
	is_err(fork_restore(st, "app@before"), NULL, "going back");
	has("app", "f", "before");
	is_err(fork_restore(st, "app@nothing"),
	       "restoring app@nothing: snapshot app@nothing does not exist*",
	       "not to what is not there");
	is_err(fork_restore(st, "app"), "app is not the name of a snapshot*", "a volume is none");
	is_err(snapshot_remove(st, "app@before"), NULL, "away with it");
	is_err(snapshot_remove(st, "app@before"), "snapshot app@before does not exist*", "it is gone");
	is_err(snapshot_list(st, NULL, &l), NULL, "the list");
	is_int(l.n, 0, "is empty");
	snapshots_done(&l);
	has("old", "f", "before");
}

static void test_trash(void)
{
	struct trash_list l = { 0 };
	uint64_t freed = 0;

	is_err(trash_expire(st, true, NULL), NULL, "an empty trash");
	put("app", "f", "dear");
	is_err(trash_volume(st, "app", "volume rm", NULL), NULL, "a volume goes");
	ok(faccessat(st->volumes, "app", F_OK, 0) < 0, "it is not seen any more");
	is_err(trash_volume(st, "app", "volume rm", NULL), NULL, "absent is success");
	is_err(trash_list(st, &l), NULL, "the list");
	is_int(l.n, 1, "has it");
	is_str(l.n ? l.v[0].name : "", "app", "by its name");
	is_str(l.n ? l.v[0].reason : "", "volume rm", "with the reason");
	is_err(trash_restore(st, &l.v[0], "app2"), NULL, "it comes back under another name");
	has("app2", "f", "dear");
	trash_list_done(&l);

	is_err(trash_volume(st, "one", "rm -v", "b"), NULL, "another one goes");
	is_err(trash_list(st, &l), NULL, "the list");
	is_err(trash_restore(st, &l.v[0], "app2"), "volume one is there again*", "the place is taken");
	is_err(trash_restore(st, &l.v[0], NULL), NULL, "back to its own place");
	has("one", "f", "1");
	trash_list_done(&l);

	is_err(trash_volume(st, "one", "rm -v", NULL), NULL, "it goes again");
	setenv("DEVBOX_TRASH_BUDGET", "1", 1);
	is_err(trash_expire(st, false, &freed), NULL, "no room for it");
	ok(freed > 0, "%llu bytes are freed", (unsigned long long)freed);
	is_err(trash_list(st, &l), NULL, "the list");
	is_int(l.n, 0, "is empty");
	trash_list_done(&l);
	setenv("DEVBOX_TRASH_DAYS", "x", 1);
	is_err(trash_expire(st, false, NULL), "DEVBOX_TRASH_DAYS: 'x' is not a number*",
	       "a setting that is none");
	setenv("DEVBOX_TRASH_DAYS", "0", 1);
	is_err(trash_volume(st, "app2", "volume rm", NULL), NULL, "no days: at once");
	is_err(trash_list(st, &l), NULL, "the list");
	is_int(l.n, 0, "is empty");
	trash_list_done(&l);
}

int main(void)
{
	char home[] = "/var/tmp/test_fork.XXXXXX";

	if (!mkdtemp(home))
		return 1;
	setenv("XDG_DATA_HOME", home, 1);
	if (!ok(store_open(&st) == NULL, "a storage"))
		return done_testing();
	test_forks();
	test_snapshots();
	test_trash();
	store_free(st);
	err_free(fd_rm_tree(AT_FDCWD, home));
	return done_testing();
}
