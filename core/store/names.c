#include "core/store/names.h"

#include <ctype.h>
#include <fcntl.h>

#include "core/base/fd.h"

void id_make(char ret[ID_LEN + 1])
{
	unsigned char random[ID_LEN / 2];

	do {
		random_bytes(random, sizeof(random));
		str_hex(random, sizeof(random), ret);
	} while (strspn(ret, "0123456789") >= ID_SHORT);
}

struct err *name_check(const char *name)
{
	bool good = isalnum((unsigned char)*name) && name[1] && strlen(name) <= 128;

	for (const char *p = name; *p && good; p++)
		good = isalnum((unsigned char)*p) || strchr("_.-", *p);
	if (!good)
		return err_new(0, "Invalid container name (%s), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
			       name);
	return NULL;
}

char *name_make(void)
{
	static const char *const first[] = {
		"amber",  "brave",  "calm",  "clever", "cosy",	 "crisp",   "eager",
		"early",  "fair",   "fleet", "frank",  "gentle", "glad",    "green",
		"happy",  "honest", "jolly", "keen",   "kind",	 "light",   "lively",
		"lucid",  "mellow", "merry", "nimble", "noble",	 "patient", "plain",
		"proud",  "quick",  "quiet", "rapid",  "ready",	 "sharp",   "shiny",
		"silent", "simple", "sober", "steady", "swift",	 "tidy",    "vivid"
	};
	static const char *const second[] = {
		"badger",  "beaver",  "bison",	"crane", "dolphin", "eagle",  "falcon",
		"ferret",  "finch",   "fox",	"gecko", "heron",   "ibis",   "jackal",
		"kestrel", "lark",    "lemur",	"lynx",	 "magpie",  "marten", "mole",
		"moose",   "newt",    "ocelot", "orca",	 "osprey",  "otter",  "owl",
		"panda",   "pelican", "puffin", "raven", "robin",   "salmon", "seal",
		"sparrow", "stork",   "swan",	"tapir", "turtle",  "walrus", "wren"
	};
	unsigned char r[4];

	random_bytes(r, sizeof(r));
	return xasprintf("%s_%s", first[(r[0] << 8 | r[1]) % ARRAY_LEN(first)],
			 second[(r[2] << 8 | r[3]) % ARRAY_LEN(second)]);
}

static bool read_name(struct store *st, const char *name, char ret[ID_LEN + 1])
{
	ssize_t n;

	if (!*name || strlen(name) > 128 || strchr(name, '/') || *name == '.')
		return false;
	n = readlinkat(st->names, name, ret, ID_LEN + 1);
	if (n != ID_LEN || !str_is_hex(ret, ID_LEN))
		return false;
	ret[ID_LEN] = '\0';
	/* a crash can leave a name whose container is gone */
	return faccessat(st->containers, ret, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

struct err *name_claim(struct store *st, const char *name, const char *id)
{
	char holder[ID_LEN + 1];

	if (symlinkat(id, st->names, name) == 0)
		return NULL;
	if (errno != EEXIST)
		return err_new(errno, "claiming the name %s", name);
	if (read_name(st, name, holder) && !strcmp(holder, id))
		return NULL; /* a renaming was cut short */
	if (read_name(st, name, holder))
		return err_hint(err_new(0, "Conflict. The container name \"/%s\" is already in use by container \"%s\"",
					name, holder),
				"remove it (devbox rm %s) or choose another name", name);
	if (unlinkat(st->names, name, 0) < 0 && errno != ENOENT)
		return err_new(errno, "freeing the name %s", name);
	return symlinkat(id, st->names, name) < 0 ? err_new(errno, "claiming the name %s", name) : NULL;
}

void name_release(struct store *st, const char *name, const char *id)
{
	char holder[ID_LEN + 1];
	ssize_t n = readlinkat(st->names, name, holder, sizeof(holder));

	if (n == ID_LEN && !memcmp(holder, id, ID_LEN))
		unlinkat(st->names, name, 0);
}

struct err *name_find(struct store *st, const char *text, char ret[ID_LEN + 1])
{
	size_t len;
	_cleanup_dir_ DIR *d = NULL;
	struct dirent *de;
	unsigned found = 0;

	if (*text == '/') /* docker inspect prints names so */
		text++;
	len = strlen(text);
	if (len == ID_LEN && str_is_hex(text, len) &&
	    faccessat(st->containers, text, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		memcpy(ret, text, ID_LEN + 1);
		return NULL;
	}
	if (read_name(st, text, ret))
		return NULL;
	if (!len || len >= ID_LEN || !str_is_hex(text, len))
		return err_new(0, "No such container: %s", text);
	d = fd_opendir(st->containers);
	while (d && (de = readdir(d)) != NULL)
		if (!strncmp(de->d_name, text, len) && strlen(de->d_name) == ID_LEN && !found++)
			memcpy(ret, de->d_name, ID_LEN + 1);
	if (found > 1)
		return err_hint(err_new(0, "multiple containers start with %s", text),
				"give more digits");
	return found ? NULL : err_new(0, "No such container: %s", text);
}
