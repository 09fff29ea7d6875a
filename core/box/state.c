#include "core/box/state.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/fd.h"
#include "core/store/events.h"
#include "core/store/names.h"
#include "core/store/network.h"
#include "core/store/trash.h"
#include "core/store/volume.h"

#define STATE_FILE "state.json"

const char *const box_status_names[] = {
	[BOX_CREATED] = "created", [BOX_RUNNING] = "running",	[BOX_RESTARTING] = "restarting",
	[BOX_EXITED] = "exited",   [BOX_REMOVING] = "removing", [BOX_DEAD] = "dead",
};
_Static_assert(ARRAY_LEN(box_status_names) == BOX_STATUS_MAX, "a name for every status");

enum { RECORD_MAX = 1 << 20 };

static void put_health(struct json_out *o, const struct health *h)
{
	json_open(o, "health", '{');
	json_put_str(o, "status", health_names[h->status]);
	json_put_int(o, "streak", h->streak);
	json_open(o, "log", '[');
	for (size_t i = 0; i < h->n; i++) {
		json_open(o, NULL, '{');
		json_put_int(o, "start_ns", h->log[i].start_ns);
		json_put_int(o, "end_ns", h->log[i].end_ns);
		json_put_int(o, "exit_code", h->log[i].exit_code);
		json_put_str(o, "output", h->log[i].output);
		json_close(o, '}');
	}
	json_close(o, ']');
	json_close(o, '}');
}

static void get_health(json *j, struct health *h)
{
	const char *status = json_str(j, "status");
	json *log = json_get(j, "log");

	for (enum health_status s = 0; s < HEALTH_MAX; s++)
		if (str_eq(status, health_names[s]))
			h->status = s;
	h->streak = (unsigned)json_int(j, "streak", 0);
	for (size_t i = 0; i < json_len(log) && h->n < HEALTH_LOG_MAX; i++) {
		json *r = json_at(log, i);

		h->log[h->n++] = (struct health_result){
			.start_ns = json_int(r, "start_ns", 0),
			.end_ns = json_int(r, "end_ns", 0),
			.exit_code = (int)json_int(r, "exit_code", 0),
			.output = xstrdup(json_str(r, "output") ?: ""),
		};
	}
}

static void put_ip(struct json_out *o, const char *key, int family, const void *ip)
{
	char text[INET6_ADDRSTRLEN];

	json_put_str(o, key, inet_ntop(family, ip, text, sizeof(text)));
}

static void put_net(struct json_out *o, const struct net_state *n)
{
	char mac[2 * NET_MAC_LEN + 1];

	json_open(o, NULL, '{');
	json_put_str(o, "name", n->name);
	json_put_str(o, "id", n->id);
	put_ip(o, "ip", AF_INET, &n->addrs.ip);
	put_ip(o, "gateway", AF_INET, &n->addrs.gateway);
	json_put_int(o, "prefix", n->addrs.prefix);
	if (n->ipv6) {
		put_ip(o, "ip6", AF_INET6, &n->addrs.ip6);
		put_ip(o, "gateway6", AF_INET6, &n->addrs.gateway6);
		json_put_int(o, "prefix6", n->addrs.prefix6);
	}
	str_hex(n->addrs.mac, NET_MAC_LEN, mac);
	json_put_str(o, "mac", mac);
	json_close(o, '}');
}

static void get_net(json *j, struct state *s)
{
	const char *name = json_str(j, "name"), *id = json_str(j, "id"), *mac = json_str(j, "mac");
	struct net_state n = { 0 };

	if (!name || !id || strlen(id) != ID_LEN || !mac || strlen(mac) != 2 * NET_MAC_LEN)
		return;
	n.name = xstrdup(name);
	memcpy(n.id, id, ID_LEN);
	inet_pton(AF_INET, json_str(j, "ip") ?: "", &n.addrs.ip);
	inet_pton(AF_INET, json_str(j, "gateway") ?: "", &n.addrs.gateway);
	n.addrs.prefix = (uint8_t)json_int(j, "prefix", 0);
	n.ipv6 = json_str(j, "ip6") != NULL;
	inet_pton(AF_INET6, json_str(j, "ip6") ?: "", &n.addrs.ip6);
	inet_pton(AF_INET6, json_str(j, "gateway6") ?: "", &n.addrs.gateway6);
	n.addrs.prefix6 = (uint8_t)json_int(j, "prefix6", 0);
	for (int i = 0; i < NET_MAC_LEN; i++) {
		char pair[3] = { mac[2 * i], mac[2 * i + 1] };

		n.addrs.mac[i] = (uint8_t)strtoul(pair, NULL, 16);
	}
	s->nets = xrealloc(s->nets, (s->n_nets + 1) * sizeof(*s->nets));
	s->nets[s->n_nets++] = n;
}

/* Where the disk is full, into the file that is there: that takes no new block.  One write, which a reader sees as a
 * whole; what the old text had more becomes blanks.  A crash could leave half of it, but no record would tell less. */
static struct err *write_over(int box_dir, const char *text, size_t len)
{
	_cleanup_close_ int fd = -1;
	_cleanup_str_ struct str padded = { 0 };
	struct stat st;
	struct err *e = fd_open(box_dir, STATE_FILE, O_WRONLY, 0, &fd);

	if (e)
		return e;
	str_addn(&padded, text, len);
	while (fstat(fd, &st) == 0 && padded.len < (size_t)st.st_size)
		str_addc(&padded, ' ');
	if (pwrite(fd, padded.s, padded.len, 0) != (ssize_t)padded.len)
		return err_new(errno, "writing " STATE_FILE);
	return NULL;
}

/* As in a spec, what is false, 0 or NULL is not written. */
struct err *state_write(int box_dir, const struct state *s, bool sync)
{
	_cleanup_free_ char *text = NULL;
	struct json_out o;
	struct err *e;
	size_t len;

	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	json_put_str(&o, "status", box_status_names[s->status]);
	json_put_int_if(&o, "pid", s->pid);
	json_put_int_if(&o, "pid_start", (int64_t)s->pid_start);
	json_put_int_if(&o, "monitor_pid", s->monitor_pid);
	json_put_str(&o, "boot_id", s->boot_id);
	json_put_int_if(&o, "exit_code", s->exit_code);
	json_put_int_if(&o, "started_ns", s->started_ns);
	json_put_int_if(&o, "finished_ns", s->finished_ns);
	json_put_str_if(&o, "error", s->error);
	json_put_int_if(&o, "restart_count", s->restart_count);
	json_put_bool_if(&o, "starting", s->starting);
	json_put_bool_if(&o, "user_stopped", s->user_stopped);
	json_put_bool_if(&o, "ready", s->ready);
	json_put_bool_if(&o, "oom_killed", s->oom_killed);
	json_put_str(&o, "limits_mode", limits_mode_names[s->limits_mode]);
	if (s->health.status)
		put_health(&o, &s->health);
	json_put_str_if(&o, "ip", s->ip);
	json_open(&o, "nets", '[');
	for (size_t i = 0; i < s->n_nets; i++)
		put_net(&o, &s->nets[i]);
	json_close(&o, ']');
	json_open(&o, "published", '[');
	for (size_t i = 0; i < s->published.n; i++) {
		_cleanup_str_ struct str p = { 0 };

		port_text(&s->published.v[i], &p);
		json_put_str(&o, NULL, p.s);
	}
	json_close(&o, ']');
	json_close(&o, '}');
	text = json_out_take(&o, &len);
	e = fd_write_atomic(box_dir, STATE_FILE, text, len, 0600, sync);
	if ((err_is(e, ENOSPC) || err_is(e, EDQUOT)) && s->status != BOX_RUNNING) {
		err_free(e);
		e = write_over(box_dir, text, len); /* that it has ended must be told */
	}
	return err_wrap(e, "recording the state");
}

struct err *state_sync(int box_dir)
{
	static const char *const files[] = { "config.json", STATE_FILE };

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		_cleanup_close_ int fd = -1;
		struct err *e = fd_open(box_dir, files[i], O_RDONLY, 0, &fd);

		if (e)
			return e;
		if (fdatasync(fd) < 0)
			return err_new(errno, "flushing %s", files[i]);
	}
	return fsync(box_dir) < 0 ? err_new(errno, "flushing a container's directory") : NULL;
}

struct err *state_read(int box_dir, struct state *ret)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_json_ json *j = NULL;
	struct state s = { 0 };
	const char *status;
	size_t len;
	struct err *e;

	e = fd_read_file(box_dir, STATE_FILE, RECORD_MAX, &text, &len);
	e = e ?: json_parse(text, len, STATE_FILE, &j);
	if (e)
		return e;
	status = json_str(j, "status");
	for (s.status = 0; s.status < BOX_STATUS_MAX; s.status++)
		if (str_eq(status, box_status_names[s.status]))
			break;
	if (s.status == BOX_STATUS_MAX)
		return err_new(0, STATE_FILE ": no valid status");
	s.pid = (pid_t)json_int(j, "pid", 0);
	s.pid_start = (uint64_t)json_int(j, "pid_start", 0);
	s.monitor_pid = (pid_t)json_int(j, "monitor_pid", 0);
	snprintf(s.boot_id, sizeof(s.boot_id), "%s", json_str(j, "boot_id") ?: "");
	s.exit_code = (int)json_int(j, "exit_code", 0);
	s.started_ns = json_int(j, "started_ns", 0);
	s.finished_ns = json_int(j, "finished_ns", 0);
	s.error = xstrdup(json_str(j, "error"));
	s.restart_count = (unsigned)json_int(j, "restart_count", 0);
	s.starting = json_bool(j, "starting", false);
	s.user_stopped = json_bool(j, "user_stopped", false);
	s.ready = json_bool(j, "ready", false);
	s.oom_killed = json_bool(j, "oom_killed", false);
	for (enum limits_mode m = 0; m < LIMITS_MODE_MAX; m++)
		if (str_eq(json_str(j, "limits_mode"), limits_mode_names[m]))
			s.limits_mode = m;
	get_health(json_get(j, "health"), &s.health);
	s.ip = xstrdup(json_str(j, "ip"));
	for (size_t i = 0; i < json_len(json_get(j, "nets")); i++)
		get_net(json_at(json_get(j, "nets"), i), &s);
	for (size_t i = 0; i < json_len(json_get(j, "published")) && !e; i++)
		e = port_parse(json_text(json_at(json_get(j, "published"), i)) ?: "", &s.published);
	if (e) {
		state_done(&s);
		return err_wrap(e, STATE_FILE);
	}
	*ret = s;
	return NULL;
}

void state_nets_done(struct state *s)
{
	for (size_t i = 0; i < s->n_nets; i++)
		free(s->nets[i].name);
	free(TAKE_PTR(s->nets));
	s->n_nets = 0;
}

void state_done(struct state *s)
{
	free(s->error);
	state_nets_done(s);
	free(s->ip);
	health_done(&s->health);
	ports_done(&s->published);
	*s = (struct state){ 0 };
}

void box_event(struct store *st, const struct spec *s, const char *action, const char *more)
{
	_cleanup_strv_ struct strv one = { 0 };

	if (more)
		strv_add(&one, more);
	box_event_with(st, s, action, &one);
}

void box_event_with(struct store *st, const struct spec *s, const char *action, const struct strv *more)
{
	_cleanup_strv_ struct strv attrs = { 0 };

	strv_copy(&attrs, &s->labels);
	strv_copy(&attrs, more);
	strv_addf(&attrs, "image=%s", s->image ?: "");
	strv_addf(&attrs, "name=%s", s->name);
	event_add(st, "container", action, s->id, &attrs);
}

/* It may have been renamed since S was read: a monitor keeps what it was started with. */
static void release_new_name(struct store *st, const char *id, const char *gone)
{
	_cleanup_free_ char *path = xasprintf("%s/config.json", gone), *text = NULL;
	_cleanup_json_ json *j = NULL;
	size_t len;
	struct err *e = fd_read_file(st->tmp, path, RECORD_MAX, &text, &len);

	e = e ?: json_parse(text, len, path, &j);
	if (!e && json_str(j, "name"))
		name_release(st, json_str(j, "name"), id);
	err_free(e); /* no record, no other name */
}

struct err *box_hide(struct store *st, const struct spec *s, char **ret_gone)
{
	_cleanup_free_ char *gone = xasprintf("rm.%s", s->id);

	if (renameat(st->containers, s->id, st->tmp, gone) < 0)
		return err_new(errno, "removing container %.12s", s->id);
	name_release(st, s->name, s->id);
	release_new_name(st, s->id, gone);
	box_event(st, s, "destroy", NULL);
	*ret_gone = TAKE_PTR(gone);
	return NULL;
}

struct err *box_clear(struct store *st, const struct spec *s, const char *gone, bool volumes)
{
	struct err *e = store_rm_tree(st, st->tmp, gone);

	for (size_t i = 0; i < s->nets.n; i++)
		lease_drop(st, s->nets.v[i].name, s->id);
	for (size_t i = 0; i < s->mounts.n && volumes; i++)
		if (s->mounts.v[i].anonymous && !box_uses_volume(st, s->mounts.v[i].source))
			e = err_also(e, s->auto_remove ? volume_remove(st, s->mounts.v[i].source)
						       : trash_volume(st, s->mounts.v[i].source,
								      "rm -v", s->id));
	return e;
}

struct err *box_erase(struct store *st, const struct spec *s, bool volumes)
{
	_cleanup_free_ char *gone = NULL;
	struct err *e = box_hide(st, s, &gone);

	return e ?: box_clear(st, s, gone, volumes);
}

const struct net_state *state_net(const struct state *s, const char *name)
{
	for (size_t i = 0; i < s->n_nets && s->status == BOX_RUNNING; i++)
		if (!strcmp(s->nets[i].name, name))
			return &s->nets[i];
	return NULL;
}
