/* How an image is made: the layer's stream is hashed and compressed beside (diff id, blob), unpacked by the
 * namespace's root into a staging folder, and the storage flushed.  Then, under the store's lock, everything gets
 * its final name, the index's entry last. */
#include "registry/make.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/base/fd.h"
#include "core/base/lock.h"
#include "core/base/proc.h"
#include "registry/blob.h"
#include "registry/index.h"
#include "registry/layer.h"
#include "registry/mark.h"
#include "registry/pack.h"
#include "registry/put.h"

enum { BUF = 256 << 10 };

void image_conf_done(struct image_conf *c)
{
	strv_done(&c->entrypoint);
	strv_done(&c->cmd);
	strv_done(&c->env);
	strv_done(&c->volumes);
	strv_done(&c->exposed);
	strv_done(&c->labels);
	free(c->workdir);
	free(c->user);
	free(c->stop_signal);
	*c = (struct image_conf){ 0 };
}

/* -- instructions ------------------------------------------------------------------------------------------------ */

/* The next word at *S, quotes and backslashes taken away; NULL at the end. */
static char *next_word(const char **s)
{
	_cleanup_str_ struct str out = { 0 };
	char quote = 0;

	*s += strspn(*s, " \t");
	if (!**s)
		return NULL;
	for (; **s && (quote || !strchr(" \t", **s)); (*s)++) {
		if (**s == quote)
			quote = 0;
		else if (!quote && (**s == '"' || **s == '\''))
			quote = **s;
		else if (**s == '\\' && quote != '\'' && (*s)[1])
			str_addc(&out, *++*s);
		else
			str_addc(&out, **s);
	}
	return str_take(&out);
}

/* ["a", "b"], or what a shell is to run. */
static struct err *command(const char *rest, struct strv *to)
{
	_cleanup_json_ json *j = NULL;
	struct err *e = *rest == '[' ? json_parse(rest, strlen(rest), "command", &j) : NULL;

	strv_done(to);
	if (!e && json_is_array(j)) {
		for (size_t i = 0; i < json_len(j); i++) {
			if (!json_text(json_at(j, i)))
				return err_new(0, "a command's words must be strings");
			strv_add(to, json_text(json_at(j, i)));
		}
		return NULL;
	}
	err_free(e); /* not JSON: a shell's line that begins with "[" */
	strv_add(to, "/bin/sh");
	strv_add(to, "-c");
	strv_add(to, rest);
	return NULL;
}

/* "k=v k2=v2", or the old "k v". */
static struct err *settings(const char *rest, struct strv *to)
{
	size_t key = strcspn(rest, "= \t");
	char *word;

	if (rest[key] != '=') {
		const char *value = rest + key + strspn(rest + key, " \t");
		_cleanup_free_ char *kv = xasprintf("%.*s=%s", (int)key, rest, value);

		if (!*value)
			return err_new(0, "a name and a value are needed");
		strv_env_set(to, kv);
		return NULL;
	}
	while ((word = next_word(&rest)) != NULL) {
		_cleanup_free_ char *kv = word;

		if (!strchr(kv, '=') || *kv == '=')
			return err_new(0, "\"%s\" is not of the form name=value", kv);
		strv_env_set(to, kv);
	}
	return NULL;
}

static struct err *paths(const char *rest, struct strv *to)
{
	_cleanup_strv_ struct strv words = { 0 };
	struct err *e = NULL;
	char *word;

	if (*rest == '[')
		e = command(rest, &words);
	else
		while ((word = next_word(&rest)) != NULL)
			strv_take(&words, word);
	for (size_t i = 0; !e && i < words.n; i++) {
		if (*words.v[i] != '/')
			e = err_new(0, "the volume's path \"%s\" is not absolute", words.v[i]);
		else if (!strv_has(to, words.v[i]))
			strv_add(to, words.v[i]);
	}
	return e;
}

static struct err *ports(const char *rest, struct strv *to)
{
	char *word;

	while ((word = next_word(&rest)) != NULL) {
		_cleanup_free_ char *w = word;
		size_t digits = strspn(w, "0123456789-");
		_cleanup_free_ char *port = xasprintf("%s%s", w, w[digits] ? "" : "/tcp");

		if (!digits || (w[digits] && !str_eq(w + digits, "/tcp") && !str_eq(w + digits, "/udp")))
			return err_new(0, "\"%s\" is not a port", w);
		if (!strv_has(to, port))
			strv_add(to, port);
	}
	return NULL;
}

static void set_text(char **to, const char *value)
{
	free(*to);
	*to = xstrdup(value);
}

struct err *image_conf_change(struct image_conf *c, const char *text)
{
	size_t len = strcspn(text += strspn(text, " \t"), " \t");
	const char *rest = text + len + strspn(text + len, " \t");
	_cleanup_free_ char *word = xstrndup(text, len);
	struct err *e = NULL;

	if (!*rest)
		return err_new(0, "%s requires at least one argument", word);
	if (!strcasecmp(word, "CMD")) {
		e = command(rest, &c->cmd);
	} else if (!strcasecmp(word, "ENTRYPOINT")) {
		e = command(rest, &c->entrypoint);
	} else if (!strcasecmp(word, "ENV")) {
		e = settings(rest, &c->env);
	} else if (!strcasecmp(word, "LABEL")) {
		e = settings(rest, &c->labels);
	} else if (!strcasecmp(word, "EXPOSE")) {
		e = ports(rest, &c->exposed);
	} else if (!strcasecmp(word, "VOLUME")) {
		e = paths(rest, &c->volumes);
	} else if (!strcasecmp(word, "USER")) {
		set_text(&c->user, rest);
	} else if (!strcasecmp(word, "STOPSIGNAL")) {
		set_text(&c->stop_signal, rest);
	} else if (!strcasecmp(word, "WORKDIR")) {
		_cleanup_free_ char *full =
			*rest == '/' ? xstrdup(rest) : xasprintf("%s/%s", c->workdir ?: "", rest);
		free(c->workdir);
		c->workdir = str_clean_path(full);
	} else {
		e = err_hint(err_new(0, "%s is not a valid change command", word),
			     "CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, STOPSIGNAL, USER, VOLUME and WORKDIR are");
	}
	return err_wrap(e, "%s", word);
}

/* -- the layer --------------------------------------------------------------------------------------------------- */

struct make {
	struct store *st;
	const struct image_make *m;
	char diff_id[DIGEST_LEN + 1], blob[DIGEST_LEN + 1];
	uint64_t blob_size;
	char *stage, *layer; /* staging folders: of the blob, of the unpacked layer */
	int stage_fd, layer_fd;
	struct layer_stats stats;
	struct layer_links links;
	char *buf;
};

static struct err *make_blob(struct make *k)
{
	_cleanup_close_ int out = -1;
	struct pack *p;
	struct err *e;
	ssize_t n;

	e = fd_open(k->stage_fd, "blob", O_WRONLY | O_CREAT | O_EXCL, 0644, &out);
	if (!e && k->st->ids.direct && fchown(out, k->st->ids.root_uid, k->st->ids.root_gid) < 0)
		e = err_new(errno, "giving the blob its owner");
	if (!e && lseek(k->m->tar, 0, SEEK_SET) < 0)
		e = err_new(errno, "rewinding the layer");
	if (e)
		return e;
	p = pack_new(out);
	while (!e && (n = read(k->m->tar, k->buf, BUF)) != 0) {
		if (n > 0)
			e = pack_add(p, k->buf, (size_t)n);
		else if (errno != EINTR)
			e = err_new(errno, "reading the layer");
	}
	e = e ?: pack_end(p, k->diff_id, k->blob, &k->blob_size);
	pack_free(p);
	return e;
}

static struct err *read_tar(void *arg, const void **ret_data, size_t *ret_len)
{
	struct make *k = arg;
	ssize_t n;

	do
		n = read(k->m->tar, k->buf, BUF);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_new(errno, "reading the layer");
	*ret_data = k->buf;
	*ret_len = (size_t)n;
	return NULL;
}

static struct err *unpack_inside(void *arg, struct str *result)
{
	struct make *k = arg;
	struct layer_source src = { read_tar, k };
	struct err *e;

	umask(0);
	if (lseek(k->m->tar, 0, SEEK_SET) < 0)
		return err_new(errno, "rewinding the layer");
	e = layer_unpack(k->layer_fd, &k->st->ids, &src, &k->stats, &k->links);
	if (!e && k->links.n)
		e = err_new(0, "hard link %s: there is no %s", k->links.v[0].path, k->links.v[0].target);
	if (!e)
		str_addf(result, "%llu", (unsigned long long)k->stats.bytes);
	return e;
}

static struct err *unpack_layer(struct make *k)
{
	_cleanup_str_ struct str bytes = { 0 };
	struct err *e;

	if (mark_check(k->st, k->diff_id, &k->stats.bytes))
		return NULL;
	e = store_stage(k->st, "layer", &k->layer, &k->layer_fd);
	e = e ?: userns_call(&k->st->ids, unpack_inside, k, &bytes);
	return e ?: str_to_u64(bytes.s, 0, UINT64_MAX, &k->stats.bytes);
}

static struct err *install(struct make *k)
{
	struct err *e = NULL;

	if (k->layer) {
		mark_remove(k->st, k->diff_id);
		e = store_rm_tree(k->st, k->st->layers, blob_name(k->diff_id));
		if (!e && renameat(k->st->tmp, k->layer, k->st->layers, blob_name(k->diff_id)) < 0)
			e = err_new(errno, "putting the layer into its place");
		if (!e)
			free(TAKE_PTR(k->layer));
		e = e ?: mark_write(k->st, k->diff_id, k->stats.bytes, true);
	}
	if (!e && renameat(k->stage_fd, "blob", k->st->blobs, blob_name(k->blob)) < 0)
		e = err_new(errno, "putting the layer's blob into its place");
	return e;
}

/* -- documents --------------------------------------------------------------------------------------------------- */

static void put_keys(struct json_out *o, const char *key, const struct strv *l)
{
	if (!l->n)
		return;
	json_open(o, key, '{');
	for (size_t i = 0; i < l->n; i++) {
		json_open(o, l->v[i], '{');
		json_close(o, '}');
	}
	json_close(o, '}');
}

static void put_conf(struct json_out *o, const struct image_conf *c, json *base)
{
	json *health = json_get(base, "Healthcheck");

	json_open(o, "config", '{');
	if (c->user)
		json_put_str(o, "User", c->user);
	put_keys(o, "ExposedPorts", &c->exposed);
	json_put_strv(o, "Env", &c->env);
	if (c->entrypoint.n)
		json_put_strv(o, "Entrypoint", &c->entrypoint);
	if (c->cmd.n)
		json_put_strv(o, "Cmd", &c->cmd);
	put_keys(o, "Volumes", &c->volumes);
	if (c->workdir)
		json_put_str(o, "WorkingDir", c->workdir);
	if (health)
		json_put(o, "Healthcheck", health);
	if (c->labels.n) {
		json_open(o, "Labels", '{');
		for (size_t i = 0; i < c->labels.n; i++) {
			size_t key = strcspn(c->labels.v[i], "=");
			_cleanup_free_ char *name = xstrndup(c->labels.v[i], key);

			json_put_str(o, name, c->labels.v[i] + key + (c->labels.v[i][key] == '='));
		}
		json_close(o, '}');
	}
	if (c->stop_signal)
		json_put_str(o, "StopSignal", c->stop_signal);
	json_close(o, '}');
}

static char *config_text(const struct make *k, size_t *ret_len)
{
	const struct image *base = k->m->base;
	json *from = base ? base->config : NULL, *ids = json_get(json_get(from, "rootfs"), "diff_ids");
	struct platform own = { 0 };
	char now[TIME_TEXT_MAX];
	struct json_out o;

	platform_own(&own);
	time_format(time_now_ns(), now);
	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	json_put_str(&o, "created", now);
	json_put_str_if(&o, "author", k->m->author);
	json_put_str_if(&o, "comment", k->m->comment); /* as Docker writes it; OCI has it in the history */
	json_put_str(&o, "architecture", json_str(from, "architecture") ?: own.arch);
	json_put_str(&o, "os", json_str(from, "os") ?: own.os);
	put_conf(&o, k->m->conf, json_get(from, "config"));
	json_open(&o, "rootfs", '{');
	json_put_str(&o, "type", "layers");
	json_open(&o, "diff_ids", '[');
	for (size_t i = 0; i < json_len(ids); i++)
		json_put(&o, NULL, json_at(ids, i));
	json_put_str(&o, NULL, k->diff_id);
	json_close(&o, ']');
	json_close(&o, '}');
	json_open(&o, "history", '[');
	for (size_t i = 0; i < json_len(json_get(from, "history")); i++)
		json_put(&o, NULL, json_at(json_get(from, "history"), i));
	json_open(&o, NULL, '{');
	json_put_str(&o, "created", now);
	json_put_str_if(&o, "author", k->m->author);
	json_put_str(&o, "created_by", k->m->created_by ?: "");
	json_put_str_if(&o, "comment", k->m->comment);
	json_close(&o, '}');
	json_close(&o, ']');
	json_close(&o, '}');
	platform_done(&own);
	return json_out_take(&o, ret_len);
}

static struct err *publish(struct make *k, char **ret_id)
{
	const struct image *base = k->m->base;
	struct descriptor *layers = NULL;
	_cleanup_strv_ struct strv refs = { 0 }, ids = { 0 };
	_cleanup_free_ char *config = NULL;
	struct image_put put = { .refs = &refs, .diff_ids = &ids };
	_cleanup_close_ int lock = -1, gc = -1;
	struct err *e;

	e = lock_take(k->st->cache, "gc.lock", true, &gc); /* the layer has no entry for a moment */
	config = config_text(k, &put.config_len);
	put.config = config;
	put.bytes = k->stats.bytes + (base ? (uint64_t)base->size_bytes : 0);
	if (k->m->ref)
		strv_add(&refs, k->m->ref);
	strv_add(&ids, k->diff_id);
	if (base && !e)
		e = image_layers(k->st, base, &layers, &put.n_layers);
	layers = xrealloc(layers, (put.n_layers + 1) * sizeof(*layers));
	layers[put.n_layers++] =
		(struct descriptor){ .digest = xstrdup(k->blob), .size = (int64_t)k->blob_size };
	put.layers = layers;
	if (!e && syncfs(k->st->root) < 0)
		e = err_new(errno, "flushing the storage");
	e = e ?: store_lock(k->st, &lock);
	e = e ?: install(k);
	if (lock >= 0)
		close(TAKE_FD(lock));
	e = e ?: image_put(k->st, &put, ret_id);
	for (size_t i = 0; i < put.n_layers; i++)
		descriptor_done(&layers[i]);
	free(layers);
	return e;
}

struct err *image_make(struct store *st, const struct image_make *m, char **ret_id)
{
	struct make k = { .st = st, .m = m, .stage_fd = -1, .layer_fd = -1, .buf = xmalloc(BUF) };
	struct err *e;

	e = store_stage(st, "image", &k.stage, &k.stage_fd);
	e = e ?: make_blob(&k);
	e = e ?: unpack_layer(&k);
	e = e ?: publish(&k, ret_id);
	if (k.stage)
		err_free(store_rm_tree(st, st->tmp, k.stage)); /* else the next sweep does it */
	if (k.layer)
		err_free(store_rm_tree(st, st->tmp, k.layer)); /* likewise */
	if (k.stage_fd >= 0)
		close(k.stage_fd);
	if (k.layer_fd >= 0)
		close(k.layer_fd);
	layer_links_done(&k.links);
	free(k.stage);
	free(k.layer);
	free(k.buf);
	return e;
}
