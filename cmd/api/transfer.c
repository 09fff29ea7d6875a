#include "cmd/api/transfer.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "cmd/api/regauth.h"
#include "cmd/ui/human.h"
#include "core/base/proc.h"
#include "registry/blob.h"
#include "registry/push.h"

/* A pull works in a child, and its progress is told there: the child writes the lines itself, while its parent waits.
 * Whether the answer has begun is in memory that both see. */

enum { TELL_MS = 100, ID_LEN_SHORT = 12 };

struct layer {
	enum pull_phase phase;
	bool seen;
	int64_t told_ms;
};

struct shared {
	bool begun; /* the answer */
	bool titled; /* "Pulling from" was said of the present pull */
};

struct transfer {
	struct api_call *c;
	struct shared *shared;
	const char *title, *title_id; /* of the present pull */
	struct layer *layers;
	size_t n;
};

struct transfer *transfer_new(struct api_call *c)
{
	struct transfer *t = xcalloc(1, sizeof(*t));

	t->c = c;
	t->shared = mmap(NULL, sizeof(*t->shared), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (t->shared == MAP_FAILED)
		abort();
	return t;
}

void transfer_free(struct transfer *t)
{
	if (!t)
		return;
	munmap(t->shared, sizeof(*t->shared));
	free(t->layers);
	free(t);
}

static struct err *begin(struct transfer *t)
{
	if (t->shared->begun) {
		t->c->begun = true; /* by the child */
		t->c->chunked = t->c->rq->chunks;
		return NULL;
	}
	t->shared->begun = true;
	return api_stream(t->c, "application/json");
}

struct err *transfer_line(struct transfer *t, struct json_out *o)
{
	struct err *e = begin(t);

	return e ?: api_piece_json(t->c, o);
}

struct err *transfer_say(struct transfer *t, const char *text, const char *id)
{
	struct json_out o;

	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	json_put_str(&o, "status", text);
	if (id)
		json_put_str(&o, "id", id);
	json_close(&o, '}');
	return transfer_line(t, &o);
}

struct err *transfer_end(struct transfer *t, struct err *e)
{
	if (!e || !t->shared->begun)
		return e ?: begin(t);
	e = err_also(begin(t), e);
	return api_piece_error(t->c, e);
}

/* --- progress ----------------------------------------------------------------------------------------------------- */

static struct layer *layer_of(struct transfer *t, const struct pull_event *ev)
{
	size_t n = ev->n_layers > 0 ? (size_t)ev->n_layers : 0;

	if (ev->layer < 0 || (size_t)ev->layer >= n || !ev->digest)
		return NULL;
	if (t->n < n) {
		t->layers = xrealloc(t->layers, n * sizeof(*t->layers));
		memset(t->layers + t->n, 0, (n - t->n) * sizeof(*t->layers));
		t->n = n;
	}
	return &t->layers[ev->layer];
}

static const char *phase_words(enum pull_phase phase)
{
	static const char *const words[PULL_PHASE_MAX] = {
		[PULL_WAITING] = "Waiting",
		[PULL_DOWNLOADING] = "Downloading",
		[PULL_EXTRACTING] = "Extracting",
		[PULL_DONE] = "Pull complete",
		[PULL_EXISTS] = "Already exists",
		[PUSH_PREPARING] = "Preparing",
		[PUSH_UPLOADING] = "Pushing",
		[PUSH_DONE] = "Pushed",
		[PUSH_EXISTS] = "Layer already exists",
	};

	return words[phase];
}

/* "[=====>    ]  1234B/5678B" is for clients that cannot draw it from the numbers: it is left out. */
static struct err *tell_layer(struct transfer *t, const char *id, const char *words,
			      const struct pull_event *ev)
{
	struct json_out o;

	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	json_put_str(&o, "status", words);
	json_open(&o, "progressDetail", '{');
	if (ev) {
		json_put_int(&o, "current", (int64_t)ev->done_bytes);
		if (ev->total_bytes)
			json_put_int(&o, "total", (int64_t)ev->total_bytes);
	}
	json_close(&o, '}');
	json_put_str(&o, "id", id);
	json_close(&o, '}');
	return transfer_line(t, &o);
}

static struct err *say_title(struct transfer *t)
{
	if (!t->title || t->shared->titled)
		return NULL;
	t->shared->titled = true;
	return transfer_say(t, t->title, t->title_id);
}

static struct err *tell(struct transfer *t, const struct pull_event *ev)
{
	struct layer *l = layer_of(t, ev);
	_cleanup_free_ char *id = l ? xstrndup(blob_name(ev->digest), ID_LEN_SHORT) : NULL, *from = NULL;
	bool moves = ev->phase == PULL_DOWNLOADING || ev->phase == PULL_EXTRACTING ||
		     ev->phase == PUSH_UPLOADING;
	bool pulled = ev->phase < PUSH_PREPARING;
	int64_t now = time_mono_ms();
	bool first;
	struct err *e = NULL;

	if (ev->phase == PULL_RETRY && ev->text) {
		_cleanup_str_ struct str text = { 0 };

		human_clean(ev->text, &text);
		return transfer_say(t, text.s ?: "", NULL);
	}
	if (!l)
		return NULL;
	first = !l->seen || l->phase != ev->phase;
	if (!first && (!moves || now - l->told_ms < TELL_MS))
		return NULL;
	e = say_title(t);
	if (!e && !l->seen && pulled && ev->phase != PULL_EXISTS)
		e = tell_layer(t, id, "Pulling fs layer", NULL);
	if (!e && l->phase == PULL_DOWNLOADING && ev->phase == PULL_EXTRACTING)
		e = tell_layer(t, id, "Download complete", NULL);
	*l = (struct layer){ ev->phase, true, now };
	if (ev->phase == PUSH_MOUNTED)
		from = xasprintf("Mounted from %s", ev->text ?: "");
	if (!e && (from || phase_words(ev->phase)))
		e = tell_layer(t, id, from ?: phase_words(ev->phase), moves ? ev : NULL);
	return e;
}

static void on_event(void *arg, const struct pull_event *ev)
{
	struct err *e = tell(arg, ev);

	err_free(e); /* the client has left: its request is about to be ended */
}

/* --- both --------------------------------------------------------------------------------------------------------- */

struct err *transfer_pull(struct transfer *t, const char *image, const char *platform,
			  const struct auth_creds *creds)
{
	struct pull_opts po = { .platform = platform, .creds = creds, .progress = on_event, .arg = t };
	_cleanup_free_ char *name = NULL, *digest = NULL, *status = NULL, *from = NULL;
	struct pull_result res = { 0 };
	struct image_ref ref;
	struct err *e = image_ref_parse(image, &ref);

	if (e)
		return api_fail(err_wrap(e, "invalid reference format: %s", image), 400);
	name = image_ref_familiar(&ref);
	from = !strcmp(ref.host, HUB_HOST) ? xasprintf("Pulling from %s", ref.repo)
					   : xasprintf("Pulling from %s/%s", ref.host, ref.repo);
	t->title = from;
	t->title_id = ref.digest ?: ref.tag;
	t->shared->titled = false;
	e = pull_image(t->c->st, image, &po, &res);
	if (!e) {
		digest = xasprintf("Digest: %s", res.digest);
		status = xasprintf("Status: %s for %s",
				   res.up_to_date ? "Image is up to date" : "Downloaded newer image",
				   name);
		e = say_title(t);
		e = e ?: transfer_say(t, digest, NULL);
		e = e ?: transfer_say(t, status, NULL);
	}
	free(t->layers);
	t->layers = NULL;
	t->n = 0;
	t->title = NULL;
	pull_result_done(&res);
	image_ref_done(&ref);
	return e;
}

static struct err *tell_pushed(struct transfer *t, const char *tag, const char *digest, int64_t size)
{
	_cleanup_free_ char *text =
		xasprintf("%s: digest: %s size: %lld", tag, digest, (long long)size);
	struct json_out o;
	struct err *e = transfer_say(t, text, NULL);

	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	json_open(&o, "progressDetail", '{');
	json_close(&o, '}');
	json_open(&o, "aux", '{');
	json_put_str(&o, "Tag", tag);
	json_put_str(&o, "Digest", digest);
	json_put_int(&o, "Size", size);
	json_close(&o, '}');
	json_close(&o, '}');
	return e ?: transfer_line(t, &o);
}

struct err *transfer_push(struct transfer *t, const char *full, const char *tag,
			  const struct auth_creds *creds)
{
	struct push_opts po = { .creds = creds, .progress = on_event, .arg = t };
	_cleanup_free_ char *digest = NULL;
	int64_t size = 0;
	struct err *e = push_image(t->c->st, full, &po, &digest, &size);

	free(t->layers);
	t->layers = NULL;
	t->n = 0;
	return e ?: tell_pushed(t, tag, digest, size);
}

struct err *transfer_creds(struct api_call *c, const struct image_ref *ref, struct auth_creds *ret,
			   bool *ret_found)
{
	struct err *e = regauth_parse(strv_env(&c->rq->headers, "x-registry-auth"), ref->host, ret,
				      ret_found);

	if (!e && !*ret_found)
		e = regauth_parse_config(strv_env(&c->rq->headers, "x-registry-config"), ref->host,
					 ret, ret_found);
	return api_fail(e, 400);
}
