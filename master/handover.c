/*
 * The handover as text. A line is a word and numbers; `text WORD LENGTH` is
 * followed by so many bytes and an end of line. Every field must be there,
 * none twice, none that is not known: who cannot read all of it must not
 * take over.
 */
#include "master/handover.h"

#include <stddef.h>
#include <string.h>

#define FIRST_LINE "tollgate handover"

static const struct {
	const char *name;
	size_t at;
} fields[] = {
#define FIELD(name) {#name, offsetof(struct handover, name)},
	HANDOVER_FIELDS(FIELD)
#undef FIELD
};

static const struct {
	const char *name;
	size_t at;
} texts[] = {
	{"version", offsetof(struct handover, version)},
	{"fixed", offsetof(struct handover, fixed)},
	{"reason", offsetof(struct handover, reason)},
};

static void
put(struct buf *out, const char *word, const uint64_t *v, uint32_t n)
{
	buf_add_cstr(out, word);
	for (uint32_t i = 0; i < n; i++) {
		buf_add_char(out, ' ');
		buf_add_u64(out, v[i]);
	}
	buf_add_char(out, '\n');
}

static uint64_t *
field_of(struct handover *h, size_t i)
{
	return (void *)((char *)h + fields[i].at);
}

static struct str *
text_of(struct handover *h, size_t i)
{
	return (void *)((char *)h + texts[i].at);
}

static void
put_generation(struct buf *out, const struct handover_generation *g)
{
	put(out, "generation", g->field, GENERATION_FIELDS);
	put(out, "rows", g->rows.v, g->rows.n);
	for (uint32_t i = 0; i < g->n_workers; i++)
		put(out, "worker", g->worker[i], WORKER_FIELDS);
}

void
handover_write(const struct handover *h, struct buf *out)
{
	struct handover copy = *h; /* its fields are found by their place */

	buf_printf(out, FIRST_LINE " %u\n", HANDOVER_VERSION);
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		put(out, fields[i].name, field_of(&copy, i), 1);
	put(out, "bells", h->bells.v, h->bells.n);
	for (uint32_t i = 0; i < h->n_listens; i++)
		put(out, "listen", h->listens[i].v, h->listens[i].n);
	for (uint32_t i = 0; i < h->n_generations; i++)
		put_generation(out, h->generations[i]);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		const struct str *s = text_of(&copy, i);

		buf_printf(out, "text %s %zu\n", texts[i].name, s->n);
		buf_add_str(out, *s);
		buf_add_char(out, '\n');
	}
}

/* ---- reading ---- */

struct reader {
	struct str left;
	struct arena *arena;
	struct handover *h;
	uint64_t seen; /* a bit a field */
	unsigned seen_texts;
	bool has_bells;
	const char *why;
};

static bool
fault(struct reader *r, const char *why)
{
	r->why = why;
	return false;
}

static bool
read_numbers(struct reader *r, struct str line, struct numbers *out)
{
	uint32_t n = 0;

	for (size_t i = 0; i < line.n; i++)
		n += line.p[i] == ' ';
	if (line.p)
		n++;
	*out = (struct numbers){0, NULL};
	if (n > HANDOVER_NUMBERS)
		return fault(r, "a list is too long");
	out->v = arena_zalloc(r->arena, (n + 1) * sizeof(*out->v));
	if (!out->v)
		return fault(r, "out of memory");
	for (; line.p; out->n++)
		if (!str_to_u64(str_cut(&line, ' '), &out->v[out->n]))
			return fault(r, "a number is none");
	return true;
}

/* As many as `fields`, into them. */
static bool
read_fields(struct reader *r, struct str line, uint64_t *into, uint32_t n)
{
	struct numbers got;

	if (!read_numbers(r, line, &got))
		return false;
	if (got.n != n)
		return fault(r, "a line has too few or too many numbers");
	memcpy(into, got.v, n * sizeof(*into));
	return true;
}

static bool
read_bells(struct reader *r, struct str line)
{
	if (r->has_bells)
		return fault(r, "a field is there twice");
	r->has_bells = true;
	return read_numbers(r, line, &r->h->bells);
}

static bool
read_listen(struct reader *r, struct str line)
{
	struct handover *h = r->h;

	if (h->n_listens == HANDOVER_LISTENS)
		return fault(r, "there are too many listeners");
	return read_numbers(r, line, &h->listens[h->n_listens++]);
}

static bool
read_generation(struct reader *r, struct str line)
{
	struct handover *h = r->h;
	struct handover_generation *g;

	if (h->n_generations == HANDOVER_GENERATIONS)
		return fault(r, "there are too many generations");
	g = arena_zalloc(r->arena, sizeof(*g));
	if (!g)
		return fault(r, "out of memory");
	h->generations[h->n_generations++] = g;
	return read_fields(r, line, g->field, GENERATION_FIELDS);
}

/* The generation that the last line was of. */
static struct handover_generation *
last_generation(struct reader *r)
{
	struct handover *h = r->h;

	return h->n_generations ? h->generations[h->n_generations - 1] : NULL;
}

static bool
read_rows(struct reader *r, struct str line)
{
	struct handover_generation *g = last_generation(r);

	if (!g || g->rows.v)
		return fault(r, "rows belong to no generation");
	return read_numbers(r, line, &g->rows);
}

static bool
read_worker(struct reader *r, struct str line)
{
	struct handover_generation *g = last_generation(r);

	if (!g || g->n_workers == HANDOVER_WORKERS)
		return fault(r, "a worker belongs to no generation");
	return read_fields(r, line, g->worker[g->n_workers++], WORKER_FIELDS);
}

static bool
read_text(struct reader *r, struct str line)
{
	struct str name = str_cut(&line, ' ');
	uint64_t n;

	if (!str_to_u64(line, &n) || n >= r->left.n || r->left.p[n] != '\n')
		return fault(r, "a text is cut off");
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		if (!str_eq(name, str_of(texts[i].name)))
			continue;
		if (r->seen_texts & (1u << i))
			return fault(r, "a text is there twice");
		r->seen_texts |= 1u << i;
		*text_of(r->h, i) =
			arena_dup(r->arena, str_make(r->left.p, (size_t)n));
		r->left = str_from(r->left, (size_t)n + 1);
		return text_of(r->h, i)->n == n || fault(r, "out of memory");
	}
	return fault(r, "a text is not known");
}

static bool
read_field(struct reader *r, struct str word, struct str line)
{
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		if (!str_eq(word, str_of(fields[i].name)))
			continue;
		if (r->seen & (UINT64_C(1) << i))
			return fault(r, "a field is there twice");
		r->seen |= UINT64_C(1) << i;
		return read_fields(r, line, field_of(r->h, i), 1);
	}
	return fault(r, "a word is not known");
}

static bool
read_line(struct reader *r)
{
	static const struct {
		const char *word;
		bool (*read)(struct reader *r, struct str line);
	} words[] = {
		{"bells", read_bells},	 {"listen", read_listen},
		{"rows", read_rows},	 {"generation", read_generation},
		{"worker", read_worker}, {"text", read_text},
	};
	struct str line = str_cut(&r->left, '\n');
	struct str word = str_cut(&line, ' ');

	if (!r->left.p)
		return fault(r, "its last line is cut off");
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (str_eq(word, str_of(words[i].word)))
			return words[i].read(r, line);
	return read_field(r, word, line);
}

bool
handover_read(struct str text, struct arena *arena, struct handover *h,
	      const char **why)
{
	struct reader r = {.left = text, .arena = arena, .h = h};
	struct str first = str_cut(&r.left, '\n');
	struct str number = str_from(first, sizeof(FIRST_LINE));
	uint64_t version = 0;
	bool whole;

	_Static_assert(ARRAY_LEN(fields) < 64, "bits of seen");
	memset(h, 0, sizeof(*h));
	*why = "it is of another version";
	if (!str_starts(first, STR(FIRST_LINE " ")) ||
	    !str_to_u64(number, &version) || version != HANDOVER_VERSION)
		return false;
	while (r.left.n > 0)
		if (!read_line(&r)) {
			*why = r.why;
			return false;
		}
	whole = r.has_bells &&
		r.seen == (UINT64_C(1) << ARRAY_LEN(fields)) - 1 &&
		r.seen_texts == (1u << ARRAY_LEN(texts)) - 1;
	*why = "something is missing in it";
	return whole;
}
