#include "registry/http.h"

#include <curl/curl.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <strings.h>

#include "core/base/fd.h"
#include "core/base/proc.h"
#include "registry/ca_bundle.h"

enum {
	CONNECT_MS = 15000,
	HEADER_MAX = 64 << 10, /* bytes of one header line that we look at */
	RECEIVE_BUFFER = 256 << 10, /* fewer, larger reads and writes */
};

#define USER_AGENT "devbox"

struct http {
	const struct registry_config *cfg;
	CURL *curl;
	/* of the request under way */
	const struct http_req *req;
	struct http_resp *resp;
	struct err *sink_error; /* the source's as well */
	uint64_t start; /* where the body begins */
	uint64_t sent; /* of the source, in this hop */
	int64_t last_ms; /* when the last byte came (or was taken) */
	curl_off_t last_bytes; /* received and sent */
	bool stalled, too_large;
	char error[CURL_ERROR_SIZE];
};

void http_global_init(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

struct http *http_new(const struct registry_config *cfg)
{
	struct http *h = xcalloc(1, sizeof(*h));

	h->cfg = cfg;
	h->curl = curl_easy_init();
	if (!h->curl)
		abort();
	return h;
}

void http_free(struct http *h)
{
	if (!h)
		return;
	curl_easy_cleanup(h->curl);
	free(h);
}

void http_resp_done(struct http_resp *r)
{
	free(r->url);
	str_done(&r->body);
	free(r->content_type);
	free(r->docker_content_digest);
	free(r->retry_after);
	free(r->ratelimit_limit);
	free(r->ratelimit_remaining);
	free(r->location);
	free(r->range);
	free(r->link);
	strv_done(&r->challenges);
	*r = (struct http_resp){ .length = -1 };
}

void http_query_add(struct str *s, char sep, const char *name, const char *value)
{
	static const char hex[] = "0123456789ABCDEF";

	if (sep)
		str_addc(s, sep);
	str_add(s, name);
	str_addc(s, '=');
	for (; *value; value++) {
		unsigned char c = (unsigned char)*value;

		if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    strchr("-._~", c)) {
			str_addc(s, *value);
		} else {
			str_addc(s, '%');
			str_addc(s, hex[c >> 4]);
			str_addc(s, hex[c & 15]);
		}
	}
}

/* --- certificate authorities
 * --------------------------------------------------------------------------------------- */

/* A directory of hashed links makes the first connection 15 ms faster than a bundle: only what is needed is parsed. */
static const char hashed_dir[] = "/etc/ssl/certs";
static const char *const bundles[] = {
	"/etc/ssl/certs/ca-certificates.crt", /* Debian, Ubuntu, Arch, Gentoo, Alpine */
	"/etc/pki/tls/certs/ca-bundle.crt", /* Fedora, RHEL */
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
	"/etc/ssl/ca-bundle.pem", /* SUSE */
	"/etc/ssl/cert.pem",
};

/* The directory did not know an authority, the bundle did: some set-ups add theirs to the bundle alone. */
static atomic_bool prefer_bundle;

static bool has_hashed_links(const char *path)
{
	_cleanup_dir_ DIR *d = opendir(path);
	struct dirent *de;

	while (d && (de = readdir(d)) != NULL)
		if (strlen(de->d_name) == 10 && str_ends(de->d_name, ".0") && str_is_hex(de->d_name, 8))
			return true;
	return false;
}

static const char *system_bundle(void)
{
	for (size_t i = 0; i < ARRAY_LEN(bundles); i++)
		if (access(bundles[i], R_OK) == 0)
			return bundles[i];
	return NULL;
}

static void set_blob(CURL *curl, const char *pem, size_t len)
{
	struct curl_blob blob = { (void *)(uintptr_t)pem, len, CURL_BLOB_COPY };

	curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &blob);
	curl_easy_setopt(curl, CURLOPT_PROXY_CAINFO_BLOB, &blob);
}

/* Returns whether a second try with the bundle makes sense when the check fails. */
static bool set_authorities(struct http *h, const char *extra_pem)
{
	const struct registry_config *cfg = h->cfg;
	_cleanup_str_ struct str pem = { 0 };
	const char *bundle, *dir = cfg->ca_dir;
	bool try_bundle = false;

	if (cfg->ca_pem)
		str_add(&pem, cfg->ca_pem);
	if (!cfg->ca_pem && !dir) {
		bundle = system_bundle();
		if (has_hashed_links(hashed_dir) && !(bundle && prefer_bundle)) {
			dir = hashed_dir;
			try_bundle = bundle;
		} else if (bundle && !extra_pem) {
			curl_easy_setopt(h->curl, CURLOPT_CAINFO, bundle);
			curl_easy_setopt(h->curl, CURLOPT_PROXY_CAINFO, bundle);
		} else if (bundle) {
			_cleanup_free_ char *text = NULL;
			struct err *e = fd_read_file(AT_FDCWD, bundle, HTTP_BODY_MAX, &text, NULL);

			err_free(e); /* the check of the server's certificate will say what is missing */
			str_add(&pem, text ?: "");
		} else {
			str_addn(&pem, ca_bundle_pem, ca_bundle_pem_size);
		}
	}
	if (extra_pem) {
		str_addc(&pem, '\n');
		str_add(&pem, extra_pem);
	}
	if (pem.len)
		set_blob(h->curl, pem.s, pem.len);
	if (dir) {
		curl_easy_setopt(h->curl, CURLOPT_CAPATH, dir);
		curl_easy_setopt(h->curl, CURLOPT_PROXY_CAPATH, dir);
	}
	return try_bundle;
}

/* --- callbacks
 * ----------------------------------------------------------------------------------------------------- */

static bool take_header(const char *line, size_t len, const char *name, char **slot)
{
	size_t n = strlen(name);

	if (len <= n || strncasecmp(line, name, n) != 0 || line[n] != ':')
		return false;
	line += n + 1;
	len -= n + 1;
	while (len && (*line == ' ' || *line == '\t')) {
		line++;
		len--;
	}
	while (len && (line[len - 1] == '\r' || line[len - 1] == '\n' || line[len - 1] == ' '))
		len--;
	free(*slot);
	*slot = xstrndup(line, len);
	return true;
}

/* "bytes 100-199/200" */
static void take_range(struct http *h, const char *value)
{
	unsigned long long from, total;
	char slash;

	if (sscanf(value, "bytes %llu-%*u%c%llu", &from, &slash, &total) == 3 && slash == '/' &&
	    total <= INT64_MAX) {
		h->start = from;
		h->resp->length = (int64_t)total;
	}
}

static size_t on_header(char *line, size_t one, size_t len, void *arg)
{
	struct http *h = arg;
	struct http_resp *r = h->resp;
	char *text = NULL;

	(void)one; /* always 1 */
	h->last_ms = time_mono_ms();
	if (len > HEADER_MAX)
		return len;
	if (len > 5 && !strncmp(line, "HTTP/", 5)) {
		/* also after "100 Continue": only the last answer's headers count */
		http_resp_done(r);
		h->start = 0;
	} else if (take_header(line, len, "WWW-Authenticate", &text)) {
		strv_take(&r->challenges, text);
	} else if (take_header(line, len, "Content-Range", &text)) {
		take_range(h, text);
		free(text);
	} else if (!take_header(line, len, "Content-Type", &r->content_type) &&
		   !take_header(line, len, "Docker-Content-Digest", &r->docker_content_digest) &&
		   !take_header(line, len, "Retry-After", &r->retry_after) &&
		   !take_header(line, len, "Location", &r->location) &&
		   !take_header(line, len, "Range", &r->range) &&
		   !take_header(line, len, "Link", &r->link) &&
		   !take_header(line, len, "RateLimit-Limit", &r->ratelimit_limit)) {
		take_header(line, len, "RateLimit-Remaining", &r->ratelimit_remaining);
	}
	return len;
}

static size_t on_body(char *data, size_t one, size_t len, void *arg)
{
	struct http *h = arg;
	struct http_resp *r = h->resp;
	size_t max = h->req->body_max ?: HTTP_BODY_MAX;
	long status = 0;

	(void)one; /* always 1 */
	curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status >= 200 && status < 300 && h->req->sink) {
		h->sink_error = h->req->sink(h->req->arg, status == 206 ? h->start : 0, data, len);
		h->last_ms = time_mono_ms();
		return h->sink_error ? CURL_WRITEFUNC_ERROR : len;
	}
	h->last_ms = time_mono_ms();
	if (status < 200 || status >= 300) {
		/* an error's body is only looked at for its message */
		if (r->body.len < HTTP_ERROR_BODY_MAX)
			str_addn(&r->body, data,
				 len < HTTP_ERROR_BODY_MAX - r->body.len
					 ? len
					 : HTTP_ERROR_BODY_MAX - r->body.len);
		return len;
	}
	if (len > max - r->body.len) {
		h->too_large = true;
		return CURL_WRITEFUNC_ERROR;
	}
	str_addn(&r->body, data, len);
	return len;
}

static size_t on_want_body(char *buf, size_t one, size_t size, void *arg)
{
	struct http *h = arg;
	const struct http_req *req = h->req;
	size_t len = 0;

	(void)one; /* always 1 */
	if (h->sent == req->source_len)
		return 0;
	if (size > req->source_len - h->sent)
		size = (size_t)(req->source_len - h->sent);
	h->sink_error = req->source(req->source_arg, h->sent, buf, size, &len);
	if (!h->sink_error && !len)
		h->sink_error = err_new(0, "there is less to send than announced");
	h->last_ms = time_mono_ms();
	if (h->sink_error)
		return CURL_READFUNC_ABORT;
	h->sent += len;
	return len;
}

/* A connection that was kept open turned out to be dead: the body is sent again from its beginning. */
static int on_seek(void *arg, curl_off_t offset, int origin)
{
	struct http *h = arg;

	if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > h->req->source_len)
		return CURL_SEEKFUNC_CANTSEEK;
	h->sent = (uint64_t)offset;
	return CURL_SEEKFUNC_OK;
}

static unsigned patience_ms(const struct http *h)
{
	return h->req->patience_ms ?: h->cfg->stall_ms;
}

/* Called at least once a second. */
static int on_progress(void *arg, curl_off_t total UNUSED, curl_off_t down,
		       curl_off_t up_total UNUSED, curl_off_t up)
{
	struct http *h = arg;

	if (down + up != h->last_bytes) {
		h->last_bytes = down + up;
		h->last_ms = time_mono_ms();
	}
	h->stalled = time_mono_ms() - h->last_ms >= patience_ms(h);
	return h->stalled;
}

/* --- requests
 * ------------------------------------------------------------------------------------------------------ */

/* "scheme", "host[:port]" of URL into owned strings. */
static struct err *split_url(const char *url, char **ret_scheme, char **ret_host)
{
	CURLU *u = curl_url();
	char *scheme = NULL, *host = NULL, *port = NULL;
	struct err *e = NULL;

	if (!u)
		abort();
	if (curl_url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK ||
	    curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
	    curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK) {
		e = err_new(0, "malformed address '%.200s'", url);
	} else {
		curl_url_get(u, CURLUPART_PORT, &port, 0);
		*ret_scheme = xstrdup(scheme);
		*ret_host = port ? xasprintf("%s:%s", host, port) : xstrdup(host);
	}
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(u);
	return e;
}

static void set_proxy(CURL *curl, const char *scheme, const char *host)
{
	/* libcurl leaves HTTP_PROXY alone, for CGI programs' sake; Docker and the rest of the world use it */
	const char *upper = getenv("HTTP_PROXY");

	if (host_is_loopback(host))
		curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	else if (!strcmp(scheme, "http") && !getenv("http_proxy") && upper)
		curl_easy_setopt(curl, CURLOPT_PROXY, upper);
}

static struct curl_slist *header_add(struct curl_slist *l, const char *name, const char *value)
{
	_cleanup_free_ char *line = value ? xasprintf("%s: %s", name, value) : NULL;
	struct curl_slist *longer = line ? curl_slist_append(l, line) : l;

	if (line && !longer)
		abort();
	return longer;
}

static void set_up_body(struct http *h)
{
	const struct http_req *req = h->req;
	CURL *c = h->curl;

	if (req->source) {
		curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(c, CURLOPT_READFUNCTION, on_want_body);
		curl_easy_setopt(c, CURLOPT_READDATA, h);
		curl_easy_setopt(c, CURLOPT_SEEKFUNCTION, on_seek);
		curl_easy_setopt(c, CURLOPT_SEEKDATA, h);
		curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)req->source_len);
		curl_easy_setopt(c, CURLOPT_UPLOAD_BUFFERSIZE, (long)RECEIVE_BUFFER);
	} else {
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, "");
	}
	curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, req->method);
}

static bool set_up(struct http *h, const char *url, const char *scheme, const char *host,
		   struct curl_slist *headers)
{
	const struct http_req *req = h->req;
	CURL *c = h->curl;
	bool try_bundle, insecure = registry_config_is_insecure(h->cfg, host);

	curl_easy_reset(c); /* keeps connections, sessions and the DNS cache */
	try_bundle = set_authorities(h, req->ca_pem);
	set_proxy(c, scheme, host);
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, h->error);
	curl_easy_setopt(c, CURLOPT_USERAGENT, USER_AGENT);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(c, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS,
			 (long)(h->cfg->stall_ms < CONNECT_MS ? h->cfg->stall_ms : CONNECT_MS));
	curl_easy_setopt(c, CURLOPT_BUFFERSIZE, (long)RECEIVE_BUFFER);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, h);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, h);
	curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(c, CURLOPT_XFERINFODATA, h);
	curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
	if (insecure) {
		curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	if (req->form)
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, req->form);
	else if (req->source || !strcmp(req->method, "POST") || !strcmp(req->method, "PUT"))
		set_up_body(h);
	else if (!strcmp(req->method, "HEAD"))
		curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
	if (req->offset) {
		char range[32];

		/* not RESUME_FROM: with that a server that ignores Range would be an error */
		snprintf(range, sizeof(range), "%llu-", (unsigned long long)req->offset);
		curl_easy_setopt(c, CURLOPT_RANGE, range);
	}
	return try_bundle;
}

/* Does libcurl's own text say more than the code? */
static const char *reason(const struct http *h, CURLcode rc)
{
	return *h->error ? h->error : curl_easy_strerror(rc);
}

static struct err *explain(struct http *h, CURLcode rc, const char *host)
{
	struct http_resp *r = h->resp;
	long proxy_status = 0;

	curl_easy_getinfo(h->curl, CURLINFO_HTTP_CONNECTCODE, &proxy_status);
	r->retryable = proxy_status != 407;
	r->unlikely = h->stalled || rc == CURLE_COULDNT_RESOLVE_HOST ||
		      rc == CURLE_COULDNT_RESOLVE_PROXY || rc == CURLE_COULDNT_CONNECT ||
		      rc == CURLE_OPERATION_TIMEDOUT || rc == CURLE_SSL_CONNECT_ERROR;
	if (h->sink_error) {
		r->retryable = false;
		return TAKE_PTR(h->sink_error);
	}
	if (h->stalled)
		return err_new(0, "%s sent nothing for %u seconds", host, patience_ms(h) / 1000);
	if (h->too_large) {
		r->retryable = r->unlikely = false;
		return err_new(0, "%s sent an answer larger than %zu bytes", host,
			       h->req->body_max ?: (size_t)HTTP_BODY_MAX);
	}
	if (proxy_status == 407)
		return err_hint(err_new(0, "the proxy does not let us through to %s: it wants a password (407)",
					host),
				"https_proxy=http://USER:PASSWORD@HOST:PORT");
	switch (rc) {
	case CURLE_COULDNT_RESOLVE_HOST:
		return err_hint(err_new(0, "cannot find the address of %s", host),
				"check the name, the network and /etc/resolv.conf");
	case CURLE_COULDNT_RESOLVE_PROXY:
		return err_hint(err_new(0, "cannot find the address of the proxy for %s", host),
				"check http_proxy and https_proxy");
	case CURLE_COULDNT_CONNECT:
		return err_new(0, "cannot connect to %s: %s", host, reason(h, rc));
	case CURLE_OPERATION_TIMEDOUT:
		return err_new(0, "no connection to %s in time", host);
	case CURLE_PEER_FAILED_VERIFICATION:
		r->retryable = false;
		return err_hint(
			err_new(0, "the certificate of %s is not trusted: %s", host, reason(h, rc)),
			"behind a company's proxy or for a private registry: put its authority into "
			"SSL_CERT_FILE or certs.d/%s/ca.crt",
			host);
	case CURLE_SSL_CONNECT_ERROR:
		r->no_tls = true;
		return err_new(0, "no secure connection to %s: %s", host, reason(h, rc));
	case CURLE_PARTIAL_FILE:
	case CURLE_GOT_NOTHING:
	case CURLE_RECV_ERROR:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
		return err_new(0, "the connection to %s broke: %s", host, reason(h, rc));
	default:
		return err_new(0, "talking to %s: %s", host, reason(h, rc));
	}
}

/* One hop. */
static struct err *hop(struct http *h, const char *url, bool with_auth, bool *ret_try_bundle)
{
	const struct http_req *req = h->req;
	_cleanup_free_ char *scheme = NULL, *host = NULL;
	struct curl_slist *headers = NULL;
	struct err *e;
	CURLcode rc;
	long status = 0;

	e = split_url(url, &scheme, &host);
	if (e)
		return e;
	if (strcmp(scheme, "https") != 0 && !registry_config_plain_ok(h->cfg, host))
		return err_hint(err_new(0, "refusing to talk to %s without TLS", host),
				"list it as insecure in devbox/config.json if that is meant");
	headers = header_add(headers, "Accept", req->accept);
	headers = header_add(headers, "Authorization", with_auth ? req->authorization : NULL);
	if (req->source || !strcmp(req->method, "POST") || !strcmp(req->method, "PUT"))
		headers = header_add(headers, "Content-Type", req->content_type);
	headers = header_add(headers, "Content-Range", req->content_range);
	http_resp_done(h->resp);
	h->start = 0;
	h->sent = 0;
	h->last_ms = time_mono_ms();
	h->last_bytes = 0;
	h->stalled = h->too_large = false;
	*h->error = '\0';
	*ret_try_bundle = set_up(h, url, scheme, host, headers);
	rc = curl_easy_perform(h->curl);
	curl_slist_free_all(headers);
	curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
	h->resp->status = (int)status;
	if (h->resp->length < 0) {
		curl_off_t length = -1;

		curl_easy_getinfo(h->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
		h->resp->length = length;
	}
	*ret_try_bundle = *ret_try_bundle && rc == CURLE_PEER_FAILED_VERIFICATION;
	return rc == CURLE_OK ? NULL : explain(h, rc, host);
}

bool http_same_origin(const char *a, const char *b)
{
	_cleanup_free_ char *scheme_a = NULL, *host_a = NULL, *scheme_b = NULL, *host_b = NULL;
	struct err *e = split_url(a, &scheme_a, &host_a);

	e = e ?: split_url(b, &scheme_b, &host_b);
	if (e) {
		err_free(e); /* the next hop refuses it */
		return false;
	}
	return str_eq(scheme_a, scheme_b) && !strcasecmp(host_a, host_b);
}

char *http_resolve(const char *base, const char *reference)
{
	CURLU *u = curl_url();
	char *text = NULL, *copy;

	if (!u)
		abort();
	if (curl_url_set(u, CURLUPART_URL, base, 0) != CURLUE_OK ||
	    curl_url_set(u, CURLUPART_URL, reference, 0) != CURLUE_OK ||
	    curl_url_get(u, CURLUPART_URL, &text, 0) != CURLUE_OK)
		text = NULL;
	copy = xstrdup(text);
	curl_free(text);
	curl_url_cleanup(u);
	return copy;
}

struct err *http_do(struct http *h, const struct http_req *req, struct http_resp *ret)
{
	_cleanup_free_ char *url = xstrdup(req->url);
	bool with_auth = true, try_bundle = false;
	struct err *e;

	*ret = (struct http_resp){ .length = -1 };
	h->req = req;
	h->resp = ret;
	for (int hops = 0;; hops++) {
		char *next = NULL;

		e = hop(h, url, with_auth, &try_bundle);
		if (e && try_bundle) {
			err_free(e);
			prefer_bundle = true;
			e = hop(h, url, with_auth, &try_bundle);
		}
		if (e)
			break;
		curl_easy_getinfo(h->curl, CURLINFO_REDIRECT_URL, &next);
		if (!next || ret->status < 300 || ret->status > 399)
			break;
		if (strcmp(req->method, "GET") && strcmp(req->method, "HEAD") &&
		    ret->status != 307 && ret->status != 308)
			break; /* would make it a GET; the caller sees that it is no success */
		if (hops == HTTP_REDIRECTS_MAX) {
			e = err_new(0, "more than %d redirects from %s", HTTP_REDIRECTS_MAX, req->url);
			break;
		}
		if (str_starts(url, "https:") && !str_starts(next, "https:")) {
			e = err_new(0, "%s redirects to an address without TLS", req->url);
			break;
		}
		/* once it has left, it does not come back with credentials either */
		with_auth = with_auth && http_same_origin(url, next);
		next = xstrdup(next);
		free(url);
		url = next;
	}
	if (!e)
		ret->url = TAKE_PTR(url);
	h->req = NULL;
	h->resp = NULL;
	return e;
}
