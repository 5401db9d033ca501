/* What only a restart can change, along the table of keys. */
#include "conf/fixed.h"

#include "base/must.h"
#include "conf/conf.h"
#include "conf/schema.h"
#include "conf/value.h"

/* No list is in one: what only a restart changes lies at most in an element
 * of a list at the top. */
#define TOP UINT32_MAX

/* Has this section, or one below it, a key that only a restart changes? */
static bool
is_fixed(const struct section *s)
{
	for (unsigned i = 0; i < s->n; i++)
		if (s->keys[i].restart ||
		    (s->keys[i].section && is_fixed(s->keys[i].section)))
			return true;
	return false;
}

static void
put_name(const struct section *s, const struct key *key, uint32_t place,
	 struct buf *out)
{
	buf_add_cstr(out, s->name);
	if (*s->name)
		buf_add_char(out, '.');
	buf_add_cstr(out, key->name);
	if (place != TOP)
		buf_printf(out, "/%u", place);
	buf_add_char(out, '\t');
}

/* One line, whatever is in the value. */
static void
put_value(const struct key *key, const void *field, struct buf *out)
{
	size_t from = out->n;

	must(key_shape(key) == SHAPE_SINGLE);
	value_text(key, field, out);
	for (size_t i = from; i < out->n; i++)
		if ((unsigned char)out->p[i] < ' ')
			out->p[i] = ' ';
	buf_add_char(out, '\n');
}

static void put_section(const struct section *s, const void *base,
			uint32_t place, struct buf *out);

static void
put_list(const struct section *s, const struct key *key, const void *base,
	 struct buf *out)
{
	uint32_t n = schema_key_count(key, base);
	const char *elements = key_elements(key, base);

	put_name(s, key, TOP, out);
	buf_printf(out, "#%u\n", n);
	for (uint32_t i = 0; i < n; i++)
		put_section(key->section,
			    elements + (size_t)i * key->section->size, i, out);
}

static void
put_section(const struct section *s, const void *base, uint32_t place,
	    struct buf *out)
{
	for (unsigned i = 0; i < s->n; i++) {
		const struct key *key = &s->keys[i];

		if (!key->section) {
			if (!key->restart)
				continue;
			put_name(s, key, place, out);
			put_value(key, key_field_const(key, base), out);
		} else if (is_fixed(key->section)) {
			if (key->type == KEY_GROUP_OF)
				put_section(key->section,
					    key_field_const(key, base), place,
					    out);
			else
				put_list(s, key, base, out);
		}
	}
}

void
conf_fixed(const struct conf *c, struct buf *out)
{
	put_section(&conf_top, c, TOP, out);
}

/* The value of `name`, or {NULL, 0}. */
static struct str
find(struct str lines, struct str name)
{
	while (lines.p) {
		struct str line = str_cut(&lines, '\n');

		if (str_eq(str_cut(&line, '\t'), name))
			return line;
	}
	return STR_NONE;
}

static void
refuse(struct str name, struct str was, struct str is, struct buf *error)
{
	struct str key = str_cut(&name, '/');

	buf_printf(error, "%.*s: only a restart can change it", STR_ARG(key));
	/* The number of elements says nothing. */
	if (!str_starts(was, STR("#")))
		buf_printf(error, " (running: %.*s, in the file: %.*s)",
			   STR_ARG(was), STR_ARG(is));
}

bool
conf_fixed_same(struct str running, const struct conf *next, struct buf *error)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;
	struct str lines;

	conf_fixed(next, &text);
	must(!text.failed);
	lines = buf_str(&text);
	while (lines.p) {
		struct str line = str_cut(&lines, '\n');
		struct str name = str_cut(&line, '\t');
		struct str was = find(running, name);

		if (!was.p || str_eq(was, line))
			continue;
		buf_reset(error);
		buf_printf(error, "%s: ", next->path.p);
		refuse(name, was, line, error);
		return false;
	}
	return true;
}

bool
conf_reload_allowed(const struct conf *running, const struct conf *next,
		    struct buf *error)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;

	conf_fixed(running, &text);
	must(!text.failed);
	return conf_fixed_same(buf_str(&text), next, error);
}
