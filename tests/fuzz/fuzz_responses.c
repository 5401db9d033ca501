/*
 * The Responses API from both sides: any bytes as a request, an answer, an
 * error, and, line by line, as a stream. What is written of them is JSON.
 */
#include <stdlib.h>

#include "adapters/responses.h"
#include "tests/fuzz/replay.h"

static void
must_be_json(struct str written)
{
	struct json_value root;
	struct json_error fault;

	if (!json_valid(written, &root, &fault))
		abort();
}

static void
write_request(struct arena *a, struct conversation *c, const struct ask *ask)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;
	struct target t = {.model = STR("m"), .model_json = STR("\"m\"")};
	struct json_out o;
	struct writing w = {
		.talk = c, .ask = ask, .target = &t, .a = a, .out = &o};

	json_out_init(&o, &text);
	if (wire_responses.write(&w) == E_OK)
		must_be_json(buf_str(&text));
	if (writing_end(&w) == E_NO_MEMORY)
		abort();
}

static void
ask_of(struct arena *a, struct ask *ask, struct conversation *c)
{
	struct target t = {.model_json = STR("\"m\"")};
	const char *detail = NULL;
	struct pieces p;

	if (dialect_responses.parse(a, ask, &detail) != E_OK)
		return;
	(void)wire_responses.patch(a, ask, &t, &p);
	conversation_init(c, a);
	if (dialect_responses.read(c, ask, &detail) != E_OK)
		return;
	ask->talk = c;
	write_request(a, c, ask);
}

static void
answer_of(struct sink *s, struct str body)
{
	static const struct usage usage = {.present = true};
	struct upstream_error error;
	struct answer answer;
	struct pieces p;
	struct reply r;

	wire_responses.parse_error(200, STR_NONE, body, &error);
	wire_responses.parse_error(500, STR_NONE, body, &error);
	if (wire_responses.parse_answer(s->ask, body, &answer) != E_OK)
		return;
	(void)dialect_responses.put_cost(s->a, &answer, body, &usage,
					 money_nano(1), &p);
	reply_init(&r);
	if (wire_responses.read_answer(s->a, s->ask, body, &r) != E_OK)
		return;
	dialect_responses.write_answer(s, &r, &usage, money_nano(1));
	must_be_json(buf_str(s->out));
}

static void
put(void *user, const struct piece *p)
{
	dialect_responses.put(user, p);
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
stream_of(struct sink *s, struct str lines)
{
	static const struct usage usage = {.present = true};
	struct responses_reading own = {0};
	struct source source = {
		.a = s->a, .ask = s->ask, .own = &own, .put = put, .user = s};
	struct delta d;

	while (lines.n > 0)
		(void)wire_responses.parse_event(&source, STR_NONE,
						 str_cut(&lines, '\n'), &d);
	dialect_responses.end(s, &usage, money_nano(1));
	check_events(buf_str(s->out));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;
	struct str in = {(const char *)data, size};
	struct ask ask = {.kind = ASK_CHAT, .body = in};
	struct conversation talk;
	struct answering own = {0};
	struct arena arena;
	struct sink s = {.a = &arena,
			 .ask = &ask,
			 .id = STR("1"),
			 .model = STR("m"),
			 .out = &text,
			 .own = &own};

	arena_init(&arena);
	ask_of(&arena, &ask, &talk);
	answer_of(&s, in);
	own = (struct answering){0};
	buf_reset(&text);
	stream_of(&s, in);
	arena_free(&arena);
	return 0;
}
