#pragma once
/* Loading texts and writing files, for the tests of conf/. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "conf/conf.h"
#include "conf/load.h"
#include "tests/tap.h"

#define LISTEN "listen = ( { address = \"127.0.0.1:8080\"; } );\n"

/* The error of a text; "" when it loads. */
static inline const char *
error_of(const char *text)
{
	static char line[1024];
	CLEANUP(buf_free) struct buf error = BUF_INIT;
	const struct conf *c;

	if (conf_load_text(str_of(text), "t", NULL, &c, &error)) {
		conf_free(c);
		return "";
	}
	CHECK(c == NULL && error.n > 0);
	(void)str_copy(line, sizeof(line), buf_str(&error));
	return line;
}

/* A text that must load; the end of the test when it does not. */
static inline const struct conf *
loaded(const char *text)
{
	CLEANUP(buf_free) struct buf error = BUF_INIT;
	const struct conf *c;

	if (conf_load_text(str_of(text), "t", NULL, &c, &error))
		return c;
	printf("Bail out! %.*s\n", STR_ARG(buf_str(&error)));
	exit(1);
}

/* A folder of its own for this run. */
static inline const char *
folder(void)
{
	static char path[] = "/tmp/tollgate-conf-XXXXXX";
	static bool made;

	if (!made && mkdtemp(path) == NULL)
		abort();
	made = true;
	return path;
}

static inline const char *
in_folder(const char *name)
{
	static char path[4][256];
	static unsigned next;

	next = (next + 1) % 4;
	(void)snprintf(path[next], sizeof(path[next]), "%s/%s", folder(), name);
	return path[next];
}

static inline const char *
write_file(const char *name, const char *text)
{
	const char *path = in_folder(name);
	FILE *f = fopen(path, "we");

	if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0)
		abort();
	return path;
}

static inline void
remove_folder(void)
{
	char command[300];

	(void)snprintf(command, sizeof(command), "rm -rf '%s'", folder());
	if (system(command) != 0)
		abort();
}
