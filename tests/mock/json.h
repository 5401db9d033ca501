#pragma once
/*
 * A small strict walk over JSON text: enough to find the members that the
 * mock acts on and to tell broken JSON from good. Spans point into the text.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct span {
	const char *p;
	size_t n;
};

/* The end of the value that starts at `p` (after blanks), or NULL. */
const char *json_value(const char *p, const char *end, int depth);

/* Whether the whole text is one value. */
bool json_valid(struct span text);

/*
 * Walks an object or an array. Start with `*at` = NULL; each call gives the
 * next key (empty in an array; raw, without quotes) and value, false at the
 * end. The text must be valid.
 */
bool json_next(struct span holder, const char **at, struct span *key,
	       struct span *value);

/* The last member `name`; an empty span when there is none. */
struct span json_member(struct span object, const char *name);

bool span_is(struct span s, const char *text);
bool json_is_string(struct span v);

/* Between the quotes, escapes untouched. */
struct span json_inside(struct span string);

/* A plain integer, else `other`. */
int64_t json_int(struct span v, int64_t other);

/*
 * Copies a string's value (its inside decoded for \" \\ \/ \n \t), cut at
 * the size; false when it did not fit or is no string.
 */
bool json_copy(struct span v, char *to, size_t size);
