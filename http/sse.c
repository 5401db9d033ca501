/*
 * Owns the grammar of server-sent events. Called for each piece of a
 * provider's stream.
 *
 * Hard: any split, without a copy in the usual case and without looking
 * twice at a byte in the worst. find_end() looks for the blank line and keeps
 * its place; only when an event is whole its lines are read, where they lie:
 * in the piece, or in s->line if the event began in an earlier piece.
 */
#include "http/sse.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* An event's text, growing at its end. */
struct text {
	const char *p;
	size_t n;
	size_t at;    /* looked at so far */
	size_t start; /* of the line that `at` is in */
};

void
sse_init(struct sse *s, size_t limit)
{
	*s = (struct sse){.limit = limit, .line = BUF_INIT, .data = BUF_INIT};
}

void
sse_free(struct sse *s)
{
	buf_free(&s->line);
	buf_free(&s->data);
}

bool
sse_unfinished(const struct sse *s)
{
	return s->line.n > 0;
}

/* The first CR or LF at or after `at`; `n` when there is none. */
static size_t
find_eol(const char *p, size_t at, size_t n)
{
#ifdef __SSE2__
	const __m128i cr = _mm_set1_epi8('\r');
	const __m128i lf = _mm_set1_epi8('\n');

	for (; n - at >= 16; at += 16) {
		__m128i v;
		int hit;

		memcpy(&v, p + at, sizeof(v));
		hit = _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(v, cr),
						     _mm_cmpeq_epi8(v, lf)));
		if (hit)
			return at + (size_t)__builtin_ctz((unsigned)hit);
	}
#endif
	while (at < n && p[at] != '\r' && p[at] != '\n')
		at++;
	return at;
}

/* Moves t->at behind the blank line that ends the event that starts at
 * `*from`, which is moved over complete comment lines and blank lines in
 * front of it. False: the end is not there yet. */
static bool
find_end(struct text *t, size_t *from)
{
	for (;;) {
		size_t eol = find_eol(t->p, t->at, t->n);
		size_t next = eol + 1;
		bool blank = eol == t->start;

		t->at = eol;
		if (eol == t->n)
			return false;
		if (t->p[eol] == '\r') {
			/* A CR at the end may be half of a CRLF; a blank line
			 * is one in either case. */
			if (next == t->n && !blank)
				return false;
			if (next < t->n && t->p[next] == '\n')
				next++;
		}
		t->at = next;
		if (*from == t->start && (blank || t->p[t->start] == ':'))
			*from = next;
		else if (blank)
			return true;
		t->start = next;
	}
}

/* `value` of a line "name: value" of that name. */
static bool
take_field(struct str line, struct str name, struct str *value)
{
	if (line.n < name.n || memcmp(line.p, name.p, name.n) != 0)
		return false;
	*value = str_make(line.p + name.n, line.n - name.n);
	if (value->n == 0)
		return true;
	if (value->p[0] != ':')
		return false;
	*value = str_make(value->p + 1, value->n - 1);
	if (value->n > 0 && value->p[0] == ' ')
		*value = str_make(value->p + 1, value->n - 1);
	return true;
}

/* Reads the lines of one whole event. False: it has no data, or no memory
 * (s->data.failed). */
static bool
read_event(struct sse *s, struct str text, struct sse_event *event)
{
	unsigned lines = 0;
	size_t at = 0;

	*event = (struct sse_event){STR(""), STR("")};
	while (at < text.n) {
		size_t eol = find_eol(text.p, at, text.n);
		struct str line = str_make(text.p + at, eol - at);
		struct str value;

		at = eol + 1; /* the LF of a CRLF makes an empty line */
		if (take_field(line, STR("event"), &value)) {
			event->name = value;
		} else if (take_field(line, STR("data"), &value)) {
			if (++lines == 2) {
				buf_reset(&s->data);
				buf_add_str(&s->data, event->data);
			}
			if (lines > 1) {
				buf_add_char(&s->data, '\n');
				buf_add_str(&s->data, value);
			}
			event->data = value;
		}
	}
	if (lines > 1)
		event->data = buf_str(&s->data);
	return lines > 0 && !s->data.failed;
}

/* A byte order mark may stand before the first event. */
static struct str
without_mark(struct sse *s, struct str text)
{
	if (s->started)
		return text;
	s->started = true;
	if (text.n >= 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0)
		return str_make(text.p + 3, text.n - 3);
	return text;
}

enum outcome { FED, STOPPED, FAILED };

/* Gives the events that are whole in `t`; the rest begins at `*from`. */
static enum outcome
give_events(struct sse *s, struct text *t, size_t *from, sse_fn *fn, void *user)
{
	while (find_end(t, from)) {
		struct str text = str_make(t->p + *from, t->at - *from);
		struct sse_event event;

		if (text.n > s->limit)
			return FAILED;
		*from = t->start = t->at;
		if (read_event(s, without_mark(s, text), &event)) {
			if (!fn(user, &event))
				return STOPPED;
		} else if (s->data.failed) {
			return FAILED;
		}
	}
	return t->n - *from > s->limit ? FAILED : FED;
}

enum err
sse_feed(struct sse *s, struct str piece, sse_fn *fn, void *user)
{
	struct text t;
	size_t from = 0;
	enum outcome o;

	if (s->after_cr && piece.n > 0) {
		s->after_cr = false;
		if (piece.p[0] == '\n')
			piece = str_make(piece.p + 1, piece.n - 1);
	}
	if (piece.n == 0)
		return E_OK;
	if (s->line.n > 0) {
		buf_add_str(&s->line, piece);
		t = (struct text){s->line.p, s->line.n, s->at, s->start};
	} else {
		t = (struct text){piece.p, piece.n, 0, 0};
	}
	if (s->line.failed)
		return E_NO_MEMORY;
	o = give_events(s, &t, &from, fn, user);
	if (o == STOPPED)
		return E_OK; /* the user may have freed `s` */
	if (o == FAILED)
		return s->data.failed ? E_NO_MEMORY : E_UP_BAD_RESPONSE;
	s->after_cr = from == t.n && t.p[t.n - 1] == '\r';
	s->at = t.at - from;
	s->start = t.start - from;
	if (s->line.n == 0)
		buf_add(&s->line, t.p + from, t.n - from);
	else if (from < t.n)
		buf_consume(&s->line, from);
	else
		buf_free(&s->line); /* an idle stream holds no memory */
	return s->line.failed ? E_NO_MEMORY : E_OK;
}
