/* cmd/api/runreq.h -- the body of POST /containers/create (and of its update) as what `run` is asked for.  Pure, no
 * I/O.  Source: Docker Engine API 1.44, ContainerCreate, ContainerUpdate; moby, api/types/container and runconfig.
 *
 * Hostile input: a member of the wrong type is an error, one that is not known is ignored, as Docker does both.  What
 * is asked for and cannot be had is an error; what Docker itself does without where the kernel has no such thing is a
 * warning. */
#ifndef CMD_API_RUNREQ_H
#define CMD_API_RUNREQ_H

#include "core/base/json.h"
#include "core/box/spec.h"

/* RET's plain texts are BODY's and live as long; end it with request_done() (core/compose/request.h).
 * An entrypoint that is taken away but leaves the image's command is set and NULL; one that does not is "". */
struct err *runreq_parse(json *body, struct run_request *ret, struct strv *warnings) MUST_CHECK;
/* Memory, CpuShares... of BODY, which is a HostConfig or has its members.  The caller ends *RET. */
struct err *runreq_limits(json *body, struct limits *ret, struct strv *warnings) MUST_CHECK;
/* Its RestartPolicy; *RET_GIVEN: there is one. */
struct err *runreq_restart(json *body, struct restart_policy *ret, bool *ret_given) MUST_CHECK;

/* Its mounts (runmounts.c): a part of runreq_parse(). */
struct err *runmounts_take(json *host, struct run_request *rq) MUST_CHECK;

#endif
