/* The configuration as text, along the tables it was read with. */
#include "conf/dump.h"

#include "conf/conf.h"
#include "conf/schema.h"
#include "conf/value.h"

struct dump {
	const struct conf *c;
	struct buf *out;
	unsigned depth;
};

static void
indent(const struct dump *d)
{
	for (unsigned i = 0; i < d->depth; i++)
		buf_add_cstr(d->out, "  ");
}

static void
put_quoted(struct buf *out, struct str s)
{
	buf_add_char(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			buf_add_char(out, '\\');
		buf_add_char(out, s.p[i]);
	}
	buf_add_char(out, '"');
}

static void
put_single(const struct dump *d, const struct key *key, const void *field)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;

	value_text(key, field, &text);
	if (key->type == KEY_COUNT || key->type == KEY_BOOL)
		buf_add_str(d->out, buf_str(&text));
	else
		put_quoted(d->out, buf_str(&text));
}

/* The i-th text of a list of texts or names. */
static struct str
element(const struct dump *d, const struct key *key, const void *base,
	uint32_t i)
{
	const void *all = key_elements(key, base);

	if (key->type == KEY_INDEXES)
		return d->c->groups[((const uint32_t *)all)[i]].name;
	return ((const struct str *)all)[i];
}

static void
put_texts(const struct dump *d, const struct key *key, const void *base)
{
	uint32_t n = schema_key_count(key, base);

	buf_add_char(d->out, '(');
	for (uint32_t i = 0; i < n; i++) {
		buf_add_cstr(d->out, i ? ", " : " ");
		put_quoted(d->out, element(d, key, base, i));
	}
	buf_add_cstr(d->out, " )");
}

static void put_section(struct dump *d, const struct section *s,
			const void *base);

static void
put_group(struct dump *d, const struct section *s, const void *base)
{
	buf_add_cstr(d->out, "{\n");
	d->depth++;
	put_section(d, s, base);
	d->depth--;
	indent(d);
	buf_add_char(d->out, '}');
}

/* Only the first key is set: a text says the same. */
static bool
is_short(const struct key *list, const void *base)
{
	const struct section *s = list->section;
	CLEANUP(buf_free) struct buf text = BUF_INIT;

	if (list->type != KEY_SECRETS)
		return false;
	for (unsigned i = 1; i < s->n; i++) {
		const struct key *k = &s->keys[i];
		const void *field = key_field_const(k, base);

		if (k->type != KEY_MONEY)
			value_text(k, field, &text);
		else if (((const struct money *)field)->nano != 0)
			return false;
	}
	return text.n == 0;
}

static void
put_groups(struct dump *d, const struct key *key, const void *base)
{
	uint32_t n = schema_key_count(key, base);
	const char *at = key_elements(key, base);
	const struct key *first = key->section->keys;

	buf_add_char(d->out, '(');
	for (uint32_t i = 0; i < n; i++, at += key->section->size) {
		buf_add_cstr(d->out, i ? ", " : " ");
		if (is_short(key, at))
			put_single(d, first, key_field_const(first, at));
		else
			put_group(d, key->section, at);
	}
	buf_add_cstr(d->out, " )");
}

static void
put_key(struct dump *d, const struct key *key, const void *base)
{
	indent(d);
	buf_printf(d->out, "%s = ", key->name);
	switch (key_shape(key)) {
	case SHAPE_TEXTS: put_texts(d, key, base); break;
	case SHAPE_GROUP:
		put_group(d, key->section, key_field_const(key, base));
		break;
	case SHAPE_LIST: put_groups(d, key, base); break;
	case SHAPE_SINGLE:
	case SHAPE_SECRET:
		put_single(d, key, key_field_const(key, base));
		break;
	}
	buf_add_cstr(d->out, ";\n");
}

static void
put_section(struct dump *d, const struct section *s, const void *base)
{
	for (unsigned i = 0; i < s->n; i++)
		put_key(d, &s->keys[i], base);
}

void
conf_dump(const struct conf *c, struct buf *out)
{
	struct dump d = {c, out, 0};

	put_section(&d, &conf_top, c);
}
