/* What one program tells the next: written, read, cut, spoilt. */
#include <stdlib.h>
#include <string.h>

#include "master/handover.h"
#include "tests/tap.h"

/* A handover with something in each field. */
static void
fill(struct handover *h, struct arena *arena)
{
	uint64_t next = 10;

	memset(h, 0, sizeof(*h));
#define SET(name) h->name = next++;
	HANDOVER_FIELDS(SET)
#undef SET
	h->admin_listen = HANDOVER_NONE;
	h->bells.n = 3;
	h->bells.v = arena_zalloc(arena, 3 * sizeof(uint64_t));
	h->bells.v[2] = 77;
	h->n_listens = 2;
	h->listens[0] = h->bells;
	h->n_generations = 2;
	for (unsigned i = 0; i < 2; i++) {
		h->generations[i] =
			arena_zalloc(arena, sizeof(*h->generations[i]));
		h->generations[i]->field[GENERATION_NUMBER] = 5 - i;
	}
	h->generations[1]->rows = h->bells;
	h->generations[1]->n_workers = 2;
	h->generations[1]->worker[1][WORKER_PID] = 4711;
	h->version = STR("1.2");
	h->fixed = STR("a\tb\nc\td\n");
	h->reason = STR("");
}

static struct str
written(struct buf *out)
{
	struct arena arena;
	struct handover h;

	arena_init(&arena);
	fill(&h, &arena);
	buf_reset(out);
	handover_write(&h, out);
	arena_free(&arena);
	return buf_str(out);
}

/* "" or why not. */
static const char *
reason(struct str text)
{
	CLEANUP(arena_free) struct arena arena;
	struct handover h;
	const char *why = "";

	arena_init(&arena);
	return handover_read(text, &arena, &h, &why) ? "" : why;
}

TEST(what_is_written_is_read)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;
	CLEANUP(buf_free) struct buf again = BUF_INIT;
	CLEANUP(arena_free) struct arena arena;
	struct handover h;
	const char *why = "";

	arena_init(&arena);
	CHECK(handover_read(written(&out), &arena, &h, &why));
	CHECK_INT(h.pid, 10);
	CHECK(h.admin_listen == HANDOVER_NONE);
	CHECK_INT(h.bells.n, 3);
	CHECK_INT(h.listens[0].v[2], 77);
	CHECK_INT(h.listens[1].n, 0);
	CHECK_INT(h.generations[1]->worker[1][WORKER_PID], 4711);
	CHECK(str_eq(h.fixed, STR("a\tb\nc\td\n")));
	handover_write(&h, &again);
	CHECK(str_eq(buf_str(&out), buf_str(&again)));
}

TEST(a_text_that_is_cut_at_any_byte_is_refused)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;
	struct str text = written(&out);

	for (size_t n = 0; n < text.n; n++) {
		char *part = malloc(n + 1); /* its end is the end */

		memcpy(part, text.p, n);
		CHECK(reason(str_make(part, n))[0] != '\0');
		free(part);
	}
	CHECK_STR(reason(text), "");
}

/* The text with the first `old` replaced. */
static const char *
with(const char *old, const char *new)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;
	CLEANUP(buf_free) struct buf changed = BUF_INIT;
	struct str text = written(&out);
	ptrdiff_t at = str_search(text, str_of(old));

	if (at < 0)
		return "not found";
	buf_add(&changed, text.p, (size_t)at);
	buf_add_cstr(&changed, new);
	buf_add_str(&changed, str_from(text, (size_t)at + strlen(old)));
	return reason(buf_str(&changed));
}

TEST(what_nobody_can_have_written_is_refused)
{
	CHECK_STR(with("handover 1\n", "handover 2\n"),
		  "it is of another version");
	CHECK_STR(with("handover 1\n", "handover\n"),
		  "it is of another version");
	CHECK_STR(with("\npid 10\n", "\n"), "something is missing in it");
	CHECK_STR(with("\npid 10\n", "\npid 10\npid 10\n"),
		  "a field is there twice");
	CHECK_STR(with("\npid 10\n", "\npid\n"),
		  "a line has too few or too many numbers");
	CHECK_STR(with("\npid 10\n", "\npid 1 2\n"),
		  "a line has too few or too many numbers");
	CHECK_STR(with("\npid 10\n", "\npid x\n"), "a number is none");
	CHECK_STR(with("\npid 10\n", "\npid -1\n"), "a number is none");
	CHECK_STR(with("\npid 10\n", "\npid 18446744073709551616\n"),
		  "a number is none");
	CHECK_STR(with("\npid 10\n", "\nfish 10\n"), "a word is not known");
	CHECK_STR(with("\nbells ", "\nbells 1\nbells "),
		  "a field is there twice");
	CHECK_STR(with("\ngeneration 5", "\nrows 1\ngeneration 5"),
		  "rows belong to no generation");
	CHECK_STR(with("\ngeneration 5", "\nworker 1 2 3 4 5\ngeneration 5"),
		  "a worker belongs to no generation");
	CHECK_STR(with("text fixed 8", "text fixed 9"), "a text is cut off");
	CHECK_STR(with("text fixed 8", "text fixed 99999999999999999999"),
		  "a text is cut off");
	CHECK_STR(with("text fixed", "text colour"), "a text is not known");
	CHECK_STR(with("text version 3\n1.2\n",
		       "text version 3\n1.2\ntext version 0\n\n"),
		  "a text is there twice");
}

TEST(lists_have_a_limit)
{
	CLEANUP(buf_free) struct buf many = BUF_INIT;

	buf_add_cstr(&many, "\nbells");
	for (unsigned i = 0; i <= HANDOVER_NUMBERS; i++)
		buf_add_cstr(&many, " 1");
	buf_add_char(&many, '\0');
	CHECK_STR(with("\nbells", many.p), "a list is too long");
	buf_reset(&many);
	for (unsigned i = 0; i <= HANDOVER_LISTENS; i++)
		buf_add_cstr(&many, "\nlisten 1");
	buf_add_cstr(&many, "\nbells");
	buf_add_char(&many, '\0');
	CHECK_STR(with("\nbells", many.p), "there are too many listeners");
	buf_reset(&many);
	for (unsigned i = 0; i <= HANDOVER_GENERATIONS; i++)
		buf_add_cstr(&many, "\ngeneration 1 2 3 4 5");
	buf_add_cstr(&many, "\nbells");
	buf_add_char(&many, '\0');
	CHECK_STR(with("\nbells", many.p), "there are too many generations");
}

int
main(void)
{
	RUN(what_is_written_is_read);
	RUN(a_text_that_is_cut_at_any_byte_is_refused);
	RUN(what_nobody_can_have_written_is_refused);
	RUN(lists_have_a_limit);
	return tap_done();
}
