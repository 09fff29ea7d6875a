#include "core/store/events.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "core/base/fd.h"
#include "core/base/json.h"
#include "core/base/proc.h"

static char *line_of(const char *type, const char *action, const char *id, const struct strv *attrs,
		     size_t *ret_len)
{
	const char *image = attrs ? strv_env(attrs, "image") : NULL;
	int64_t now = time_now_ns();
	struct json_out o;

	json_out_init(&o, false);
	json_open(&o, NULL, '{');
	if (!strcmp(type, "container")) {
		json_put_str(&o, "status", action);
		json_put_str(&o, "id", id);
		json_put_str(&o, "from", image ?: "");
	}
	json_put_str(&o, "Type", type);
	json_put_str(&o, "Action", action);
	json_open(&o, "Actor", '{');
	json_put_str(&o, "ID", id);
	json_open(&o, "Attributes", '{');
	for (size_t i = 0; attrs && i < attrs->n; i++) {
		size_t key = strcspn(attrs->v[i], "=");
		_cleanup_free_ char *name = xstrndup(attrs->v[i], key);

		json_put_str(&o, name, attrs->v[i] + key + (attrs->v[i][key] == '='));
	}
	json_close(&o, '}');
	json_close(&o, '}');
	json_put_str(&o, "scope", "local");
	json_put_int(&o, "time", now / 1000000000);
	json_put_int(&o, "timeNano", now);
	json_close(&o, '}');
	return json_out_take(&o, ret_len);
}

void event_add(struct store *st, const char *type, const char *action, const char *id,
	       const struct strv *attrs)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_close_ int fd = -1;
	struct stat s;
	size_t len;
	struct err *e;

	e = fd_open(st->root, "events", O_WRONLY | O_APPEND | O_CREAT, 0600, &fd);
	if (!e && fstat(fd, &s) == 0 && s.st_size >= EVENTS_MAX) {
		/* of two who come here at once, the second may move a file that is nearly empty: history gets
		 * shorter */
		close(TAKE_FD(fd));
		renameat(st->root, "events", st->root, "events.1");
		e = fd_open(st->root, "events", O_WRONLY | O_APPEND | O_CREAT, 0600, &fd);
	}
	if (!e) {
		_cleanup_str_ struct str line = { 0 };

		text = line_of(type, action, id, attrs, &len);
		while (len && text[len - 1] == '\n')
			len--;
		str_addn(&line, text, len);
		str_addc(&line, '\n');
		if (line.len <= EVENT_LINE_MAX)
			e = fd_write_all(fd, "events", line.s, line.len);
	}
	err_free(e); /* see above */
}
