#pragma once
/* Requests, answers and streams of the Responses API as plain text, for its
 * tests. All memory is one arena's. */
#include "adapters/responses.h"
#include "tests/tap.h"

static struct arena arena;
static struct buf text;

static inline const char *
said(void)
{
	buf_add_char(&text, '\0');
	return text.failed ? "out of memory" : text.p;
}

/* ---- requests ---- */

static inline enum err
fix_parse(const char *body, struct ask *ask, const char **detail)
{
	*detail = "";
	*ask = (struct ask){.kind = ASK_CHAT, .body = str_of(body)};
	return dialect_responses.parse(&arena, ask, detail);
}

/* Read and written again as an upstream's request; else "error: FIELD". What
 * was dropped stands behind it. */
static inline const char *
fix_write(struct conversation *c, const struct ask *ask)
{
	struct target t = {.model = STR("up"), .model_json = STR("\"up\"")};
	struct json_out o;
	struct writing w = {
		.talk = c, .ask = ask, .target = &t, .a = &arena, .out = &o};
	enum err e;

	buf_reset(&text);
	json_out_init(&o, &text);
	e = wire_responses.write(&w);
	if (e == E_OK)
		e = writing_end(&w);
	if (e != E_OK) {
		buf_reset(&text);
		buf_printf(&text, "lost: %s", w.refused);
	} else if (w.dropped.n > 0) {
		buf_printf(&text, " dropped: %.*s", STR_ARG(w.dropped));
	}
	return said();
}

static inline const char *
fix_round(const char *body)
{
	struct conversation *c = arena_alloc(&arena, sizeof(*c));
	struct ask *ask = arena_alloc(&arena, sizeof(*ask));
	const char *detail;
	enum err e = fix_parse(body, ask, &detail);

	conversation_init(c, &arena);
	if (e == E_OK)
		e = dialect_responses.read(c, ask, &detail);
	if (e == E_OK)
		return fix_write(c, ask);
	buf_reset(&text);
	buf_printf(&text, "%s: %s",
		   e == E_BAD_FIELD	  ? "bad"
		   : e == E_MISSING_FIELD ? "missing"
					  : "error",
		   detail);
	return said();
}

/* ---- answers ---- */

static const char *const fix_finish[] = {
	[FINISH_NONE] = "none",		[FINISH_STOP] = "stop",
	[FINISH_SEQUENCE] = "sequence", [FINISH_LENGTH] = "length",
	[FINISH_CALLS] = "calls",	[FINISH_FILTER] = "filter",
	[FINISH_PAUSE] = "pause",	[FINISH_ERROR] = "error"};

static inline void
fix_put(void *user, const struct piece *p)
{
	static const char *const names[] = {
		[PIECE_BEGIN] = "begin",     [PIECE_TEXT] = "text",
		[PIECE_REFUSAL] = "refusal", [PIECE_THINKING] = "thinking",
		[PIECE_SIGNATURE] = "sign",  [PIECE_REDACTED] = "redacted",
		[PIECE_CALL] = "call",	     [PIECE_ARGS] = "args",
		[PIECE_MEDIA] = "media",     [PIECE_LOGPROBS] = "probs",
		[PIECE_FINISH] = "finish"};

	(void)user;
	buf_printf(&text, "%s", names[p->kind]);
	if (p->kind == PIECE_CALL || p->kind == PIECE_ARGS)
		buf_printf(&text, "%u", p->call);
	buf_printf(&text, "(%.*s%.*s%s%.*s%.*s%.*s", STR_ARG(p->text),
		   STR_ARG(p->id),
		   p->kind == PIECE_CALL || p->kind == PIECE_BEGIN ? "," : "",
		   STR_ARG(p->name), STR_ARG(p->model), STR_ARG(p->json));
	buf_printf(&text, "%s) ",
		   p->kind == PIECE_FINISH ? fix_finish[p->finish] : "");
}

static inline void
fix_parts(const struct part *p)
{
	static const char *const names[] = {
		[PART_TEXT] = "text",	      [PART_REFUSAL] = "refusal",
		[PART_THINKING] = "thinking", [PART_REDACTED] = "redacted",
		[PART_IMAGE] = "image",	      [PART_AUDIO] = "audio",
		[PART_FILE] = "file",	      [PART_CALL] = "call",
		[PART_RESULT] = "result"};

	for (; p; p = p->next) {
		buf_printf(&text, "%s(%.*s", names[p->kind],
			   STR_ARG(p->args.n ? p->args : p->text));
		if (p->id.n > 0)
			buf_printf(&text, " id=%.*s name=%.*s", STR_ARG(p->id),
				   STR_ARG(p->name));
		if (p->signature.n > 0)
			buf_printf(&text, " sign=%.*s", STR_ARG(p->signature));
		if (p->data.n > 0)
			buf_printf(&text, " data=%.*s", STR_ARG(p->data));
		buf_add_cstr(&text, ") ");
	}
}

/* ---- streams for a client ---- */

struct fix_stream {
	struct ask ask;
	struct answering own;
	struct sink sink;
};

static inline struct sink *
fix_sink(struct fix_stream *f)
{
	*f = (struct fix_stream){.ask = {.kind = ASK_CHAT, .stream = true}};
	f->sink = (struct sink){.a = &arena,
				.ask = &f->ask,
				.id = STR("1"),
				.created_s = 7,
				.model = STR("m"),
				.out = &text,
				.own = &f->own};
	buf_reset(&text);
	return &f->sink;
}
