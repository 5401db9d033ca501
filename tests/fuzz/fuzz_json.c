/*
 * JSON texts: the reader agrees with a plain recursive one written from the
 * grammar of RFC 8259; what it finds by name is what iteration finds; what
 * it unescapes is written again as the same string.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/utf8.h"
#include "tests/fuzz/replay.h"

#define REQUIRE(cond)            \
	do {                     \
		if (!(cond))     \
			abort(); \
	} while (0)

struct plain {
	const char *p;
	const char *end;
};

static bool value(struct plain *s, int depth);

static void
space(struct plain *s)
{
	while (s->p < s->end && memchr(" \t\r\n", *s->p, 4))
		s->p++;
}

static bool
eat(struct plain *s, char c)
{
	if (s->p == s->end || *s->p != c)
		return false;
	s->p++;
	return true;
}

static bool
digits(struct plain *s)
{
	const char *from = s->p;

	while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
		s->p++;
	return s->p > from;
}

static bool
number(struct plain *s)
{
	(void)eat(s, '-');
	if (!eat(s, '0') && !digits(s))
		return false;
	if (eat(s, '.') && !digits(s))
		return false;
	if (eat(s, 'e') || eat(s, 'E')) {
		if (!eat(s, '+'))
			(void)eat(s, '-');
		return digits(s);
	}
	return true;
}

static bool
string(struct plain *s)
{
	const char *from = s->p;

	if (!eat(s, '"'))
		return false;
	while (s->p < s->end && *s->p != '"') {
		unsigned char c = (unsigned char)*s->p++;

		if (c < 0x20)
			return false;
		if (c != '\\')
			continue;
		if (s->p == s->end || !strchr("\"\\/bfnrtu", *s->p) || !*s->p)
			return false;
		if (*s->p++ != 'u')
			continue;
		for (int i = 0; i < 4; i++, s->p++)
			if (s->p == s->end || !*s->p ||
			    !strchr("0123456789abcdefABCDEF", *s->p))
				return false;
	}
	return eat(s, '"') &&
	       utf8_valid_to(str_make(from, (size_t)(s->p - from))) ==
		       (size_t)(s->p - from);
}

static bool
list(struct plain *s, int depth, char close)
{
	if (depth >= JSON_DEPTH)
		return false;
	space(s);
	if (eat(s, close))
		return true;
	do {
		space(s);
		if (close == '}') {
			if (!string(s))
				return false;
			space(s);
			if (!eat(s, ':'))
				return false;
		}
		if (!value(s, depth + 1))
			return false;
		space(s);
	} while (eat(s, ','));
	return eat(s, close);
}

static bool
word(struct plain *s, const char *w)
{
	size_t n = strlen(w);

	if ((size_t)(s->end - s->p) < n || memcmp(s->p, w, n) != 0)
		return false;
	s->p += n;
	return true;
}

static bool
value(struct plain *s, int depth)
{
	space(s);
	if (eat(s, '{'))
		return list(s, depth, '}');
	if (eat(s, '['))
		return list(s, depth, ']');
	if (s->p < s->end && *s->p == '"')
		return string(s);
	return word(s, "true") || word(s, "false") || word(s, "null") ||
	       number(s);
}

static bool
plainly_valid(struct str text)
{
	struct plain s = {text.p, text.p + text.n};

	if (!value(&s, 0))
		return false;
	space(&s);
	return s.p == s.end;
}

static void
string_round_trip(struct json_value v)
{
	struct buf text = BUF_INIT, raw = BUF_INIT, again = BUF_INIT;
	struct json_value w;
	struct json_out o;

	if (json_unescape(v, &text)) {
		REQUIRE(text.n == json_str_bytes(v));
		REQUIRE(json_str_eq(v.raw, buf_str(&text)));
		json_out_init(&o, &raw);
		json_put_str(&o, buf_str(&text));
		REQUIRE(json_valid(buf_str(&raw), &w, NULL));
		REQUIRE(json_unescape(w, &again));
		REQUIRE(str_eq(buf_str(&text), buf_str(&again)));
	}
	buf_free(&text);
	buf_free(&raw);
	buf_free(&again);
}

static void
walk(struct json_value v)
{
	struct json_value element;
	struct json_iter it;
	struct str name;
	uint64_t u;
	int64_t i;

	if (v.type == JSON_STRING)
		string_round_trip(v);
	if (json_u64(v, &u) && u <= INT64_MAX)
		REQUIRE(json_i64(v, &i) && (uint64_t)i == u);
	if (!json_iter_init(&it, v))
		return;
	while (json_iter_next(&it, &name, &element))
		walk(element);
}

static void
members_agree(struct str text, struct json_value root)
{
	static const char *const names[] = {"model", "stream", "a", "b"};
	struct json_value v[4];
	struct json_error e;
	bool found = json_members(text, names, 4, v, &e);

	if (root.type != JSON_OBJECT) {
		REQUIRE(!found);
		return;
	}
	REQUIRE(found || e.fault == JSON_DUPLICATE);
	for (int i = 0; found && i < 4; i++) {
		struct json_value w = json_get(root, names[i]);

		REQUIRE(w.type == v[i].type && str_eq(w.raw, v[i].raw));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t n)
{
	struct str text = str_make((const char *)input, n);
	struct json_value root;
	struct json_error e;
	bool valid = json_valid(text, &root, &e);

	REQUIRE(e.at <= n);
	REQUIRE(valid == plainly_valid(text));
	members_agree(text, root);
	if (valid)
		walk(root);
	return 0;
}
