/* cmd/api/flow.h -- streams of a request: its body and its answer as descriptors, for what reads or writes archives. */
#ifndef CMD_API_FLOW_H
#define CMD_API_FLOW_H

#include "cmd/api/call.h"

/* The request's body, to be read from *RET_FD, which is the caller's.  A child copies it there, and what the caller
 * does not want it throws away: a client that sends all before it reads gets its answer. */
struct err *api_body_fd(struct api_call *c, int *ret_fd) MUST_CHECK;
/* Answer with what FN, in a child, writes to FD.  Its error is answered as one if it comes before the first byte. */
struct err *api_send_output(struct api_call *c, const char *type,
			    struct err *(*fn)(void *arg, int fd), void *arg) MUST_CHECK;
/* For who has answered: what is left of the body is read; false if the connection is of no further use. */
bool api_body_end(struct api_call *c);

#endif
