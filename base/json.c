/*
 * The JSON reader: one validating pass, nothing copied, no recursion. The
 * stack of brackets is one bit a level. What is hard: it runs over every
 * body before money moves, so it has to be strict about everything, and fast.
 */
#include "base/json.h"

#include "base/json_skip.h"
#include "base/utf8.h"

#define INLINE static inline __attribute__((always_inline))

struct scan {
	const char *at;
	const char *start;
	const char *end;
	uint64_t objects; /* bit d: level d is an object, not an array */
	unsigned depth;
	enum json_fault fault;
};

static struct scan
scan_make(struct str text)
{
	struct scan s = {.fault = JSON_FINE};

	s.at = s.start = text.p ? text.p : "";
	s.end = s.start + text.n;
	return s;
}

COLD static bool
fail(struct scan *s, enum json_fault fault)
{
	s->fault = fault;
	return false;
}

/* What is wrong when another byte than the expected one stands at `at`. */
COLD static bool
unexpected(struct scan *s)
{
	return fail(s, s->at == s->end ? JSON_TRUNCATED : JSON_SYNTAX);
}

INLINE void
skip_space(struct scan *s)
{
	while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' ||
				  *s->at == '\r' || *s->at == '\t'))
		s->at++;
}

/* The next byte that is no space; 0 at the end. */
INLINE char
peek(struct scan *s)
{
	if (UNLIKELY(s->at == s->end))
		return 0;
	if (LIKELY((unsigned char)*s->at > ' '))
		return *s->at;
	skip_space(s);
	return s->at < s->end ? *s->at : 0;
}

/* `at` is behind the quote of the string that began at `from`. */
COLD static bool
bad_string(struct scan *s, const char *stopped)
{
	s->at = stopped ? stopped : s->end;
	return fail(s, stopped ? JSON_BAD_STRING : JSON_TRUNCATED);
}

/* At an opening quote. */
INLINE bool
take_string(struct scan *s)
{
	const char *from = s->at + 1;
	struct json_skip r;
	const char *quote = json_skip_string(from, s->end, &r);
	struct str inside;

	if (UNLIKELY(quote == NULL || r.bad))
		return bad_string(s, quote);
	if (UNLIKELY(r.high)) {
		inside = str_make(from, (size_t)(quote - from));
		if (!utf8_valid(inside)) {
			s->at = from + utf8_valid_to(inside);
			return fail(s, JSON_BAD_UTF8);
		}
	}
	s->at = quote + 1;
	return true;
}

INLINE bool
digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
bad_number(struct scan *s)
{
	return fail(s, s->at == s->end ? JSON_TRUNCATED : JSON_BAD_NUMBER);
}

/* At least one digit. */
INLINE bool
take_digits(struct scan *s)
{
	const char *from = s->at;

	while (s->at < s->end && digit(*s->at))
		s->at++;
	return s->at > from;
}

static bool
take_exponent(struct scan *s)
{
	s->at++;
	if (s->at < s->end && (*s->at == '+' || *s->at == '-'))
		s->at++;
	return take_digits(s) || bad_number(s);
}

static bool
take_number(struct scan *s)
{
	if (*s->at == '-')
		s->at++;
	if (s->at < s->end && *s->at == '0')
		s->at++;
	else if (!take_digits(s))
		return bad_number(s);
	if (s->at < s->end && *s->at == '.') {
		s->at++;
		if (!take_digits(s))
			return bad_number(s);
	}
	if (s->at < s->end && (*s->at | 0x20) == 'e' && !take_exponent(s))
		return false;
	if (s->at < s->end && (digit(*s->at) || *s->at == '.'))
		return bad_number(s); /* 01, 1.2.3 */
	return true;
}

static bool
take_word(struct scan *s, struct str word)
{
	for (size_t i = 0; i < word.n; i++, s->at++)
		if (s->at == s->end || *s->at != word.p[i])
			return unexpected(s);
	return true;
}

/* A member's name and its colon, up to the value. */
INLINE bool
take_name(struct scan *s, struct str *name)
{
	const char *from;

	if (UNLIKELY(peek(s) != '"'))
		return unexpected(s);
	from = s->at;
	if (!take_string(s))
		return false;
	*name = str_make(from, (size_t)(s->at - from));
	if (UNLIKELY(peek(s) != ':'))
		return unexpected(s);
	s->at++;
	return true;
}

INLINE bool
in_object(const struct scan *s)
{
	return s->objects >> (s->depth - 1) & 1;
}

INLINE bool
push(struct scan *s, bool object)
{
	if (UNLIKELY(s->depth == JSON_DEPTH))
		return fail(s, JSON_TOO_DEEP);
	s->objects &= ~(1ull << s->depth);
	s->objects |= (uint64_t)object << s->depth;
	s->depth++;
	s->at++;
	return true;
}

/* The bracket that closes the innermost level. */
INLINE char
closer(const struct scan *s)
{
	return in_object(s) ? '}' : ']';
}

/* After an opening bracket: true when a value follows. Else the level was
 * empty and is closed, or there is a fault. */
INLINE bool
enters(struct scan *s)
{
	struct str name;

	if (peek(s) == closer(s)) {
		s->at++;
		s->depth--;
		return false;
	}
	return !in_object(s) || take_name(s, &name);
}

/* After a value: true when another one follows on a level deeper than
 * `base`; closes levels on the way. */
INLINE bool
goes_on(struct scan *s, unsigned base)
{
	while (s->depth > base) {
		char c = peek(s);
		struct str name;

		if (c == ',') {
			s->at++;
			return !in_object(s) || take_name(s, &name);
		}
		if (UNLIKELY(c != closer(s)))
			return unexpected(s);
		s->at++;
		s->depth--;
	}
	return false;
}

/* A value that is no container. */
INLINE bool
take_scalar(struct scan *s, char first)
{
	switch (first) {
	case '"': return take_string(s);
	case 't': return take_word(s, STR("true"));
	case 'f': return take_word(s, STR("false"));
	case 'n': return take_word(s, STR("null"));
	default: break;
	}
	if (LIKELY(digit(first) || first == '-'))
		return take_number(s);
	return unexpected(s);
}

INLINE bool
opens(char c)
{
	return c == '{' || c == '[';
}

/* Opens brackets until a scalar was taken or an empty level was closed. */
INLINE bool
descend(struct scan *s)
{
	for (;;) {
		char first = peek(s);

		if (!opens(first))
			return take_scalar(s, first);
		if (!push(s, first == '{'))
			return false;
		if (!enters(s))
			return s->fault == JSON_FINE;
	}
}

/* A container at its bracket; s->at behind it. False: s->fault. */
static bool
take_container(struct scan *s)
{
	unsigned base = s->depth;

	do {
		if (UNLIKELY(!descend(s)))
			return false;
	} while (goes_on(s, base));
	return s->fault == JSON_FINE;
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

/* The value that begins at the next byte, with its span. */
INLINE bool
take_spanned(struct scan *s, struct json_value *v)
{
	char first = peek(s);
	const char *from = s->at;

	if (UNLIKELY(!(opens(first) ? take_container(s)
				    : take_scalar(s, first))))
		return false;
	v->type = type_of(first);
	v->raw = str_make(from, (size_t)(s->at - from));
	return true;
}

static bool
report(const struct scan *s, struct json_error *error, const char *name)
{
	if (error)
		*error = (struct json_error){s->fault,
					     (size_t)(s->at - s->start), name};
	return s->fault == JSON_FINE;
}

/* Nothing but space may follow. */
static bool
at_end(struct scan *s)
{
	skip_space(s);
	return s->at == s->end || fail(s, JSON_TRAILING);
}

bool
json_valid(struct str text, struct json_value *root, struct json_error *error)
{
	struct scan s = scan_make(text);
	struct json_value v = {JSON_ABSENT, STR_NONE};

	skip_space(&s);
	if (s.at == s.end)
		(void)fail(&s, JSON_EMPTY);
	else if (take_spanned(&s, &v))
		(void)at_end(&s);
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

/* Escapes are rare: looked for only where nothing else fits. */
static bool
escaped_name(struct str raw, const char *wanted)
{
	return raw.n > 0 && memchr(raw.p, '\\', raw.n) != NULL &&
	       json_str_eq(raw, str_of(wanted));
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
	for (unsigned i = 0; i < w->n; i++)
		if (escaped_name(name, w->names[i]))
			return i;
	return w->n;
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

/* All members of the object whose bracket was taken. */
static bool
take_members(struct scan *s, struct wanted *w, const char **twice)
{
	char next;

	do {
		struct json_value v;
		struct str name;
		const char *from;

		(void)peek(s);
		from = s->at;
		if (!take_name(s, &name) || !take_spanned(s, &v))
			return false;
		*twice = keep(w, name, v);
		if (UNLIKELY(*twice != NULL)) {
			s->at = from;
			return fail(s, JSON_DUPLICATE);
		}
		next = peek(s);
		s->at += next == ',';
	} while (next == ',');
	return next == '}' || unexpected(s);
}

bool
json_members(struct str text, const char *const *names, unsigned n,
	     struct json_value *values, struct json_error *error)
{
	struct scan s = scan_make(text);
	struct wanted w = wanted_make(names, n, values);
	const char *twice = NULL;

	if (peek(&s) != '{') {
		/* Broken JSON is said to be broken, whatever it is. */
		if (!json_valid(text, NULL, error))
			return false;
		(void)fail(&s, JSON_NOT_OBJECT);
	} else if (push(&s, true) &&
		   (peek(&s) == '}' || take_members(&s, &w, &twice))) {
		s.at++;
		(void)at_end(&s);
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
	if (object.type != JSON_OBJECT || peek(&s) != '{' || !push(&s, true) ||
	    peek(&s) == '}')
		return;
	/* Validated before: it cannot fail. */
	(void)take_members(&s, &w, &twice);
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
	bool fine;

	if (it->at == NULL)
		return false;
	s = scan_make(str_make(it->at, (size_t)(it->end - it->at)));
	it->at = NULL;
	if (peek(&s) == 0)
		return false;
	fine = (!it->object || take_name(&s, name)) && take_spanned(&s, v);
	if (fine && peek(&s) == ',')
		it->at = s.at + 1;
	return fine;
}

struct json_value
json_get(struct json_value object, const char *name)
{
	struct json_iter it;
	struct json_value v;
	struct str member = STR_NONE;

	if (object.type == JSON_OBJECT && json_iter_init(&it, object))
		while (json_iter_next(&it, &member, &v))
			if (member.p && (plain_name(member, name) ||
					 escaped_name(member, name)))
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
