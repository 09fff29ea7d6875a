/* A request to Docker's API on a connection: its head is read or refused, and if it is read its body is, too. */
#include "cmd/api/http.h"

#include <fcntl.h>

#include "core/base/fd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct http_conn c;
	struct http_request rq = { 0 };
	struct http_body b;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	bool end = false;
	char buf[64];
	size_t n;
	struct err *e;

	/* All has come already, and nothing follows. */
	c.fd = null;
	c.at = 0;
	c.len = size < sizeof(c.buf) ? size : sizeof(c.buf);
	memcpy(c.buf, data, c.len);
	e = http_read_head(&c, &rq, &end);
	if (!e && !end) {
		http_body_start(&b, &c, &rq);
		do
			e = e ?: http_body_read(&b, buf, sizeof(buf), &n);
		while (!e && n);
	}
	err_free(e);
	http_request_done(&rq);
	close(null);
	return 0;
}
