#include "core/box/security.h"

#include "core/box/caps.h"

/* The bits of LIST; *RET_ALL: "ALL" is among them.  CANON gets Docker's spelling. */
static struct err *parse_caps(const struct strv *list, uint64_t *ret, bool *ret_all, struct strv *canon)
{
	struct err *e = NULL;

	*ret = 0;
	for (size_t i = 0; !e && i < list->n; i++) {
		const char *name = list->v[i];
		bool all = !strcasecmp(name, "ALL");
		uint64_t bits = 0;

		e = err_wrap(caps_parse(name, &bits), "invalid capability");
		*ret |= bits;
		*ret_all |= all;
		if (!e)
			strv_addf(canon, "%s%s", all || !strncasecmp(name, "CAP_", 4) ? "" : "CAP_",
				  name);
		for (char *c = e ? NULL : canon->v[canon->n - 1]; c && *c; c++)
			if (*c >= 'a' && *c <= 'z')
				*c = (char)(*c - 'a' + 'A');
	}
	return e;
}

static struct err *resolve_caps(const struct run_request *req, struct spec *s)
{
	bool add_all = false, drop_all = false;
	uint64_t add = 0, drop = 0, all = 0;
	struct err *e = parse_caps(&req->cap_add, &add, &add_all, &s->cap_add);

	e = e ?: parse_caps(&req->cap_drop, &drop, &drop_all, &s->cap_drop);
	e = e ?: caps_parse("ALL", &all);
	if (e)
		return e;
	if (add_all)
		s->caps = drop_all ? all : all & ~drop;
	else
		s->caps = ((req->privileged ? all : caps_default()) & ~drop) | add;
	return NULL;
}

static struct err *set_bool(const char *option, const char *value, bool *ret)
{
	if (!*value || !strcmp(value, "true"))
		*ret = true;
	else if (!strcmp(value, "false"))
		*ret = false;
	else
		return err_new(0, "invalid --security-opt 2: \"%s\"", option);
	return NULL;
}

static struct err *check_apparmor(const char *profile)
{
	if (!strcmp(profile, "unconfined") || !strcmp(profile, "docker-default"))
		return NULL;
	return err_new(0, "apparmor=%s is not supported: a user cannot put a process under a profile of the host's",
		       profile);
}

static struct err *resolve_option(const char *option, struct spec *s)
{
	size_t n = strcspn(option, "=:");
	_cleanup_free_ char *key = xstrndup(option, n);
	const char *value = option[n] ? option + n + 1 : "";

	if (!strcmp(key, "no-new-privileges"))
		return set_bool(option, value, &s->no_new_privs);
	if (!option[n])
		return err_new(0, "invalid --security-opt 1: \"%s\"", option);
	if (!strcmp(key, "seccomp")) {
		free(s->seccomp);
		s->seccomp = strcmp(value, "builtin") ? xstrdup(value) : NULL;
		return NULL;
	}
	if (!strcmp(key, "label"))
		return NULL; /* SELinux */
	if (!strcmp(key, "apparmor"))
		return check_apparmor(value);
	if (!strcmp(key, "systempaths")) {
		s->unmasked = !strcmp(value, "unconfined");
		return s->unmasked ? NULL : err_new(0, "invalid --security-opt 2: \"%s\"", option);
	}
	return err_hint(err_new(0, "invalid --security-opt 2: \"%s\"", option),
			"seccomp, no-new-privileges, systempaths, apparmor and label are known");
}

struct err *security_resolve(const struct run_request *req, struct spec *s)
{
	struct err *e = resolve_caps(req, s);

	s->privileged = s->unmasked = req->privileged;
	for (size_t i = 0; !e && i < req->security_opt.n; i++) {
		strv_add(&s->security_opt, req->security_opt.v[i]);
		e = resolve_option(req->security_opt.v[i], s);
	}
	if (!e && s->privileged && !s->seccomp)
		s->seccomp = xstrdup("unconfined");
	return e;
}

struct err *security_filter(const struct spec *s, bool one_id, void **ret_prog, size_t *ret_len)
{
	*ret_prog = NULL;
	*ret_len = 0;
	if (s->seccomp && !strcmp(s->seccomp, "unconfined"))
		return NULL;
	if (s->seccomp)
		return seccomp_profile(s->seccomp, s->caps, ret_prog, ret_len);
	seccomp_default(s->caps, one_id, ret_prog, ret_len);
	return NULL;
}
