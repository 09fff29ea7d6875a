/* core/base/dbus.h -- D-Bus messages, as much as talking to systemd takes: composing calls, reading answers.
 * Pure, no I/O.  Little-endian, one message at a time.
 * Source: D-Bus specification, "Marshaling" and "Message Format". */
#ifndef CORE_BASE_DBUS_H
#define CORE_BASE_DBUS_H

#include "core/base/str.h"

enum dbus_type { DBUS_CALL = 1, DBUS_RETURN, DBUS_ERROR, DBUS_SIGNAL };
enum { DBUS_MESSAGE_MAX = 1 << 20 }; /* what we are willing to take; a daemon may send 128 MiB */

/* Writing a body.  Every value is put behind zeros up to its own alignment, counted from BODY's start. */
void dbus_put_u32(struct str *body, uint32_t n);
void dbus_put_str(struct str *body, const char *text); /* also object paths */
void dbus_put_signature(struct str *body, const char *signature);
void dbus_align(struct str *body, size_t n); /* a struct starts at a multiple of 8 */
/* An array: begin, its elements of alignment ALIGN, end.  *RET_AT is for the end. */
void dbus_array_begin(struct str *body, size_t align, size_t *ret_at);
void dbus_array_end(struct str *body, size_t align, size_t at);

struct dbus_call {
	uint32_t serial; /* not 0 */
	const char *destination; /* NULL on a connection without bus */
	const char *path, *interface, *member, *signature;
};
/* Append the whole message to OUT. */
void dbus_compose(const struct dbus_call *c, const struct str *body, struct str *out);

/* A message that was received; its texts point into the data it was read from. */
struct dbus_msg {
	enum dbus_type type;
	uint32_t reply_serial; /* of returns and errors */
	const char *member; /* of signals, or NULL */
	const char *error; /* of errors: "org.freedesktop.DBus.Error.AccessDenied" */
	const char *signature; /* of the body, "" if there is none */
	const char *body;
	size_t body_len;
};
/* The message at the beginning of DATA; *RET_SIZE is its size, 0 if LEN bytes are not the whole of it yet.
 * Errors: "not a D-Bus message: <why>". */
struct err *dbus_parse(const char *data, size_t len, struct dbus_msg *ret, size_t *ret_size) MUST_CHECK;
/* Argument N (from 0) of M's body, all before it being of the types u, b, s, o and g.  NULL: it is no text. */
const char *dbus_arg_str(const struct dbus_msg *m, size_t n);

#endif
