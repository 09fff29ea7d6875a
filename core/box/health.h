/* core/box/health.h -- what HEALTHCHECK and --health-* mean: when the test runs next, what its results make of the
 * container.  Pure; the monitor runs the test.  Source: moby, daemon/health.go. */
#ifndef CORE_BOX_HEALTH_H
#define CORE_BOX_HEALTH_H

#include "core/base/json.h"
#include "core/base/str.h"

enum health_status { HEALTH_NONE, HEALTH_STARTING, HEALTH_HEALTHY, HEALTH_UNHEALTHY, HEALTH_MAX };
extern const char *const health_names[]; /* "none", "starting", "healthy", "unhealthy" */

enum { HEALTH_LOG_MAX = 5, HEALTH_OUTPUT_MAX = 4096 };

/* As configured; 0: not said (Docker's default holds, see health.c). */
struct health_config {
	struct strv test; /* "CMD", argv... | "CMD-SHELL", text | "NONE" | empty */
	struct strv shell; /* for CMD-SHELL, when it is not /bin/sh -c: the image's SHELL */
	int64_t interval_ns, timeout_ns, start_period_ns, start_interval_ns;
	unsigned retries;
};
void health_config_done(struct health_config *c);
/* CONFIG: an image's configuration.  Adds to TO what is not said there; what makes no sense is passed over. */
void health_from_image(json *config, struct health_config *to);
/* Errors in Docker's words: times below a millisecond. */
struct err *health_check(const struct health_config *c) MUST_CHECK;
bool health_wanted(const struct health_config *c);
/* The command of the test; not for one that is not wanted. */
void health_argv(const struct health_config *c, struct strv *argv);
int64_t health_timeout_ms(const struct health_config *c);

struct health_result {
	int64_t start_ns, end_ns;
	int exit_code; /* of the test; -1: it took too long or could not be run */
	char *output;
};
struct health {
	enum health_status status;
	unsigned streak; /* of failures */
	struct health_result log[HEALTH_LOG_MAX]; /* the last ones, oldest first */
	size_t n;
};
/* A run begins; earlier results stay. */
void health_start(struct health *h);
/* How long after the start of the run, or after the last result, the test runs.  RAN_MS: since the start. */
int64_t health_delay_ms(const struct health_config *c, const struct health *h, int64_t ran_ms);
/* R came; takes its output.  RAN_MS: how old the run was when the test began. */
void health_add(const struct health_config *c, struct health *h, const struct health_result *r,
		int64_t ran_ms);
void health_done(struct health *h);

#endif
