/* What POST /containers/create asks for. */
#include "cmd/api/runreq.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/fd.h"
#include "core/compose/request.h"
#include "tests/lib/tap.h"

static json *body;
static struct strv warnings;
static char line[400];

/* What is wrong with TEXT, "" if nothing; *RET is the request then. */
static const char *parse(const char *text, struct run_request *ret)
{
	struct err *e;

	json_free(body);
	body = NULL;
	strv_done(&warnings);
	*ret = (struct run_request){ 0 };
	e = json_parse(text, strlen(text), "body", &body);
	e = e ?: runreq_parse(body, ret, &warnings);
	snprintf(line, sizeof(line), "%s", e ? e->text : "");
	err_free(e);
	return line;
}

static const char *why(const char *text)
{
	struct run_request rq;

	parse(text, &rq);
	request_done(&rq);
	return line;
}

static void test_full(void)
{
	_cleanup_free_ char *text = NULL;
	struct run_request rq;
	struct err *e = fd_read_file(AT_FDCWD, "tests/fixtures/fuzz_api_runreq/full.json", 1 << 16,
				     &text, NULL);

	if (e) {
		is_str(e->text, "", "the whole request is there");
		return err_free(e);
	}
	is_str(parse(text, &rq), "", "a request with everything is read");
	if (*line)
		return;
	is_str(rq.entrypoint, "/bin/sh", "the entrypoint's program");
	ok(rq.entrypoint_rest.n == 1 && rq.args.n == 3,
	   "its further words are its own, not the command's");
	is_int((int)rq.mounts.n, 7, "binds, mounts, tmpfs and devices are mounts");
	ok(!rq.mounts.v[2].by_mount && rq.mounts.v[3].by_mount, "CreateMountpoint: as -v makes it");
	is_str(rq.mounts.v[4].options, "size=1024,mode=700", "a tmpfs's size and mode");
	is_int((int)rq.ports.n, 2, "bindings without a port are none");
	ok(rq.ports.v[0].host == 8080 && !rq.ports.v[1].host && rq.ports.v[1].same_if_free,
	   "an empty HostPort is any");
	is_str(rq.ports.v[1].ip, "::1", "an IPv6 address needs no brackets");
	ok(strv_has(&rq.exposed, "90/udp"), "what is bound nowhere is exposed");
	ok(rq.nets.n == 2 && str_eq(rq.nets.v[0].name, "net") && str_eq(rq.nets.v[0].ip, "172.30.0.5"),
	   "the network mode's network is the first");
	ok(!rq.nets.v[0].mac, "an empty text is none");
	ok(strv_has(&rq.links, "db:d") && strv_has(&rq.links, "x:y"), "links of both kinds");
	ok(strv_has(&rq.security_opt, "systempaths=unconfined"), "empty lists of masked paths");
	ok(strv_has(&rq.ulimits, "nofile=10:20"), "ulimits");
	ok(rq.restart.when == RESTART_ON_FAILURE && rq.restart.max == 3, "restart policy");
	ok(rq.attach == (ATTACH_STDIN | ATTACH_STDOUT | ATTACH_STDERR), "what it is connected to");
	is_int(rq.stop_timeout_s, 3, "time to stop");
	ok(rq.tty_size == (30 << 16 | 70), "its terminal's size");
	request_done(&rq);
}

static void test_words(void)
{
	struct run_request rq;

	is_str(parse("{\"Image\":\"i\",\"Cmd\":\"one word\"}", &rq), "", "a command that is a text");
	ok(rq.args.n == 1 && str_eq(rq.args.v[0], "one word") && !rq.entrypoint_set, "is one word");
	ok(rq.stop_timeout_s == -1 && rq.net == NET_DEFAULT && !rq.nets.n,
	   "what is not said is the image's");
	request_done(&rq);
	parse("{\"Image\":\"i\",\"Entrypoint\":[]}", &rq);
	ok(rq.entrypoint_set && !rq.entrypoint, "an empty list leaves the command");
	request_done(&rq);
	parse("{\"Image\":\"i\",\"Entrypoint\":[\"\"]}", &rq);
	ok(rq.entrypoint_set && str_eq(rq.entrypoint, ""), "an empty word does not");
	request_done(&rq);
	parse("{\"Image\":\"i\",\"HostConfig\":{\"NetworkMode\":\"default\"},\"NetworkingConfig\":"
	      "{\"EndpointsConfig\":{\"n1\":{},\"n2\":{}}}}",
	      &rq);
	ok(rq.nets.n == 2 && str_eq(rq.nets.v[0].name, "n1"), "without a mode: the networks named");
	request_done(&rq);
	parse("{\"Image\":\"i\",\"HostConfig\":{\"NetworkMode\":\"host\",\"PortBindings\":{\"80\":[{}]}},"
	      "\"NetworkingConfig\":{\"EndpointsConfig\":{\"host\":{}}}}",
	      &rq);
	ok(rq.net == NET_HOST && !rq.nets.n && warnings.n == 1,
	   "ports on the host's network: a warning");
	request_done(&rq);
	parse("{\"Image\":\"i\",\"HostConfig\":{\"KernelMemory\":4,\"CgroupParent\":\"x\"}}", &rq);
	ok(warnings.n == 2, "what Docker does without on some kernels: warnings");
	request_done(&rq);
}

static const struct {
	const char *in, *err;
} refused[] = {
	{ "[]", "the request's body: it must be an object" },
	{ "{}", "Image: which image the container is made from is not said" },
	{ "{\"Image\":3}", "Image: it must be a text" },
	{ "{\"Image\":\"i\",\"Env\":\"A=b\"}", "Env: it must be a list" },
	{ "{\"Image\":\"i\",\"Env\":[1]}", "Env: it must be a list of texts" },
	{ "{\"Image\":\"i\",\"Tty\":\"yes\"}", "Tty: it must be true or false" },
	{ "{\"Image\":\"i\",\"Labels\":[\"a\"]}", "Labels: it must be an object" },
	{ "{\"Image\":\"i\",\"Volumes\":{\"data\":{}}}", "invalid volume specification: 'data'" },
	{ "{\"Image\":\"i\",\"StopTimeout\":1.5}", "StopTimeout: it must be a whole number" },
	{ "{\"Image\":\"i\",\"StopTimeout\":99999999999}", "StopTimeout: 99999999999 is out of range" },
	{ "{\"Image\":\"i\",\"Healthcheck\":{\"Test\":[\"true\"]}}",
	  "Healthcheck: Test: unknown type true" },
	{ "{\"Image\":\"i\",\"HostConfig\":[]}", "HostConfig: it must be an object" },
	{ "{\"Image\":\"i\",\"HostConfig\":{\"Binds\":[\"./a:/b\"]}}",
	  "invalid volume specification: './a:/b': the path must be absolute" },
	{ "{\"Image\":\"i\",\"HostConfig\":{\"Mounts\":[{\"Type\":\"bind\",\"Source\":\"a\",\"Target\":\"/b\"}]}}",
	  "invalid mount config for type \"bind\": invalid mount path: 'a' mount path must be absolute" },
	{ "{\"Image\":\"i\",\"HostConfig\":{\"Mounts\":[{\"Type\":\"npipe\"}]}}",
	  "mount type npipe is not supported" },
	{ "{\"Image\":\"i\",\"HostConfig\":{\"Mounts\":[{\"Target\":\"/a\",\"VolumeOptions\":{\"DriverConfig\":"
	  "{\"Options\":{\"o\":\"bind\"}}}}]}}",
	  "volume-opt=o=bind is not supported: volumes are directories of yours (driver local, without options)" },
	{ "{\"Image\":\"i\",\"HostConfig\":{\"PortBindings\":{\"80/sctp\":[{}]}}}",
	  "publishing \"80/sctp\": *" },
	{ "{\"Image\":\"i\",\"HostConfig\":{\"PortBindings\":{\"1:80\":[{}]}}}",
	  "PortBindings: invalid port: 1:80" },
	{ "{\"Image\":\"i\",\"HostConfig\":{\"RestartPolicy\":{\"Name\":\"often\"}}}",
	  "invalid restart policy*" },
	{ "{\"Image\":\"i\",\"HostConfig\":{\"Memory\":-1}}", "Memory: -1 is out of range" },
	{ "{\"Image\":\"i\",\"HostConfig\":{\"PidMode\":\"host\"}}",
	  "PidMode: host is not supported: each container has its own processes" },
	{ "{\"Image\":\"i\",\"HostConfig\":{\"DeviceRequests\":[{}]}}",
	  "could not select device driver: there are no GPUs to be had here" },
	{ "{\"Image\":\"i\",\"HostConfig\":{\"ConsoleSize\":[-1,2]}}", "ConsoleSize: *" },
	{ "{\"Image\":\"i\",\"HostConfig\":{\"NetworkMode\":\"name=x\"}}", "network name=x not found" },
};

static bool matches(const char *pattern, const char *text)
{
	size_t n = strcspn(pattern, "*");

	return pattern[n] ? !strncmp(pattern, text, n) : !strcmp(pattern, text);
}

static void test_refused(void)
{
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		why(refused[i].in);
		if (!matches(refused[i].err, line))
			is_str(line, refused[i].err, "%s", refused[i].in);
		else
			ok(true, "%s", refused[i].err);
	}
}

static void test_bounds(void)
{
	_cleanup_str_ struct str s = { 0 };

	str_add(&s, "{\"Image\":\"i\",\"Env\":[\"A=b\"");
	for (int i = 0; i < 4096; i++)
		str_add(&s, ",\"A=b\"");
	str_add(&s, "]}");
	is_str(why(s.s), "Env: more than 4096", "a list has a bound");
}

int main(void)
{
	test_full();
	test_words();
	test_refused();
	test_bounds();
	json_free(body);
	strv_done(&warnings);
	return done_testing();
}
