#pragma once
/* A Gemini client's request while it is read. Private to gemini_read.c and
 * gemini_contents.c. */
#include "adapters/gemini.h"
#include "adapters/index.h"

struct reading {
	struct conversation *c;
	enum err err; /* the first one counts */
	const char *detail;
	/* The model's calls: the last one of an id, those of a name that have
	 * no result yet. */
	struct index by_id, by_name;
	unsigned n_calls;
};

/* `field` must live for ever, or in the arena. */
void gemini_bad(struct reading *r, const char *field);
void gemini_no_memory(struct reading *r);
/* The members of an object that stands at `at`; any other is refused. */
void gemini_take(struct reading *r, struct json_value object, const char *at,
		 const char *const *names, unsigned n, struct json_value *v);
/* Refuses what is there, by its name. */
void gemini_refuse(struct reading *r, struct json_value v, const char *name);
/* The inside of a string; anything else is a bad field. */
struct str gemini_text(struct reading *r, struct json_value v,
		       const char *field);

void gemini_contents(struct reading *r, struct json_value contents);
void gemini_system(struct reading *r, struct json_value system);
