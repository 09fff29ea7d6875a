/* core/compose/hook.h -- post_start, pre_stop and watch's exec: commands in a container that runs.
 * Source: Compose specification, "post_start". */
#ifndef CORE_COMPOSE_HOOK_H
#define CORE_COMPOSE_HOOK_H

#include "core/box/box.h"
#include "core/compose/model.h"

/* What HOOK { command, user, privileged, working_dir, environment } asks for; the texts of REQ's lists are its own. */
void hook_fill(const struct node *hook, struct exec_request *req);
void hook_done(struct exec_request *req);

/* The hooks of KEY ("post_start") of S, one after the other, until one fails.  TELL gets each line they write.
 * Errors: "services.web.post_start: the hook ended with status 1", with its place. */
struct err *hooks_run(const struct service *s, const char *key, struct box *b,
		      void (*tell)(void *arg, const char *line), void *arg) MUST_CHECK;

#endif
