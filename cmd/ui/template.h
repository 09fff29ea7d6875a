/* cmd/ui/template.h -- the part of Go's text/template that scripts use with --format, over a JSON tree.  Pure, no I/O.
 *
 *	{{.State.Status}}  {{json .Config}}  {{index .Config.Env 0}}  {{len .Mounts}}  {{.Name | upper}}
 *	{{range $k, $v := .NetworkSettings.Ports}}{{$k}} {{end}}   {{if and .A (eq .B "x")}}..{{else if ..}}..{{end}}
 *	{{with .X}}..{{end}}   {{- trims -}}   {{/ * comments * /}}   {{$x := .A}}   {{break}} {{continue}}
 * Functions: and or not eq ne lt le gt ge len index slice print printf println json join split lower
 * upper title pad truncate; method: .Label "key".
 *
 * A field that an object does not have is an error, as in Docker; the members of free-form maps (Labels, Ports,
 * Networks...) answer nothing instead.  Numbers are signed 64-bit integers or doubles.
 * Source: Go's text/template documentation; docker/cli templates. */
#ifndef CMD_UI_TEMPLATE_H
#define CMD_UI_TEMPLATE_H

#include "core/base/json.h"

struct template;

/* Errors: "template: 1:7: <reason>" (line:column), errno 0. */
struct err *template_parse(const char *text, struct template **ret) MUST_CHECK;
/* Append the result for DATA to OUT.  Errors name the place likewise; OUT may hold a part then. */
struct err *template_run(const struct template *t, json *data, struct str *out) MUST_CHECK;
void template_free(struct template *t);
static inline void cleanup_template(struct template **t)
{
	template_free(*t);
}
#define _cleanup_template_ _cleanup_(cleanup_template)

#endif
