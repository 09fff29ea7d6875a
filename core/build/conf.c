#include "core/build/conf.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/proc.h"

void conf_done(struct conf *c)
{
	strv_done(&c->env);
	strv_done(&c->entrypoint);
	strv_done(&c->cmd);
	strv_done(&c->shell);
	strv_done(&c->volumes);
	strv_done(&c->exposed);
	strv_done(&c->labels);
	strv_done(&c->onbuild);
	free(c->user);
	free(c->workdir);
	free(c->stop_signal);
	free(c->author);
	health_config_done(&c->health);
	*c = (struct conf){ 0 };
}

void conf_copy(struct conf *to, const struct conf *from)
{
	*to = (struct conf){ .user = xstrdup(from->user),
			     .workdir = xstrdup(from->workdir),
			     .stop_signal = xstrdup(from->stop_signal),
			     .author = xstrdup(from->author),
			     .health = from->health };
	strv_copy(&to->env, &from->env);
	strv_copy(&to->entrypoint, &from->entrypoint);
	strv_copy(&to->cmd, &from->cmd);
	strv_copy(&to->shell, &from->shell);
	strv_copy(&to->volumes, &from->volumes);
	strv_copy(&to->exposed, &from->exposed);
	strv_copy(&to->labels, &from->labels);
	strv_copy(&to->onbuild, &from->onbuild);
	to->health.test = to->health.shell = (struct strv){ 0 };
	strv_copy(&to->health.test, &from->health.test);
	strv_copy(&to->health.shell, &from->health.shell);
}

static void read_keys(json *c, const char *key, struct strv *to)
{
	json *obj = json_get(c, key);

	for (size_t i = 0; json_is_object(obj) && i < json_len(obj); i++)
		strv_add(to, json_key_at(obj, i, NULL));
}

static char *read_text(json *c, const char *key)
{
	const char *text = json_str(c, key);

	return text && *text ? xstrdup(text) : NULL;
}

void conf_read(struct conf *to, json *doc)
{
	json *c = json_get(doc, "config"), *labels = json_get(c, "Labels"), *value = NULL;

	*to = (struct conf){ .user = read_text(c, "User"),
			     .workdir = read_text(c, "WorkingDir"),
			     .stop_signal = read_text(c, "StopSignal"),
			     .author = read_text(doc, "author") };
	json_strv(c, "Env", &to->env);
	json_strv(c, "Entrypoint", &to->entrypoint);
	json_strv(c, "Cmd", &to->cmd);
	json_strv(c, "Shell", &to->shell);
	json_strv(c, "OnBuild", &to->onbuild);
	read_keys(c, "Volumes", &to->volumes);
	read_keys(c, "ExposedPorts", &to->exposed);
	for (size_t i = 0; json_is_object(labels) && i < json_len(labels); i++) {
		const char *key = json_key_at(labels, i, &value);

		if (json_text(value))
			strv_addf(&to->labels, "%s=%s", key, json_text(value));
	}
	health_from_image(c, &to->health);
}

/* -- writing ----------------------------------------------------------------------------------------------------- */

static void put_keys(struct json_out *o, const char *key, const struct strv *l)
{
	_cleanup_strv_ struct strv sorted = { 0 };

	if (!l->n)
		return;
	strv_copy(&sorted, l);
	strv_sort(&sorted);
	json_open(o, key, '{');
	for (size_t i = 0; i < sorted.n; i++) {
		if (i && str_eq(sorted.v[i], sorted.v[i - 1]))
			continue;
		json_open(o, sorted.v[i], '{');
		json_close(o, '}');
	}
	json_close(o, '}');
}

static void put_list(struct json_out *o, const char *key, const struct strv *l)
{
	if (l->n)
		json_put_strv(o, key, l);
}

static void put_text(struct json_out *o, const char *key, const char *text)
{
	if (text && *text)
		json_put_str(o, key, text);
}

static void put_health(struct json_out *o, const struct health_config *h)
{
	if (!h->test.n && !h->interval_ns && !h->timeout_ns && !h->start_period_ns && !h->retries)
		return;
	json_open(o, "Healthcheck", '{');
	put_list(o, "Test", &h->test);
	json_put_int_if(o, "Interval", h->interval_ns);
	json_put_int_if(o, "Timeout", h->timeout_ns);
	json_put_int_if(o, "StartPeriod", h->start_period_ns);
	json_put_int_if(o, "StartInterval", h->start_interval_ns);
	json_put_int_if(o, "Retries", h->retries);
	json_close(o, '}');
}

static void put_labels(struct json_out *o, const struct strv *labels)
{
	_cleanup_strv_ struct strv sorted = { 0 };

	if (!labels->n)
		return;
	strv_copy(&sorted, labels);
	strv_sort(&sorted);
	json_open(o, "Labels", '{');
	for (size_t i = 0; i < sorted.n; i++) {
		size_t key = strcspn(sorted.v[i], "=");
		_cleanup_free_ char *name = xstrndup(sorted.v[i], key);

		json_put_str(o, name, sorted.v[i] + key + (sorted.v[i][key] == '='));
	}
	json_close(o, '}');
}

static void put_conf(struct json_out *o, const struct conf *c)
{
	json_open(o, "config", '{');
	put_text(o, "User", c->user);
	put_keys(o, "ExposedPorts", &c->exposed);
	put_list(o, "Env", &c->env);
	put_list(o, "Entrypoint", &c->entrypoint);
	put_list(o, "Cmd", &c->cmd);
	put_health(o, &c->health);
	put_keys(o, "Volumes", &c->volumes);
	put_text(o, "WorkingDir", c->workdir);
	put_list(o, "OnBuild", &c->onbuild);
	put_labels(o, &c->labels);
	put_text(o, "StopSignal", c->stop_signal);
	put_list(o, "Shell", &c->shell);
	json_close(o, '}');
}

char *conf_text(const struct conf_doc *d, size_t *ret_len)
{
	char when[TIME_TEXT_MAX];
	struct json_out o;

	time_format(d->created_ns, when);
	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	json_put_str(&o, "created", when);
	put_text(&o, "author", d->conf->author);
	json_put_str(&o, "architecture", d->arch);
	put_text(&o, "variant", d->variant);
	json_put_str(&o, "os", d->os);
	put_conf(&o, d->conf);
	json_open(&o, "rootfs", '{');
	json_put_str(&o, "type", "layers");
	json_put_strv(&o, "diff_ids", d->diff_ids);
	json_close(&o, '}');
	json_open(&o, "history", '[');
	for (size_t i = 0; i < json_len(d->base_history); i++)
		json_put(&o, NULL, json_at(d->base_history, i));
	for (size_t i = 0; i < d->n_history; i++) {
		json_open(&o, NULL, '{');
		time_format(d->history[i].created_ns, when);
		json_put_str(&o, "created", when);
		put_text(&o, "author", d->conf->author);
		json_put_str(&o, "created_by", d->history[i].created_by);
		json_put_str(&o, "comment", "buildkit.dockerfile.v0");
		if (d->history[i].empty)
			json_put_bool(&o, "empty_layer", true);
		json_close(&o, '}');
	}
	json_close(&o, ']');
	json_close(&o, '}');
	return json_out_take(&o, ret_len);
}
