/* What a failed RUN says of the image's package sources. */
#include "core/build/mirror.h"

#include "tests/lib/tap.h"

static const struct {
	const char *written, *hint;
} cases[] = {
	{ "Reading package lists...\nE: Unable to locate package vim\n", NULL },
	{ "Err:2 http://deb.debian.org/debian jessie Release\n  404  Not Found [IP: 2001:db8:51::14 80]\n"
	  "E: The repository 'http://deb.debian.org/debian jessie Release' does not have a Release file.\n",
	  "the image's package source http://deb.debian.org/debian jessie is not there: those of old releases move, "
	  "Debian's to archive.debian.org" },
	{ "\rW: Failed to fetch http://httpredir.debian.org/debian/dists/jessie/InRelease  Could not resolve 'x'\r\n",
	  "the image's package source http://httpredir.debian.org/debian/dists/jessie/InRelease cannot be reached "
	  "from here" },
	{ "W: Failed to fetch http://a/b  Could not resolve 'a'", NULL }, /* the line has not ended */
	{ "echo E: The repository 'x' does not have a Release file.\n", NULL },
	{ "WARNING: fetching https://dl.example.org/v3.2/main: temporary error (try again later)\n",
	  "the image's package source https://dl.example.org/v3.2/main cannot be reached from here" },
	{ "Cannot find a valid baseurl for repo: base/7/x86_64\n",
	  "the image's package source base/7/x86_64 is not there: those of old releases move, Debian's to "
	  "archive.debian.org" },
	{ "E: The repository 'a\033[31mb' does not have a Release file.\n",
	  "the image's package source a?[31mb is not there: those of old releases move, Debian's to "
	  "archive.debian.org" },
};

int main(void)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		for (size_t piece = 1; piece < 100; piece += 98) {
			struct mirror m = { .len = 0 };
			_cleanup_free_ char *hint = NULL;
			size_t len = strlen(cases[i].written);

			for (size_t at = 0; at < len; at += piece)
				mirror_hear(&m, cases[i].written + at,
					    len - at < piece ? len - at : piece);
			hint = mirror_hint(&m);
			is_str(hint, cases[i].hint, "case %zu in pieces of %zu", i, piece);
		}
	return done_testing();
}
