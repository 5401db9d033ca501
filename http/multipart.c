/*
 * The scanner. The mark between parts begins with the only CR it has, so a
 * match that fails can begin anew at that very byte or not at all: no table,
 * no byte is looked at twice.
 */
#include "http/multipart.h"

#include <stddef.h>
#include <string.h>

#include "base/must.h"

enum {
	S_MARK,	   /* within content, or before the first part */
	S_BEHIND,  /* a mark is complete: CRLF, or the second mark's end */
	S_HYPHEN,  /* one hyphen behind it */
	S_BEGIN,   /* the CR of a new part's line */
	S_LINE,	   /* of a head */
	S_LINE_LF, /* behind its CR */
	S_END,	   /* of all */
};

/* ---- content-type ---- */

static bool
is_boundary_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || (c && strchr("'()+_,-./:=? ", c));
}

/* Without the quotes; {NULL, 0}: an escape in it, or no end. */
static struct str
unquote(struct str value)
{
	if (value.n == 0 || value.p[0] != '"')
		return value;
	if (value.n < 2 || value.p[value.n - 1] != '"')
		return STR_NONE;
	value = str_make(value.p + 1, value.n - 2);
	return str_find(value, '\\') >= 0 || str_find(value, '"') >= 0
		       ? STR_NONE
		       : value;
}

/* The next `name=value` of a field; quotes may hold a semicolon. False: there
 * is none, or (bad) it is malformed. */
static bool
next_parameter(struct str *rest, struct str *name, struct str *value, bool *bad)
{
	size_t at = 0;
	bool quoted = false;

	*rest = str_trim(*rest);
	if (rest->n == 0)
		return false;
	for (; at < rest->n && (quoted || rest->p[at] != ';'); at++) {
		if (rest->p[at] == '\\' && quoted)
			at++;
		else if (rest->p[at] == '"')
			quoted = !quoted;
	}
	*bad = quoted || at > rest->n;
	if (*bad)
		return false;
	*value = str_trim(str_make(rest->p, at));
	*rest = at < rest->n ? str_from(*rest, at + 1) : STR_NONE;
	*name = str_cut(value, '=');
	*bad = value->p == NULL || name->n == 0;
	return !*bad;
}

bool
multipart_boundary(struct str type, struct str *boundary)
{
	struct str rest = type, name, value;
	bool bad = false;

	*boundary = STR_NONE;
	if (!str_ieq(str_trim(str_cut(&rest, ';')), STR("multipart/form-data")))
		return false;
	while (next_parameter(&rest, &name, &value, &bad)) {
		if (!str_ieq(name, STR("boundary")))
			continue;
		if (boundary->p) /* two of them: who knows which */
			return false;
		*boundary = unquote(value);
		if (boundary->n == 0)
			return false;
	}
	if (bad || boundary->n == 0 || boundary->n > MULTIPART_BOUNDARY ||
	    boundary->p[boundary->n - 1] == ' ')
		return false;
	for (size_t i = 0; i < boundary->n; i++)
		if (!is_boundary_byte(boundary->p[i]))
			return false;
	return true;
}

/* ---- the head of a part ---- */

/* Its name, once; what only some readers understand is refused. */
static bool
take_disposition(struct multipart *m, struct str rest)
{
	struct str name, value;
	bool bad = false, named = false;

	if (m->named ||
	    !str_ieq(str_trim(str_cut(&rest, ';')), STR("form-data")))
		return false;
	while (next_parameter(&rest, &name, &value, &bad)) {
		if (str_ieq(name, STR("name*")))
			return false;
		if (str_ieq(name, STR("filename")) ||
		    str_ieq(name, STR("filename*")))
			m->part.file = true;
		if (!str_ieq(name, STR("name")))
			continue;
		value = unquote(value);
		if (named || value.n == 0 ||
		    !str_copy(m->part.name, sizeof(m->part.name), value))
			return false;
		named = true;
	}
	m->named = named;
	return named && !bad;
}

static bool
take_line(struct multipart *m)
{
	struct str rest = str_make(m->line, m->line_n), name;

	if (rest.p[0] == ' ' || rest.p[0] == '\t') /* folded */
		return false;
	name = str_cut(&rest, ':');
	if (rest.p == NULL)
		return false;
	if (str_ieq(name, STR("content-disposition")))
		return take_disposition(m, rest);
	if (!str_ieq(name, STR("content-transfer-encoding")))
		return str_eq(name, str_trim(name));
	rest = str_trim(rest);
	return str_ieq(rest, STR("binary")) || str_ieq(rest, STR("8bit")) ||
	       str_ieq(rest, STR("7bit"));
}

static bool
begin_part(struct multipart *m)
{
	m->state = S_LINE;
	m->line_n = 0;
	m->head_n = 0;
	m->named = false;
	m->part.file = false;
	return m->parts++ < MULTIPART_PARTS;
}

/* The LF of a line of the head; an empty one ends it. */
static bool
end_line(struct multipart *m)
{
	if (m->line_n > 0) {
		m->state = S_LINE;
		if (!take_line(m))
			return false;
		m->line_n = 0;
		return true;
	}
	m->state = S_MARK;
	m->matched = 0;
	m->part.at = m->at + 1;
	return m->named;
}

static bool
add_to_line(struct multipart *m, char c)
{
	if (c == '\n' || c == '\0' || ++m->head_n > MULTIPART_HEAD)
		return false;
	m->line[m->line_n++] = c;
	return true;
}

/* ---- the bytes ---- */

void
multipart_init(struct multipart *m, struct str boundary)
{
	must(boundary.n > 0 && boundary.n <= MULTIPART_BOUNDARY);
	memset(m, 0, offsetof(struct multipart, line));
	memcpy(m->mark, "\r\n--", 4);
	memcpy(m->mark + 4, boundary.p, boundary.n);
	m->mark_n = 4 + (unsigned)boundary.n;
	m->matched = 2; /* the body begins as if behind a line's end */
	m->state = S_MARK;
}

bool
multipart_ended(const struct multipart *m)
{
	return m->state == S_END;
}

/* In content. False: there is some before the first mark. */
static bool
match(struct multipart *m, char c)
{
	if (c == m->mark[m->matched])
		m->matched++;
	else if (m->parts == 0)
		return false;
	else
		m->matched = c == '\r';
	if (m->matched < m->mark_n)
		return true;
	m->state = S_BEHIND;
	if (m->parts > 0)
		m->part.n = m->at + 1 - m->mark_n - m->part.at;
	return true;
}

/* One byte that is not within content. */
static bool
step(struct multipart *m, char c)
{
	switch (m->state) {
	case S_BEHIND:
		m->state = c == '-' ? S_HYPHEN : S_BEGIN;
		return c == '-' || c == '\r';
	case S_HYPHEN: m->state = S_END; return c == '-' && m->parts > 0;
	case S_BEGIN: return c == '\n' && begin_part(m);
	case S_LINE:
		if (c != '\r')
			return add_to_line(m, c);
		m->state = S_LINE_LF;
		return true;
	case S_LINE_LF: return c == '\n' && end_line(m);
	default: break;
	}
	/* behind the end: a line's end at most */
	return c == '\r' || c == '\n';
}

enum err
multipart_feed(struct multipart *m, struct str piece, multipart_fn *fn,
	       void *user)
{
	for (size_t i = 0; i < piece.n; i++, m->at++) {
		bool good;

		if (m->state == S_MARK && m->matched == 0 && m->parts > 0) {
			/* content is skipped to what may begin a mark */
			const char *cr = memchr(piece.p + i, '\r', piece.n - i);
			size_t n =
				cr ? (size_t)(cr - piece.p) - i : piece.n - i;

			i += n;
			m->at += n;
			if (i == piece.n)
				break;
		}
		good = m->state == S_MARK ? match(m, piece.p[i])
					  : step(m, piece.p[i]);
		if (!good)
			return E_BAD_FIELD;
		if (m->state == S_BEHIND && m->matched == m->mark_n) {
			m->matched = 0;
			if (m->parts > 0 && !fn(user, &m->part))
				return E_OK;
		}
	}
	return E_OK;
}
