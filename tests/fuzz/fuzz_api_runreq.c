/* The JSON of a container that is to be made, or changed: read or refused. */
#include "cmd/api/runreq.h"

#include "core/compose/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run_request rq = { 0 };
	struct strv warnings = { 0 };
	json *j = NULL;
	struct err *e = json_parse((const char *)data, size, "body", &j);

	e = e ?: runreq_parse(j, &rq, &warnings);
	err_free(e);
	request_done(&rq);
	strv_done(&warnings);
	json_free(j);
	return 0;
}
