/* From wanted and actual to steps: what is made, kept, made again, removed, and in which order. */
#include <fcntl.h>
#include <unistd.h>

#include "core/base/fd.h"
#include "core/compose/plan.h"
#include "tests/lib/project.h"
#include "tests/lib/tap.h"

static const char three[] = "name: p\n"
			    "services:\n"
			    "  web: {image: x, depends_on: [db, cache], scale: 2}\n"
			    "  db: {image: x}\n"
			    "  cache: {image: x}\n";

static char dir[] = "/tmp/devbox-plan.XXXXXX";

static struct actual container(struct project *p, const char *service, unsigned number, bool up)
{
	struct actual a = { .service = service, .number = number, .up = up, .image_id = "sha256:1" };
	char *hash = arena_alloc(&p->arena, 65);

	service_hash(p, project_service(p, service), hash);
	a.hash = hash;
	a.name = arena_printf(&p->arena, "p-%s-%u", service, number);
	return a;
}

/* "create db 1; start db 1 after 0" */
static char *text_of(const struct project_plan *plan)
{
	static const char *const words[] = { "create", "recreate", "start",  "stop", "remove",
					     "rename", "wait",	   "supply", "hold" };
	struct str s = { 0 };

	str_add(&s, "");
	for (size_t i = 0; i < plan->n; i++) {
		const struct step *t = &plan->v[i];

		str_addf(&s, "%s%s %s", i ? "; " : "", words[t->kind],
			 t->old ? t->old->name : t->service->name);
		if (!t->old && t->number)
			str_addf(&s, " %u", t->number);
		for (size_t k = 0; k < t->n_after; k++)
			str_addf(&s, "%s%zu", k ? "," : " after ", t->after[k]);
	}
	return str_take(&s);
}

static void check(struct project *p, const struct actual *there, size_t n,
		  const struct plan_opts *o, const char *want, const char *what)
{
	struct actuals a = { .v = (struct actual *)there, .n = n };
	_cleanup_project_plan_ struct project_plan plan = { 0 };
	_cleanup_free_ char *got = NULL;

	is_err(project_plan_up(p, &a, o, NULL, &plan), NULL, "%s", what);
	got = text_of(&plan);
	is_str(got, want, "%s", what);
}

static void test_fresh(void)
{
	struct project *p = project_from_text(dir, three);
	struct plan_opts o = { 0 };
	struct strv some = { 0 };

	check(p, NULL, 0, &o,
	      "create cache 1; start cache 1 after 0; create db 1; start db 1 after 2; "
	      "create web 1; start web 1 after 4,2,3,0,1; create web 2; start web 2 after 6,2,3,0,1",
	      "everything, dependencies first");
	strv_add(&some, "web");
	o.services = &some;
	o.no_deps = true;
	check(p, NULL, 0, &o, "create web 1; start web 1 after 0; create web 2; start web 2 after 2",
	      "one service without what it depends on");
	strv_done(&some);
	project_free(p);
}

static void test_there(void)
{
	struct project *p = project_from_text(dir, three);
	struct plan_opts o = { 0 };
	struct actual all[] = { container(p, "cache", 1, true), container(p, "db", 1, true),
				container(p, "web", 1, true), container(p, "web", 2, true),
				container(p, "web", 3, true) };
	const char *images[] = { NULL, "sha256:2", NULL };

	check(p, all, 4, &o, "", "nothing to do");
	check(p, all, 5, &o, "stop p-web-3; remove p-web-3 after 0", "one too many");
	all[1].up = false;
	check(p, all, 4, &o, "start p-db-1", "one that has stopped");
	all[1].up = true;
	all[1].hash = "other";
	check(p, all, 4, &o, "recreate p-db-1; start db 1 after 0", "another configuration");
	o.no_recreate = true;
	check(p, all, 4, &o, "", "--no-recreate leaves it");
	o.no_recreate = false;
	all[1] = container(p, "db", 1, true);
	o.image_ids = images;
	check(p, all, 4, &o, "recreate p-db-1; start db 1 after 0", "another image");
	project_free(p);
}

/* db's image is still to come, for app as well, which uses the same; web hangs on db by its network. */
static void test_supplies(void)
{
	struct project *p = project_from_text(
		dir, "name: p\nservices:\n"
		     "  app: {image: x}\n  db: {image: x}\n  other: {image: y, depends_on: [db]}\n"
		     "  web: {image: y, network_mode: 'service:db'}\n");
	const long by[] = { 1, 1, -1, -1 };
	struct plan_opts o = { .supply = by };
	struct actual db = container(p, "db", 1, true);

	check(p, NULL, 0, &o,
	      "supply db; hold app after 0; hold db after 0; create other 1; start other 1 after 3,2; "
	      "hold web after 2",
	      "what becomes of the others is known at once");
	check(p, &db, 1, &o,
	      "supply db; hold app after 0; hold db after 0; create other 1; start other 1 after 3,2; "
	      "hold web after 2",
	      "what is there is not judged before the image has come");
	o.supply = NULL;
	check(p, &db, 1, &o,
	      "create app 1; start app 1 after 0; create other 1; start other 1 after 2; create web 1; "
	      "start web 1 after 4",
	      "the image has come, and is the same");
	project_free(p);

	p = project_from_text(dir, "name: p\nservices:\n"
				   "  a:\n    build: {context: ., additional_contexts: {b: 'service:b'}}\n"
				   "  b: {build: .}\n");
	o.supply = (const long[]){ 0, 1 };
	check(p, NULL, 0, &o, "supply a after 1; supply b; hold a after 0; hold b after 1",
	      "one image is built from the other");
	project_free(p);
}

static void test_conditions(void)
{
	struct project *p =
		project_from_text(dir, "name: p\nservices:\n"
				       "  app:\n    image: x\n    depends_on:\n"
				       "      db: {condition: service_healthy}\n"
				       "      init: {condition: service_completed_successfully}\n"
				       "  db: {image: x}\n  init: {image: x}\n");
	struct plan_opts o = { 0 };
	struct actual db = container(p, "db", 1, true);

	check(p, NULL, 0, &o,
	      "create db 1; start db 1 after 0; create init 1; start init 1 after 2; create app 1; "
	      "start app 1 after 4,6,7; wait db after 0,1; wait init after 2,3",
	      "started when healthy and completed");
	check(p, &db, 1, &o,
	      "create init 1; start init 1 after 0; create app 1; start app 1 after 2,4,5; wait db; "
	      "wait init after 0,1",
	      "what runs already is waited for too");
	project_free(p);
}

static void test_links(void)
{
	struct project *p = project_from_text(dir, "name: p\nservices:\n"
						   "  web: {image: x, links: [db]}\n"
						   "  db: {image: x}\n");
	struct plan_opts o = { 0 };
	struct actual all[] = { container(p, "db", 1, true), container(p, "web", 1, true) };

	check(p, NULL, 0, &o,
	      "create db 1; start db 1 after 0; create web 1 after 0; start web 1 after 2,0,1",
	      "a link's container is made before");
	all[0].hash = "other";
	check(p, all, 2, &o,
	      "recreate p-db-1; start db 1 after 0; recreate p-web-1 after 0; start web 1 after 2,0,1",
	      "who links to what is made again is made again");
	project_free(p);
}

static void test_restart(void)
{
	struct project *p =
		project_from_text(dir, "name: p\nservices:\n  web:\n    image: x\n    depends_on:\n"
				       "      db: {condition: service_started, restart: true}\n"
				       "  db: {image: x}\n");
	struct plan_opts o = { 0 };
	struct actual all[] = { container(p, "db", 1, true), container(p, "web", 1, true) };

	check(p, all, 2, &o, "", "nothing to do");
	all[0].hash = "other";
	check(p, all, 2, &o,
	      "recreate p-db-1; start db 1 after 0; stop p-web-1; start p-web-1 after 2,0,1",
	      "restarted with what it depends on");
	project_free(p);
}

static void test_leftovers(void)
{
	struct project *p = project_from_text(dir, "name: p\nservices: {db: {image: x}}\n");
	struct plan_opts o = { 0 };
	struct actual all[] = { container(p, "db", 1, false), container(p, "db", 1, true) };

	all[0].name = "0123456789ab_p-db-1";
	all[0].replaces = "p-db-1";
	check(p, all, 1, &o, "rename 0123456789ab_p-db-1; start 0123456789ab_p-db-1 after 0",
	      "the old one is gone: the new one takes its name");
	check(p, all, 2, &o, "stop 0123456789ab_p-db-1; remove 0123456789ab_p-db-1 after 0",
	      "the old one is there and right: the new one goes");
	all[1].hash = "other";
	check(p, all, 2, &o,
	      "stop 0123456789ab_p-db-1; remove 0123456789ab_p-db-1 after 0; recreate p-db-1 after 1; "
	      "start db 1 after 2",
	      "it goes before another is made under its name");
	project_free(p);
}

static void test_down(void)
{
	struct project *p = project_from_text(dir, three);
	struct actual v[] = { container(p, "cache", 1, true),
			      container(p, "web", 1, true),
			      { .service = "old", .number = 1, .name = "p-old-1", .hash = "" } };
	struct actuals a = { .v = v, .n = 3 };
	_cleanup_project_plan_ struct project_plan plan = { 0 }, all = { 0 }, stop = { 0 };
	_cleanup_free_ char *got = NULL, *more = NULL, *stopped = NULL;

	project_plan_down(p, &a, NULL, true, false, false, &plan);
	got = text_of(&plan);
	is_str(got, "stop p-cache-1 after 3; remove p-cache-1 after 0; stop p-web-1; remove p-web-1 after 2",
	       "dependents first, orphans stay");
	project_plan_down(p, &a, NULL, true, true, false, &all);
	more = text_of(&all);
	ok(strstr(more, "remove p-old-1"), "orphans too");
	v[0].up = false;
	project_plan_down(p, &a, NULL, false, false, false, &stop);
	stopped = text_of(&stop);
	is_str(stopped, "stop p-web-1", "stop: what runs");
	project_free(p);
}

int main(void)
{
	if (!mkdtemp(dir))
		return 1;
	test_fresh();
	test_there();
	test_supplies();
	test_conditions();
	test_links();
	test_restart();
	test_leftovers();
	test_down();
	rmdir(dir);
	return done_testing();
}
