/* Answers for people: tables and lists of members. */
#include <stdio.h>
#include <string.h>

#include "base/must.h"
#include "base/utf8.h"
#include "tools/ctl.h"

/* Printed without its quotes; what could move the cursor becomes "?". */
static void
add_plain(struct buf *out, struct json_value v)
{
	size_t from = out->n;

	if (v.type == JSON_STRING) {
		if (!json_unescape(v, out))
			out->n = from;
	} else if (v.type == JSON_ABSENT || v.type == JSON_NULL) {
		buf_add_char(out, '-');
	} else {
		buf_add_str(out, v.raw);
	}
	if (out->n == from)
		buf_add_char(out, '-');
	for (size_t i = from; i < out->n; i++)
		if ((unsigned char)out->p[i] < ' ' || out->p[i] == 0x7f)
			out->p[i] = '?';
}

/* "a, b" of ["a","b"]; anything else as it is. */
static void
add_text(struct buf *out, struct json_value v)
{
	struct json_iter it;
	struct json_value one;
	struct str name;
	bool first = true;

	if (v.type != JSON_ARRAY || !json_iter_init(&it, v)) {
		add_plain(out, v);
		return;
	}
	while (json_iter_next(&it, &name, &one)) {
		if (!first)
			buf_add_char(out, ',');
		first = false;
		if (one.type == JSON_OBJECT)
			buf_add_str(out, one.raw);
		else
			add_plain(out, one);
	}
	if (first)
		buf_add_char(out, '-');
}

static struct json_value
member(struct json_value object, const char *path)
{
	struct str rest = str_of(path);

	while (rest.p && object.type == JSON_OBJECT) {
		char name[64];

		(void)str_copy(name, sizeof(name), str_cut(&rest, '.'));
		object = json_get(object, name);
	}
	return object;
}

/* Columns a text takes, counted in characters. */
static size_t
width(struct str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return n;
}

static void
print_cell(struct str text, size_t wide, bool right, bool last)
{
	size_t pad = wide - width(text);

	if (right)
		(void)printf("%*s", (int)pad, "");
	(void)printf("%.*s", STR_ARG(text));
	if (!right && !last)
		(void)printf("%*s", (int)pad, "");
	if (!last)
		(void)printf("  ");
}

static void
measure(struct json_value rows, const struct ctl_column *columns, unsigned n,
	size_t *wide)
{
	struct json_iter it;
	struct json_value row;
	struct str name;

	for (unsigned i = 0; i < n; i++)
		wide[i] = strlen(columns[i].title);
	if (!json_iter_init(&it, rows))
		return;
	while (json_iter_next(&it, &name, &row))
		for (unsigned i = 0; i < n; i++) {
			CLEANUP(buf_free) struct buf text = BUF_INIT;
			size_t w;

			add_text(&text, member(row, columns[i].member));
			w = width(buf_str(&text));
			wide[i] = MAX_OF(wide[i], w);
		}
}

/* More than 0 or "-" in any row. */
static bool
tells(struct json_value rows, const struct ctl_column *column)
{
	struct json_iter it;
	struct json_value row;
	struct str name;

	if (!json_iter_init(&it, rows))
		return false;
	while (json_iter_next(&it, &name, &row)) {
		CLEANUP(buf_free) struct buf text = BUF_INIT;

		add_text(&text, member(row, column->member));
		if (!str_eq(buf_str(&text), STR("-")) &&
		    !str_eq(buf_str(&text), STR("0")))
			return true;
	}
	return false;
}

/* Those that are shown; how many. */
static unsigned
telling(struct json_value rows, const struct ctl_column *columns, unsigned n,
	struct ctl_column out[CTL_COLUMNS])
{
	unsigned m = 0;

	for (unsigned i = 0; i < n; i++)
		if (!(columns[i].how & CTL_QUIET) || tells(rows, &columns[i]))
			out[m++] = columns[i];
	return m;
}

void
ctl_print_table(const struct ctl *c, struct json_value rows,
		const struct ctl_column *all, unsigned n)
{
	size_t wide[CTL_COLUMNS];
	struct json_iter it;
	struct json_value row;
	struct str name;

	struct ctl_column columns[CTL_COLUMNS];

	must(n <= CTL_COLUMNS);
	n = telling(rows, all, n, columns);
	measure(rows, columns, n, wide);
	if (c->colour)
		(void)printf("\033[1m");
	for (unsigned i = 0; i < n; i++)
		print_cell(str_of(columns[i].title), wide[i],
			   columns[i].how & CTL_NUMBER, i + 1 == n);
	(void)printf(c->colour ? "\033[0m\n" : "\n");
	if (!json_iter_init(&it, rows))
		return;
	while (json_iter_next(&it, &name, &row)) {
		for (unsigned i = 0; i < n; i++) {
			CLEANUP(buf_free) struct buf text = BUF_INIT;

			add_text(&text, member(row, columns[i].member));
			print_cell(buf_str(&text), wide[i],
				   columns[i].how & CTL_NUMBER, i + 1 == n);
		}
		(void)printf("\n");
	}
}

static void
print_members(struct json_value object, const char *prefix)
{
	struct json_iter it;
	struct json_value v;
	struct str name;

	if (!json_iter_init(&it, object))
		return;
	while (json_iter_next(&it, &name, &v)) {
		CLEANUP(buf_free) struct buf text = BUF_INIT;
		char full[128];

		/* Names are ours: quotes and nothing else to remove. */
		(void)snprintf(full, sizeof(full), "%s%.*s", prefix,
			       (int)(name.n - 2), name.p + 1);
		if (v.type == JSON_OBJECT) {
			(void)str_copy(full + strlen(full),
				       sizeof(full) - strlen(full), STR("."));
			print_members(v, full);
			continue;
		}
		add_text(&text, v);
		(void)printf("%-24s %.*s\n", full, STR_ARG(buf_str(&text)));
	}
}

void
ctl_print_object(const struct ctl *c, struct json_value object)
{
	(void)c;
	print_members(object, "");
}
