/* Names in an upstream's alphabet, and back. Called by adapters; pure. */
#include "adapters/names.h"

#include "base/hash.h"

#define HASH_DIGITS 12u

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_mark(const char *marks, char c)
{
	return c != '\0' && strchr(marks, c) != NULL;
}

static bool
char_fits(const struct name_rule *rule, char c)
{
	return is_letter(c) || is_digit(c) || is_mark(rule->marks, c);
}

static bool
first_fits(const struct name_rule *rule, char c)
{
	if (!rule->first)
		return char_fits(rule, c);
	return is_letter(c) || is_mark(rule->first, c) ||
	       (rule->digit_first && is_digit(c));
}

static bool
is_legal(const struct name_rule *rule, struct str name)
{
	if (name.n == 0 || name.n > rule->max || !first_fits(rule, name.p[0]))
		return false;
	for (size_t i = 1; i < name.n; i++)
		if (!char_fits(rule, name.p[i]))
			return false;
	return true;
}

static void
put_hash(char *at, struct str name)
{
	static const struct sip_key plain;
	static const char digits[] = "0123456789abcdef";
	uint64_t hash = siphash(&plain, name);

	for (size_t i = 0; i < HASH_DIGITS; i++, hash >>= 4)
		at[i] = digits[hash & 15];
}

struct str
name_legal(struct arena *a, const struct name_rule *rule, struct str raw)
{
	struct str plain = json_plain(a, raw);
	size_t n = MIN_OF(plain.n, rule->max - HASH_DIGITS - 2);
	char *p;
	size_t at = 0;

	if (is_legal(rule, plain))
		return plain;
	p = arena_alloc(a, n + HASH_DIGITS + 2);
	if (!p)
		return STR_NONE;
	/* a letter first: every alphabet begins a name with one */
	if (n == 0 || !first_fits(rule, plain.p[0]))
		p[at++] = 't';
	for (size_t i = 0; i < n; i++)
		p[at++] = char_fits(rule, plain.p[i]) ? plain.p[i] : '_';
	p[at++] = '_';
	put_hash(p + at, plain);
	return str_make(p, at + HASH_DIGITS);
}

struct str
name_original(struct arena *a, const struct name_rule *rule,
	      const struct conversation *talk, struct str legal)
{
	if (!talk)
		return legal;
	for (const struct tool *t = talk->tools; t; t = t->next)
		if (str_eq(t->name, legal))
			return t->name;
	for (const struct tool *t = talk->tools; t; t = t->next)
		if (str_eq(name_legal(a, rule, t->name), legal))
			return t->name;
	return legal;
}
