/* core/box/initcache.h -- the first start of a database image, remembered.
 *
 * Setting up an empty data directory takes a server seconds (a large init script: minutes) and comes out the same
 * each time.  What it came to is kept, and a container that would do the same starts from a copy.
 *
 *   cache/init/<64 hex>/{entry.json,password,v0/,v1/...}   vN: the content of the N-th volume
 *   cache/init/salt                                        so that a key tells nothing of the passwords in it
 *
 * The key is a hash of all that can have an influence: image id, command, environment, user, kind of ids, and the
 * content of what is bound into the container (scripts in /docker-entrypoint-initdb.d, my.cnf, files with passwords).
 * Not cached: containers with a volume that is not new, whose set-up makes up a password that only its log tells
 * (MYSQL_RANDOM_ROOT_PASSWORD), that bind a socket, a device or more than INITCACHE_BIND_MAX bytes, other images.
 * A password that devbox made up is kept with the entry (mode 0600) and goes to each container that starts from it:
 * the data was set up with it.
 *
 * Kept: the last used INITCACHE_ENTRIES of together at most INITCACHE_BYTES.  DEVBOX_INIT_CACHE=0 in the environment
 * turns it off, another size ("8g") takes the place of INITCACHE_BYTES. */
#ifndef CORE_BOX_INITCACHE_H
#define CORE_BOX_INITCACHE_H

#include "core/box/box.h"

enum { INITCACHE_ENTRIES = 16, INITCACHE_BIND_MAX = 1 << 30 };
#define INITCACHE_BYTES (UINT64_C(4) << 30)

/* *RET_KEY is NULL if S is not to be cached.  The volumes of S are new. */
struct err *initcache_key(struct store *st, const struct spec *s, char **ret_key) MUST_CHECK;
/* Is there an entry?  Then fill the new volumes of S from it, and take its made-up password. */
struct err *initcache_fill(struct store *st, const char *key, struct spec *s, bool *ret_filled)
	MUST_CHECK;
/* Keep what the volumes of B hold, which has just become ready for the first time.  B stands still meanwhile.
 * Nothing is kept if somebody is connected already, or another one was faster. */
struct err *initcache_keep(struct box *b, uint16_t port) MUST_CHECK;

struct initcache_entry {
	char *key, *image, *engine;
	int64_t created_ns, used_ns;
	uint64_t bytes;
};
struct initcache_list {
	struct initcache_entry *v;
	size_t n, cap;
};
/* The last used first. */
struct err *initcache_list(struct store *st, struct initcache_list *ret) MUST_CHECK;
void initcache_list_done(struct initcache_list *l);
struct err *initcache_remove(struct store *st, const char *key) MUST_CHECK;

/* Does anybody talk to the server at PORT of a running container, over the network or a socket file? */
bool box_is_busy(const struct box *b, uint16_t port);

#endif
