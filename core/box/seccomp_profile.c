/* A profile in Docker's JSON form becomes a filter, by libseccomp's own compiler (a few milliseconds, only for those
 * who bring one).  Sources: Docker's profiles/seccomp (default.json), runc's libcontainer/seccomp for what
 * is skipped and for several conditions on one argument. */
#include <seccomp.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "core/base/fd.h"
#include "core/base/json.h"
#include "core/box/caps.h"
#include "core/box/seccomp.h"

enum { INSTRUCTIONS_MAX = 4096, FILTER_INSTRUCTION = 8, ARGS = 6, CONDITIONS_MAX = 32 };

struct profile {
	scmp_filter_ctx ctx;
	uint32_t dflt;
	uint64_t caps;
};

static const struct {
	const char *name;
	uint32_t token;
} arches[] = {
	{ "SCMP_ARCH_X86", SCMP_ARCH_X86 },	    { "SCMP_ARCH_X86_64", SCMP_ARCH_X86_64 },
	{ "SCMP_ARCH_X32", SCMP_ARCH_X32 },	    { "SCMP_ARCH_ARM", SCMP_ARCH_ARM },
	{ "SCMP_ARCH_AARCH64", SCMP_ARCH_AARCH64 }, { "SCMP_ARCH_PPC64LE", SCMP_ARCH_PPC64LE },
	{ "SCMP_ARCH_S390", SCMP_ARCH_S390 },	    { "SCMP_ARCH_S390X", SCMP_ARCH_S390X },
	{ "SCMP_ARCH_RISCV64", SCMP_ARCH_RISCV64 },
};

/* Go's words, for includes and excludes */
static const char *native_name(void)
{
	switch (seccomp_arch_native()) {
	case SCMP_ARCH_X86_64:
		return "amd64";
	case SCMP_ARCH_AARCH64:
		return "arm64";
	case SCMP_ARCH_X86:
		return "x86";
	case SCMP_ARCH_ARM:
		return "arm";
	case SCMP_ARCH_PPC64LE:
		return "ppc64le";
	case SCMP_ARCH_S390X:
		return "s390x";
	case SCMP_ARCH_RISCV64:
		return "riscv64";
	default:
		return "";
	}
}

static struct err *get_u64(json *obj, const char *key, uint64_t *ret)
{
	const char *digits;
	json *v = json_get(obj, key);

	*ret = 0;
	if (json_is_null(v))
		return NULL;
	if (!json_is_number(v, &digits))
		return err_new(0, "%s is no number", key);
	return err_wrap(str_to_u64(digits, 0, UINT64_MAX, ret), "%s", key);
}

/* The action of OBJ's member KEY; ERRNO_KEY is the member with the error number. */
static struct err *get_action(json *obj, const char *key, const char *errno_key, uint32_t *ret)
{
	static const struct {
		const char *name;
		uint32_t act;
	} actions[] = { { "SCMP_ACT_ALLOW", SCMP_ACT_ALLOW },
			{ "SCMP_ACT_LOG", SCMP_ACT_LOG },
			{ "SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD },
			{ "SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD },
			{ "SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS },
			{ "SCMP_ACT_TRAP", SCMP_ACT_TRAP } };
	const char *name = json_str(obj, key);
	uint64_t number = EPERM;
	struct err *e = NULL;

	if (!name)
		return err_new(0, "%s is missing", key);
	for (size_t i = 0; i < ARRAY_LEN(actions); i++)
		if (!strcmp(name, actions[i].name)) {
			*ret = actions[i].act;
			return NULL;
		}
	if (strcmp(name, "SCMP_ACT_ERRNO") && strcmp(name, "SCMP_ACT_TRACE"))
		return err_new(0, "%s %s is not supported", key, name);
	if (!json_is_null(json_get(obj, errno_key)))
		e = get_u64(obj, errno_key, &number);
	if (!e && number > 4095)
		e = err_new(0, "%s is no error number", errno_key);
	if (!e)
		*ret = !strcmp(name, "SCMP_ACT_ERRNO") ? SCMP_ACT_ERRNO((uint32_t)number)
						       : SCMP_ACT_TRACE((uint32_t)number);
	return e;
}

static struct err *add_arch(struct profile *p, const char *name)
{
	for (size_t i = 0; name && i < ARRAY_LEN(arches); i++)
		if (!strcmp(name, arches[i].name)) {
			int rc = seccomp_arch_add(p->ctx, arches[i].token);

			return rc < 0 && rc != -EEXIST ? err_new(-rc, "adding %s", name) : NULL;
		}
	return NULL; /* an architecture libseccomp has and this list has not cannot be run by this kernel */
}

static struct err *add_arches(struct profile *p, json *j)
{
	json *map = json_get(j, "archMap"), *list = json_get(j, "architectures");
	struct err *e = NULL;

	for (size_t i = 0; !e && i < json_len(list); i++)
		e = add_arch(p, json_text(json_at(list, i)));
	for (size_t i = 0; !e && i < json_len(map); i++) {
		const char *name = json_str(json_at(map, i), "architecture");
		json *sub = json_get(json_at(map, i), "subArchitectures");
		bool native = false;

		for (size_t k = 0; name && k < ARRAY_LEN(arches); k++)
			native |= !strcmp(name, arches[k].name) &&
				  arches[k].token == seccomp_arch_native();
		for (size_t k = 0; native && !e && k < json_len(sub); k++)
			e = add_arch(p, json_text(json_at(sub, k)));
	}
	return e;
}

static bool kernel_at_least(const char *version)
{
	unsigned want[2] = { 0 }, have[2] = { 0 };
	struct utsname u;

	uname(&u);
	return sscanf(version, "%u.%u", &want[0], &want[1]) == 2 &&
	       sscanf(u.release, "%u.%u", &have[0], &have[1]) == 2 &&
	       (have[0] > want[0] || (have[0] == want[0] && have[1] >= want[1]));
}

static bool has_text(json *list, const char *text)
{
	for (size_t i = 0; i < json_len(list); i++)
		if (str_eq(json_text(json_at(list, i)), text))
			return true;
	return false;
}

/* Does the container have the capability called so? */
static bool has_cap(const struct profile *p, const char *name)
{
	uint64_t mask = 0;
	struct err *e = caps_parse(name ?: "", &mask);

	err_free(e); /* unknown here: it does not have it */
	return mask && (p->caps & mask) == mask;
}

static bool applies(const struct profile *p, json *rule)
{
	json *in = json_get(rule, "includes"), *ex = json_get(rule, "excludes");
	json *in_caps = json_get(in, "caps"), *ex_caps = json_get(ex, "caps");
	const char *in_kernel = json_str(in, "minKernel"), *ex_kernel = json_str(ex, "minKernel");

	for (size_t i = 0; i < json_len(in_caps); i++)
		if (!has_cap(p, json_text(json_at(in_caps, i))))
			return false;
	for (size_t i = 0; i < json_len(ex_caps); i++)
		if (has_cap(p, json_text(json_at(ex_caps, i))))
			return false;
	if (json_len(json_get(in, "arches")) && !has_text(json_get(in, "arches"), native_name()))
		return false;
	if (has_text(json_get(ex, "arches"), native_name()))
		return false;
	return (!in_kernel || kernel_at_least(in_kernel)) &&
	       (!ex_kernel || !kernel_at_least(ex_kernel));
}

static struct err *get_condition(json *arg, struct scmp_arg_cmp *ret)
{
	static const struct {
		const char *name;
		enum scmp_compare op;
	} ops[] = { { "SCMP_CMP_NE", SCMP_CMP_NE },
		    { "SCMP_CMP_LT", SCMP_CMP_LT },
		    { "SCMP_CMP_LE", SCMP_CMP_LE },
		    { "SCMP_CMP_EQ", SCMP_CMP_EQ },
		    { "SCMP_CMP_GE", SCMP_CMP_GE },
		    { "SCMP_CMP_GT", SCMP_CMP_GT },
		    { "SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ } };
	const char *op = json_str(arg, "op");
	uint64_t index, value, value2;
	struct err *e = get_u64(arg, "index", &index);

	e = e ?: get_u64(arg, "value", &value);
	e = e ?: get_u64(arg, "valueTwo", &value2);
	if (!e && index >= ARGS)
		e = err_new(0, "index is not from 0 to 5");
	for (size_t i = 0; !e && op && i < ARRAY_LEN(ops); i++)
		if (!strcmp(op, ops[i].name)) {
			*ret = (struct scmp_arg_cmp){ (unsigned)index, ops[i].op, value, value2 };
			return NULL;
		}
	return e ?: err_new(0, "op is missing or unknown");
}

static struct err *add_name(struct profile *p, const char *name, uint32_t act,
			    const struct scmp_arg_cmp *args, unsigned n)
{
	int nr = name ? seccomp_syscall_resolve_name(name) : __NR_SCMP_ERROR;
	bool one_by_one = false;
	int rc = 0;

	if (nr == __NR_SCMP_ERROR)
		return NULL; /* another architecture's, or younger than libseccomp: the default action holds */
	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < i; k++)
			one_by_one |= args[i].arg ==
				      args[k].arg; /* libseccomp takes one comparison per argument */
	if (!one_by_one)
		rc = seccomp_rule_add_array(p->ctx, act, nr, n, args);
	for (unsigned i = 0; one_by_one && rc == 0 && i < n; i++)
		rc = seccomp_rule_add_array(p->ctx, act, nr, 1, &args[i]);
	return rc < 0 ? err_new(-rc, "the rule for %s", name) : NULL;
}

static struct err *add_rule(struct profile *p, json *rule)
{
	json *names = json_get(rule, "names"), *args = json_get(rule, "args");
	struct scmp_arg_cmp cmp[CONDITIONS_MAX];
	size_t n = json_len(args);
	uint32_t act = 0;
	struct err *e = get_action(rule, "action", "errnoRet", &act);

	if (!e && n > CONDITIONS_MAX)
		e = err_new(0, "too many conditions");
	for (size_t i = 0; !e && i < n; i++)
		e = get_condition(json_at(args, i), &cmp[i]);
	if (e || act == p->dflt || !applies(p, rule))
		return e;
	if (json_str(rule, "name"))
		e = add_name(p, json_str(rule, "name"), act, cmp, (unsigned)n);
	for (size_t i = 0; !e && i < json_len(names); i++)
		e = add_name(p, json_text(json_at(names, i)), act, cmp, (unsigned)n);
	return e;
}

static struct err *export(struct profile *p, void **ret_prog, size_t *ret_len)
{
	_cleanup_close_ int fd = memfd_create("seccomp", MFD_CLOEXEC);
	_cleanup_free_ char *prog = NULL;
	struct stat st;
	int rc;

	if (fd < 0)
		return err_new(errno, "making the filter");
	rc = seccomp_export_bpf(p->ctx, fd);
	if (rc < 0 || fstat(fd, &st) < 0)
		return err_new(rc < 0 ? -rc : errno, "making the filter");
	if (st.st_size > INSTRUCTIONS_MAX * FILTER_INSTRUCTION)
		return err_new(0, "it is too large for the kernel");
	prog = xmalloc((size_t)st.st_size + 1);
	if (pread(fd, prog, (size_t)st.st_size, 0) != st.st_size)
		return err_new(errno, "making the filter");
	*ret_prog = TAKE_PTR(prog);
	*ret_len = (size_t)st.st_size;
	return NULL;
}

static struct err *compile(struct profile *p, json *j, void **ret_prog, size_t *ret_len)
{
	json *rules = json_get(j, "syscalls");
	struct err *e;

	if (json_str(j, "listenerPath"))
		return err_new(0, "listenerPath is not supported");
	e = get_action(j, "defaultAction", "defaultErrnoRet", &p->dflt);
	if (e)
		return e;
	p->ctx = seccomp_init(p->dflt);
	if (!p->ctx)
		return err_new(0, "libseccomp does not take its default action");
	seccomp_attr_set(p->ctx, SCMP_FLTATR_CTL_NNP, 0);
	seccomp_attr_set(p->ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* best effort: a binary tree, libseccomp 2.5 */
	e = add_arches(p, j);
	for (size_t i = 0; !e && i < json_len(rules); i++)
		e = err_wrap(add_rule(p, json_at(rules, i)), "syscalls[%zu]", i);
	return e ?: export(p, ret_prog, ret_len);
}

struct err *seccomp_profile(const char *text, uint64_t mask, void **ret_prog, size_t *ret_len)
{
	struct profile p = { .caps = mask };
	_cleanup_json_ json *j = NULL;
	struct err *e = json_parse(text, strlen(text), "profile", &j);

	if (!e && !json_is_object(j))
		e = err_new(0, "it is no JSON object");
	e = e ?: compile(&p, j, ret_prog, ret_len);
	if (p.ctx)
		seccomp_release(p.ctx);
	return err_wrap(e, "Decoding seccomp profile failed");
}
