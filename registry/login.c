#include "registry/login.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "core/base/fd.h"
#include "core/base/json.h"
#include "core/ns/userns.h"
#include "registry/cred_helper.h"
#include "registry/docker_config.h"
#include "registry/http.h"
#include "registry/image_ref.h"
#include "registry/manifest.h"

enum { CONFIG_MAX_BYTES = 4 << 20, TOKEN_ANSWER_MAX = 1 << 20 };

struct err *login_host(const char *server, char **ret)
{
	const char *s = server ?: HUB_HOST;
	_cleanup_free_ char *host = NULL, *name = NULL;
	struct image_ref ref;
	struct err *e;

	s = str_after(s, "https://") ?: str_after(s, "http://") ?: s;
	host = xstrndup(s, strcspn(s, "/"));
	if (docker_config_is_server(host, HUB_HOST)) {
		*ret = xstrdup(HUB_HOST);
		return NULL;
	}
	/* a host alone may be any word; an image's name checks its characters */
	name = xasprintf("%s%s/x", host, strpbrk(host, ".:") || str_eq(host, "localhost") ? "" : ":443");
	e = image_ref_parse(name, &ref);
	if (e) {
		err_free(e);
		return err_new(0, "\"%s\" is not the name of a registry", server);
	}
	image_ref_done(&ref);
	*ret = TAKE_PTR(host);
	return NULL;
}

/* --- are they good? --------------------------------------------------------------------------- */

struct check {
	struct registry_config cfg;
	const struct endpoint *ep; /* the registry itself */
	const struct auth_creds *creds;
	struct http *h;
	char *base; /* "https://host" */
};

static struct err *unauthorized(const struct http_resp *r)
{
	_cleanup_free_ char *said = registry_error_text(r->body.s ?: "", r->body.len);

	return err_new(0, "unauthorized: %s", said ?: "incorrect username or password");
}

static struct err *wrong_answer(const struct check *c, const char *who, const struct http_resp *r)
{
	if (r->status == 401 || r->status == 403)
		return unauthorized(r);
	return err_new(0, "%s of %s answered %d", who, c->ep->host, r->status);
}

static struct err *ask_base(struct check *c, const char *authorization, struct http_resp *r)
{
	_cleanup_free_ char *url = xasprintf("%s/v2/", c->base);
	struct http_req req = {
		.method = "GET", .url = url, .authorization = authorization, .ca_pem = c->ep->ca_pem
	};
	struct err *e = http_do(c->h, &req, r);

	if (!e || !r->no_tls || !str_starts(c->base, "https:") ||
	    !registry_config_plain_ok(&c->cfg, c->ep->host))
		return e;
	err_free(e);
	http_resp_done(r);
	free(c->base);
	c->base = xasprintf("http://%s", c->ep->host);
	return ask_base(c, authorization, r);
}

/* The token for nothing but knowing who asks; *RET_IDENTITY may stay NULL. */
static struct err *ask_token(struct check *c, const struct auth_challenge *ch, char **ret_token,
			     char **ret_identity)
{
	_cleanup_str_ struct str url = { 0 }, form = { 0 };
	_cleanup_free_ char *basic = NULL;
	struct http_req req = { .method = "GET", .body_max = TOKEN_ANSWER_MAX, .ca_pem = c->ep->ca_pem };
	_cleanup_json_ json *j = NULL;
	struct http_resp r;
	struct err *e;
	unsigned seconds;

	str_add(&url, ch->realm);
	if (c->creds->identity_token) {
		http_query_add(&form, 0, "grant_type", "refresh_token");
		http_query_add(&form, '&', "service", ch->service ?: "");
		http_query_add(&form, '&', "client_id", "devbox");
		http_query_add(&form, '&', "refresh_token", c->creds->identity_token);
		req.form = form.s;
	} else {
		http_query_add(&url, strchr(url.s, '?') ? '&' : '?', "account", c->creds->user);
		http_query_add(&url, '&', "client_id", "devbox");
		http_query_add(&url, '&', "offline_token", "true");
		if (ch->service)
			http_query_add(&url, '&', "service", ch->service);
		req.authorization = basic = auth_basic(c->creds);
	}
	req.url = url.s;
	e = http_do(c->h, &req, &r);
	if (!e && (r.status < 200 || r.status > 299))
		e = wrong_answer(c, "the token service", &r);
	e = e ?: auth_token_parse(r.body.s ?: "", r.body.len, ret_token, &seconds);
	if (!e) {
		const char *identity;

		err_free(json_parse(r.body.s, r.body.len, "", &j)); /* it was parsed just now */
		identity = json_str(j, "refresh_token");
		if (identity && *identity && auth_is_printable(identity))
			*ret_identity = xstrdup(identity);
	}
	http_resp_done(&r);
	return e;
}

/* R: the registry's answer to a request without credentials. */
static struct err *answer_challenge(struct check *c, const struct http_resp *r, char **ret_identity)
{
	_cleanup_free_ char *authorization = NULL, *token = NULL;
	_cleanup_str_ struct str header = { 0 };
	struct auth_challenge ch = { 0 };
	struct http_resp again = { 0 };
	struct err *e;

	for (size_t i = 0; i < r->challenges.n; i++)
		str_addf(&header, "%s%s", i ? ", " : "", r->challenges.v[i]);
	e = auth_challenge_parse(header.s ?: "", &ch);
	if (e)
		return e;
	if (ch.scheme == AUTH_BEARER) {
		e = ask_token(c, &ch, &token, ret_identity);
		if (!e)
			authorization = xasprintf("Bearer %s", token);
	} else if (ch.scheme == AUTH_BASIC && c->creds->user) {
		authorization = auth_basic(c->creds);
	} else {
		e = err_new(0, "%s wants a way to log in that is not known here", c->ep->host);
	}
	auth_challenge_done(&ch);
	e = e ?: ask_base(c, authorization, &again);
	if (!e && (again.status < 200 || again.status > 299))
		e = wrong_answer(c, "the registry", &again);
	http_resp_done(&again);
	return e;
}

static struct err *check_child(void *arg, struct str *result)
{
	struct check *c = arg;
	char *identity = NULL;
	struct http_resp r;
	struct err *e;

	http_global_init();
	c->h = http_new(&c->cfg);
	c->base = xasprintf("https://%s", c->ep->host);
	e = ask_base(c, NULL, &r);
	if (!e && r.status == 401)
		e = answer_challenge(c, &r, &identity);
	else if (!e && (r.status < 200 || r.status > 299))
		e = wrong_answer(c, "the registry", &r);
	http_resp_done(&r);
	if (!e && identity)
		str_add(result, identity);
	return e;
}

struct err *login_check(const char *host, struct auth_creds *creds)
{
	struct check c = { .creds = creds };
	_cleanup_str_ struct str identity = { 0 };
	struct userns_ids ids;
	struct err *e;

	e = registry_config_load(host, &c.cfg);
	if (e)
		return e;
	c.ep = &c.cfg.endpoints[c.cfg.n_endpoints - 1];
	userns_ids_load(&ids);
	e = userns_call(&ids, check_child, &c, &identity);
	if (!e && identity.len) {
		free(creds->identity_token);
		creds->identity_token = xstrdup(identity.s);
	}
	userns_ids_done(&ids);
	registry_config_done(&c.cfg);
	return err_printable(e);
}

/* --- where they are kept ---------------------------------------------------------------------- */

/* The directory of config.json, open and locked; TEXT is the file's content, NULL if there is none. */
struct kept {
	char *dir;
	int fd;
	char *name; /* in FD: config.json, or where that links to */
	char *text;
	size_t len;
	struct docker_config dc;
};

static void kept_done(struct kept *k)
{
	if (k->fd >= 0)
		close(k->fd);
	if (k->text)
		explicit_bzero(k->text, k->len);
	free(k->dir);
	free(k->name);
	free(k->text);
	docker_config_done(&k->dc);
}
#define _cleanup_kept_ _cleanup_(kept_done)

/* A config.json that is a link, as people keep it among their dotfiles: its target's folder and name instead. */
static void follow_link(struct kept *k)
{
	_cleanup_free_ char *path = xasprintf("%s/config.json", k->dir);
	char *real = realpath(path, NULL), *slash = real ? strrchr(real, '/') : NULL;

	k->name = xstrdup(slash ? slash + 1 : "config.json");
	if (slash && slash != real) {
		free(k->dir);
		k->dir = xstrndup(real, (size_t)(slash - real));
	}
	free(real);
}

static struct err *open_dir(struct kept *k, bool create)
{
	const char *own = getenv("DOCKER_CONFIG"), *home = getenv("HOME");
	struct err *e;

	if (own && *own == '/')
		k->dir = xstrdup(own);
	else if (home && *home == '/')
		k->dir = xasprintf("%s/.docker", home);
	else
		return err_new(0, "neither DOCKER_CONFIG nor HOME says where config.json is");
	if (create && mkdir(k->dir, 0700) < 0 && errno != EEXIST)
		return err_new(errno, "making %s", k->dir);
	follow_link(k);
	e = fd_open(AT_FDCWD, k->dir, O_RDONLY | O_DIRECTORY, 0, &k->fd);
	if (!e && flock(k->fd, LOCK_EX) < 0)
		e = err_new(errno, "locking %s", k->dir);
	return e;
}

static struct err *keep_open(struct kept *k, bool create)
{
	struct err *e;

	*k = (struct kept){ .fd = -1 };
	e = open_dir(k, create);
	if (err_is(e, ENOENT) && !create) {
		err_free(e); /* nothing was ever kept */
		return NULL;
	}
	e = e ?: fd_read_file(k->fd, k->name, CONFIG_MAX_BYTES, &k->text, &k->len);
	if (err_is(e, ENOENT)) {
		err_free(e);
		return NULL;
	}
	e = e ?: docker_config_parse(k->text, k->len, &k->dc);
	return err_wrap(e, "%s", k->dir);
}

static struct err *rewrite(struct kept *k, const char *server, const struct auth_creds *creds, bool mark)
{
	_cleanup_free_ char *text = NULL;
	struct err *e = docker_config_set(k->text, k->len, server, creds, mark, &text);

	e = e ?: fd_write_atomic(k->fd, k->name, text, strlen(text), 0600, true);
	if (text)
		explicit_bzero(text, strlen(text));
	return err_wrap(e, "%s", k->dir);
}

struct err *login_load(const char *host, struct auth_creds *ret)
{
	struct registry_config cfg;
	struct err *e = registry_config_load(host, &cfg);

	if (e)
		return e;
	*ret = cfg.endpoints[cfg.n_endpoints - 1].creds;
	cfg.endpoints[cfg.n_endpoints - 1].creds = (struct auth_creds){ 0 };
	registry_config_done(&cfg);
	return NULL;
}

struct err *login_save(const char *host, const struct auth_creds *creds, char **ret_plain)
{
	_cleanup_kept_ struct kept k = { .fd = -1 };
	const char *helper, *server;
	struct err *e = keep_open(&k, true);

	if (e)
		return e;
	docker_config_helper(&k.dc, host, &helper, &server);
	*ret_plain = NULL;
	if (helper) {
		e = cred_helper_store(helper, server, creds);
		return e ?: rewrite(&k, docker_config_server(host), NULL, true);
	}
	e = rewrite(&k, server, creds, false);
	if (!e)
		*ret_plain = xasprintf("%s/%s", k.dir, k.name);
	return e;
}

struct err *login_erase(const char *host, bool *ret_found)
{
	_cleanup_kept_ struct kept k = { .fd = -1 };
	const char *helper, *server;
	struct err *e = keep_open(&k, false);

	*ret_found = false;
	if (e || !k.text)
		return e;
	docker_config_helper(&k.dc, host, &helper, &server);
	*ret_found = helper || docker_config_auth(&k.dc, host);
	if (helper)
		e = cred_helper_erase(helper, server);
	return e ?: rewrite(&k, docker_config_server(host), NULL, false);
}
