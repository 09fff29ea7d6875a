#include "core/compose/supply.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/base/fd.h"
#include "core/base/proc.h"
#include "registry/blob.h"
#include "registry/pull.h"

/* What a job tells: how far it is, the line a build writes. */
enum { PROGRESS = 'p', LINE = 'l' };

enum { KEPT_BYTES = 8192 };

/* --- what is needed --------------------------------------------------------------------------- */

bool image_is_there(const struct compose *en, const char *image)
{
	struct image *img = NULL;
	struct err *e = image_find(en->st, image, &img);

	image_free(img);
	err_free(e); /* what is broken is pulled again */
	return !e;
}

/* The same for the PLATFORM ("linux/arm64", or NULL) that a service asks for. */
static bool is_there_for(const struct compose *en, const char *image, const char *platform)
{
	struct image *img = NULL;
	struct err *e = image_find(en->st, image, &img);
	bool fits = !e;

	if (fits && platform) {
		_cleanup_free_ char *own = xasprintf("%s/%s", img->os ?: "", img->arch ?: "");
		const char *rest = str_after(platform, own);

		fits = rest && (!*rest || *rest == '/'); /* the variant is its own affair */
	}
	image_free(img);
	err_free(e);
	return fits;
}

/* Seconds between two pulls that POLICY asks for ("daily", "weekly", "every_1d12h"), 0: none. */
static int64_t pull_every_s(const char *policy)
{
	static const struct {
		char unit;
		int64_t s;
	} units[] = { { 'w', 604800 }, { 'd', 86400 }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 } };
	const char *text = !strcmp(policy, "daily")    ? "1d"
			   : !strcmp(policy, "weekly") ? "1w"
						       : str_after(policy, "every_");
	int64_t sum = 0;

	while (text && *text) {
		char *end;
		int64_t n = strtoll(text, &end, 10), factor = 0;

		for (size_t i = 0; i < ARRAY_LEN(units); i++)
			factor = units[i].unit == *end ? units[i].s : factor;
		if (end == text || end - text > 6 || n < 0 || !factor)
			return 0;
		sum += n * factor;
		text = end + 1;
	}
	return sum;
}

/* When an image was pulled for a policy with a time: an empty file, cache/pulled/<hash of its name>. */
static int pulled_stamp(const struct compose *en, const char *image, int flags)
{
	_cleanup_close_ int dir = -1;
	char name[DIGEST_LEN + 1];
	struct sha256 *sum = sha256_new();
	struct err *e = fd_mkdir_p(en->st->cache, "pulled", 0700, &dir);
	int fd = -1;

	sha256_add(sum, image, strlen(image));
	sha256_text(sum, name);
	sha256_free(sum);
	if (!e)
		fd = openat(dir, name, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
	err_free(e); /* without it the image is pulled once more */
	return fd;
}

static bool is_due(const struct compose *en, const char *image, int64_t every_s)
{
	_cleanup_close_ int fd = pulled_stamp(en, image, O_RDONLY);
	struct stat st;

	return fd < 0 || fstat(fd, &st) < 0 || time_now_ns() / 1000000000 - st.st_mtim.tv_sec >= every_s;
}

static struct err *decide(const struct compose *en, const struct service *s, const char *image,
			  enum supply_need *ret)
{
	const struct node *build = node_get(s->node, "build");
	const char *policy = node_str(s->node, "pull_policy") ?: "missing";
	bool there = is_there_for(en, image, node_str(s->node, "platform"));
	int64_t every_s = pull_every_s(policy);

	*ret = SUPPLY_NOTHING;
	if (build && !en->no_build && (en->build || !there || !strcmp(policy, "build"))) {
		*ret = SUPPLY_BUILD;
		return NULL;
	}
	if (en->pull == PULL_ALWAYS ||
	    (en->pull == PULL_AS_FILE && (!strcmp(policy, "always") || !strcmp(policy, "refresh") ||
					  (every_s && is_due(en, image, every_s)))))
		*ret = SUPPLY_PULL;
	if (build && *ret == SUPPLY_PULL && !node_get(s->node, "image"))
		*ret = SUPPLY_NOTHING; /* its name is ours: no registry has it */
	if (there || *ret == SUPPLY_PULL)
		return NULL;
	if (en->pull == PULL_NEVER || (en->pull == PULL_AS_FILE && !strcmp(policy, "never")))
		return pos_err(&s->pos, "service \"%s\": image %s is not there, and may not be pulled",
			       s->name, image);
	*ret = SUPPLY_PULL;
	return NULL;
}

/* Services with the same image are served by one of them, by one that can build it if there is any: what it
 * makes is for the others, too. */
static long who_brings(const struct supply *all, size_t n, size_t i)
{
	long found = SUPPLY_BY_NONE;

	for (size_t k = 0; k < n && all[i].image; k++) {
		if (!all[k].need || strcmp(all[k].image, all[i].image))
			continue;
		if (found == SUPPLY_BY_NONE ||
		    (all[k].need == SUPPLY_BUILD && all[found].need != SUPPLY_BUILD))
			found = (long)k;
	}
	return found;
}

struct err *supplies_decide(struct compose *en, const bool *picked, struct supply **ret)
{
	struct project *p = en->p;
	struct supply *all = xcalloc(p->n_services + 1, sizeof(*all));
	struct err *e = NULL;

	for (size_t i = 0; i < p->n_services && !e; i++) {
		all[i].s = &p->services[i];
		if (!picked[i])
			continue;
		all[i].image = service_image(p, all[i].s);
		e = decide(en, all[i].s, all[i].image, &all[i].need);
	}
	for (size_t i = 0; i < p->n_services; i++)
		all[i].by = who_brings(all, p->n_services, i);
	if (e)
		supplies_free(all, p->n_services);
	else
		*ret = all;
	return e;
}

void supplies_free(struct supply *all, size_t n)
{
	for (size_t i = 0; i < n && all; i++)
		str_done(&all[i].kept);
	free(all);
}

/* --- in the job ------------------------------------------------------------------------------- */

struct supplier {
	int out;
	struct str line; /* the beginning of a line */
};

static void on_pull(void *arg, const struct pull_event *ev)
{
	const struct supplier *su = arg;
	char text[100];

	if (ev->phase == PULL_DOWNLOADING && ev->total_bytes)
		snprintf(text, sizeof(text), "%.1fMB / %.1fMB", (double)ev->done_bytes / 1e6,
			 (double)ev->total_bytes / 1e6);
	else if (ev->phase == PULL_EXTRACTING)
		snprintf(text, sizeof(text), "extracting layer %d of %d", ev->layer + 1, ev->n_layers);
	else
		return;
	jobs_tell(su->out, PROGRESS, text);
}

static struct err *pull(struct compose *en, const struct supply *su, struct supplier *to)
{
	struct pull_opts o = { .platform = node_str(su->s->node, "platform"),
			       .progress = on_pull,
			       .arg = to };
	struct pull_result res = { 0 };
	struct err *e = pull_image(en->st, su->image, &o, &res);

	pull_result_done(&res);
	if (!e && pull_every_s(node_str(su->s->node, "pull_policy") ?: "")) {
		int fd = pulled_stamp(en, su->image, O_WRONLY | O_CREAT | O_TRUNC);

		if (fd >= 0) {
			futimens(fd, NULL); /* truncating what is empty may leave its time */
			close(fd);
		}
	}
	return e;
}

static void tell_line(struct supplier *su)
{
	if (su->line.len)
		jobs_tell(su->out, LINE, su->line.s);
	str_done(&su->line);
}

static void on_build(void *arg, const struct build_event *ev)
{
	struct supplier *su = arg;

	if (ev->kind == BUILD_START || ev->kind == BUILD_CACHED) {
		tell_line(su);
		jobs_tell(su->out, PROGRESS, ev->name);
		str_addf(&su->line, "%s%s", ev->kind == BUILD_CACHED ? "CACHED " : "", ev->name);
		tell_line(su);
	}
	if (ev->kind == BUILD_NOTE) {
		tell_line(su);
		jobs_tell(su->out, LINE, ev->data);
	}
	for (size_t i = 0; ev->kind == BUILD_LOG && i < ev->len; i++) {
		if (ev->data[i] != '\n' && ev->data[i] != '\r')
			str_addc(&su->line, ev->data[i]);
		if (ev->data[i] == '\n' || su->line.len >= JOB_TEXT_MAX)
			tell_line(su);
	}
}

struct err *supply_run(struct compose *en, const struct supply *su, int out)
{
	struct supplier to = { .out = out };
	struct err *e;

	if (su->need == SUPPLY_BUILD)
		e = service_build(en->p, su->s, en->st, su->image, &en->build_extra, on_build, &to);
	else
		e = pull(en, su, &to);
	tell_line(&to);
	return err_wrap(e, "service %s", su->s->name);
}

/* --- in the starter --------------------------------------------------------------------------- */

static bool is_quiet(const struct compose *en, const struct supply *su)
{
	return su->need == SUPPLY_BUILD ? en->quiet_build : en->quiet_pull;
}

void supply_tell(const struct compose *en, const struct supply *su, enum engine_state state,
		 const char *text)
{
	static const char *const words[][3] = {
		[SUPPLY_PULL] = { "Pulling", "Pulled", "Error" }, [SUPPLY_BUILD] = { "Building", "Built", "Error" }
	};
	_cleanup_free_ char *subject =
		xasprintf("%s %s", su->need == SUPPLY_BUILD ? "Service" : "Image",
			  su->need == SUPPLY_BUILD ? su->s->name : su->image);
	struct engine_event ev = {
		.subject = subject, .words = words[su->need][state], .text = text, .state = state
	};

	if (en->event && (state == ENGINE_FAILED || !is_quiet(en, su)))
		en->event(en->arg, &ev);
}

static void line_of(struct compose *en, struct supply *su, const char *text)
{
	struct engine_event ev = { .words = su->s->name, .text = text };

	bool at_once = en->build_lines && !en->quiet_build;

	if (at_once && en->event)
		en->event(en->arg, &ev);
	if (at_once)
		return;
	str_addf(&su->kept, "%s\n", text);
	if (su->kept.len > 2 * KEPT_BYTES) {
		const char *from = strchr(su->kept.s + su->kept.len - KEPT_BYTES, '\n');
		char *rest = xstrdup(from ? from + 1 : "");

		str_done(&su->kept);
		str_add(&su->kept, rest);
		free(rest);
	}
}

void supply_word(struct compose *en, struct supply *su, const struct job_word *word)
{
	if (word->kind == PROGRESS)
		supply_tell(en, su, ENGINE_WORKING, word->text);
	if (word->kind == LINE)
		line_of(en, su, word->text);
}

void supply_tell_kept(const struct compose *en, const struct supply *su)
{
	for (const char *s = su->kept.s; s && *s;) {
		_cleanup_free_ char *one = xstrndup(s, strcspn(s, "\n"));
		struct engine_event ev = { .words = su->s->name, .text = one };

		if (en->event)
			en->event(en->arg, &ev);
		s += strlen(one) + (s[strlen(one)] == '\n');
	}
}
