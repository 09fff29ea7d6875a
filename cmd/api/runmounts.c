/* Binds, Mounts, Tmpfs, Devices and VolumesFrom, as what -v, --mount, --tmpfs and --device have. */
#include "cmd/api/member.h"
#include "cmd/api/runreq.h"
#include "core/box/runopt.h"

static struct err *take_binds(json *host, struct run_request *rq)
{
	_cleanup_strv_ struct strv binds = { 0 };
	struct err *e = member_list(host, "Binds", &binds);

	for (size_t i = 0; !e && i < binds.n; i++) {
		if (*binds.v[i] == '.' || *binds.v[i] == '~')
			e = err_new(0, "invalid volume specification: '%s': the path must be absolute",
				    binds.v[i]);
		e = e ?: mount_parse_volume(binds.v[i], "/", &rq->mounts);
	}
	return e;
}

/* A field of --mount, its value quoted as in CSV. */
static void add_field(struct str *out, const char *key, const char *value)
{
	if (!value)
		return;
	str_addf(out, "%s\"%s=", out->len ? "," : "", key);
	for (; *value; value++) {
		if (*value == '"')
			str_addc(out, '"');
		str_addc(out, *value);
	}
	str_addc(out, '"');
}

static struct err *bind_options(json *o, struct str *out, bool *ret_make)
{
	static const char *const flags[][2] = { { "NonRecursive", "bind-nonrecursive" },
						{ "ReadOnlyNonRecursive", "bind-recursive" },
						{ "ReadOnlyForceRecursive", "bind-recursive" } };
	const char *propagation = NULL;
	struct err *e = member_check("BindOptions", o, true, MEMBER_LIST_MAX);

	e = e ?: member_text(o, "Propagation", &propagation);
	e = e ?: member_flag(o, "CreateMountpoint", ret_make);
	for (size_t i = 0; !e && i < ARRAY_LEN(flags); i++) {
		bool on = false;

		e = member_flag(o, flags[i][0], &on);
		add_field(out, flags[i][1], on ? "true" : NULL); /* --mount's own words refuse it */
	}
	add_field(out, "bind-propagation", propagation);
	return e;
}

static struct err *volume_options(json *o, struct str *out)
{
	_cleanup_strv_ struct strv labels = { 0 }, opts = { 0 };
	json *driver = json_get(o, "DriverConfig");
	const char *subpath = NULL, *name = NULL;
	bool no_copy = false;
	struct err *e = member_check("VolumeOptions", o, true, MEMBER_LIST_MAX);

	e = e ?: member_check("DriverConfig", driver, true, MEMBER_LIST_MAX);
	e = e ?: member_flag(o, "NoCopy", &no_copy);
	e = e ?: member_text(o, "Subpath", &subpath);
	e = e ?: member_map(o, "Labels", &labels);
	e = e ?: member_text(driver, "Name", &name);
	e = e ?: member_map(driver, "Options", &opts);
	add_field(out, "volume-nocopy", no_copy ? "true" : NULL);
	add_field(out, "volume-subpath", subpath);
	add_field(out, "volume-driver", name);
	add_field(out, "volume-label", labels.n ? labels.v[0] : NULL);
	add_field(out, "volume-opt", opts.n ? opts.v[0] : NULL);
	return e;
}

static struct err *tmpfs_options(json *o, struct str *out)
{
	int64_t size = 0, mode = 0;
	struct err *e = member_check("TmpfsOptions", o, true, MEMBER_LIST_MAX);

	e = e ?: member_number(o, "SizeBytes", 0, INT64_MAX, &size);
	e = e ?: member_number(o, "Mode", 0, 07777, &mode);
	if (size)
		str_addf(out, ",tmpfs-size=%lld", (long long)size);
	if (mode)
		str_addf(out, ",tmpfs-mode=%llo", (unsigned long long)mode);
	return e;
}

static struct err *take_mount(json *m, struct run_request *rq)
{
	const char *type = NULL, *source = NULL, *target = NULL, *consistency = NULL;
	_cleanup_str_ struct str text = { 0 };
	bool read_only = false, make = false;
	struct err *e = json_is_object(m) ? NULL : member_bad("Mounts", "a list of objects");

	e = e ?: member_text(m, "Type", &type);
	e = e ?: member_text(m, "Source", &source);
	e = e ?: member_text(m, "Target", &target);
	e = e ?: member_text(m, "Consistency", &consistency);
	e = e ?: member_flag(m, "ReadOnly", &read_only);
	if (!e && str_eq(type, "bind") && source && *source != '/')
		e = err_new(0,
			    "invalid mount config for type \"bind\": invalid mount path: '%s' "
			    "mount path must be absolute",
			    source);
	if (e)
		return e;
	add_field(&text, "type", type ?: "volume");
	add_field(&text, "source", source);
	add_field(&text, "target", target);
	add_field(&text, "readonly", read_only ? "true" : NULL);
	add_field(&text, "consistency", consistency);
	e = bind_options(json_get(m, "BindOptions"), &text, &make);
	e = e ?: volume_options(json_get(m, "VolumeOptions"), &text);
	e = e ?: tmpfs_options(json_get(m, "TmpfsOptions"), &text);
	e = e ?: mount_parse_mount(text.s, "/", &rq->mounts);
	if (!e && make)
		rq->mounts.v[rq->mounts.n - 1].by_mount = false; /* as -v makes it */
	return e;
}

static struct err *take_tmpfs(json *host, struct run_request *rq)
{
	json *v = json_get(host, "Tmpfs"), *opts = NULL;
	struct err *e = member_check("Tmpfs", v, true, MEMBER_LIST_MAX);

	for (size_t i = 0; !e && i < json_len(v); i++) {
		const char *target = json_key_at(v, i, &opts), *o = json_text(opts) ?: "";
		_cleanup_free_ char *text = xasprintf("%s%s%s", target, *o ? ":" : "", o);

		e = strchr(target, ':') ? err_new(0, "invalid tmpfs target: %s", target)
					: mount_parse_tmpfs(text, &rq->mounts);
	}
	return e;
}

static struct err *take_devices(json *host, struct run_request *rq)
{
	json *v = json_get(host, "Devices");
	struct err *e = member_check("Devices", v, false, MEMBER_LIST_MAX);

	for (size_t i = 0; !e && i < json_len(v); i++) {
		json *d = json_at(v, i);
		const char *outside = NULL, *inside = NULL, *how = NULL;
		_cleanup_free_ char *text = NULL;

		e = member_text(d, "PathOnHost", &outside);
		e = e ?: member_text(d, "PathInContainer", &inside);
		e = e ?: member_text(d, "CgroupPermissions", &how);
		if (!e && !outside)
			e = member_bad("Devices", "a list of objects with PathOnHost");
		if (e)
			return e;
		text = xasprintf("%s:%s:%s", outside, inside ?: outside, how ?: "rwm");
		e = device_parse(text, &rq->mounts);
	}
	return e;
}

struct err *runmounts_take(json *host, struct run_request *rq)
{
	json *v = json_get(host, "Mounts");
	struct err *e = take_binds(host, rq);

	e = e ?: member_check("Mounts", v, false, MEMBER_LIST_MAX);
	for (size_t i = 0; !e && i < json_len(v); i++)
		e = take_mount(json_at(v, i), rq);
	e = e ?: take_tmpfs(host, rq);
	e = e ?: take_devices(host, rq);
	return e ?: member_list(host, "VolumesFrom", &rq->volumes_from);
}
