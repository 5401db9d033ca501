/* Directives into a plan; see plan.h and plan.def. */
#include "tests/mock/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { KIND_NUM, KIND_WORD, KIND_TEXT };

struct directive {
	const char *name;
	enum kind kind;
	size_t offset;
	size_t room; /* of a text */
	int64_t def, least, most;
	const char *words[24];
};

static const struct directive table[] = {
#define NUM(name, def, least, most)                                   \
	{#name, KIND_NUM, offsetof(struct plan, name), 0, def, least, \
	 most,	{NULL}},
#define WORD(name, ...)                                             \
	{#name, KIND_WORD,    offsetof(struct plan, name), 0, 0, 0, \
	 0,	{__VA_ARGS__}},
#define TEXT(name, room) \
	{#name, KIND_TEXT, offsetof(struct plan, name), room, 0, 0, 0, {NULL}},
#include "tests/mock/plan.def"
#undef NUM
#undef WORD
#undef TEXT
};

enum { ROWS = sizeof(table) / sizeof(table[0]) };

static int64_t *
number_of(struct plan *plan, const struct directive *d)
{
	return (int64_t *)(void *)((char *)plan + d->offset);
}

void
plan_init(struct plan *plan)
{
	size_t i;

	memset(plan, 0, sizeof(*plan));
	for (i = 0; i < ROWS; i++)
		if (table[i].kind == KIND_NUM)
			*number_of(plan, &table[i]) = table[i].def;
}

/* "continue_" is spelled "continue": the word belongs to C. */
static bool
has_name(const struct directive *d, const char *p, size_t n)
{
	size_t len = strlen(d->name);

	if (d->name[len - 1] == '_')
		len--;
	return len == n && memcmp(d->name, p, n) == 0;
}

static const struct directive *
find(const char *p, size_t n)
{
	size_t i;

	for (i = 0; i < ROWS; i++)
		if (has_name(&table[i], p, n))
			return &table[i];
	return NULL;
}

static bool
set_number(struct plan *plan, const struct directive *d, const char *value)
{
	char *end;
	long long v = *value ? strtoll(value, &end, 10) : 1;

	if (*value && *end)
		return false;
	if (v < d->least || v > d->most)
		return false;
	*number_of(plan, d) = v;
	return true;
}

static bool
set_word(struct plan *plan, const struct directive *d, const char *value)
{
	int64_t i;

	for (i = 0; d->words[i]; i++) {
		if (strcmp(d->words[i], value) == 0) {
			*number_of(plan, d) = i;
			return true;
		}
	}
	return false;
}

static bool
set(struct plan *plan, const struct directive *d, const char *value)
{
	switch (d->kind) {
	case KIND_NUM: return set_number(plan, d, value);
	case KIND_WORD: return set_word(plan, d, value);
	case KIND_TEXT: break;
	default: return false;
	}
	if (strlen(value) >= d->room)
		return false;
	memcpy((char *)plan + d->offset, value, strlen(value) + 1);
	return true;
}

static bool
ends_value(const char *p, const char *end)
{
	if (p >= end || (unsigned char)*p <= ' ' || *p == '"' || *p == '\\')
		return true;
	return *p == '@' && end - p > 1 && p[1] == '@';
}

static bool
name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* One directive after its "@@"; where it ends, or NULL. */
static const char *
read_one(struct plan *plan, const char *p, const char *end, char *why,
	 size_t room)
{
	const char *name = p;
	const char *from;
	size_t len;
	char value[128];
	const struct directive *d;

	while (p < end && name_char(*p))
		p++;
	len = (size_t)(p - name);
	d = find(name, len);
	if (p < end && *p == '=')
		p++;
	from = p;
	while (!ends_value(p, end))
		p++;
	(void)snprintf(value, sizeof(value), "%.*s", (int)(p - from), from);
	if (d && (size_t)(p - from) < sizeof(value) && set(plan, d, value))
		return p;
	(void)snprintf(why, room, "mock: bad directive @@%.*s%s%.32s", (int)len,
		       name, *value ? "=" : "", value);
	return NULL;
}

bool
plan_read(struct plan *plan, const char *text, size_t n, char *why, size_t room)
{
	const char *end = text + n;

	while (text && text < end) {
		text = memchr(text, '@', (size_t)(end - text));
		if (!text || end - text < 2)
			break;
		if (text[1] != '@') {
			text++;
			continue;
		}
		text = read_one(plan, text + 2, end, why, room);
		if (!text)
			return false;
	}
	return true;
}
