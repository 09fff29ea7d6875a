#include "core/box/health.h"

enum {
	INTERVAL_MS = 30000,
	TIMEOUT_MS = 30000,
	START_INTERVAL_MS = 5000,
	RETRIES = 3,
	NS_PER_MS = 1000000,
	RETRIES_MAX = 1000000,
};

const char *const health_names[] = { "none", "starting", "healthy", "unhealthy" };
_Static_assert(ARRAY_LEN(health_names) == HEALTH_MAX, "a name for every status");

void health_config_done(struct health_config *c)
{
	strv_done(&c->test);
	strv_done(&c->shell);
	*c = (struct health_config){ 0 };
}

static void take_time(json *check, const char *key, int64_t *to)
{
	int64_t ns = json_int(check, key, 0);

	if (*to == 0 && ns >= NS_PER_MS)
		*to = ns;
}

void health_from_image(json *config, struct health_config *to)
{
	json *check = json_get(config, "Healthcheck");
	int64_t retries = json_int(check, "Retries", 0);

	if (!to->test.n)
		json_strv(check, "Test", &to->test);
	json_strv(config, "Shell", &to->shell);
	take_time(check, "Interval", &to->interval_ns);
	take_time(check, "Timeout", &to->timeout_ns);
	take_time(check, "StartPeriod", &to->start_period_ns);
	take_time(check, "StartInterval", &to->start_interval_ns);
	if (!to->retries && retries > 0 && retries < RETRIES_MAX)
		to->retries = (unsigned)retries;
}

struct err *health_check(const struct health_config *c)
{
	const struct {
		const char *name;
		int64_t ns;
	} times[] = { { "Interval", c->interval_ns },
		      { "Timeout", c->timeout_ns },
		      { "StartPeriod", c->start_period_ns },
		      { "StartInterval", c->start_interval_ns } };

	for (size_t i = 0; i < ARRAY_LEN(times); i++)
		if (times[i].ns && times[i].ns < NS_PER_MS)
			return err_new(0, "%s in Healthcheck cannot be less than 1ms", times[i].name);
	return NULL;
}

bool health_wanted(const struct health_config *c)
{
	return c->test.n >= 2 && (!strcmp(c->test.v[0], "CMD") || !strcmp(c->test.v[0], "CMD-SHELL"));
}

void health_argv(const struct health_config *c, struct strv *argv)
{
	if (strcmp(c->test.v[0], "CMD") != 0) {
		if (c->shell.n) {
			strv_copy(argv, &c->shell);
		} else {
			strv_add(argv, "/bin/sh");
			strv_add(argv, "-c");
		}
	}
	for (size_t i = 1; i < c->test.n; i++)
		strv_add(argv, c->test.v[i]);
}

static int64_t ms_or(int64_t ns, int64_t dflt_ms)
{
	return ns ? ns / NS_PER_MS : dflt_ms;
}

int64_t health_timeout_ms(const struct health_config *c)
{
	return ms_or(c->timeout_ns, TIMEOUT_MS);
}

void health_start(struct health *h)
{
	h->status = HEALTH_STARTING;
	h->streak = 0;
}

int64_t health_delay_ms(const struct health_config *c, const struct health *h, int64_t ran_ms)
{
	if (h->status == HEALTH_STARTING && ran_ms < ms_or(c->start_period_ns, 0))
		return ms_or(c->start_interval_ns, START_INTERVAL_MS);
	return ms_or(c->interval_ns, INTERVAL_MS);
}

void health_add(const struct health_config *c, struct health *h, const struct health_result *r,
		int64_t ran_ms)
{
	unsigned retries = c->retries ? c->retries : RETRIES;

	if (h->n == HEALTH_LOG_MAX) {
		free(h->log[0].output);
		memmove(h->log, h->log + 1, --h->n * sizeof(h->log[0]));
	}
	h->log[h->n++] = *r;
	if (r->exit_code == 0) {
		h->status = HEALTH_HEALTHY;
		h->streak = 0;
		return;
	}
	if (h->status == HEALTH_STARTING && ran_ms < ms_or(c->start_period_ns, 0))
		return; /* failures are part of a start */
	if (++h->streak >= retries)
		h->status = HEALTH_UNHEALTHY;
}

void health_done(struct health *h)
{
	for (size_t i = 0; i < h->n; i++)
		free(h->log[i].output);
	*h = (struct health){ 0 };
}
