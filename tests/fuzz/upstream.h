#pragma once
/*
 * An upstream dialect that no client speaks, against Anthropic's as the
 * client's: any body that is understood is written as JSON, any answer, event
 * and error is digested, and what becomes of them is JSON. Lines of the input
 * are the events of a stream: a name, a tab, the data.
 */
#include <stdlib.h>

#include "adapters/adapter.h"
#include "tests/fuzz/replay.h"

static inline void
must_be_json(struct str text)
{
	struct json_value root;
	struct json_error fault;

	if (!json_valid(text, &root, &fault))
		abort();
}

static inline void
write_request(const struct wire *wire, struct ask *ask,
	      struct conversation *talk, struct str model)
{
	CLEANUP(buf_free) struct buf body = BUF_INIT;
	struct target target = {.path = STR(""), .model = model};
	struct json_out out;
	struct writing w = {.talk = talk,
			    .ask = ask,
			    .target = &target,
			    .a = talk->a,
			    .out = &out};

	target.model_json = arena_printf(talk->a, "\"%.*s\"", STR_ARG(model));
	json_out_init(&out, &body);
	if (!wire->path(talk->a, ask, &target).p)
		abort();
	if (wire->write(&w) != E_OK)
		abort();
	must_be_json(buf_str(&body));
	if (writing_end(&w) == E_FIELD_LOST && !w.refused)
		abort();
}

static inline void
read_request(const struct wire *wire, struct arena *a, struct str body,
	     const char *const *models)
{
	struct ask ask = {.kind = ASK_CHAT, .body = body};
	struct conversation talk;
	const char *detail = NULL;

	if (dialect_anthropic.parse(a, &ask, &detail) != E_OK)
		return;
	conversation_init(&talk, a);
	if (dialect_anthropic.read(&talk, &ask, &detail) != E_OK)
		return;
	for (; *models; models++)
		write_request(wire, &ask, &talk, str_of(*models));
}

static inline void
read_answer(const struct wire *wire, struct arena *a, struct sink *s,
	    struct str body)
{
	struct ask ask = {.kind = ASK_CHAT};
	struct upstream_error error;
	struct answer answer;
	struct reply reply;

	wire->parse_error(200, body, body, &error);
	wire->parse_error(500, STR(""), body, &error);
	if (wire->parse_answer(&ask, body, &answer) != E_OK)
		return;
	reply_init(&reply);
	if (wire->read_answer(a, &ask, body, &reply) != E_OK)
		abort();
	dialect_anthropic.write_answer(s, &reply, &answer.usage, money_nano(0));
	must_be_json(buf_str(s->out));
}

static inline void
put_piece(void *user, const struct piece *p)
{
	dialect_anthropic.put(user, p);
}

static inline void
check_events(struct str text)
{
	while (text.n > 0) {
		struct str line = str_cut(&text, '\n');

		if (str_starts(line, STR("data: ")))
			must_be_json(str_from(line, 6));
	}
}

static inline void
read_stream(const struct wire *wire, struct arena *a, struct sink *s,
	    struct str events)
{
	struct ask ask = {.kind = ASK_CHAT, .stream = true};
	struct source source = {
		.a = a, .ask = &ask, .put = put_piece, .user = s};
	struct usage usage = {.present = false};
	struct delta delta;

	source.own = arena_zalloc(a, wire->source_bytes);
	s->own = arena_zalloc(a, dialect_anthropic.sink_bytes);
	buf_reset(s->out);
	while (source.own && s->own && events.n > 0) {
		struct str data = str_cut(&events, '\n');
		struct str name = str_cut(&data, '\t');

		if (wire->parse_event(&source, name, data, &delta) != E_OK ||
		    delta.error)
			break;
	}
	dialect_anthropic.end(s, &usage, money_nano(0));
	check_events(buf_str(s->out));
}

static inline int
fuzz_upstream(const struct wire *wire, struct str in, const char *const *models)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;
	struct sink s = {.id = STR("req_1"), .model = STR("m"), .out = &out};
	struct ask ask = {.kind = ASK_CHAT};
	struct arena a;

	arena_init(&a);
	s.a = &a;
	s.ask = &ask;
	read_request(wire, &a, in, models);
	read_answer(wire, &a, &s, in);
	read_stream(wire, &a, &s, in);
	arena_free(&a);
	return 0;
}
