#pragma once
/* Values of the configuration, text to field and back. Internal to conf/. */
#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"
#include "conf/schema.h"

/* Parses `text` as a value of `key` (one that is a single value and no
 * secret or index) into its field, bounds included; texts are copied into
 * `arena`. False with a reason. */
NODISCARD bool value_parse(const struct key *key, struct str text, void *field,
			   struct arena *arena, struct buf *reason);
/* The field as text that parses to the same value, without quotes. */
void value_text(const struct key *key, const void *field, struct buf *out);
/* Whether two fields of `key` are the same; lists of groups are not asked. */
bool value_same(const struct key *key, const void *a, const void *b);
/* The element of a list of texts as a key of its own. */
struct key value_element(const struct key *key);
/* A text that may stand in a header: visible ASCII, no space. */
bool value_visible(struct str s);
/* What a value of this type looks like: "a duration in quotes: \"30s\"". */
const char *value_looks(enum key_type type);
