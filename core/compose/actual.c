#include "core/compose/actual.h"

#include "core/compose/request.h"

const char *box_label(const struct box *b, const char *key)
{
	return strv_env(&b->spec.labels, key);
}

static int by_place(const void *x, const void *y)
{
	const struct actual *a = x, *b = y;
	int64_t age = a->box->spec.created_ns - b->box->spec.created_ns;
	int c = strcmp(a->service, b->service);

	if (c)
		return c;
	if (a->number != b->number)
		return a->number < b->number ? -1 : 1;
	return age > 0 ? -1 : age < 0;
}

static void add(struct actuals *a, struct box *b)
{
	const char *number = box_label(b, LABEL_NUMBER);

	a->v[a->n++] = (struct actual){
		.service = box_label(b, LABEL_SERVICE) ?: "",
		.hash = box_label(b, LABEL_HASH) ?: "",
		.image_id = b->spec.image_id,
		.replaces = box_label(b, LABEL_REPLACE),
		.number = number ? (unsigned)strtoul(number, NULL, 10) : 0,
		.oneoff = str_eq(box_label(b, LABEL_ONEOFF), "True"),
		.up = state_is_up(&b->state),
		.completed = b->state.status == BOX_EXITED && b->state.exit_code == 0,
		.box = b,
		.name = b->spec.name,
	};
}

struct err *actuals_load(struct store *st, const char *project, struct actuals *ret)
{
	struct actuals a = { 0 };
	struct err *e = box_list(st, &a.boxes, &a.n_boxes);

	a.v = xcalloc(a.n_boxes + 1, sizeof(*a.v));
	for (size_t i = 0; i < a.n_boxes; i++) {
		const char *of = box_label(a.boxes[i], LABEL_PROJECT);

		if (of && (!project || !strcmp(of, project)))
			add(&a, a.boxes[i]);
	}
	if (a.n)
		qsort(a.v, a.n, sizeof(*a.v), by_place);
	if (e)
		actuals_done(&a);
	else
		*ret = a;
	return e;
}

void actuals_done(struct actuals *a)
{
	for (size_t i = 0; i < a->n_boxes; i++)
		box_free(a->boxes[i]);
	free(a->boxes);
	free(a->v);
	*a = (struct actuals){ 0 };
}

struct actual *actuals_of(const struct actuals *a, const char *service, size_t *ret_n)
{
	size_t from = 0, n = 0;

	while (from < a->n && strcmp(a->v[from].service, service))
		from++;
	while (from + n < a->n && !strcmp(a->v[from + n].service, service))
		n++;
	*ret_n = n;
	return n ? &a->v[from] : NULL;
}
