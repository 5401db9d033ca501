#pragma once
/*
 * keys.def as tables: what the loader, the dump, the reload check and the
 * checks of bounds walk over. Internal to conf/.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"

enum key_type {
	KEY_COUNT,
	KEY_MSEC,
	KEY_SIZE,
	KEY_RATIO,
	KEY_PRICE,
	KEY_MONEY,
	KEY_BOOL,
	KEY_TEXT,
	KEY_FILE,
	KEY_DIR,
	KEY_LOG,
	KEY_CHOICE,
	KEY_ADDRESS,
	KEY_URL,
	KEY_SECRET,
	KEY_TEXTS,
	KEY_SECRETS,
	KEY_INDEXES,
	KEY_GROUP_OF,
	KEY_LIST_OF,
};

/* What all types of one kind have in common. */
enum key_shape {
	SHAPE_SINGLE, /* one value, written and read as a text */
	SHAPE_SECRET,
	SHAPE_TEXTS, /* a list of texts or names */
	SHAPE_GROUP,
	SHAPE_LIST, /* a list of groups */
};

struct section;

struct key {
	const char *name;
	enum key_type type;
	const char *usual; /* the default; NULL = required */
	const char *min;
	const char *max;
	bool restart;
	uint16_t at;		       /* offset of the field */
	uint16_t n_at;		       /* offset of n_key, for lists */
	const char *text;	       /* for people */
	const struct section *section; /* KEY_GROUP_OF, _LIST_OF, _SECRETS */
	const char *const *words;      /* KEY_CHOICE */
};

struct section {
	const char *name; /* "" at the top */
	const struct key *keys;
	unsigned n;
	uint16_t size;	   /* of the struct */
	uint16_t where_at; /* offset of struct conf_where, 0 = none */
};

extern const struct section conf_top;

/* The field of `key` in the struct at `base`. */
static inline void *
key_field(const struct key *key, void *base)
{
	return (char *)base + key->at;
}

static inline const void *
key_field_const(const struct key *key, const void *base)
{
	return (const char *)base + key->at;
}

enum key_shape key_shape(const struct key *key);
/* n_key of a list. */
uint32_t schema_key_count(const struct key *key, const void *base);
/* The first element of a list; its type is the key's. */
const void *key_elements(const struct key *key, const void *base);

const struct key *section_key(const struct section *s, struct str name);
/* The key that `name` was probably meant to be; NULL when none is near. */
const struct key *section_guess(const struct section *s, struct str name);
