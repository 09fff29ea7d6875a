/* A project as objects of Kubernetes: which documents there are, what is in them, what is said to be lost. */
#include "core/compose/kube.h"

#include <fcntl.h>
#include <unistd.h>

#include "core/base/fd.h"
#include "tests/lib/project.h"
#include "tests/lib/tap.h"

static const char shop[] =
	"name: shop\n"
	"services:\n"
	"  web_app:\n"
	"    build: .\n"
	"    image: shop/web\n"
	"    depends_on: {db: {condition: service_healthy}, migrate: {condition: service_completed_successfully}}\n"
	"    ports: [\"8080:80\", \"53:53/udp\"]\n"
	"    environment: {ON: \"on\", T: \"$$(x)\", UNSET: }\n"
	"    configs: [{source: conf, target: /etc/web.conf, mode: 0440}]\n"
	"    secrets: [pw]\n"
	"    volumes: [\".:/src\", \"uploads:/up\", /cache]\n"
	"    deploy: {replicas: 2, resources: {limits: {cpus: \"0.5\", memory: 64m}}}\n"
	"    user: \"1000:50\"\n"
	"    cap_add: [CAP_NET_ADMIN]\n"
	"    labels: {com.example.team: a b, \"no key!\": x}\n"
	"    network_mode: host\n"
	"  migrate: {image: shop/web, entrypoint: [], command: [./migrate, --all], restart: \"on-failure:3\",\n"
	"            volumes: [\"uploads:/up\"]}\n"
	"  db:\n"
	"    image: mysql:8\n"
	"    entrypoint: [run]\n"
	"    command: --max-connections=50\n"
	"    volumes: [\"data:/var/lib/mysql\", \"old:/old:ro\"]\n"
	"    tmpfs: [/run/x]\n"
	"    expose: [\"3306\", \"33060-33061\"]\n"
	"    stop_grace_period: 90s\n"
	"    healthcheck: {test: mysqladmin ping, interval: 1500ms, timeout: 2s, retries: 5, start_period: 20s}\n"
	"  cache: {image: redis, links: [db], healthcheck: {test: [CMD, redis-cli, ping]}}\n"
	"  Cache_: {image: redis, restart: \"no\"}\n"
	"volumes: {data: {}, uploads: {}, old: {external: true, name: old_one}}\n"
	"configs: {conf: {file: ./web.conf}}\n"
	"secrets: {pw: {file: ./pw}}\n";

static char dir[] = "/tmp/devbox-kube.XXXXXX";

/* Stands in for the file system: bytes that are no text for the secret. */
static struct err *read_file(const char *path, char **ret, size_t *ret_len)
{
	bool secret = str_ends(path, "/pw");

	if (!secret && !str_ends(path, "/web.conf"))
		return err_new(ENOENT, "opening %s", path);
	*ret = secret ? xmemdup("a\0b\xff", 5) : xstrdup("on: 1\nlast\n");
	*ret_len = secret ? 4 : strlen(*ret);
	return NULL;
}

/* The document of KIND called NAME in ALL (or NULL); the caller frees it. */
static char *document(const char *all, const char *kind, const char *name)
{
	_cleanup_free_ char *k = xasprintf("\nkind: %s\n", kind),
			    *n = xasprintf("\n  name: %s\n", name);

	for (const char *from = all, *end; from; from = end) {
		_cleanup_free_ char *doc = NULL;

		end = strstr(from, "---\n");
		doc = end ? xstrndup(from, (size_t)(end - from)) : xstrdup(from);
		end = end ? end + strlen("---\n") : NULL;
		if (strstr(doc, k) && strstr(doc, n))
			return TAKE_PTR(doc);
	}
	return NULL;
}

static void test_documents(const char *all)
{
	static const struct {
		const char *kind, *name, *has[12];
	} cases[] = {
		{ "Secret", "pw", { "apiVersion: v1\n", "data:\n  pw: YQBi/w==\n", "type: Opaque\n" } },
		{ "ConfigMap", "conf", { "data:\n  conf: |\n    on: 1\n    last\n" } },
		{ "PersistentVolumeClaim", "uploads", { "    - ReadWriteOnce\n", "storage: 1Gi\n" } },
		{ "Service",
		  "web-app",
		  { "    - name: tcp-80\n      port: 80\n      protocol: TCP\n      targetPort: 80\n",
		    "    - name: udp-53\n      port: 53\n      protocol: UDP\n",
		    "  selector:\n    app.kubernetes.io/name: web-app\n" } },
		{ "StatefulSet",
		  "web-app",
		  { "# in the compose file it starts after db (service_healthy), migrate (service_comp",
		    "apiVersion: apps/v1\n", "  replicas: 2\n", "  serviceName: web-app\n",
		    "        com.example.team: a b\n", "name: \"ON\"\n              value: \"on\"\n",
		    "value: $$(x)\n", "cpu: \"0.5\"\n              memory: \"67108864\"\n",
		    "                - NET_ADMIN\n            runAsGroup: 50\n            runAsUser: 1000\n",
		    "mountPath: /etc/web.conf\n              name: conf\n              readOnly: true\n"
		    "              subPath: conf\n",
		    "defaultMode: 288\n", "            claimName: uploads\n" } },
		{ "Job",
		  "migrate",
		  { "apiVersion: batch/v1\n", "  backoffLimit: 3\n", "restartPolicy: OnFailure\n",
		    "command:\n            - ./migrate\n            - --all\n" } },
		{ "StatefulSet",
		  "db",
		  { "          command:\n            - run\n", "args:\n            - --max-connections=50\n",
		    "                - /bin/sh\n                - -c\n                - mysqladmin ping\n",
		    "failureThreshold: 5\n            initialDelaySeconds: 20\n"
		    "            periodSeconds: 2\n            timeoutSeconds: 2\n",
		    "mountPath: /var/lib/mysql\n              name: data\n",
		    "  volumeClaimTemplates:\n    - metadata:\n        name: data\n",
		    "claimName: old-one\n", "medium: Memory\n", "terminationGracePeriodSeconds: 90\n",
		    "enableServiceLinks: false\n", "containerPort: 33061\n" } },
		{ "Service", "cache", { "  clusterIP: None\n" } },
		{ "Deployment",
		  "cache-2",
		  { "                - redis-cli\n                - ping\n            failureThreshold: 3\n"
		    "            periodSeconds: 30\n            timeoutSeconds: 30\n" } },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_free_ char *doc = document(all, cases[i].kind, cases[i].name);

		if (!ok(doc != NULL, "%s %s is there", cases[i].kind, cases[i].name))
			continue;
		for (size_t n = 0; n < ARRAY_LEN(cases[i].has) && cases[i].has[n]; n++)
			if (!ok(strstr(doc, cases[i].has[n]) != NULL, "%s %s, part %zu",
				cases[i].kind, cases[i].name, n + 1))
				printf("%s\n", doc);
	}
}

static void test_absent(const char *all)
{
	static const char *const absent[] = { "UNSET", "/src\n", "name: old_one", "name: web_app",
					      "no key" };
	_cleanup_free_ char *own = document(all, "PersistentVolumeClaim", "data"),
			    *outside = document(all, "PersistentVolumeClaim", "old-one"),
			    *once = document(all, "Service", "migrate");

	for (size_t i = 0; i < ARRAY_LEN(absent); i++)
		ok(!strstr(all, absent[i]), "no %s", absent[i]);
	ok(!own, "a template is no claim beside it");
	ok(!outside, "an external volume is not written");
	ok(!once, "a job serves nobody");
}

static void test_notes(const struct strv *notes)
{
	static const char *const said[] = {
		"bind mounts (web_app): *",
		"build (web_app): *push*",
		"depends_on (cache, web_app): *",
		"external (volumes old-one): *",
		"labels.no key! (web_app): *",
		"links (cache): Kubernetes has nothing for it, it is left out",
		"network_mode (web_app): *",
		"published ports (web_app): *",
		"renamed (*web_app is web-app*): *",
		"restart (Cache_): *",
		"shared volumes (uploads): *",
		"volume size (data, uploads): *",
	};

	is_int((intmax_t)notes->n, (intmax_t)ARRAY_LEN(said), "each once, and no other");
	for (size_t i = 0; i < ARRAY_LEN(said) && i < notes->n; i++)
		if (!ok(!fnmatch(said[i], notes->v[i], 0), "%s", said[i]))
			printf("# got %s\n", notes->v[i]);
}

static void test_errors(void)
{
	_cleanup_project_ struct project *p =
		project_from_text(dir, "name: e\n"
				       "services: {a: {image: x, secrets: [s]}}\n"
				       "secrets: {s: {environment: DEVBOX_KUBE_UNSET}}\n");
	_cleanup_project_ struct project *q =
		project_from_text(dir, "name: e\n"
				       "services: {a: {image: x, configs: [c]}}\n"
				       "configs: {c: {file: ./none}}\n");
	_cleanup_strv_ struct strv notes = { 0 };
	char *text = NULL;

	is_err(kube_text(p, read_file, &notes, &text),
	       "*compose.yaml:3:*environment variable DEVBOX_KUBE_UNSET required by secrets s is not set*",
	       "a secret's variable");
	is_err(kube_text(q, read_file, &notes, &text),
	       "*compose.yaml:3:*opening */none: No such file*", "a config's file");
	ok(!text, "nothing is given then");
}

int main(void)
{
	_cleanup_project_ struct project *p = NULL;
	_cleanup_strv_ struct strv notes = { 0 };
	_cleanup_free_ char *all = NULL;

	ok(mkdtemp(dir) != NULL, "a folder");
	p = project_from_text(dir, shop);
	if (is_err(kube_text(p, read_file, &notes, &all), NULL, "documents")) {
		test_documents(all);
		test_absent(all);
		test_notes(&notes);
	}
	test_errors();
	rmdir(dir);
	return done_testing();
}
