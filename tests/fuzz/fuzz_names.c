/* Queries from containers, and names as images and users give them: the first byte says how long the name is. */
#include "slirp/names.h"

#include <assert.h>

#include "slirp/dns_msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t out[NAMES_TCP_MAX];
	struct names_cfg cfg = { .network = "net", .ipv6 = true };
	struct dns_question q;
	struct names *t;
	size_t len;

	if (size < 1 || data[0] + 1U > size)
		return 0;
	net_addrs_default(&cfg.addrs);
	t = names_new(&cfg);
	{
		_cleanup_free_ char *name = xstrndup((const char *)data + 1, data[0]);
		const char *const list[] = { "db", name, NULL };

		names_add(t, &(struct names_member){ .id = "1", .names = list, .ip = cfg.addrs.ip });
	}
	size -= data[0] + 1U;
	data += data[0] + 1U;
	for (size_t max = NAMES_UDP_MAX; max <= NAMES_TCP_MAX; max += NAMES_TCP_MAX - NAMES_UDP_MAX) {
		enum names_verdict verdict = names_answer(t, data, size, out, max, &len);

		assert((verdict == NAMES_DROP) == !dns_is_query(data, size));
		assert(verdict != NAMES_ANSWER ||
		       (len <= max && len >= DNS_HEADER_LEN && (out[2] & 0x80)));
		assert(verdict != NAMES_FORWARD || dns_parse(data, size, &q) == DNS_NOERROR);
	}
	names_remove(t, "1");
	names_free(t);
	return 0;
}
