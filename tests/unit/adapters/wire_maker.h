#pragma once
/*
 * For tests of upstream dialects: conversations made by hand and written,
 * answers and streams read and told in a line of text.
 */
#include <stdlib.h>

#include "adapters/adapter.h"
#include "tests/tap.h"

struct maker {
	struct arena a;
	struct ask ask;
	struct conversation c;
	struct target t;
	struct buf body;
	struct str dropped;
	const char *refused;
	enum err err;
};

static inline struct json_value
maker_json(const char *text)
{
	struct json_value v = {JSON_ABSENT, STR_NONE};
	struct json_error fault;

	if (text)
		CHECK(json_valid(str_of(text), &v, &fault));
	return v;
}

static inline void
maker_init(struct maker *m, const char *model)
{
	*m = (struct maker){.body = BUF_INIT};
	arena_init(&m->a);
	conversation_init(&m->c, &m->a);
	m->ask = (struct ask){.kind = ASK_CHAT, .choices = 1};
	m->t.model = str_of(model);
	m->t.model_json = arena_printf(&m->a, "\"%s\"", model);
	m->t.path = STR("");
}

static inline void
maker_free(struct maker *m)
{
	buf_free(&m->body);
	arena_free(&m->a);
}

static inline struct part *
maker_add(struct maker *m, enum speaker speaker, enum part_kind kind,
	  const char *text)
{
	struct part *p =
		turn_add(&m->c, conversation_turn(&m->c, speaker), kind);

	if (!p)
		abort();
	p->text = str_of(text);
	return p;
}

static inline void
maker_text(struct maker *m, enum speaker speaker, const char *text)
{
	(void)maker_add(m, speaker, PART_TEXT, text);
}

static inline struct part *
maker_call(struct maker *m, const char *id, const char *name, const char *args)
{
	struct part *p = maker_add(m, SPEAKER_ASSISTANT, PART_CALL, "");

	p->id = str_of(id);
	p->name = str_of(name);
	p->args = str_of(args);
	return p;
}

/* With one text in it; NULL: with nothing. */
static inline struct part *
maker_result(struct maker *m, const char *id, const char *text)
{
	struct part *p = maker_add(m, SPEAKER_USER, PART_RESULT, "");

	p->id = str_of(id);
	if (text) {
		p->content = part_new(&m->a, PART_TEXT);
		p->content->text = str_of(text);
	}
	return p;
}

static inline struct part *
maker_media(struct maker *m, enum part_kind kind, const char *mime,
	    const char *data)
{
	struct part *p = maker_add(m, SPEAKER_USER, kind, "");

	p->mime = str_of(mime);
	p->data = str_of(data);
	return p;
}

static inline struct tool *
maker_tool(struct maker *m, const char *name, const char *schema)
{
	struct tool *t = conversation_tool(&m->c);

	if (!t)
		abort();
	t->name = str_of(name);
	t->schema = maker_json(schema);
	return t;
}

/* The field's name is the trait's. */
static inline void
maker_say(struct maker *m, enum trait_kind kind, const char *json)
{
	static const char *const names[TRAITS] = {
#define TRAIT(name, harmless) [TRAIT_##name] = #name,
#include "adapters/traits.def"
#undef TRAIT
	};

	conversation_say(&m->c, kind, names[kind], maker_json(json));
}

static inline void
maker_max(struct maker *m, uint64_t tokens)
{
	maker_say(m, TRAIT_MAX, "1");
	m->ask.has_max = true;
	m->ask.max_output = tokens;
}

static inline void
maker_choose(struct maker *m, enum choice_mode choice, const char *name)
{
	maker_say(m, TRAIT_TOOL_CHOICE, "\"x\"");
	m->c.choice = choice;
	m->c.choice_name = str_of(name);
}

static inline void
maker_format(struct maker *m, enum format_kind kind, const char *schema)
{
	maker_say(m, TRAIT_FORMAT, "{}");
	m->c.format = kind;
	m->c.format_schema = maker_json(schema);
}

static inline void
maker_think(struct maker *m, enum think_mode mode, const char *effort,
	    uint64_t budget)
{
	maker_say(m, TRAIT_THINKING, "{}");
	m->c.think = mode;
	m->c.effort = str_of(effort);
	m->c.budget = budget;
}

/* The body; valid JSON whatever is refused. */
static inline const char *
maker_write(struct maker *m, const struct wire *wire)
{
	struct json_out out;
	struct json_value root;
	struct json_error fault;
	struct writing w;

	CHECK(conversation_link(&m->c));
	buf_reset(&m->body);
	json_out_init(&out, &m->body);
	w = (struct writing){.talk = &m->c,
			     .ask = &m->ask,
			     .target = &m->t,
			     .a = &m->a,
			     .out = &out};
	m->ask.talk = &m->c;
	m->err = wire->write(&w);
	if (m->err == E_OK)
		m->err = writing_end(&w);
	m->dropped = w.dropped;
	m->refused = w.refused;
	CHECK(json_valid(buf_str(&m->body), &root, &fault));
	buf_add_char(&m->body, '\0');
	return m->body.p;
}

/* Writes, is content with it, and frees. */
static inline void
maker_check(struct maker *m, const struct wire *wire, const char *want)
{
	CHECK_STR(maker_write(m, wire), want);
	CHECK_INT(m->err, E_OK);
	CHECK_STR(m->dropped.n > 0 ? m->dropped.p : "", "");
	maker_free(m);
}

static inline void
maker_check_dropped(struct maker *m, const struct wire *wire, const char *want)
{
	(void)maker_write(m, wire);
	CHECK_INT(m->err, E_OK);
	CHECK_STR(m->dropped.n > 0 ? m->dropped.p : "", want);
	maker_free(m);
}

static inline void
maker_check_refused(struct maker *m, const struct wire *wire, const char *want)
{
	(void)maker_write(m, wire);
	CHECK_INT(m->err, E_FIELD_LOST);
	CHECK_STR(m->refused ? m->refused : "", want);
	maker_free(m);
}

/* ---- answers ---- */

static const char *const told_finishes[] = {
	[FINISH_NONE] = "none",		[FINISH_STOP] = "stop",
	[FINISH_SEQUENCE] = "sequence", [FINISH_LENGTH] = "length",
	[FINISH_CALLS] = "calls",	[FINISH_FILTER] = "filter",
	[FINISH_PAUSE] = "pause",	[FINISH_ERROR] = "error"};

static inline void
tell_part(struct buf *b, const struct part *p)
{
	switch (p->kind) {
	case PART_TEXT: buf_printf(b, "text(%.*s)", STR_ARG(p->text)); break;
	case PART_THINKING:
		buf_printf(b, "think(%.*s|%.*s)", STR_ARG(p->text),
			   STR_ARG(p->signature));
		break;
	case PART_REDACTED:
		buf_printf(b, "redacted(%.*s)", STR_ARG(p->data));
		break;
	case PART_CALL:
		buf_printf(b, "call(%.*s|%.*s|%.*s%.*s)", STR_ARG(p->id),
			   STR_ARG(p->name), STR_ARG(p->args),
			   STR_ARG(p->args.n > 0 ? STR("") : p->text));
		break;
	case PART_REFUSAL:
	case PART_IMAGE:
	case PART_AUDIO:
	case PART_FILE:
	case PART_RESULT: buf_add_cstr(b, "?"); break;
	}
}

struct told {
	struct arena a;
	struct buf text;
	struct answer answer;
	enum err err;
	/* of streams */
	uint64_t bytes;
	struct usage usage;
	bool done, last, error;
};

static inline void
told_free(struct told *t)
{
	buf_free(&t->text);
	arena_free(&t->a);
}

/* A whole answer as "id model part... finish". */
static inline void
tell_answer(struct told *t, const struct wire *wire, const char *body,
	    const struct conversation *talk)
{
	struct ask ask = {.kind = ASK_CHAT, .choices = 1, .talk = talk};
	struct reply r;

	*t = (struct told){.text = BUF_INIT};
	arena_init(&t->a);
	t->err = wire->parse_answer(&ask, str_of(body), &t->answer);
	if (t->err != E_OK)
		return;
	reply_init(&r);
	t->err = wire->read_answer(&t->a, &ask, str_of(body), &r);
	buf_printf(&t->text, "%.*s %.*s", STR_ARG(r.id), STR_ARG(r.model));
	for (const struct reply_choice *c = r.choices; c; c = c->next) {
		for (const struct part *p = c->parts; p; p = p->next) {
			buf_add_char(&t->text, ' ');
			tell_part(&t->text, p);
		}
		if (c->logprobs.type != JSON_ABSENT)
			buf_printf(&t->text, " logprobs%.*s",
				   STR_ARG(c->logprobs.raw));
		buf_printf(&t->text, " %s", told_finishes[c->finish]);
	}
	buf_add_char(&t->text, '\0');
}

static inline void
tell_piece(void *user, const struct piece *p)
{
	struct buf *b = user;

	switch (p->kind) {
	case PIECE_BEGIN:
		buf_printf(b, "begin(%.*s|%.*s) ", STR_ARG(p->id),
			   STR_ARG(p->model));
		break;
	case PIECE_TEXT: buf_printf(b, "text(%.*s) ", STR_ARG(p->text)); break;
	case PIECE_THINKING:
		buf_printf(b, "think(%.*s) ", STR_ARG(p->text));
		break;
	case PIECE_SIGNATURE:
		buf_printf(b, "signature(%.*s) ", STR_ARG(p->text));
		break;
	case PIECE_REDACTED:
		buf_printf(b, "redacted(%.*s) ", STR_ARG(p->text));
		break;
	case PIECE_CALL:
		buf_printf(b, "call%u(%.*s|%.*s) ", p->call, STR_ARG(p->id),
			   STR_ARG(p->name));
		break;
	case PIECE_ARGS:
		buf_printf(b, "args%u(%.*s) ", p->call, STR_ARG(p->text));
		break;
	case PIECE_MEDIA:
		buf_printf(b, "media(%.*s|%.*s) ", STR_ARG(p->mime),
			   STR_ARG(p->text));
		break;
	case PIECE_LOGPROBS:
		buf_printf(b, "logprobs%.*s ", STR_ARG(p->json));
		break;
	case PIECE_FINISH: buf_printf(b, "%s", told_finishes[p->finish]); break;
	case PIECE_REFUSAL: buf_add_cstr(b, "? "); break;
	}
}

struct told_event {
	const char *name, *data;
};

/* A stream's events, up to one with a NULL for data or the first that is
 * done, an error or cannot be read. */
static inline void
tell_stream(struct told *t, const struct wire *wire,
	    const struct told_event *events, const struct conversation *talk)
{
	struct ask ask = {
		.kind = ASK_CHAT, .choices = 1, .stream = true, .talk = talk};
	struct source s = {.a = &t->a, .ask = &ask, .put = tell_piece};
	struct delta d;

	*t = (struct told){.text = BUF_INIT};
	arena_init(&t->a);
	s.user = &t->text;
	s.own = arena_zalloc(&t->a, wire->source_bytes);
	for (; events->data && t->err == E_OK && !t->done && !t->error;
	     events++) {
		t->err = wire->parse_event(&s, str_of(events->name),
					   str_of(events->data), &d);
		t->bytes += d.content_bytes;
		t->done = d.done;
		t->last |= d.last;
		t->error = d.error;
		if (d.usage.present)
			t->usage = d.usage;
	}
	buf_add_char(&t->text, '\0');
}

static inline void
told_check_usage(const struct usage *u, uint64_t input, uint64_t read,
		 uint64_t write, uint64_t output)
{
	CHECK(u->present);
	CHECK_INT(u->input, input);
	CHECK_INT(u->cache_read, read);
	CHECK_INT(u->cache_write, write);
	CHECK_INT(u->output, output);
	CHECK_INT(u->reasoning, 0);
}
