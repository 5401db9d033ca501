#pragma once
/* A client's body read in one dialect and written for another upstream. */
#include "adapters/adapter.h"
#include "tests/tap.h"

struct talks {
	struct arena arena;
	struct ask ask;
	struct conversation talk;
	struct target target;
	enum err err;
	const char *detail; /* of parse() or read() */
	struct buf body;
	struct str dropped;
	const char *refused;
};

static inline void
talks_free(struct talks *t)
{
	buf_free(&t->body);
	arena_free(&t->arena);
}

/* Every body comes with its last byte at the end of an allocation's. */
static inline void
talks_read(struct talks *t, const struct dialect *d, const char *body)
{
	struct str copy;

	*t = (struct talks){.body = BUF_INIT};
	arena_init(&t->arena);
	copy = arena_dup(&t->arena, str_of(body));
	t->ask.body = copy;
	t->err = d->parse(&t->arena, &t->ask, &t->detail);
	if (t->err != E_OK)
		return;
	conversation_init(&t->talk, &t->arena);
	t->err = d->read(&t->talk, &t->ask, &t->detail);
	t->ask.talk = &t->talk;
}

static inline void
talks_write(struct talks *t, const struct wire *wire, const char *model)
{
	struct json_out out;
	struct writing w;
	struct str quoted;

	if (t->err != E_OK)
		return;
	quoted = arena_printf(&t->arena, "\"%s\"", model);
	t->target.model = str_of(model);
	t->target.model_json = quoted;
	json_out_init(&out, &t->body);
	w = (struct writing){.talk = &t->talk,
			     .ask = &t->ask,
			     .target = &t->target,
			     .a = &t->arena,
			     .out = &out};
	t->err = wire->write(&w);
	if (t->err == E_OK)
		t->err = writing_end(&w);
	t->dropped = w.dropped;
	t->refused = w.refused;
	buf_add_char(&t->body, '\0');
}
