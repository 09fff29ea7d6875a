/* core/box/links.h -- --link NAME[:ALIAS]: another container under a name of one's own, as Docker has it: a line in
 * hosts, and on the default network the settings that old programs look for (ALIAS_PORT_3306_TCP_ADDR...). */
#ifndef CORE_BOX_LINKS_H
#define CORE_BOX_LINKS_H

#include <netinet/in.h>

#include "core/box/box.h"

struct link {
	struct in_addr ip;
	char *names; /* "alias name shortid" */
};
struct links {
	struct link *v;
	size_t n;
};
void links_done(struct links *l);

/* The links of a request for struct spec: "<id>:ALIAS" or, BY_NAME, "<name>:ALIAS", which on a network of the user's
 * own also finds a container that took the place of the first.  Errors: no such container. */
struct err *links_resolve(struct store *st, const struct strv *links, bool by_name, struct strv *ret)
	MUST_CHECK;
/* Either form; *RET_ALIAS is LINK's. */
struct err *link_find(struct store *st, const char *link, struct box **ret, const char **ret_alias)
	MUST_CHECK;
/* Where they are: on a network of B's, by preference its first.  What does not run is left out. */
void links_find(const struct box *b, struct links *ret);
/* Append the settings that come of B's links: on the default network all of Docker's, elsewhere those that name the
 * port (ALIAS_PORT_3306_TCP_ADDR) and those of the container (ALIAS_ENV_X).  Errors, on the default network: "Cannot
 * link to a non running container: /x AS /b/alias". */
struct err *links_env(const struct box *b, struct strv *env) MUST_CHECK;

#endif
