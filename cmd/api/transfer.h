/* cmd/api/transfer.h -- pulls and pushes for clients of the API: progress as lines of JSON, credentials out of the
 * request's headers. */
#ifndef CMD_API_TRANSFER_H
#define CMD_API_TRANSFER_H

#include "cmd/api/call.h"
#include "registry/auth.h"
#include "registry/image_ref.h"

struct transfer;
/* The stream begins with the first line that is sent. */
struct transfer *transfer_new(struct api_call *c);
void transfer_free(struct transfer *t);

/* One line: {"status": TEXT, "id": ID}; ID may be NULL. */
struct err *transfer_say(struct transfer *t, const char *text, const char *id) MUST_CHECK;
/* One line that is the object O, which is ended. */
struct err *transfer_line(struct transfer *t, struct json_out *o) MUST_CHECK;
/* How it ends: E, if no line has been sent; else the line {"error": ...}, and success. */
struct err *transfer_end(struct transfer *t, struct err *e) MUST_CHECK;

/* Pull IMAGE, shown as Docker shows it.  CREDS may be NULL. */
struct err *transfer_pull(struct transfer *t, const char *image, const char *platform,
			  const struct auth_creds *creds) MUST_CHECK;
/* Push the image FULL, a full reference with the tag TAG. */
struct err *transfer_push(struct transfer *t, const char *full, const char *tag,
			  const struct auth_creds *creds) MUST_CHECK;

/* POST /images/create of the image FROM, and of the query's tag. */
struct err *api_pull(struct api_call *c, const char *from) MUST_CHECK;
/* NAME as one reference with the tag or digest TAG, which may be "".  The caller frees it. */
char *api_name(const char *name, const char *tag);

/* What X-Registry-Auth (or, of a build, X-Registry-Config) has for the registry of REF; *RET_FOUND: there is any. */
struct err *transfer_creds(struct api_call *c, const struct image_ref *ref, struct auth_creds *ret,
			   bool *ret_found) MUST_CHECK;

#endif
