#include "slirp/join.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/json.h"

void join_done(struct join *j)
{
	free(j->id);
	free(j->device);
	strv_done(&j->names);
	strv_done(&j->others);
	ports_done(&j->ports);
	*j = (struct join){ 0 };
}

char *join_pack(const struct join *j, size_t *ret_len)
{
	char text[INET6_ADDRSTRLEN], mac[2 * NET_MAC_LEN + 1];
	struct json_out o;

	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	if (j->id) {
		json_put_str(&o, "id", j->id);
		json_put_strv(&o, "names", &j->names);
		json_put_str(&o, "ip", inet_ntop(AF_INET, &j->ip, text, sizeof(text)));
		json_put_str(&o, "ip6", inet_ntop(AF_INET6, &j->ip6, text, sizeof(text)));
		json_put_str(&o, "device_ip6", inet_ntop(AF_INET6, &j->device_ip6, text, sizeof(text)));
		str_hex(j->mac, NET_MAC_LEN, mac);
		json_put_str(&o, "mac", mac);
		json_put_str(&o, "kind", packet_kind_names[j->kind]);
		if (j->device)
			json_put_str(&o, "device", j->device);
		json_put_bool(&o, "host_loopback", j->host_loopback);
		json_put_strv(&o, "others", &j->others);
		json_open(&o, "ports", '[');
		for (size_t i = 0; i < j->ports.n; i++) {
			_cleanup_str_ struct str p = { 0 };

			port_text(&j->ports.v[i], &p);
			json_put_str(&o, NULL, p.s);
		}
		json_close(&o, ']');
	}
	json_close(&o, '}');
	return json_out_take(&o, ret_len);
}

static bool get_mac(const char *hex, uint8_t mac[NET_MAC_LEN])
{
	if (!hex || strlen(hex) != (size_t)2 * NET_MAC_LEN || !str_is_hex(hex, (size_t)2 * NET_MAC_LEN))
		return false;
	for (int i = 0; i < NET_MAC_LEN; i++) {
		char pair[3] = { hex[2 * i], hex[2 * i + 1] };

		mac[i] = (uint8_t)strtoul(pair, NULL, 16);
	}
	return !(mac[0] & 1); /* a group is nobody's */
}

static struct err *parse(json *j, struct join *to)
{
	json *names = json_get(j, "names"), *ports = json_get(j, "ports");
	const char *kind = json_str(j, "kind");
	struct err *e = NULL;

	to->id = xstrdup(json_str(j, "id"));
	if (!to->id)
		return NULL;
	if (json_len(names) > JOIN_NAMES_MAX || json_len(json_get(j, "others")) > JOIN_NAMES_MAX ||
	    json_len(ports) > JOIN_PORTS_MAX)
		return err_new(0, "too many names or ports");
	json_strv(j, "names", &to->names);
	json_strv(j, "others", &to->others);
	if (!*to->id || !to->names.n)
		return err_new(0, "a member without id or name");
	if (inet_pton(AF_INET, json_str(j, "ip") ?: "", &to->ip) != 1 ||
	    inet_pton(AF_INET6, json_str(j, "ip6") ?: "::", &to->ip6) != 1 ||
	    inet_pton(AF_INET6, json_str(j, "device_ip6") ?: "::", &to->device_ip6) != 1)
		return err_new(0, "no valid address");
	if (!get_mac(json_str(j, "mac"), to->mac))
		return err_new(0, "no valid hardware address");
	while (to->kind < PACKET_KIND_MAX && !str_eq(kind, packet_kind_names[to->kind]))
		to->kind++;
	if (to->kind == PACKET_KIND_MAX)
		return err_new(0, "an unknown kind of device");
	to->device = xstrdup(json_str(j, "device"));
	if (to->device && strlen(to->device) >= IFNAMSIZ)
		return err_new(0, "no valid name of a device");
	to->host_loopback = json_bool(j, "host_loopback", false);
	for (size_t i = 0; i < json_len(ports) && !e; i++)
		e = port_parse(json_text(json_at(ports, i)) ?: "", &to->ports);
	return e;
}

struct err *join_parse(const char *msg, size_t len, struct join *ret)
{
	_cleanup_json_ json *j = NULL;
	struct join join = { 0 };
	struct err *e = len > JOIN_MAX ? err_new(EMSGSIZE, "joining a network")
				       : json_parse(msg, len, "message", &j);

	if (!e && !json_is_object(j))
		e = err_new(0, "no object");
	e = e ?: parse(j, &join);
	if (e) {
		join_done(&join);
		return err_wrap(e, "join");
	}
	*ret = join;
	return NULL;
}
