#include "core/box/caps.h"

#include <grp.h>
#include <linux/capability.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define BIT(cap) (UINT64_C(1) << (cap))

/* index = number; NULL-ended for str_nearest() */
static const char *const names[] = {
	"CHOWN",
	"DAC_OVERRIDE",
	"DAC_READ_SEARCH",
	"FOWNER",
	"FSETID",
	"KILL",
	"SETGID",
	"SETUID",
	"SETPCAP",
	"LINUX_IMMUTABLE",
	"NET_BIND_SERVICE",
	"NET_BROADCAST",
	"NET_ADMIN",
	"NET_RAW",
	"IPC_LOCK",
	"IPC_OWNER",
	"SYS_MODULE",
	"SYS_RAWIO",
	"SYS_CHROOT",
	"SYS_PTRACE",
	"SYS_PACCT",
	"SYS_ADMIN",
	"SYS_BOOT",
	"SYS_NICE",
	"SYS_RESOURCE",
	"SYS_TIME",
	"SYS_TTY_CONFIG",
	"MKNOD",
	"LEASE",
	"AUDIT_WRITE",
	"AUDIT_CONTROL",
	"SETFCAP",
	"MAC_OVERRIDE",
	"MAC_ADMIN",
	"SYSLOG",
	"WAKE_ALARM",
	"BLOCK_SUSPEND",
	"AUDIT_READ",
	"PERFMON",
	"BPF",
	"CHECKPOINT_RESTORE",
	NULL,
};
_Static_assert(ARRAY_LEN(names) == CAPS_MAX + 1, "a name for every capability");

uint64_t caps_default(void)
{
	return BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FSETID) | BIT(CAP_FOWNER) |
	       BIT(CAP_MKNOD) | BIT(CAP_NET_RAW) | BIT(CAP_SETGID) | BIT(CAP_SETUID) |
	       BIT(CAP_SETFCAP) | BIT(CAP_SETPCAP) | BIT(CAP_NET_BIND_SERVICE) |
	       BIT(CAP_SYS_CHROOT) | BIT(CAP_KILL) | BIT(CAP_AUDIT_WRITE);
}

struct err *caps_parse(const char *name, uint64_t *ret_mask)
{
	const char *short_name = strncasecmp(name, "CAP_", 4) ? name : name + 4, *near;
	_cleanup_free_ char *upper = NULL;
	struct err *e;

	if (!strcasecmp(short_name, "ALL")) {
		*ret_mask = BIT(CAPS_MAX) - 1;
		return NULL;
	}
	for (unsigned i = 0; i < CAPS_MAX; i++)
		if (!strcasecmp(short_name, names[i])) {
			*ret_mask = BIT(i);
			return NULL;
		}
	e = err_new(0, "'%s' is not a capability", name);
	upper = xstrdup(short_name);
	for (char *p = upper; *p; p++)
		if (*p >= 'a' && *p <= 'z')
			*p = (char)(*p - 'a' + 'A');
	near = str_nearest(upper, names);
	return near ? err_hint(e, "did you mean %s?", near) : e;
}

struct err *caps_bound(uint64_t mask)
{
	for (unsigned cap = 0; cap < 64; cap++) {
		int have;

		if (mask & BIT(cap))
			continue;
		have = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);
		if (have < 0)
			return NULL; /* EINVAL: beyond the last one this kernel knows */
		if (have && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return err_new(errno, "dropping capability %s",
				       cap < CAPS_MAX ? names[cap] : "unknown to devbox");
	}
	return NULL;
}

static struct err *set_caps(uint64_t mask)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 }, now[2] = { 0 };

	if (syscall(SYS_capget, &head, now) < 0)
		return err_new(errno, "reading the capabilities");
	for (int i = 0; i < 2; i++) /* asking for one that is not permitted would be refused as a whole */
		data[i].permitted = data[i].effective = (uint32_t)(mask >> (32 * i)) & now[i].permitted;
	if (syscall(SYS_capset, &head, data) < 0)
		return err_new(errno, "setting the capabilities");
	return NULL;
}

/* EINVAL from the set*id calls: the id has no counterpart outside. */
static struct err *id_err(const char *what, unsigned id)
{
	if (errno != EINVAL)
		return err_new(errno, "becoming %s %u", what, id);
	return err_hint(err_new(0, "%s id %u does not exist in the user namespace of the container",
				what, id),
			"it needs more subordinate ids; `devbox doctor` shows how to get them");
}

static struct err *set_groups(gid_t gid, const gid_t *groups, size_t n)
{
	if (setgroups(n, groups) == 0)
		return NULL;
	if (errno == EPERM && (n == 0 || (n == 1 && groups[0] == gid)))
		return NULL; /* /proc/self/setgroups says "deny": there is nothing to drop but what the user has */
	for (size_t i = 0; errno == EINVAL && i < n; i++)
		if (setgroups(1, &groups[i]) < 0)
			return id_err("group", groups[i]);
	return err_new(errno, "setting %zu supplementary groups", n);
}

struct err *caps_become(uid_t uid, gid_t gid, const gid_t *groups, size_t n_groups, uint64_t mask)
{
	struct err *e = set_groups(gid, groups, n_groups);

	if (e)
		return e;
	if (setresgid(gid, gid, gid) < 0)
		return id_err("group", gid);
	/* ambient before the user changes: setresuid() to another id clears it anyway, to 0 it does not */
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
		return err_new(errno, "clearing the ambient capabilities");
	if (setresuid(uid, uid, uid) < 0)
		return id_err("user", uid);
	return set_caps(uid == 0 ? mask : 0);
}
