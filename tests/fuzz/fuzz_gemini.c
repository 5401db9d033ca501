/*
 * The Gemini dialect, both sides: any body is refused or read, and what is
 * written of it is JSON; any answer, event and error is digested. Lines of
 * the input are the events of a stream.
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
	static const struct target targets[] = {
		{.path = {"", 0}, .model = {"gemini-2.0-flash", 16}},
		{.path = {"/v1beta", 7},
		 .model = {"gemini-3-pro", 12},
		 .quirks = QUIRK_NO_CALL_IDS}};

	for (unsigned i = 0; i < ARRAY_LEN(targets); i++) {
		CLEANUP(buf_free) struct buf body = BUF_INIT;
		struct json_out out;
		struct writing w = {.talk = talk,
				    .ask = ask,
				    .target = &targets[i],
				    .a = a,
				    .out = &out};

		json_out_init(&out, &body);
		if (wire_gemini.write(&w) != E_OK)
			abort();
		must_be_json(buf_str(&body));
		if (writing_end(&w) == E_FIELD_LOST && !w.refused)
			abort();
	}
}

static void
read_request(struct arena *a, struct str body, enum ask_kind kind)
{
	struct ask ask = {.kind = kind,
			  .body = body,
			  .path = STR("gemini-x:streamGenerateContent")};
	struct conversation talk;
	const char *detail = NULL;

	if (dialect_gemini.parse(a, &ask, &detail) != E_OK)
		return;
	conversation_init(&talk, a);
	if (dialect_gemini.read(&talk, &ask, &detail) == E_OK)
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

	wire_gemini.parse_error(500, STR(""), body, &error);
	if (wire_gemini.parse_answer(&ask, body, &answer) != E_OK)
		return;
	reply_init(&reply);
	if (wire_gemini.read_answer(a, &ask, body, &reply) != E_OK)
		abort();
	dialect_gemini.write_answer(s, &reply, &answer.usage, money_nano(0));
	must_be_json(buf_str(s->out));
}

static void
put_piece(void *user, const struct piece *p)
{
	dialect_gemini.put(user, p);
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

	source.own = arena_zalloc(a, wire_gemini.source_bytes);
	s->own = arena_zalloc(a, dialect_gemini.sink_bytes);
	buf_reset(s->out);
	while (source.own && s->own && events.n > 0)
		(void)wire_gemini.parse_event(&source, STR(""),
					      str_cut(&events, '\n'), &delta);
	dialect_gemini.end(s, &usage, money_nano(0));
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
	read_request(&a, in, ASK_CHAT);
	read_request(&a, in, ASK_COUNT);
	read_answer(&a, &s, in);
	read_stream(&a, &s, in);
	arena_free(&a);
	return 0;
}
