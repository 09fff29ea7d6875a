#include "core/box/monitor_priv.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/fd.h"
#include "core/base/proc.h"
#include "core/box/record.h"
#include "core/box/term.h"

enum { STOP_UNHEARD_MS = 1000 };

static void signal_init(struct monitor *m, int sig)
{
	if (m->phase != EXITED && m->init.fd >= 0)
		pidfd_signal(m->init.fd, sig);
}

void monitor_end_restarts(struct monitor *m, bool by_user)
{
	m->no_restart = true;
	m->b->state.user_stopped |= by_user;
	if (m->phase == WAITING) {
		m->phase = EXITED;
		m->ended_waiting = true;
		loop_stop(&m->loop);
	}
}

/* Told before the signal is sent, or the container's end could be told first. */
static void kill_event(const struct monitor *m, int sig)
{
	char which[32];

	snprintf(which, sizeof(which), "signal=%d", sig);
	box_event(m->b->st, &m->b->spec, "kill", which);
}

/* Signals by which people end programs also end the restarts, as with Docker; others are the program's affair. */
static void user_signal(struct monitor *m, int sig)
{
	if (sig == SIGKILL || sig == SIGTERM || sig == SIGINT || sig == SIGQUIT ||
	    sig == m->b->spec.stop_signal)
		monitor_end_restarts(m, true);
	signal_init(m, sig);
}

/* The stop signal, and SIGKILL when it has had the time for it.  A program that does not listen to the signal (a shell,
 * sleep, node: the kernel drops it for the first process of a pid namespace) would only sit that time out: it gets a
 * moment to begin listening, for it may just be starting, and is killed if it has not. */
static void stop_signal(struct monitor *m)
{
	int64_t left_ms = m->stop_deadline_ms - time_mono_ms();

	signal_init(m, m->b->spec.stop_signal);
	m->stop_unheard = m->init_pid && !proc_init_takes(m->init_pid, m->b->spec.stop_signal);
	if (m->stop_unheard && left_ms > STOP_UNHEARD_MS)
		left_ms = STOP_UNHEARD_MS;
	timer_set(&m->stop_timer, left_ms > 1 ? left_ms : 1, 0);
}

void monitor_stop(struct monitor *m, uint32_t timeout_s)
{
	if (timeout_s == CTL_STOP_DEFAULT)
		timeout_s = m->b->spec.stop_timeout_s;
	if (!timeout_s) {
		signal_init(m, SIGKILL);
		return;
	}
	m->stop_deadline_ms = time_mono_ms() + (int64_t)timeout_s * 1000;
	stop_signal(m);
}

struct err *monitor_stop_expired(struct timer *t)
{
	struct monitor *m = container_of(t, struct monitor, stop_timer);

	if (m->stop_unheard && m->init_pid && proc_init_takes(m->init_pid, m->b->spec.stop_signal))
		stop_signal(m);
	else
		signal_init(m, SIGKILL);
	return NULL;
}

/* "devbox run ... | head": the program shall notice as it would without us, by its own writes failing. */
static void close_output(struct client *c, uint32_t stream)
{
	struct monitor *m = c->m;

	if (c->starter && !m->b->spec.tty && (stream == 1 || stream == 2))
		loop_del_close(&m->loop, &m->out[stream - 1].src);
}

/* The record has other limits now. */
static void update(struct client *c)
{
	struct monitor *m = c->m;
	_cleanup_free_ char *note = NULL;
	struct spec s = { 0 };
	struct err *e = record_read(m->b->dir, &s);

	if (!e) {
		limits_done(&m->b->spec.limits);
		limits_copy(&m->b->spec.limits, &s.limits);
		if (m->phase == RUNNING) {
			e = keeper_update(&m->keeper, m->init_pid, m->init.fd, &note);
			m->b->state.limits_mode = m->keeper.mode;
			err_free(state_write(m->b->dir, &m->b->state, false)); /* best effort: shown only */
		}
		spec_done(&s);
	}
	if (e)
		monitor_fail(c, e);
	else
		monitor_send(c, CTL_OK, 0, note ?: "", note ? strlen(note) : 0, -1);
}

/* The record has other networks, or another name, now. */
static struct err *change_networks(struct monitor *m)
{
	_cleanup_ports_ struct ports published = { 0 };
	struct spec s = { 0 }, *own = &m->b->spec;
	struct membership *first = m->nets.n ? m->nets.v[0] : NULL;
	struct err *e = record_read(m->b->dir, &s);

	if (e)
		return e;
	net_wants_done(&own->nets);
	net_wants_copy(&own->nets, &s.nets);
	if (!str_eq(own->name, s.name)) {
		free(own->name);
		own->name = xstrdup(s.name);
		boxnet_tell(&m->nets, m->b);
	}
	spec_done(&s);
	listeners_ports(&m->listeners, &published);
	e = boxnet_change(&m->nets, m->b, &m->loop, m->init_pid, m->init.fd, &published);
	err_free(state_write(m->b->dir, &m->b->state, false)); /* best effort: shown only */
	if (m->phase == RUNNING)
		e = e ?: boxnet_write_etc(&m->nets, m->b, m->hostname, true);
	if (m->phase == RUNNING && (m->nets.n ? m->nets.v[0] : NULL) != first) {
		monitor_relay_stop(m); /* it speaks to the first address */
		e = e ?: monitor_relay_start(m);
	}
	return e;
}
void monitor_request(struct client *c, const struct ctl_msg *msg, size_t len)
{
	struct monitor *m = c->m;

	switch (msg->type) {
	case CTL_ATTACH:
		if (m->phase == WAITING) {
			monitor_fail(c, err_new(0, "You cannot attach to a restarting container, "
						   "wait until it is running"));
			break;
		}
		c->attached = c->wants_exit = true;
		c->input_ends = msg->arg & 1;
		if (m->b->state.ready)
			monitor_send(c, CTL_READY, 0, NULL, 0, -1);
		break;
	case CTL_KILL:
		if (m->phase != RUNNING && m->phase != WAITING) {
			monitor_fail(c, err_new(0, "container is not running"));
			break;
		}
		kill_event(m, (int)msg->arg);
		user_signal(m, (int)msg->arg);
		monitor_send(c, CTL_OK, 0, NULL, 0, -1);
		break;
	case CTL_STOP:
		c->wants_exit = true;
		kill_event(m, msg->arg ? m->b->spec.stop_signal : SIGKILL);
		monitor_end_restarts(m, true);
		monitor_stop(m, msg->arg);
		break;
	case CTL_REMOVE:
		c->wants_exit = true;
		if (m->phase != EXITED) { /* else what was recorded stays, and the asker sees it */
			m->remove = true;
			m->remove_volumes |= msg->arg != 0;
		}
		monitor_end_restarts(m, true);
		monitor_stop(m, 0);
		break;
	case CTL_KEEP:
		m->remove = m->remove_volumes = false;
		monitor_send(c, CTL_OK, 0, NULL, 0, -1);
		break;
	case CTL_WAIT_READY:
		c->wants_exit = c->wants_ready = true;
		if (!m->recipe)
			monitor_fail(c, err_new(0, "devbox knows no readiness test for this image"));
		else if (m->b->state.ready)
			monitor_send(c, CTL_READY, 0, NULL, 0, -1);
		break;
	case CTL_RESTARTS:
		m->b->spec.restart = restart_unpack(msg->arg);
		m->track = (struct restart_track){ .count = m->track.count };
		if (m->phase == WAITING && m->b->spec.restart.when == RESTART_NO)
			monitor_end_restarts(m, false);
		monitor_send(c, CTL_OK, 0, NULL, 0, -1);
		break;
	case CTL_WAIT:
		c->wants_exit = true;
		break;
	case CTL_INIT:
		if (m->phase == RUNNING)
			monitor_send(c, CTL_OK, 0, NULL, 0, m->init.fd);
		else if (m->phase == WAITING)
			monitor_fail(c, err_new(0, "Container %s is restarting, wait until the container is running",
						m->b->spec.id));
		else
			monitor_fail(c, err_new(0, "container is not running"));
		break;
	case CTL_RELAY:
		monitor_relay_channel(c);
		break;
	case CTL_STDIN:
		monitor_input_write(m, msg->data, len);
		break;
	case CTL_STDIN_EOF:
		monitor_input_eof(m);
		break;
	case CTL_RESIZE:
		if (m->b->spec.tty && m->out[0].src.fd >= 0)
			term_resize(m->out[0].src.fd, msg->arg);
		break;
	case CTL_TRAFFIC:
		monitor_send(c, CTL_OK, 0, m->traffic, m->traffic ? sizeof(*m->traffic) : 0, -1);
		break;
	case CTL_UPDATE:
		update(c);
		break;
	case CTL_NETWORKS: {
		struct err *e = m->phase == EXITED ? NULL : change_networks(m);

		if (e)
			monitor_fail(c, e);
		else
			monitor_send(c, CTL_OK, 0, NULL, 0, -1);
		break;
	}
	case CTL_CLOSED:
		close_output(c, msg->arg);
		break;
	case CTL_SIGNAL:
		user_signal(m, (int)msg->arg);
		break;
	default: /* a newer devbox talks to an older monitor */
		monitor_fail(c, err_new(0, "this container's monitor does not know the request"));
	}
	if (m->phase == EXITED && c->wants_exit && !m->ended_waiting)
		monitor_send(c, CTL_EXITED, (uint32_t)m->b->state.exit_code, NULL, 0, -1);
}
