/* The lines of a pull, for terminals of any width, and the plain ones. */
#include "cmd/ui/progress.h"
#include "tests/lib/tap.h"

static char *line(const struct progress_layer *l, unsigned columns)
{
	struct str s = { 0 };

	progress_line(l, columns, &s);
	return str_take(&s);
}

static void test_lines(void)
{
	struct progress_layer l = { .id = "0123456789ab", .seen = true };
	_cleanup_free_ char *waiting = NULL, *half = NULL, *rate = NULL, *narrow = NULL, *tiny = NULL;
	_cleanup_free_ char *all = NULL, *unknown = NULL, *done = NULL;

	l.phase = PULL_WAITING;
	waiting = line(&l, 80);
	is_str(waiting, "0123456789ab: Waiting", "waiting");
	l.phase = PULL_DOWNLOADING;
	l.done = 5000000;
	l.total = 10000000;
	half = line(&l, 120);
	is_str(half,
	       "0123456789ab: Downloading [=========================>                        ] 5MB/10MB",
	       "half of it");
	l.rate = 2500000;
	rate = line(&l, 80);
	is_str(rate, "0123456789ab: Downloading [================>                ] 5MB/10MB  2.5MB/s",
	       "with a rate, as wide as the terminal");
	ok(strlen(rate) < 80, "the last column stays free");
	narrow = line(&l, 60);
	is_str(narrow, "0123456789ab: Downloading [======>      ] 5MB/10MB  2.5MB/s", "a short bar");
	tiny = line(&l, 40);
	is_str(tiny, "0123456789ab: Downloading 5MB/10MB  2.5MB/s", "no room for a bar");
	l.done = 11000000;
	l.phase = PULL_EXTRACTING;
	all = line(&l, 70);
	ok(strstr(all, "=] 10MB/10MB") != NULL, "never more than all: %s", all);
	l.total = 0;
	unknown = line(&l, 80);
	is_str(unknown, "0123456789ab: Extracting", "an unknown total");
	l.phase = PULL_DONE;
	done = line(&l, 80);
	is_str(done, "0123456789ab: Pull complete", "done");
}

/* Events into a pipe: what is no terminal gets plain lines. */
static void test_plain(void)
{
	static const char digest[] = "sha256:00112233445566778899";
	struct pull_event ev = { .phase = PULL_WAITING, .layer = 1, .n_layers = 2, .digest = digest };
	char text[512];
	struct progress p;
	ssize_t n;
	int fds[2];

	ok(pipe(fds) == 0, "a pipe");
	progress_init(&p, fds[1]);
	progress_event(&p, &ev);
	ev.phase = PULL_DOWNLOADING;
	ev.total_bytes = 100;
	for (ev.done_bytes = 0; ev.done_bytes < 100; ev.done_bytes += 10)
		progress_event(&p, &ev);
	progress_event(&p, &(struct pull_event){
				   .phase = PULL_EXISTS, .layer = 0, .n_layers = 2, .digest = digest });
	progress_event(&p, &(struct pull_event){
				   .phase = PULL_RETRY, .layer = -1, .text = "again\033 in 1 s" });
	ev.phase = PULL_DONE;
	progress_event(&p, &ev);
	progress_event(&p, &(struct pull_event){ .phase = PULL_DONE, .layer = 5, .n_layers = 2 });
	progress_done(&p);
	close(fds[1]);
	n = read(fds[0], text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	is_str(text,
	       "001122334455: Pulling fs layer\n"
	       "001122334455: Already exists\n"
	       "again? in 1 s\n"
	       "001122334455: Pull complete\n",
	       "one line where a layer begins and ends");
	close(fds[0]);
}

int main(void)
{
	test_lines();
	test_plain();
	return done_testing();
}
