#include "cmd/access.h"

#include "cmd/verb.h"

/* The host's address behind the container's PORT; false if it is not published.  IPv4 is preferred: every client
 * speaks it. */
static bool find_published(const struct box *b, uint16_t port, const char **ret_host, uint16_t *ret_port)
{
	const struct port *best = NULL;

	if (b->spec.net == NET_HOST) {
		*ret_host = "127.0.0.1";
		*ret_port = port;
		return true;
	}
	for (size_t i = 0; i < b->state.published.n; i++) {
		const struct port *p = &b->state.published.v[i];

		if (p->proto != PORT_TCP || p->ctr != port)
			continue;
		if (!best || (strchr(best->ip, ':') && !strchr(p->ip, ':')))
			best = p;
	}
	if (!best)
		return false;
	*ret_host = !*best->ip || !strcmp(best->ip, "0.0.0.0") ? "127.0.0.1"
		    : !strcmp(best->ip, "::")		       ? "::1"
							       : best->ip;
	*ret_port = best->host;
	return true;
}

struct err *access_find(const struct box *b, struct db_access *ret)
{
	const struct recipe *r = b->spec.recipe ? recipe_by_name(b->spec.recipe) : NULL;
	_cleanup_strv_ struct strv argv = { 0 };
	const char *host;
	uint16_t port;

	if (!r)
		return err_new(0, "container %s runs no database that devbox knows", b->spec.name);
	if (b->state.status != BOX_RUNNING)
		return err_hint(err_new(0, "container %s is not running", b->spec.name),
				"%s start %s", prog(), b->spec.name);
	if (!find_published(b, recipe_port(r), &host, &port))
		return err_hint(err_new(0, "container %s does not publish its port %u",
					b->spec.name, recipe_port(r)),
				"run it with -p %u", recipe_port(r));
	strv_copy(&argv, &b->spec.entrypoint);
	strv_copy(&argv, &b->spec.cmd);
	recipe_access(r, &b->spec.env, &argv, host, port, ret);
	return NULL;
}

void access_text(const struct box *b, const struct db_access *a, const char *head, struct str *out)
{
	_cleanup_free_ char *settings = db_access_format(a, ENV_DOTENV);

	str_addf(out, "\n%s\n\n%s\n", head, settings);
	str_addf(out, "These settings again: %s env %s\n", prog(), b->spec.name);
}
