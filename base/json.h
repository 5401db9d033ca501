#pragma once
/*
 * JSON over spans: nothing is copied, nothing re-serialised, no tree. The
 * reader validates RFC 8259 strictly (UTF-8, escapes, numbers, control
 * characters, depth, trailing data) and keeps every value as the exact bytes
 * the sender wrote. String skipping uses SIMD.
 *
 * Three ways in:
 *   json_members()  one validating pass over a whole text that must be an
 *                   object; picks the wanted top-level members.
 *   json_first/next iteration over the members or elements of a value that
 *                   was validated before (its raw span).
 *   struct json_out a writer.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/buf.h"
#include "base/str.h"

#define JSON_DEPTH 64

enum json_type {
	JSON_ABSENT, /* no such member */
	JSON_NULL,
	JSON_FALSE,
	JSON_TRUE,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
};

struct json_value {
	enum json_type type;
	struct str raw; /* exact bytes, strings with their quotes */
};

enum json_fault {
	JSON_FINE,
	JSON_EMPTY,
	JSON_TRUNCATED,
	JSON_SYNTAX,
	JSON_BAD_STRING, /* control character or bad escape */
	JSON_BAD_NUMBER,
	JSON_BAD_UTF8,
	JSON_TOO_DEEP,
	JSON_TRAILING,
	JSON_DUPLICATE, /* a wanted member appears twice */
	JSON_NOT_OBJECT,
};

struct json_error {
	enum json_fault fault;
	size_t at;	  /* byte offset */
	const char *name; /* JSON_DUPLICATE: the wanted name */
};

/* For people: "a string is not closed at byte 12" (static buffer-free). */
const char *json_fault_text(enum json_fault fault);

/* Validates `text` whole; fills values[i] for each names[i] found at the top
 * level (names compared after unescaping). Unwanted members may repeat. */
NODISCARD bool json_members(struct str text, const char *const *names,
			    unsigned n, struct json_value *values,
			    struct json_error *error);
/* Validates any JSON text. */
NODISCARD bool json_valid(struct str text, struct json_value *root,
			  struct json_error *error);

/* The wanted members of a validated value, in one pass; none when it is no
 * object. Members may repeat: the first one counts. */
void json_pick(struct json_value object, const char *const *names, unsigned n,
	       struct json_value *values);

/* Iteration over a validated object or array. */
struct json_iter {
	const char *at;
	const char *end;
	bool object;
};
/* False when `v` is neither array nor object. */
bool json_iter_init(struct json_iter *it, struct json_value v);
/* `name` (raw, with quotes) is left alone for arrays; false at the end. */
bool json_iter_next(struct json_iter *it, struct str *name,
		    struct json_value *v);
/* The member `name` of a validated object (first if repeated). */
struct json_value json_get(struct json_value object, const char *name);
/* The i-th element of a validated array. */
struct json_value json_at(struct json_value array, unsigned i);
/* How many elements an array has; 0 of anything else. */
unsigned json_count(struct json_value array);

/* Raw string (with quotes) equals `text` after unescaping. */
bool json_str_eq(struct str raw, struct str text);
/* Unescapes a raw string into `out`; false if not a string or it holds a
 * lone surrogate (escaped \u0000 is a NUL byte). */
NODISCARD bool json_unescape(struct json_value v, struct buf *out);
/* Length of the string once unescaped to UTF-8; a lone surrogate counts 3. */
size_t json_str_bytes(struct json_value v);
/* Whole numbers only; "1.0" and "1e2" are accepted as 1 and 100. */
NODISCARD bool json_u64(struct json_value v, uint64_t *out);
NODISCARD bool json_i64(struct json_value v, int64_t *out);

/* The number x 10^scale, rounded to the nearest whole one; *exact: nothing was
 * rounded (digits behind the 18th are). False: no number, or it does not
 * fit. */
NODISCARD bool json_scaled(struct json_value v, unsigned scale, int64_t *out,
			   bool *exact);

/* Writer: commas and quotes are its business. */
struct json_out {
	struct buf *buf;
	bool comma;
};
void json_out_init(struct json_out *o, struct buf *buf);
void json_open(struct json_out *o, char bracket);  /* '{' or '[' */
void json_close(struct json_out *o, char bracket); /* '}' or ']' */
/* One of our own names: written as it is, nothing in it is escaped. */
void json_name(struct json_out *o, const char *name);
void json_put_str(struct json_out *o, struct str s); /* escaped; bytes that
						are not UTF-8 become U+FFFD */
void json_put_i64(struct json_out *o, int64_t v);
void json_put_u64(struct json_out *o, uint64_t v);
void json_put_bool(struct json_out *o, bool v);
void json_put_null(struct json_out *o);
void json_put_raw(struct json_out *o, struct str raw);
