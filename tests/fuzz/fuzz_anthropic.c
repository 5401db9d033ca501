/*
 * The Anthropic dialect, both sides: any body is refused or read, and what is
 * written of it is JSON; any answer, event and error is digested. Lines of
 * the input beyond the first are the events of a stream.
 */
#include <stdlib.h>

#include "adapters/adapter.h"
#include "tests/fuzz/replay.h"

static void
must_be_json(struct str text)
{
	struct json_value root;
	struct json_error fault;

	if (!json_valid(text, &root, &fault))
		abort();
}

static void
write_request(struct arena *a, struct ask *ask, struct conversation *talk)
{
	CLEANUP(buf_free) struct buf body = BUF_INIT;
	static const struct target target = {
		.model = {"claude-x-4-1", 12},
		.model_json = {"\"claude-x-4-1\"", 14}};
	struct json_out out;
	struct writing w = {.talk = talk,
			    .ask = ask,
			    .target = &target,
			    .a = a,
			    .out = &out};

	json_out_init(&out, &body);
	if (wire_anthropic.write(&w) == E_OK && writing_end(&w) == E_OK)
		must_be_json(buf_str(&body));
}

static void
read_request(struct arena *a, struct str body)
{
	struct ask ask = {.kind = ASK_CHAT, .body = body};
	struct conversation talk;
	const char *detail = NULL;

	if (dialect_anthropic.parse(a, &ask, &detail) != E_OK)
		return;
	conversation_init(&talk, a);
	if (dialect_anthropic.read(&talk, &ask, &detail) == E_OK)
		write_request(a, &ask, &talk);
	else if (!detail)
		abort();
}

static void
read_answer(struct arena *a, struct sink *s, struct str body)
{
	struct ask ask = {.kind = ASK_CHAT};
	struct upstream_error error;
	struct answer answer;
	struct reply reply;

	wire_anthropic.parse_error(500, STR(""), body, &error);
	if (wire_anthropic.parse_answer(&ask, body, &answer) != E_OK)
		return;
	reply_init(&reply);
	/* a member that only this one reads may stand there twice */
	if (wire_anthropic.read_answer(a, &ask, body, &reply) != E_OK)
		return;
	dialect_anthropic.write_answer(s, &reply, &answer.usage, money_nano(0));
	must_be_json(buf_str(s->out));
}

static void
put_piece(void *user, const struct piece *p)
{
	dialect_anthropic.put(user, p);
}

static void
check_events(struct str text)
{
	while (text.n > 0) {
		struct str line = str_cut(&text, '\n');

		if (str_starts(line, STR("data: ")))
			must_be_json(str_from(line, 6));
	}
}

static void
read_stream(struct arena *a, struct sink *s, struct str events)
{
	struct ask ask = {.kind = ASK_CHAT, .stream = true};
	struct source source = {
		.a = a, .ask = &ask, .put = put_piece, .user = s};
	struct usage usage = {.present = false};
	struct delta delta;

	source.own = arena_zalloc(a, wire_anthropic.source_bytes);
	s->own = arena_zalloc(a, dialect_anthropic.sink_bytes);
	buf_reset(s->out);
	while (source.own && s->own && events.n > 0)
		(void)wire_anthropic.parse_event(
			&source, STR(""), str_cut(&events, '\n'), &delta);
	dialect_anthropic.end(s, &usage, money_nano(0));
	check_events(buf_str(s->out));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;
	struct str in = {(const char *)data, size};
	struct sink s = {.id = STR("req_1"), .model = STR("m"), .out = &out};
	struct arena a;

	arena_init(&a);
	s.a = &a;
	read_request(&a, in);
	read_answer(&a, &s, in);
	read_stream(&a, &s, in);
	arena_free(&a);
	return 0;
}
