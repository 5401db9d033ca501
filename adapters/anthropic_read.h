#pragma once
/* What reads a client's Anthropic request, between its two units. */
#include "adapters/anthropic.h"
#include "adapters/ask.h"

/* What is being read, and what is wrong with it. */
struct reading {
	struct conversation *c;
	const char *bad; /* the field; NULL = fine */
	bool no_memory;
};

/* A member that is known: read elsewhere, or, with `drop`, left out. */
struct known {
	const char *name;
	bool drop;
};

/* Notes it; false. `field` must live for ever. */
bool reading_bad(struct reading *r, const char *field);
bool reading_no_memory(struct reading *r);
/* "where" and a raw name behind it, in the arena. */
const char *reading_path(struct reading *r, const char *where, struct str name);
/* Is it a string that says `name`. */
bool reading_is(struct json_value v, const char *name);
/* Values that say as much as their absence. */
bool reading_empty(struct json_value v);
/* Members that nobody reads: dropped where that is harmless, else refused. */
void reading_check(struct reading *r, struct json_value object,
		   const char *where, const struct known *known);
/* cache_control */
void reading_mark(struct json_value mark, bool *cached, struct str *ttl);

/* A turn of this role with `content`, a text or blocks. */
bool anthropic_read_turn(struct reading *r, enum speaker speaker,
			 struct json_value content);
/* The mark of the whole request stands behind its last part. */
void anthropic_mark_last(struct reading *r, struct json_value mark);
