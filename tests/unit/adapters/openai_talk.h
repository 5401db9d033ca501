#pragma once
/* Conversions through OpenAI's dialect, for the tests of both its sides. */
#include "adapters/adapter.h"
#include "adapters/openai.h"
#include "tests/tap.h"

static struct arena arena;

/* What a request becomes: the body, or "E_..: field" of what was refused. */
struct converted {
	char body[4096];
	struct str dropped;
};

static inline void
convert_put(struct converted *out, enum err e, const char *field)
{
	(void)snprintf(out->body, sizeof(out->body), "%s: %s", err_row(e)->name,
		       field ? field : "");
}

static inline const char *
convert_written(const struct conversation *c, const struct ask *ask,
		unsigned quirks, struct converted *out)
{
	CLEANUP(buf_free) struct buf body = BUF_INIT;
	struct target t = {.model_json = STR("\"up\""), .quirks = quirks};
	struct json_out o;
	struct writing w = {
		.talk = c, .ask = ask, .target = &t, .a = &arena, .out = &o};
	struct json_value root;
	struct json_error fault;
	enum err e;

	json_out_init(&o, &body);
	e = wire_openai.write(&w);
	if (e == E_OK)
		e = writing_end(&w);
	out->dropped = w.dropped;
	if (e != E_OK) {
		convert_put(out, e, w.refused);
		return out->body;
	}
	CHECK(json_valid(buf_str(&body), &root, &fault));
	(void)str_copy(out->body, sizeof(out->body), buf_str(&body));
	return out->body;
}

/* From a client's body to an upstream's. */
static inline const char *
converted(enum ask_kind kind, const char *body, unsigned quirks,
	  struct converted *out)
{
	struct ask ask = {.kind = kind, .body = str_of(body)};
	struct conversation c;
	const char *detail = NULL;
	enum err e = dialect_openai.parse(&arena, &ask, &detail);

	conversation_init(&c, &arena);
	if (e == E_OK)
		e = dialect_openai.read(&c, &ask, &detail);
	if (e == E_OK)
		return convert_written(&c, &ask, quirks, out);
	convert_put(out, e, detail);
	return out->body;
}
