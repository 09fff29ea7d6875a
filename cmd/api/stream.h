/* cmd/api/stream.h -- how the two streams of a container share one connection to a client.
 * Source: Docker Engine API, ContainerAttach, "Stream format". */
#ifndef CMD_API_STREAM_H
#define CMD_API_STREAM_H

#include "cmd/api/call.h"

enum { FRAME_HEAD = 8 };
/* The content type of a container's output: raw with a terminal, else in frames. */
const char *stream_type(const struct api_call *c, bool tty);
/* The frame's head for LEN bytes of STREAM, 1 or 2. */
void stream_head(unsigned stream, size_t len, unsigned char ret[FRAME_HEAD]);

#endif
