#pragma once
/*
 * The text of a configuration file with its includes put in, and where each
 * line came from. Also catches what libconfig reads wrongly or says badly:
 * whole numbers that do not fit, a comma before a closing bracket, bytes
 * that are not UTF-8. Internal to conf/.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attrs.h"
#include "base/buf.h"
#include "conf/conf.h"

struct source {
	struct buf text;       /* NUL-terminated behind its end */
	struct conf_where *at; /* of each line, from 0 */
	uint32_t lines;
	uint32_t cap;
	struct arena *arena; /* holds the file names */
};

#define SOURCE_BYTES_MAX (16u * 1024 * 1024)

void source_init(struct source *s, struct arena *arena);
void source_free(struct source *s);
/* Where line `line` (from 1) of the text was written. */
struct conf_where source_where(const struct source *s, unsigned line);

/* False with one line "file:line: reason" in `error`. */
NODISCARD bool source_read(struct source *s, const char *path,
			   struct buf *error);
/* The same for a text; includes need absolute paths. */
NODISCARD bool source_consume(struct source *s, struct str text,
			      const char *name, struct buf *error);
