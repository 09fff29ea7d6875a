/* cmd/api/system.c -- /_ping, /version, /info, /events, /system/df */
#include <stdio.h>

#include "cmd/api/call.h"
#include "cmd/describe.h"
#include "cmd/df.h"
#include "cmd/verb.h"
#include "core/base/proc.h"
#include "core/build/build.h"

/* "1.44" as the headers of /_ping; Builder-Version 1 is the builder that is sent a tar archive. */
static struct err *ping(struct api_call *c)
{
	_cleanup_free_ char *more =
		xasprintf("Api-Version: 1.%d\r\nBuilder-Version: 1\r\nOstype: linux\r\n"
			  "Docker-Experimental: false\r\nCache-Control: no-cache\r\n"
			  "Server: devbox/%s\r\n",
			  API_MINOR, DEVBOX_VERSION);

	return api_text_with(c, 200, "OK", more);
}

/* The members that /version has twice: for the engine and, as old clients read them, at the top. */
static void put_version(struct json_out *o)
{
	_cleanup_free_ char *max = xasprintf("1.%d", API_MINOR),
			    *min = xasprintf("1.%d", API_MINOR_MIN);

	describe_version(o);
	json_put_str(o, "ApiVersion", max);
	json_put_str(o, "MinAPIVersion", min);
}

static struct err *version(struct api_call *c)
{
	struct json_out o;

	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	json_open(&o, "Platform", '{');
	json_put_str(&o, "Name", "devbox (no daemon)");
	json_close(&o, '}');
	json_open(&o, "Components", '[');
	json_open(&o, NULL, '{');
	json_put_str(&o, "Name", "Engine");
	json_put_str(&o, "Version", DEVBOX_VERSION);
	json_open(&o, "Details", '{');
	put_version(&o);
	json_close(&o, '}');
	json_close(&o, '}');
	json_close(&o, ']');
	put_version(&o);
	json_close(&o, '}');
	return api_json(c, 200, &o);
}

static struct err *info(struct api_call *c)
{
	struct json_out o;
	struct err *e;

	json_out_init(&o, false);
	e = describe_info(c->st, &o);
	if (!e)
		return api_json(c, 200, &o);
	json_out_done(&o);
	return e;
}

static void send_event(void *arg, const void *event)
{
	struct api_call *c = arg;
	struct json_out o;
	struct err *e;

	json_out_init(&o, false);
	json_put(&o, NULL, event);
	e = api_piece_json(c, &o);
	if (e)
		_exit(1); /* the client has left; the request's process ends with it */
}

static struct err *events(struct api_call *c)
{
	const char *since = strv_env(&c->rq->query, "since"), *until = strv_env(&c->rq->query, "until");
	_cleanup_strv_ struct strv filters = { 0 };
	_cleanup_free_ char *begun = NULL;
	int64_t now = time_now_ns();
	struct err *e = api_filters(c, &filters);

	/* who has the head of the answer misses nothing from then on */
	begun = xasprintf("%lld.%09lld", (long long)(now / 1000000000), (long long)(now % 1000000000));
	e = e ?: api_stream(c, "application/json");
	return e
		       ?: events_show(&filters, since && *since ? since : begun,
				      until && *until ? until : NULL, send_event, c);
}

static void put_disk(struct api_call *c, const struct disk *d, struct json_out *o)
{
	_cleanup_strv_ struct strv seen = { 0 };
	struct disk_layers layers;

	disk_layers(d, &layers);
	json_put_int(o, "LayersSize", (int64_t)layers.bytes);
	json_open(o, "Images", '[');
	for (size_t i = 0; i < d->n_images; i++) {
		const struct image *img = d->images[i];

		if (strv_has(&seen, img->id))
			continue;
		strv_add(&seen, img->id);
		describe_image_row(img, d->images, d->n_images, (int)disk_image_users(d, img->id),
				   (int64_t)disk_shared(d, img), c->minor < API_NO_NONE, o);
	}
	json_close(o, ']');
	json_open(o, "Containers", '[');
	for (size_t i = 0; i < d->n_boxes; i++)
		describe_box_row(d->boxes[i], true, o);
	json_close(o, ']');
	json_open(o, "Volumes", '[');
	for (size_t i = 0; i < d->volumes.n; i++) {
		const struct volume_usage usage = { d->volume_bytes[i],
						    disk_volume_users(d, d->volumes.v[i]) };

		err_free(describe_volume(c->st, d->volumes.v[i], &usage, o)); /* removed meanwhile */
	}
	json_close(o, ']');
}

static struct err *df(struct api_call *c)
{
	size_t records = 0;
	uint64_t cache = 0;
	struct json_out o;
	struct disk d;
	struct err *e = disk_open(c->st, &d);

	if (e)
		return e;
	e = build_cache_size(c->st, &records, &cache);
	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	put_disk(c, &d, &o);
	json_open(&o, "BuildCache", '[');
	json_close(&o, ']');
	json_put_int(&o, "BuilderSize", (int64_t)cache);
	json_close(&o, '}');
	disk_done(&d);
	if (!e)
		return api_json(c, 200, &o);
	json_out_done(&o);
	return e;
}

/* There are none: what would be a plugin is a part of devbox. */
static struct err *plugins(struct api_call *c)
{
	struct json_out o;

	json_out_init(&o, false);
	json_open(&o, NULL, '[');
	json_close(&o, ']');
	return api_json(c, 200, &o);
}

const struct api_route api_system_routes[] = {
	{ "GET", "/_ping", ping },
	{ "GET", "/version", version },
	{ "GET", "/info", info },
	{ "GET", "/events", events },
	{ "GET", "/system/df", df },
	{ "GET", "/plugins", plugins },
	{ 0 },
};
