/* A small strict walk over JSON text; see json.h. */
#include "tests/mock/json.h"

#include <string.h>

enum { DEPTH = 96 };

static const char *
blanks(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
		p++;
	return p;
}

/* Past the string whose opening quote is at `p`. */
static const char *
string_end(const char *p, const char *end)
{
	const char *open = p;

	while (++p < end) {
		const char *b;

		p = memchr(p, '"', (size_t)(end - p));
		if (!p)
			return NULL;
		for (b = p; b[-1] == '\\' && b - 1 > open; b--)
			;
		if (((p - b) & 1) == 0)
			return p + 1;
	}
	return NULL;
}

static const char *
digits(const char *p, const char *end)
{
	const char *from = p;

	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return p == from ? NULL : p;
}

static const char *
number_end(const char *p, const char *end)
{
	if (p < end && *p == '-')
		p++;
	if (p < end && *p == '0')
		p++;
	else
		p = digits(p, end);
	if (p && p < end && *p == '.')
		p = digits(p + 1, end);
	if (p && p < end && (*p == 'e' || *p == 'E')) {
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		p = digits(p, end);
	}
	return p;
}

static const char *
word_end(const char *p, const char *end, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(end - p) < n || memcmp(p, word, n) != 0)
		return NULL;
	return p + n;
}

/* Past `"key" :`. */
static const char *
key_end(const char *p, const char *end)
{
	if (p >= end || *p != '"')
		return NULL;
	p = string_end(p, end);
	if (!p)
		return NULL;
	p = blanks(p, end);
	return p < end && *p == ':' ? p + 1 : NULL;
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by DEPTH */
static const char *
holder_end(const char *p, const char *end, int depth)
{
	char close = *p == '{' ? '}' : ']';
	bool named = *p == '{';

	if (depth >= DEPTH)
		return NULL;
	p = blanks(p + 1, end);
	if (p < end && *p == close)
		return p + 1;
	for (;;) {
		p = blanks(p, end);
		if (named)
			p = key_end(p, end);
		if (p)
			p = json_value(p, end, depth + 1);
		if (!p)
			return NULL;
		p = blanks(p, end);
		if (p >= end || (*p != ',' && *p != close))
			return NULL;
		if (*p++ == close)
			return p;
	}
}

const char *
json_value(const char *p, const char *end, int depth)
{
	p = blanks(p, end);
	if (p >= end)
		return NULL;
	switch (*p) {
	case '"': return string_end(p, end);
	case '{':
	case '[': return holder_end(p, end, depth);
	case 't': return word_end(p, end, "true");
	case 'f': return word_end(p, end, "false");
	case 'n': return word_end(p, end, "null");
	default: return number_end(p, end);
	}
}

bool
json_valid(struct span text)
{
	const char *end = text.p + text.n;
	const char *p = json_value(text.p, end, 0);

	return p && blanks(p, end) == end;
}

bool
json_next(struct span holder, const char **at, struct span *key,
	  struct span *value)
{
	const char *end = holder.p + holder.n;
	const char *p = *at;

	if (holder.n == 0 || (*holder.p != '{' && *holder.p != '['))
		return false;
	p = blanks(p ? p : holder.p + 1, end);
	if (p < end && *p == ',')
		p = blanks(p + 1, end);
	if (p >= end || *p == '}' || *p == ']')
		return false;
	*key = (struct span){p, 0};
	if (*holder.p == '{') {
		const char *q = string_end(p, end);

		if (!q)
			return false;
		*key = (struct span){p + 1, (size_t)(q - p) - 2};
		p = key_end(p, end);
	}
	if (!p)
		return false;
	p = blanks(p, end);
	*at = json_value(p, end, 0);
	if (!*at)
		return false;
	*value = (struct span){p, (size_t)(*at - p)};
	return true;
}

bool
span_is(struct span s, const char *text)
{
	return s.n == strlen(text) && memcmp(s.p, text, s.n) == 0;
}

struct span
json_member(struct span object, const char *name)
{
	struct span found = {NULL, 0};
	struct span key;
	struct span value;
	const char *at = NULL;

	if (object.n == 0 || *object.p != '{')
		return found;
	while (json_next(object, &at, &key, &value))
		if (span_is(key, name))
			found = value;
	return found;
}

bool
json_is_string(struct span v)
{
	return v.n >= 2 && *v.p == '"';
}

struct span
json_inside(struct span string)
{
	if (!json_is_string(string))
		return (struct span){NULL, 0};
	return (struct span){string.p + 1, string.n - 2};
}

int64_t
json_int(struct span v, int64_t other)
{
	int64_t n = 0;
	size_t i = v.n && *v.p == '-' ? 1 : 0;

	if (v.n == i || v.n - i > 18)
		return other;
	for (; i < v.n; i++) {
		if (v.p[i] < '0' || v.p[i] > '9')
			return other;
		n = n * 10 + (v.p[i] - '0');
	}
	return *v.p == '-' ? -n : n;
}

bool
json_copy(struct span v, char *to, size_t size)
{
	struct span in = json_inside(v);
	size_t n = 0;
	size_t i;

	to[0] = '\0';
	if (!json_is_string(v))
		return false;
	for (i = 0; i < in.n; i++) {
		char c = in.p[i];

		if (c == '\\' && i + 1 < in.n) {
			c = in.p[++i];
			if (c == 'n')
				c = '\n';
			else if (c == 't')
				c = '\t';
		}
		if (n + 1 >= size)
			return false;
		to[n++] = c;
		to[n] = '\0';
	}
	return true;
}
