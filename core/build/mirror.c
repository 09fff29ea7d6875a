#include "core/build/mirror.h"

#include <stdio.h>

static const struct {
	const char *begins, *has; /* what the line begins with, and has */
	const char *before; /* the source stands behind this, */
	const char *ends; /* up to one of these characters */
	bool no_answer;
} texts[] = {
	{ "E: The repository '", " does not have a Release file", "repository '", "'", false },
	{ "E: Failed to fetch ", "  404  Not Found", "fetch ", " ", false },
	{ "W: Failed to fetch ", "Could not resolve", "fetch ", " ", true },
	{ "W: Failed to fetch ", "Temporary failure resolving", "fetch ", " ", true },
	{ "W: Failed to fetch ", "Could not connect to", "fetch ", " ", true },
	{ "W: Failed to fetch ", "Cannot initiate the connection", "fetch ", " ", true },
	{ "E: Failed to fetch ", "Could not resolve", "fetch ", " ", true },
	{ "E: Failed to fetch ", "Temporary failure resolving", "fetch ", " ", true },
	{ "E: Failed to fetch ", "Could not connect to", "fetch ", " ", true },
	{ "WARNING: fetching ", ": temporary error", "fetching ", " ", true },
	{ "WARNING: Ignoring ", ": temporary error", "Ignoring ", " ", true },
	{ "WARNING: Ignoring ", ": No such file or directory", "Ignoring ", " ", false },
	{ "Error: Failed to download metadata for repo '", "", "repo '", "'", false },
	{ "Cannot find a valid baseurl for repo: ", "", "repo: ", " ", false },
};

/* apt's "http://deb.debian.org/debian jessie Release" is the source and a file of it, apk's "URL:" a heading. */
static void keep(struct mirror *m, const char *from, size_t len)
{
	static const char file[] = " Release";

	if (len > sizeof(file) && !strncmp(from + len - strlen(file), file, strlen(file)))
		len -= strlen(file);
	while (len && from[len - 1] == ':')
		len--;
	snprintf(m->source, sizeof(m->source), "%.*s", (int)len, from);
	for (char *c = m->source; *c; c++)
		if ((unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7f)
			*c = '?';
}

static void hear_line(struct mirror *m)
{
	m->line[m->len] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(texts) && !*m->source; i++) {
		const char *from;

		if (!str_starts(m->line, texts[i].begins) || !strstr(m->line, texts[i].has))
			continue;
		from = strstr(m->line, texts[i].before) + strlen(texts[i].before);
		keep(m, from, strcspn(from, texts[i].ends));
		m->no_answer = texts[i].no_answer;
	}
	m->len = 0;
}

void mirror_hear(struct mirror *m, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (data[i] == '\n' || data[i] == '\r')
			hear_line(m);
		else if (data[i] && m->len < sizeof(m->line) - 1)
			m->line[m->len++] = data[i];
}

char *mirror_hint(const struct mirror *m)
{
	if (!*m->source)
		return NULL;
	if (m->no_answer)
		return xasprintf("the image's package source %s cannot be reached from here", m->source);
	return xasprintf("the image's package source %s is not there: those of old releases move, "
			 "Debian's to archive.debian.org",
			 m->source);
}
