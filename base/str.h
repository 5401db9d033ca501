#pragma once
/*
 * struct str: a slice of bytes that somebody else owns; not terminated.
 * Functions are pure and inline where they are hot.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/attrs.h"

struct str {
	const char *p;
	size_t n;
};

/* For printf: "%.*s", STR_ARG(s) */
#define STR_ARG(s) (int)(s).n, (s).p
/* A str of a string literal. */
#define STR(lit) ((struct str){"" lit, sizeof(lit) - 1})
#define STR_NONE ((struct str){NULL, 0})

static inline struct str
str_of(const char *c)
{
	return (struct str){c, c ? strlen(c) : 0};
}

static inline struct str
str_make(const char *p, size_t n)
{
	return (struct str){p, n};
}

static inline bool
str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Equal without regard to ASCII case. */
bool str_ieq(struct str a, struct str b);
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
/* First position of `c` or -1. */
ptrdiff_t str_find(struct str s, char c);
/* First position of `needle` or -1. */
ptrdiff_t str_search(struct str s, struct str needle);
/* Without spaces and tabs at both ends. */
struct str str_trim(struct str s);
/* The part from `at` on; empty when beyond the end. */
struct str str_from(struct str s, size_t at);
/* Cuts at the first `sep`: returns the part before it, leaves the rest in
 * *s (p == NULL when there was no separator: the last part). */
struct str str_cut(struct str *s, char sep);
/* Digits only (no sign, no space), the whole of `s`, no overflow. */
NODISCARD bool str_to_u64(struct str s, uint64_t *out);
/* `text` matches `pattern`, where `*` stands for any run of bytes. */
bool str_glob(struct str pattern, struct str text);
/* Copies into a fixed array, cuts at its end, always terminated; returns
 * false when it had to cut. */
bool str_copy(char *out, size_t cap, struct str s);
