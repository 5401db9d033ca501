/*
 * The JSON reader: one validating pass, nothing copied, no recursion. The
 * stack of brackets is one bit a level. What is hard: it runs over every
 * body before money moves, so it has to be strict about everything, and fast.
 */
#include "base/json.h"

#include "base/json_skip.h"
#include "base/utf8.h"

struct scan {
	const char *start;
	const char *end;
	const char *at; /* of the fault */
	unsigned depth; /* levels around what is read */
	enum json_fault fault;
};

/* The levels inside of a container that is read; bit d of `objects`: level d
 * is an object, not an array. */
struct levels {
	uint64_t objects;
	unsigned depth;
	unsigned base;
};

static struct scan
scan_make(struct str text)
{
	struct scan s = {.fault = JSON_FINE};

	s.start = text.p ? text.p : "";
	s.end = s.start + text.n;
	return s;
}

/* All that takes something begins at `at` and returns the place behind it,
 * or NULL with the fault in *s. So the place stays in a register. */
COLD static const char *
fail(struct scan *s, const char *at, enum json_fault fault)
{
	s->at = at;
	s->fault = fault;
	return NULL;
}

/* What is wrong when another byte than the expected one stands at `at`. */
COLD static const char *
unexpected(struct scan *s, const char *at)
{
	return fail(s, at, at == s->end ? JSON_TRUNCATED : JSON_SYNTAX);
}

/* The next byte that is no space, or the end. */
INLINE const char *
skip_space(const char *at, const char *end)
{
	if (LIKELY(at < end && (unsigned char)*at > ' '))
		return at;
	while (at < end &&
	       (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
		at++;
	return at;
}

/* 0 at the end. */
INLINE char
byte_at(const struct scan *s, const char *at)
{
	return LIKELY(at < s->end) ? *at : 0;
}

/* The string stopped there; NULL: the text ended before it did. */
COLD static const char *
bad_string(struct scan *s, const char *stopped)
{
	if (stopped)
		return fail(s, stopped, JSON_BAD_STRING);
	return fail(s, s->end, JSON_TRUNCATED);
}

static const char *
check_utf8(struct scan *s, const char *from, const char *quote)
{
	struct str inside = str_make(from, (size_t)(quote - from));

	if (utf8_valid(inside))
		return quote + 1;
	return fail(s, from + utf8_valid_to(inside), JSON_BAD_UTF8);
}

/* At an opening quote. */
INLINE const char *
take_string(struct scan *s, const char *at)
{
	struct json_skip r;
	const char *quote = json_skip_string(at + 1, s->end, &r);

	if (UNLIKELY(quote == NULL || r.bad))
		return bad_string(s, quote);
	if (UNLIKELY(r.high))
		return check_utf8(s, at + 1, quote);
	return quote + 1;
}

INLINE bool
digit(char c)
{
	return c >= '0' && c <= '9';
}

COLD static const char *
bad_number(struct scan *s, const char *at)
{
	return fail(s, at, at == s->end ? JSON_TRUNCATED : JSON_BAD_NUMBER);
}

INLINE const char *
skip_digits(const char *at, const char *end)
{
	while (at < end && digit(*at))
		at++;
	return at;
}

/* Behind the point or the exponent's letter: at least one digit. */
static const char *
take_digits(struct scan *s, const char *at)
{
	const char *behind = skip_digits(at, s->end);

	return behind > at ? behind : bad_number(s, at);
}

/* What follows the whole part of a number. */
static const char *
take_fraction(struct scan *s, const char *at)
{
	if (*at == '.') {
		at = take_digits(s, at + 1);
		if (!at)
			return NULL;
	}
	if (at < s->end && (*at | 0x20) == 'e') {
		at++;
		if (at < s->end && (*at == '+' || *at == '-'))
			at++;
		at = take_digits(s, at);
		if (!at)
			return NULL;
	}
	if (at < s->end && (digit(*at) || *at == '.'))
		return bad_number(s, at); /* 01, 1.2.3 */
	return at;
}

INLINE const char *
take_number(struct scan *s, const char *at)
{
	const char *first = at + (*at == '-');
	char c = byte_at(s, first);

	at = c == '0' ? first + 1 : skip_digits(first, s->end);
	if (UNLIKELY(at == first))
		return bad_number(s, at);
	c = byte_at(s, at);
	if (LIKELY(c == ',' || c == '}'))
		return at;
	return at < s->end ? take_fraction(s, at) : at;
}

static const char *
take_word(struct scan *s, const char *at, struct str word)
{
	for (size_t i = 0; i < word.n; i++, at++)
		if (at == s->end || *at != word.p[i])
			return unexpected(s, at);
	return at;
}

/* A member's name and its colon, up to the value. */
INLINE const char *
take_name(struct scan *s, const char *at, struct str *name)
{
	const char *from = skip_space(at, s->end);

	if (UNLIKELY(byte_at(s, from) != '"'))
		return unexpected(s, from);
	at = take_string(s, from);
	if (UNLIKELY(!at))
		return NULL;
	*name = str_make(from, (size_t)(at - from));
	at = skip_space(at, s->end);
	if (UNLIKELY(byte_at(s, at) != ':'))
		return unexpected(s, at);
	return at + 1;
}

/* A value that is no container. */
INLINE const char *
take_scalar(struct scan *s, const char *at, char first)
{
	if (first == '"')
		return take_string(s, at);
	if (LIKELY(digit(first) || first == '-'))
		return take_number(s, at);
	switch (first) {
	case 't': return take_word(s, at, STR("true"));
	case 'f': return take_word(s, at, STR("false"));
	case 'n': return take_word(s, at, STR("null"));
	default: return unexpected(s, at);
	}
}

INLINE bool
opens(char c)
{
	return c == '{' || c == '[';
}

INLINE bool
in_object(const struct levels *l)
{
	return l->objects >> (l->depth - 1) & 1;
}

/* The bracket that closes the innermost level. */
INLINE char
closer(const struct levels *l)
{
	return in_object(l) ? '}' : ']';
}

/* Where the innermost level's next value begins. */
INLINE const char *
next_value(struct scan *s, const struct levels *l, const char *at)
{
	struct str name;

	return in_object(l) ? take_name(s, at, &name) : at;
}

/* Behind a value: closes levels, then goes on to the next value. At the base
 * there is none. */
INLINE const char *
goes_on(struct scan *s, struct levels *l, const char *at)
{
	while (l->depth > l->base) {
		char c;

		at = skip_space(at, s->end);
		c = byte_at(s, at);
		if (c == ',')
			return next_value(s, l, at + 1);
		if (UNLIKELY(c != closer(l)))
			return unexpected(s, at);
		at++;
		l->depth--;
	}
	return at;
}

/* At a bracket: to the first value inside, or behind an empty container
 * (then *empty). */
INLINE const char *
enter(struct scan *s, struct levels *l, const char *at, bool *empty)
{
	uint64_t bit = 1ull << (l->depth % JSON_DEPTH);

	if (UNLIKELY(l->depth == JSON_DEPTH))
		return fail(s, at, JSON_TOO_DEEP);
	l->objects = *at == '{' ? l->objects | bit : l->objects & ~bit;
	l->depth++;
	at = skip_space(at + 1, s->end);
	*empty = byte_at(s, at) == closer(l);
	if (!*empty)
		return next_value(s, l, at);
	l->depth--;
	return at + 1;
}

/* A container at its bracket; no recursion. */
static const char *
take_container(struct scan *s, const char *at)
{
	struct levels l = {0, s->depth, s->depth};

	do {
		bool inside = false;
		char first;

		at = skip_space(at, s->end);
		first = byte_at(s, at);
		if (opens(first)) {
			at = enter(s, &l, at, &inside);
			inside = !inside;
		} else {
			at = take_scalar(s, at, first);
		}
		if (LIKELY(at != NULL) && !inside)
			at = goes_on(s, &l, at);
		if (UNLIKELY(!at))
			return NULL;
	} while (l.depth > l.base);
	return at;
}

static enum json_type
type_of(char first)
{
	switch (first) {
	case '{': return JSON_OBJECT;
	case '[': return JSON_ARRAY;
	case '"': return JSON_STRING;
	case 't': return JSON_TRUE;
	case 'f': return JSON_FALSE;
	case 'n': return JSON_NULL;
	default: return JSON_NUMBER;
	}
}

/* The next value, with its span. */
INLINE const char *
take_value(struct scan *s, const char *at, struct json_value *v)
{
	const char *from = skip_space(at, s->end);
	char first = byte_at(s, from);

	at = opens(first) ? take_container(s, from)
			  : take_scalar(s, from, first);
	if (UNLIKELY(!at))
		return NULL;
	v->type = type_of(first);
	v->raw = str_make(from, (size_t)(at - from));
	return at;
}

static bool
report(const struct scan *s, struct json_error *error, const char *name)
{
	if (error && s->fault == JSON_FINE)
		*error = (struct json_error){JSON_FINE,
					     (size_t)(s->end - s->start), name};
	else if (error)
		*error = (struct json_error){s->fault,
					     (size_t)(s->at - s->start), name};
	return s->fault == JSON_FINE;
}

/* Nothing but space may follow. */
static void
take_end(struct scan *s, const char *at)
{
	at = skip_space(at, s->end);
	if (at < s->end)
		(void)fail(s, at, JSON_TRAILING);
}

bool
json_valid(struct str text, struct json_value *root, struct json_error *error)
{
	struct scan s = scan_make(text);
	struct json_value v = {JSON_ABSENT, STR_NONE};
	const char *at = skip_space(s.start, s.end);

	if (at == s.end) {
		(void)fail(&s, at, JSON_EMPTY);
	} else {
		at = take_value(&s, at, &v);
		if (at)
			take_end(&s, at);
	}
	if (root)
		*root = s.fault ? (struct json_value){JSON_ABSENT, STR_NONE}
				: v;
	return report(&s, error, NULL);
}

/* What json_members() looks for. `first` has a bit for each byte that a
 * wanted name begins with: most unwanted members cost one look. */
struct wanted {
	const char *const *names;
	struct json_value *values;
	unsigned n;
	bool may_repeat; /* then the first one counts */
	uint64_t first[4];
};

static struct wanted
wanted_make(const char *const *names, unsigned n, struct json_value *values)
{
	struct wanted w = {.names = names, .values = values, .n = n};

	for (unsigned i = 0; i < n; i++) {
		unsigned char c = (unsigned char)names[i][0];

		values[i] = (struct json_value){JSON_ABSENT, STR_NONE};
		w.first[c / 64] |= 1ull << (c % 64);
	}
	return w;
}

/* A name without escapes, byte for byte. */
INLINE bool
plain_name(struct str raw, const char *wanted)
{
	/* A name has its quotes; said for the analyzer. */
	if (raw.n < 2)
		return false;
	if (raw.n == 2 || raw.p[1] != wanted[0])
		return raw.n == 2 && wanted[0] == '\0';
	return strlen(wanted) == raw.n - 2 &&
	       memcmp(wanted, raw.p + 1, raw.n - 2) == 0;
}

/* Escapes in names are rare: looked for only where nothing else fits. */
static unsigned
which_escaped(const struct wanted *w, struct str name)
{
	if (!memchr(name.p, '\\', name.n))
		return w->n;
	for (unsigned i = 0; i < w->n; i++)
		if (json_str_eq(name, str_of(w->names[i])))
			return i;
	return w->n;
}

/* Which of the wanted ones the name is; w->n: none. */
INLINE unsigned
which(const struct wanted *w, struct str name)
{
	unsigned char c = (unsigned char)name.p[1];

	if (LIKELY(!(w->first[c / 64] >> (c % 64) & 1) && c != '\\'))
		return w->n;
	for (unsigned i = 0; i < w->n; i++)
		if (plain_name(name, w->names[i]))
			return i;
	return which_escaped(w, name);
}

/* Stores the member if it is wanted; the name if it was there before and
 * may not be. */
INLINE const char *
keep(struct wanted *w, struct str name, struct json_value v)
{
	unsigned i = which(w, name);

	if (i == w->n)
		return NULL;
	if (w->values[i].type == JSON_ABSENT)
		w->values[i] = v;
	else if (!w->may_repeat)
		return w->names[i];
	return NULL;
}

/* The object at its bracket, with all its members; *twice is the one that
 * may not repeat and does. */
static const char *
take_members(struct scan *s, const char *at, struct wanted *w,
	     const char **twice)
{
	char next;

	s->depth = 1;
	at = skip_space(at + 1, s->end);
	if (byte_at(s, at) == '}')
		return at + 1;
	do {
		struct json_value v;
		struct str name;

		at = take_name(s, at, &name);
		if (UNLIKELY(!at))
			return NULL;
		at = take_value(s, at, &v);
		if (UNLIKELY(!at))
			return NULL;
		*twice = keep(w, name, v);
		if (UNLIKELY(*twice != NULL))
			return fail(s, name.p, JSON_DUPLICATE);
		at = skip_space(at, s->end);
		next = byte_at(s, at);
		at++;
	} while (next == ',');
	return next == '}' ? at : unexpected(s, at - 1);
}

bool
json_members(struct str text, const char *const *names, unsigned n,
	     struct json_value *values, struct json_error *error)
{
	struct scan s = scan_make(text);
	struct wanted w = wanted_make(names, n, values);
	const char *at = skip_space(s.start, s.end);
	const char *twice = NULL;

	if (byte_at(&s, at) != '{') {
		/* Broken JSON is said to be broken, whatever it is. */
		if (!json_valid(text, NULL, error))
			return false;
		(void)fail(&s, at, JSON_NOT_OBJECT);
	} else {
		at = take_members(&s, at, &w, &twice);
		if (at)
			take_end(&s, at);
	}
	return report(&s, error, twice);
}

void
json_pick(struct json_value object, const char *const *names, unsigned n,
	  struct json_value *values)
{
	struct scan s = scan_make(object.raw);
	struct wanted w = wanted_make(names, n, values);
	const char *twice = NULL;

	w.may_repeat = true;
	/* Validated before: it cannot fail. */
	if (object.type == JSON_OBJECT && byte_at(&s, s.start) == '{')
		(void)take_members(&s, s.start, &w, &twice);
}

bool
json_iter_init(struct json_iter *it, struct json_value v)
{
	*it = (struct json_iter){NULL, NULL, v.type == JSON_OBJECT};
	if ((v.type != JSON_OBJECT && v.type != JSON_ARRAY) || v.raw.n < 2)
		return false;
	it->at = v.raw.p + 1;
	it->end = v.raw.p + v.raw.n - 1;
	return true;
}

bool
json_iter_next(struct json_iter *it, struct str *name, struct json_value *v)
{
	struct scan s;
	const char *at;

	if (it->at == NULL)
		return false;
	s = scan_make(str_make(it->at, (size_t)(it->end - it->at)));
	at = skip_space(it->at, s.end);
	it->at = NULL;
	if (at == s.end)
		return false;
	if (it->object)
		at = take_name(&s, at, name);
	if (at)
		at = take_value(&s, at, v);
	if (!at)
		return false;
	at = skip_space(at, s.end);
	if (byte_at(&s, at) == ',')
		it->at = at + 1;
	return true;
}

struct json_value
json_get(struct json_value object, const char *name)
{
	struct json_iter it;
	struct json_value v;
	struct str member = STR_NONE;

	if (object.type == JSON_OBJECT && json_iter_init(&it, object))
		while (json_iter_next(&it, &member, &v))
			if (member.p && json_str_eq(member, str_of(name)))
				return v;
	return (struct json_value){JSON_ABSENT, STR_NONE};
}

struct json_value
json_at(struct json_value array, unsigned i)
{
	struct json_iter it;
	struct json_value v;
	struct str none;

	if (array.type == JSON_ARRAY && json_iter_init(&it, array))
		while (json_iter_next(&it, &none, &v))
			if (i-- == 0)
				return v;
	return (struct json_value){JSON_ABSENT, STR_NONE};
}

unsigned
json_count(struct json_value array)
{
	struct json_iter it;
	struct json_value v;
	struct str name;
	unsigned n = 0;

	if (array.type != JSON_ARRAY || !json_iter_init(&it, array))
		return 0;
	while (json_iter_next(&it, &name, &v))
		n++;
	return n;
}

const char *
json_fault_text(enum json_fault fault)
{
	switch (fault) {
	case JSON_FINE: return "valid";
	case JSON_EMPTY: return "it is empty";
	case JSON_TRUNCATED: return "it ends too early";
	case JSON_SYNTAX: return "an unexpected character";
	case JSON_BAD_STRING:
		return "a control character or a wrong escape in a string";
	case JSON_BAD_NUMBER: return "a malformed number";
	case JSON_BAD_UTF8: return "bytes that are not UTF-8";
	case JSON_TOO_DEEP: return "it is nested too deeply";
	case JSON_TRAILING: return "something follows its end";
	case JSON_DUPLICATE: return "a member appears twice";
	case JSON_NOT_OBJECT: return "it is not an object";
	}
	return "invalid";
}
