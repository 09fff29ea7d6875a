#include "cmd/describe.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmd/ui/put.h"
#include "core/base/fd.h"
#include "core/box/state.h"
#include "core/store/volume.h"

/* --- images ----------------------------------------------------------------------------------- */

static void names_of(const struct image *img, struct image *const *all, size_t n_all,
		     struct strv *tags, struct strv *digests)
{
	for (size_t i = 0; i < n_all; i++) {
		struct image_ref ref;
		struct err *e;

		if (!all[i]->ref || strcmp(all[i]->id, img->id))
			continue;
		e = image_ref_parse(all[i]->ref, &ref);
		if (e) {
			err_free(e); /* a record of another version; its id is shown all the same */
			continue;
		}
		if (ref.tag && !ref.digest)
			strv_take(tags, image_ref_familiar(&ref));
		if (all[i]->repo_digest) {
			_cleanup_free_ char *repo = image_ref_familiar_repo(&ref);
			_cleanup_free_ char *text = xasprintf("%s@%s", repo, all[i]->repo_digest);

			if (!strv_has(digests, text))
				strv_add(digests, text);
		}
		image_ref_done(&ref);
	}
}

static void put_names(const struct image *img, struct image *const *all, size_t n_all,
		      struct json_out *o)
{
	_cleanup_strv_ struct strv tags = { 0 }, digests = { 0 };

	names_of(img, all, n_all, &tags, &digests);
	put_list(o, "RepoTags", &tags, 0);
	put_list(o, "RepoDigests", &digests, 0);
}

static void put_image_config(const struct image *img, const char *key, struct json_out *o)
{
	json *raw = json_get(img->config, "config");
	json *rest[] = { json_get(raw, "Healthcheck"), json_get(raw, "OnBuild"),
			 json_get(raw, "Shell") };
	static const char *const rest_keys[] = { "Healthcheck", "OnBuild", "Shell" };

	json_open(o, key, '{');
	put_text(o, "User", img->user);
	put_set(o, "ExposedPorts", &img->exposed);
	put_list(o, "Env", &img->env, 0);
	put_list_or_null(o, "Cmd", &img->cmd);
	put_set(o, "Volumes", &img->volumes);
	put_text(o, "WorkingDir", img->workdir);
	put_list_or_null(o, "Entrypoint", &img->entrypoint);
	put_map(o, "Labels", &img->labels);
	if (img->stop_signal)
		put_text(o, "StopSignal", img->stop_signal);
	for (size_t i = 0; i < ARRAY_LEN(rest); i++)
		if (!json_is_null(rest[i]))
			json_put(o, rest_keys[i], rest[i]);
	json_close(o, '}');
}

static void put_image(const struct image *img, struct image *const *all, size_t n_all,
		      struct json_out *o)
{
	json *steps = json_get(img->config, "history");

	json_put_str(o, "Id", img->id);
	put_names(img, all, n_all, o);
	json_put_str(o, "Parent", "");
	put_text(o, "Comment",
		 json_str(img->config, "comment")
			 ?: json_str(json_at(steps, json_len(steps) - 1), "comment"));
	put_text(o, "Created", json_str(img->config, "created") ?: PUT_NEVER);
	put_text(o, "DockerVersion", json_str(img->config, "docker_version"));
	put_text(o, "Author", json_str(img->config, "author"));
	put_image_config(img, "Config", o);
	put_text(o, "Architecture", img->arch);
	if (json_str(img->config, "variant"))
		put_text(o, "Variant", json_str(img->config, "variant"));
	put_text(o, "Os", img->os);
	json_put_int(o, "Size", img->size_bytes);
	json_open(o, "GraphDriver", '{');
	json_put_str(o, "Name", "overlay");
	json_put_null(o, "Data");
	json_close(o, '}');
	json_open(o, "RootFS", '{');
	json_put_str(o, "Type", "layers");
	put_list(o, "Layers", &img->diff_ids, 0);
	json_close(o, '}');
	json_open(o, "Metadata", '{');
	json_put_str(o, "LastTagTime", PUT_NEVER);
	json_close(o, '}');
}

void describe_image(const struct image *img, struct image *const *all, size_t n_all, struct json_out *o)
{
	json_open(o, NULL, '{');
	put_image(img, all, n_all, o);
	json_close(o, '}');
}

/* Up to API 1.44 there is the configuration of the container that an image was made from, too: docker-compose 1.29
 * reads volumes there. */
void describe_image_old(const struct image *img, struct image *const *all, size_t n_all,
			struct json_out *o)
{
	json_open(o, NULL, '{');
	put_image(img, all, n_all, o);
	put_image_config(img, "ContainerConfig", o);
	json_close(o, '}');
}

void describe_image_row(const struct image *img, struct image *const *all, size_t n_all,
			int containers, int64_t shared, bool none, struct json_out *o)
{
	_cleanup_strv_ struct strv tags = { 0 }, digests = { 0 };

	names_of(img, all, n_all, &tags, &digests);
	if (none && !tags.n && !digests.n) {
		strv_add(&tags, "<none>:<none>");
		strv_add(&digests, "<none>@<none>");
	}
	json_open(o, NULL, '{');
	json_put_str(o, "Id", img->id);
	json_put_str(o, "ParentId", "");
	put_list(o, "RepoTags", &tags, 0);
	put_list(o, "RepoDigests", &digests, 0);
	json_put_int(o, "Created", img->created_ns / 1000000000);
	json_put_int(o, "Size", img->size_bytes);
	json_put_int(o, "VirtualSize", img->size_bytes);
	json_put_int(o, "SharedSize", shared);
	put_map(o, "Labels", &img->labels);
	json_put_int(o, "Containers", containers);
	json_close(o, '}');
}

/* --- networks --------------------------------------------------------------------------------- */

static void put_ipam(const struct network *n, struct json_out *o)
{
	char text[SUBNET_TEXT_MAX];

	json_open(o, "IPAM", '{');
	json_put_str(o, "Driver", "default");
	json_put_null(o, "Options");
	json_open(o, "Config", '[');
	if (n->subnet.prefix) {
		json_open(o, NULL, '{');
		subnet_text(&n->subnet, text);
		json_put_str(o, "Subnet", text);
		if (n->ip_range.prefix) {
			subnet_text(&n->ip_range, text);
			json_put_str(o, "IPRange", text);
		}
		json_put_str(o, "Gateway", inet_ntop(AF_INET, &n->gateway, text, sizeof(text)));
		json_close(o, '}');
	}
	if (n->ipv6) {
		json_open(o, NULL, '{');
		subnet_text6(&n->subnet6, text);
		json_put_str(o, "Subnet", text);
		json_put_str(o, "Gateway", inet_ntop(AF_INET6, &n->gateway6, text, sizeof(text)));
		json_close(o, '}');
	}
	json_close(o, ']');
	json_close(o, '}');
}

static void put_member(const struct network *n, const struct box *b, struct json_out *o)
{
	const struct net_state *s = state_net(&b->state, n->name);
	char ip[INET6_ADDRSTRLEN], mac[18];

	if (!s)
		return;
	json_open(o, b->spec.id, '{');
	json_put_str(o, "Name", b->spec.name);
	json_put_str(o, "EndpointID", "");
	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", s->addrs.mac[0], s->addrs.mac[1],
		 s->addrs.mac[2], s->addrs.mac[3], s->addrs.mac[4], s->addrs.mac[5]);
	json_put_str(o, "MacAddress", mac);
	put_taken(o, "IPv4Address",
		  xasprintf("%s/%u", inet_ntop(AF_INET, &s->addrs.ip, ip, sizeof(ip)), s->addrs.prefix));
	put_taken(o, "IPv6Address",
		  n->ipv6 ? xasprintf("%s/%u", inet_ntop(AF_INET6, &s->addrs.ip6, ip, sizeof(ip)),
				      s->addrs.prefix6)
			  : xstrdup(""));
	json_close(o, '}');
}

struct err *describe_network(struct store *st, const struct network *n, struct json_out *o)
{
	struct lease_holder *holders = NULL;
	size_t n_holders = 0;
	struct err *e = lease_list(st, n, true, &holders, &n_holders);

	if (e)
		return e;
	json_open(o, NULL, '{');
	put_text(o, "Name", n->name);
	json_put_str(o, "Id", n->id);
	put_time(o, "Created", n->created_ns);
	json_put_str(o, "Scope", "local");
	json_put_str(o, "Driver", n->driver);
	json_put_bool(o, "EnableIPv4", true);
	json_put_bool(o, "EnableIPv6", n->ipv6);
	put_ipam(n, o);
	json_put_bool(o, "Internal", n->internal);
	json_put_bool(o, "Attachable", n->attachable);
	json_put_bool(o, "Ingress", false);
	json_open(o, "ConfigFrom", '{');
	json_put_str(o, "Network", "");
	json_close(o, '}');
	json_put_bool(o, "ConfigOnly", false);
	json_open(o, "Containers", '{');
	for (size_t i = 0; i < n_holders; i++) {
		struct box *b = NULL;

		err_free(box_find(st, holders[i].id, &b)); /* removed meanwhile */
		if (b)
			put_member(n, b, o);
		box_free(b);
	}
	json_close(o, '}');
	put_map(o, "Options", &n->options);
	put_map(o, "Labels", &n->labels);
	json_close(o, '}');
	free(holders);
	return NULL;
}

/* --- volumes ---------------------------------------------------------------------------------- */

static struct err *read_volume(struct store *st, const char *name, json **ret)
{
	_cleanup_free_ char *record = xasprintf("%s/volume.json", name), *text = NULL;
	size_t len;
	struct err *e;

	e = fd_read_file(st->volumes, record, 1 << 20, &text, &len);
	e = e ?: json_parse(text, len, "volume.json", ret);
	return err_wrap(e, "reading volume %s", name);
}

static void put_volume(struct store *st, const char *name, json *record, struct json_out *o)
{
	_cleanup_free_ char *point = xasprintf("%s/volumes/%s/data", st->path, name);
	_cleanup_strv_ struct strv labels = { 0 };

	put_text(o, "CreatedAt", json_str(record, "CreatedAt"));
	json_put_str(o, "Driver", "local");
	volume_labels(st, name, &labels);
	put_map(o, "Labels", &labels);
	put_text(o, "Mountpoint", point);
	put_text(o, "Name", name);
	json_put_null(o, "Options");
	json_put_str(o, "Scope", "local");
}

struct err *describe_volume(struct store *st, const char *name, const struct volume_usage *usage,
			    struct json_out *o)
{
	_cleanup_json_ json *j = NULL;
	struct err *e = read_volume(st, name, &j);

	if (e)
		return e;
	json_open(o, NULL, '{');
	put_volume(st, name, j, o);
	if (usage) {
		json_open(o, "UsageData", '{');
		json_put_int(o, "Size", (int64_t)usage->bytes);
		json_put_int(o, "RefCount", (int64_t)usage->users);
		json_close(o, '}');
	}
	json_close(o, '}');
	return NULL;
}
