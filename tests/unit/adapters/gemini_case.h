#pragma once
/* A Gemini request read into a conversation and written again: what both of
 * gemini_read.c and gemini_write.c make of it. */
#include "adapters/gemini.h"
#include "tests/tap.h"

#define GEMINI_PATH "gemini-2.0-flash:generateContent"

struct gemini_case {
	struct arena arena;
	struct ask ask;
	struct conversation talk;
	enum err err;
	const char *detail;
	struct buf out;
	struct writing w;
};

static inline void
gemini_case_read(struct gemini_case *g, const char *body)
{
	*g = (struct gemini_case){.out = BUF_INIT};
	arena_init(&g->arena);
	g->ask = (struct ask){.kind = ASK_CHAT,
			      .body = str_of(body),
			      .path = STR(GEMINI_PATH)};
	g->err = dialect_gemini.parse(&g->arena, &g->ask, &g->detail);
	if (g->err != E_OK)
		return;
	conversation_init(&g->talk, &g->arena);
	g->detail = NULL;
	g->err = dialect_gemini.read(&g->talk, &g->ask, &g->detail);
}

/* The conversation for this model; the body, or "" if it was refused. */
static inline const char *
gemini_case_write(struct gemini_case *g, const struct target *t)
{
	struct json_out o;

	CHECK(conversation_link(&g->talk));
	buf_reset(&g->out);
	json_out_init(&o, &g->out);
	g->w = (struct writing){.talk = &g->talk,
				.ask = &g->ask,
				.target = t,
				.a = &g->arena,
				.out = &o};
	g->err = wire_gemini.write(&g->w);
	if (g->err == E_OK)
		g->err = writing_end(&g->w);
	buf_add_char(&g->out, '\0');
	return g->err == E_OK ? g->out.p : "";
}

static inline void
gemini_case_end(struct gemini_case *g)
{
	buf_free(&g->out);
	arena_free(&g->arena);
}
