/* cmd/doctor.c -- devbox doctor [--format json|TEMPLATE] */
#include <stdio.h>

#include "cmd/list.h"
#include "cmd/verb.h"
#include "core/box/hostcheck.h"

static const char *opt_format;

static const struct opt opts[] = {
	{ 'f', "format", "string", "Format output: 'json' or a Go template for each check", OPT_STR,
	  &opt_format, NULL },
	{ 0 },
};

static const struct column columns[] = {
	{ "Status", "STATUS" }, { "Name", "NAME" }, { "Text", "TEXT" },
	{ "Mend", "MEND" },	{ NULL, NULL },
};

static void print_check(const struct check *k)
{
	printf("%-5s %-16s %s\n", check_result_names[k->result], k->name, k->text);
	for (const char *p = k->mend; p && *p;) {
		size_t len = strcspn(p, "\n");

		printf("      %-16s %.*s\n", p == k->mend ? "to mend it:" : "", (int)len, p);
		p += len + (p[len] == '\n');
	}
}

static struct err *print_formatted_checks(const struct checks *c)
{
	_cleanup_list_ struct list l = { 0 };
	struct err *e = list_open(&l, opt_format, "{{.Status}}\t{{.Name}}\t{{.Text}}", columns);

	for (size_t i = 0; !e && i < c->n; i++) {
		list_row(&l);
		list_put(&l, "Status", check_result_names[c->v[i].result]);
		list_put(&l, "Name", c->v[i].name);
		list_put(&l, "Text", c->v[i].text);
		list_put(&l, "Mend", c->v[i].mend ?: "");
		e = list_end_row(&l);
	}
	if (!e)
		list_close(&l);
	return e;
}

/* Ends with 1 if containers cannot run here. */
static struct err *doctor(struct call *call, UNUSED int argc, UNUSED char **argv)
{
	_cleanup_checks_ struct checks c = { 0 };

	hostcheck_run(&c);
	for (size_t i = 0; i < c.n; i++)
		if (c.v[i].result == CHECK_FAIL)
			call->status = 1;
	if (opt_format)
		return print_formatted_checks(&c);
	for (size_t i = 0; i < c.n; i++)
		print_check(&c.v[i]);
	return NULL;
}

const struct verb verb_doctor = {
	.name = "doctor",
	.args = "",
	.opts = opts,
	.summary = "Tell what this host allows, and how to mend what is missing",
	.run = doctor,
};
