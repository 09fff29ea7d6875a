#include "core/box/restart.h"

#include "core/base/str.h"

enum { DELAY_FIRST_MS = 100, DELAY_MAX_MS = 60000, CALM_MS = 10000, RETRIES_MAX = 100000000 };

const char *const restart_names[] = {
	[RESTART_NO] = "no",
	[RESTART_ON_FAILURE] = "on-failure",
	[RESTART_ALWAYS] = "always",
	[RESTART_UNLESS_STOPPED] = "unless-stopped",
};
_Static_assert(ARRAY_LEN(restart_names) == RESTART_MAX, "a name for every policy");

struct err *restart_parse(const char *text, struct restart_policy *ret)
{
	size_t len = strcspn(text, ":");
	struct restart_policy p = { 0 };
	struct err *e;
	uint64_t max;

	if (!*text) {
		*ret = p;
		return NULL;
	}
	for (p.when = 0; p.when < RESTART_MAX; p.when++)
		if (strlen(restart_names[p.when]) == len && !strncmp(text, restart_names[p.when], len))
			break;
	if (p.when == RESTART_MAX)
		return err_hint(err_new(0, "invalid restart policy: unknown policy '%.*s'",
					(int)len, text),
				"use one of no, always, on-failure or unless-stopped");
	if (text[len]) {
		if (p.when != RESTART_ON_FAILURE)
			return err_new(0, "invalid restart policy: maximum retry count can only be used "
					  "with 'on-failure'");
		e = str_to_u64(text + len + 1, 0, RETRIES_MAX, &max);
		if (e)
			return err_wrap(
				e, "invalid restart policy: maximum retry count must be an integer");
		p.max = (unsigned)max;
	}
	*ret = p;
	return NULL;
}

uint32_t restart_pack(const struct restart_policy *p)
{
	return (uint32_t)p->when | p->max << 3;
}

struct restart_policy restart_unpack(uint32_t packed)
{
	return (struct restart_policy){ (enum restart_when)((packed & 7) % RESTART_MAX), packed >> 3 };
}

bool restart_again(const struct restart_policy *p, struct restart_track *t, int exit_code,
		   int64_t ran_ms, bool user_ended, int64_t *ret_delay_ms)
{
	if (user_ended || p->when == RESTART_NO)
		return false;
	if (p->when == RESTART_ON_FAILURE && (exit_code == 0 || (p->max && t->count >= p->max)))
		return false;
	if (ran_ms >= CALM_MS || t->delay_ms == 0)
		t->delay_ms = DELAY_FIRST_MS;
	else
		t->delay_ms = t->delay_ms * 2 > DELAY_MAX_MS ? DELAY_MAX_MS : t->delay_ms * 2;
	t->count++;
	*ret_delay_ms = t->delay_ms;
	return true;
}
