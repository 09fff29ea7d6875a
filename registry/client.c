#include "registry/client.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "core/base/proc.h"
#include "registry/manifest.h"

enum {
	BUDGET = 4, /* what failures in a row may cost, see cost_of() */
	TRIES_MAX = 60, /* of one request, even if each makes some progress */
	BACKOFF_MS = 250, /* before the second try; doubled each time */
	RETRY_AFTER_MAX = 20, /* seconds we wait because the server says so; beyond that the user decides */
	TOKEN_SLACK_MS = 5000, /* a token is not used in its last moments */
	AUTH_ROUNDS = 2,
};

struct server {
	const struct endpoint *ep;
	atomic_bool plain; /* turned out to speak no TLS */
	/* under the client's lock */
	char *authorization; /* "Bearer ..." or "Basic ...", or NULL */
	int64_t expires_ms; /* monotonic; 0: never */
};

struct client {
	const struct registry_config *cfg;
	const struct image_ref *ref;
	char *name; /* as the user knows it */
	bool push;
	const struct strv *from; /* further repositories that tokens are for; may be NULL */
	void (*note)(void *arg, const char *text);
	void *arg;
	struct server *servers;
	atomic_size_t current; /* the server that is asked first */
	pthread_mutex_t lock; /* of the authorizations */
};

struct client *client_new(const struct registry_config *cfg, const struct image_ref *ref,
			  void (*note)(void *arg, const char *text), void *arg)
{
	struct client *c = xcalloc(1, sizeof(*c));

	c->cfg = cfg;
	c->ref = ref;
	c->name = image_ref_familiar(ref);
	c->note = note;
	c->arg = arg;
	c->servers = xcalloc(cfg->n_endpoints, sizeof(*c->servers));
	for (size_t i = 0; i < cfg->n_endpoints; i++) {
		c->servers[i].ep = &cfg->endpoints[i];
		c->servers[i].plain = cfg->endpoints[i].plain;
	}
	pthread_mutex_init(&c->lock, NULL);
	return c;
}

void client_push(struct client *c, const struct strv *from)
{
	c->push = true;
	c->from = from;
	c->current = c->cfg->n_endpoints - 1;
}

const struct image_ref *client_ref(const struct client *c)
{
	return c->ref;
}

/* --- times and quotas
 * ---------------------------------------------------------------------------------------------- */

static char *duration_text(uint64_t seconds)
{
	uint64_t n = seconds < 120    ? seconds
		     : seconds < 7200 ? (seconds + 59) / 60
				      : (seconds + 3599) / 3600;

	return xasprintf("%llu %s%s", (unsigned long long)n,
			 seconds < 120	  ? "second"
			 : seconds < 7200 ? "minute"
					  : "hour",
			 n == 1 ? "" : "s");
}

char *client_quota_text(const char *limit, const char *remaining)
{
	unsigned total, left, window;
	_cleanup_free_ char *text = NULL;

	if (!limit || !remaining || sscanf(limit, "%9u;w=%9u", &total, &window) != 2 ||
	    sscanf(remaining, "%9u", &left) != 1)
		return NULL;
	text = duration_text(window);
	return xasprintf("%u of %u pulls left in %s", left, total, text);
}

int64_t client_retry_after(const char *value)
{
	struct tm tm = { 0 };
	uint64_t seconds;
	struct err *e;
	int64_t left;

	if (!value)
		return -1;
	e = str_to_u64(value, 0, 10000000, &seconds);
	if (!e)
		return (int64_t)seconds;
	err_free(e); /* a date then */
	if (!strptime(value, "%a, %d %b %Y %H:%M:%S GMT", &tm))
		return -1;
	left = (int64_t)timegm(&tm) - time_now_ns() / 1000000000;
	return left < 0 ? 0 : left;
}

static void sleep_ms(int64_t ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&ts, NULL); /* a signal ends the process, not the nap */
}

static int64_t backoff_ms(unsigned tries)
{
	int64_t base = (int64_t)BACKOFF_MS << (tries < 6 ? tries : 6);
	unsigned jitter;

	random_bytes(&jitter, sizeof(jitter));
	return base * 3 / 4 + (int64_t)(jitter % (unsigned)(base / 2));
}

/* --- authorization
 * ------------------------------------------------------------------------------------------------- */

static char *get_authorization(struct client *c, struct server *s)
{
	char *copy;

	pthread_mutex_lock(&c->lock);
	if (s->expires_ms && time_mono_ms() > s->expires_ms) {
		free(s->authorization);
		s->authorization = NULL;
	}
	copy = xstrdup(s->authorization);
	pthread_mutex_unlock(&c->lock);
	return copy;
}

static const char *server_name(const struct client *c, const struct server *s)
{
	return s->ep->mirror || !str_eq(c->ref->host, HUB_HOST) ? s->ep->host : HUB_HOST;
}

static struct err *denied(const struct client *c, const struct server *s, const struct http_resp *r)
{
	_cleanup_free_ char *said = registry_error_text(r->body.s ?: "", r->body.len);
	bool anonymous = !s->ep->creds.user && !s->ep->creds.identity_token;
	const char *name = server_name(c, s);
	bool hub = str_eq(name, HUB_HOST);
	struct err *e;

	e = err_new(0, "%s access denied for %s: repository does not exist or may require %s%s%s",
		    c->push ? "push" : "pull", c->name, c->push ? "authorization" : "credentials",
		    said ? ": " : "", said ?: "");
	if (c->cfg->creds_given && !s->ep->mirror)
		return err_hint(e, "the credentials for %s that came with the request do not allow it",
				name);
	return anonymous
		       ? err_hint(e, "no credentials for %s in ~/.docker/config.json: devbox login%s%s",
				  name, hub ? "" : " ", hub ? "" : name)
		       : err_hint(e, "the credentials for %s in ~/.docker/config.json do not allow it",
				  name);
}

/* What a token is to be good for: scopes as the token service names them. */
static void scopes_of(const struct client *c, const struct auth_challenge *ch, struct strv *ret)
{
	if (!c->push && ch->scope) {
		strv_add(ret, ch->scope);
		return;
	}
	strv_addf(ret, "repository:%s:pull%s", c->ref->repo, c->push ? ",push" : "");
	for (size_t i = 0; c->from && i < c->from->n; i++)
		strv_addf(ret, "repository:%s:pull", c->from->v[i]);
}

/* Ask the token service the challenge names. */
static struct err *fetch_token(struct client *c, struct http *h, struct server *s,
			       const struct auth_challenge *ch, char **ret, unsigned *ret_seconds)
{
	const struct auth_creds *creds = &s->ep->creds;
	_cleanup_free_ char *basic = auth_basic(creds);
	_cleanup_str_ struct str url = { 0 }, form = { 0 }, scope = { 0 };
	_cleanup_strv_ struct strv scopes = { 0 };
	struct http_req req = { .method = "GET", .body_max = 1 << 20, .ca_pem = s->ep->ca_pem };
	struct http_resp r;
	struct err *e;

	scopes_of(c, ch, &scopes);
	for (size_t i = 0; i < scopes.n; i++)
		str_addf(&scope, "%s%s", i ? " " : "", scopes.v[i]);
	str_add(&url, ch->realm);
	if (creds->identity_token) {
		http_query_add(&form, 0, "grant_type", "refresh_token");
		http_query_add(&form, '&', "service", ch->service ?: "");
		http_query_add(&form, '&', "client_id", "devbox");
		http_query_add(&form, '&', "scope", scope.s);
		http_query_add(&form, '&', "refresh_token", creds->identity_token);
		req.form = form.s;
	} else {
		for (size_t i = 0; i < scopes.n; i++)
			http_query_add(&url, strchr(url.s, '?') ? '&' : '?', "scope", scopes.v[i]);
		if (ch->service)
			http_query_add(&url, '&', "service", ch->service);
		req.authorization = basic;
	}
	req.url = url.s;
	for (unsigned tries = 0;; tries++) {
		bool again;

		e = http_do(h, &req, &r);
		again = tries < 3 && (e ? r.retryable : r.status >= 500);
		if (!again)
			break;
		err_free(e);
		http_resp_done(&r);
		sleep_ms(backoff_ms(tries));
	}
	if (!e && (r.status == 401 || r.status == 403))
		e = denied(c, s, &r);
	else if (!e && (r.status < 200 || r.status > 299))
		e = err_new(0, "the token service of %s answered %d", server_name(c, s), r.status);
	e = e ?: auth_token_parse(r.body.s ?: "", r.body.len, ret, ret_seconds);
	http_resp_done(&r);
	return e;
}

/* The server refused USED (NULL: nothing) with a challenge.  Only one thread asks, the others take its result. */
static struct err *authorize(struct client *c, struct http *h, struct server *s, const char *used,
			     const struct http_resp *r)
{
	struct auth_challenge ch = { 0 };
	_cleanup_str_ struct str header = { 0 };
	char *token = NULL;
	unsigned seconds = 0;
	struct err *e;

	for (size_t i = 0; i < r->challenges.n; i++)
		str_addf(&header, "%s%s", i ? ", " : "", r->challenges.v[i]);
	if (!header.len)
		return denied(c, s, r);
	e = auth_challenge_parse(header.s, &ch);
	if (e)
		return e;
	pthread_mutex_lock(&c->lock);
	if (s->authorization && !str_eq(s->authorization, used)) {
		/* another thread was faster */
	} else if (ch.scheme == AUTH_BEARER) {
		e = fetch_token(c, h, s, &ch, &token, &seconds);
		if (!e) {
			free(s->authorization);
			s->authorization = xasprintf("Bearer %s", token);
			s->expires_ms = time_mono_ms() + seconds * 1000 - TOKEN_SLACK_MS;
			free(token);
		}
	} else if (ch.scheme == AUTH_BASIC && !used && s->ep->creds.user) {
		s->authorization = auth_basic(&s->ep->creds);
		s->expires_ms = 0;
	} else {
		e = denied(c, s, r);
	}
	pthread_mutex_unlock(&c->lock);
	auth_challenge_done(&ch);
	return e;
}

/* --- requests
 * ------------------------------------------------------------------------------------------------------ */

static char *make_url(const struct client *c, const struct server *s, bool plain, const char *path)
{
	return xasprintf("%s://%s/v2/%s/%s%s%s", plain ? "http" : "https", s->ep->host, c->ref->repo,
			 path, s->ep->mirror ? "?ns=" : "", s->ep->mirror ? c->ref->host : "");
}

static struct err *status_error(const struct client *c, const struct server *s, const char *path,
				const struct http_resp *r)
{
	_cleanup_free_ char *said = registry_error_text(r->body.s ?: "", r->body.len);
	_cleanup_free_ char *quota = client_quota_text(r->ratelimit_limit, r->ratelimit_remaining);
	_cleanup_free_ char *wait = NULL;
	int64_t seconds = client_retry_after(r->retry_after);
	const char *name = server_name(c, s);
	struct err *e;

	switch (r->status) {
	case 401:
	case 403:
		return denied(c, s, r);
	case 404:
		if (str_starts(path, "manifests/"))
			return err_new(0, "manifest for %s not found%s%s", c->name,
				       said ? ": " : "", said ?: "");
		return err_new(0, "%s not found on %s", path, name);
	case 407:
		return err_hint(err_new(0, "the proxy refuses to pass us on to %s", name),
				"put user and password into the proxy's address");
	case 429:
		if (seconds >= 0)
			wait = duration_text((uint64_t)seconds);
		e = err_new(0, "%s refuses more pulls for now%s%s%s%s%s%s", name, quota ? ", " : "",
			    quota ?: "", said ? ": " : "", said ?: "",
			    wait ? "; try again in " : "", wait ?: "");
		return err_hint(e, "pulls with an account are counted apart; a mirror in devbox/config.json is not "
				   "counted at all");
	default:
		return err_new(0, "%s answered %d%s%s", name, r->status, said ? ": " : "", said ?: "");
	}
}

/* How much of BUDGET a failure takes: what hardly gets better by asking again soon takes more. */
static unsigned cost_of(const struct err *e, const struct http_resp *r)
{
	if (!e)
		return r->status == 429 ? 2 : 1;
	return r->unlikely ? 2 : 1;
}

static bool worth_retrying(const struct err *e, const struct http_resp *r)
{
	if (e)
		return r->retryable;
	if (r->status == 429)
		return client_retry_after(r->retry_after) <= RETRY_AFTER_MAX;
	return r->status == 408 || r->status >= 500;
}

static void pause_before(struct client *c, struct server *s, unsigned tries, const struct err *e,
			 const struct http_resp *r)
{
	int64_t ms = backoff_ms(tries), asked = e ? -1 : client_retry_after(r->retry_after);
	_cleanup_free_ char *text = NULL;

	if (asked > RETRY_AFTER_MAX)
		asked = RETRY_AFTER_MAX;
	if (asked * 1000 > ms)
		ms = asked * 1000;
	if (e)
		text = xasprintf("%s; trying again in %.1f s", e->text, (double)ms / 1000);
	else
		text = xasprintf("%s answered %d; trying again in %.1f s", server_name(c, s),
				 r->status, (double)ms / 1000);
	if (c->note)
		c->note(c->arg, text);
	sleep_ms(ms);
}

/* One request with its tokens and redirects, no retries. */
static struct err *ask_once(struct client *c, struct http *h, struct server *s,
			    const struct client_req *req, struct http_resp *ret)
{
	for (int round = 0;; round++) {
		bool plain = s->plain; /* another thread may find out meanwhile */
		_cleanup_free_ char *url = make_url(c, s, plain, req->path ?: "");
		_cleanup_free_ char *authorization = get_authorization(c, s);
		/* a registry may have blobs uploaded to somebody else's storage: he gets no token of ours */
		bool own = !req->url || http_same_origin(req->url, url);
		struct http_req hr = {
			.method = req->method ?: "GET",
			.url = req->url ?: url,
			.accept = req->accept,
			.authorization = own ? authorization : NULL,
			.content_type = req->content_type,
			.content_range = req->content_range,
			.source = req->source,
			.source_arg = req->source_arg,
			.source_len = req->source_len,
			.patience_ms = req->patience_ms,
			.ca_pem = s->ep->ca_pem,
			.offset = req->offset ? req->offset(req->arg) : 0,
			.body_max = req->body_max,
			.sink = req->sink,
			.arg = req->arg,
		};
		struct err *e = http_do(h, &hr, ret);

		if (e && ret->no_tls && !plain && registry_config_plain_ok(c->cfg, s->ep->host)) {
			s->plain = true;
			err_free(e);
			http_resp_done(ret);
			continue;
		}
		if (e || ret->status != 401 || round >= AUTH_ROUNDS || !own)
			return e;
		e = authorize(c, h, s, authorization, ret);
		if (e) {
			ret->status = 0;
			ret->retryable = false;
			return e;
		}
		http_resp_done(ret);
	}
}

static struct err *ask_server(struct client *c, struct http *h, struct server *s,
			      const struct client_req *req, struct http_resp *ret)
{
	uint64_t before = 0;
	unsigned spent = 0;

	for (unsigned tries = 0;; tries++) {
		struct err *e = ask_once(c, h, s, req, ret);
		uint64_t now = req->offset ? req->offset(req->arg) : 0;

		if (req->once || (!e && ret->status >= 200 && ret->status <= 299))
			return e;
		if (now > before) /* a bad line, but it moves */
			spent = 0;
		before = now;
		spent += cost_of(e, ret);
		if (!worth_retrying(e, ret) || spent >= BUDGET || tries >= TRIES_MAX) {
			int status = ret->status;

			e = e ?: status_error(c, s, req->path ?: "", ret);
			http_resp_done(ret);
			ret->status = status;
			return e;
		}
		pause_before(c, s, spent - 1, e, ret);
		err_free(e);
		http_resp_done(ret);
	}
}

struct err *client_refusal(struct client *c, const struct client_req *req, const struct http_resp *r)
{
	return status_error(c, &c->servers[c->current], req->path ?: "", r);
}

struct err *client_ask(struct client *c, struct http *h, const struct client_req *req,
		       struct http_resp *ret)
{
	for (size_t i = c->current;; i++) {
		struct server *s = &c->servers[i];
		struct err *e = ask_server(c, h, s, req, ret);
		_cleanup_free_ char *text = NULL;

		if (!e) {
			c->current = i;
			return NULL;
		}
		if (i + 1 == c->cfg->n_endpoints || (req->failed && req->failed(req->arg)))
			return e;
		text = xasprintf("mirror: %s; asking the next", e->text);
		if (c->note)
			c->note(c->arg, text);
		err_free(e); /* told; the registry itself has the last word */
	}
}
