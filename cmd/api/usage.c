/* cmd/api/usage.c -- what a container does and uses: top, stats */
#include <poll.h>
#include <stdlib.h>
#include <sys/sysinfo.h>

#include "cmd/api/call.h"
#include "cmd/top.h"
#include "cmd/verb.h"
#include "core/base/proc.h"
#include "core/box/procs.h"

/* --- top -------------------------------------------------------------------------------------------------------- */

static void split(const char *text, const char *at, struct strv *words)
{
	while (*(text += strspn(text, at))) {
		size_t n = strcspn(text, at);

		strv_take(words, xstrndup(text, n));
		text += n;
	}
}

/* A line of top_lines(): a cell may be empty. */
static void put_cells(const char *line, const char *key, struct json_out *o)
{
	json_open(o, key, '[');
	for (;; line++) {
		size_t n = strcspn(line, "\t");

		json_put_strn(o, NULL, line, n);
		line += n;
		if (!*line)
			break;
	}
	json_close(o, ']');
}

static struct err *top(struct api_call *c)
{
	_cleanup_strv_ struct strv args = { 0 }, lines = { 0 };
	_cleanup_box_ struct box *b = NULL;
	struct json_out o;
	struct err *e = api_box(c, &b);

	if (!e && !state_is_up(&b->state))
		e = api_fail(err_new(0, "Container %s is not running", b->spec.id), 409);
	split(api_query(c, "ps_args"), " \t\n", &args);
	if (args.n == 1 && !strcmp(args.v[0], "-ef")) /* Docker's default, and ours without a ps(1) */
		strv_done(&args);
	e = e ?: top_lines(b, (int)args.n, args.v, &lines);
	if (e)
		return e;
	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	put_cells(lines.n ? lines.v[0] : "", "Titles", &o);
	json_open(&o, "Processes", '[');
	for (size_t i = 1; i < lines.n; i++)
		put_cells(lines.v[i], NULL, &o);
	json_close(&o, ']');
	json_close(&o, '}');
	return api_json(c, 200, &o);
}

/* --- stats ------------------------------------------------------------------------------------------------------ */

enum { SAMPLE_MS = 1000 };

struct sample {
	struct usage used; /* zero if it does not run */
	int64_t at_ns; /* wall clock; 0: it does not run */
	int64_t mono_ms;
};

static void take(struct box *b, struct sample *s)
{
	struct err *e = b->state.status == BOX_RUNNING ? box_usage(b, &s->used)
						       : err_new(0, "it does not run");

	s->mono_ms = time_mono_ms();
	s->at_ns = e ? 0 : time_now_ns();
	if (e)
		s->used = (struct usage){ 0 };
	err_free(e); /* one that has ended has no numbers */
}

static void put_time(struct json_out *o, const char *key, int64_t ns)
{
	char text[TIME_TEXT_MAX] = "0001-01-01T00:00:00Z";

	if (ns)
		time_format(ns, text);
	json_put_str(o, key, text);
}

/* What its processes had of what the machine's had since it was started. */
static void put_cpu(struct json_out *o, const char *key, const struct sample *s)
{
	int64_t n = sysconf(_SC_NPROCESSORS_ONLN), ns_a_tick = 1000000000 / sysconf(_SC_CLK_TCK);
	static const char *const never[] = { "periods", "throttled_periods", "throttled_time" };

	json_open(o, key, '{');
	json_open(o, "cpu_usage", '{');
	json_put_int(o, "total_usage", (int64_t)s->used.cpu_ticks * ns_a_tick);
	json_put_int(o, "usage_in_kernelmode", 0);
	json_put_int(o, "usage_in_usermode", (int64_t)s->used.cpu_ticks * ns_a_tick);
	json_close(o, '}');
	if (s->at_ns) {
		json_put_int(o, "system_cpu_usage", s->mono_ms * 1000000 * n);
		json_put_int(o, "online_cpus", n);
	}
	json_open(o, "throttling_data", '{');
	for (size_t i = 0; i < ARRAY_LEN(never); i++)
		json_put_int(o, never[i], 0);
	json_close(o, '}');
	json_close(o, '}');
}

static void put_memory(struct json_out *o, const struct box *b, const struct sample *s)
{
	int64_t limit;
	struct sysinfo si;

	sysinfo(&si);
	limit = (int64_t)(si.totalram * si.mem_unit);
	if (b->spec.limits.memory && b->spec.limits.memory < limit)
		limit = b->spec.limits.memory;
	json_open(o, "memory_stats", '{');
	if (s->at_ns) {
		json_put_int(o, "usage", (int64_t)s->used.memory);
		json_put_int(o, "limit", limit);
		json_open(o, "stats", '{');
		json_close(o, '}');
	}
	json_close(o, '}');
}

static void put_disk(struct json_out *o, const struct sample *s)
{
	const struct {
		const char *op;
		uint64_t bytes;
	} ops[] = { { "read", s->used.disk_in }, { "write", s->used.disk_out } };

	json_open(o, "blkio_stats", '{');
	json_open(o, "io_service_bytes_recursive", '[');
	for (size_t i = 0; s->at_ns && i < ARRAY_LEN(ops); i++) {
		json_open(o, NULL, '{');
		json_put_int(o, "major", 0);
		json_put_int(o, "minor", 0);
		json_put_str(o, "op", ops[i].op);
		json_put_int(o, "value", (int64_t)ops[i].bytes);
		json_close(o, '}');
	}
	json_close(o, ']');
	json_close(o, '}');
}

static void put_networks(struct json_out *o, const struct box *b, const struct sample *s)
{
	static const char *const unknown[] = { "rx_packets", "rx_errors", "rx_dropped",
					       "tx_packets", "tx_errors", "tx_dropped" };

	if (!s->at_ns || b->spec.net != NET_DEFAULT)
		return;
	json_open(o, "networks", '{');
	json_open(o, "eth0", '{'); /* all of them */
	json_put_int(o, "rx_bytes", (int64_t)s->used.net_in);
	json_put_int(o, "tx_bytes", (int64_t)s->used.net_out);
	for (size_t i = 0; i < ARRAY_LEN(unknown); i++)
		json_put_int(o, unknown[i], 0);
	json_close(o, '}');
	json_close(o, '}');
}

static struct err *send_stats(struct api_call *c, const struct box *b, const struct sample *before,
			      const struct sample *now)
{
	_cleanup_free_ char *slashed = xasprintf("/%s", b->spec.name);
	struct json_out o;

	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	put_time(&o, "read", now->at_ns);
	put_time(&o, "preread", before->at_ns);
	json_put_str(&o, "name", slashed);
	json_put_str(&o, "id", b->spec.id);
	json_put_int(&o, "num_procs", 0); /* Windows' */
	json_open(&o, "pids_stats", '{');
	if (now->at_ns)
		json_put_int(&o, "current", (int64_t)now->used.n_procs);
	json_close(&o, '}');
	put_disk(&o, now);
	json_open(&o, "storage_stats", '{');
	json_close(&o, '}');
	put_cpu(&o, "cpu_stats", now);
	put_cpu(&o, "precpu_stats", before);
	put_memory(&o, b, now);
	put_networks(&o, b, now);
	json_close(&o, '}');
	return api_piece_json(c, &o);
}

/* One object a second; without stream only the first of those that know what was before, with one-shot at once. */
static struct err *stats(struct api_call *c)
{
	bool stream = api_query_bool(c, "stream", true), at_once = api_query_bool(c, "one-shot", false);
	struct sample before = { 0 }, now = { 0 };
	_cleanup_box_ struct box *b = NULL;
	struct err *e = api_box(c, &b);

	if (!e && stream && at_once)
		e = api_fail(err_new(0, "cannot have stream=true and one-shot=true"), 400);
	e = e ?: api_stream(c, "application/json");
	if (e)
		return e;
	take(b, &now);
	if (stream || at_once || !now.at_ns)
		e = send_stats(c, b, &before, &now);
	while (!e && !at_once && (stream || now.at_ns)) {
		poll(NULL, 0, SAMPLE_MS); /* usage is a difference over time */
		e = box_refresh(b);
		if (e) {
			err_free(e); /* it is no more: nor is there more to say */
			return NULL;
		}
		before = now;
		take(b, &now);
		e = send_stats(c, b, &before, &now);
		if (!stream)
			break;
	}
	return e;
}

const struct api_route api_usage_routes[] = {
	{ "GET", "/containers/*/stats", stats },
	{ "GET", "/containers/*/top", top },
	{ 0 },
};
