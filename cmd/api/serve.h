/* cmd/api/serve.h -- Docker's API on a unix socket. */
#ifndef CMD_API_SERVE_H
#define CMD_API_SERVE_H

#include "core/base/err.h"

/* Serve what connects to the listening socket LISTENER; with IDLE_S not 0, return when there has been no connection
 * for so many seconds. */
struct err *api_serve(int listener, unsigned idle_s) MUST_CHECK;
/* Serve the connection FD until its client closes it. */
struct err *api_connection(int fd) MUST_CHECK;

#endif
