/* adapters/responses_event.c: the bill and the pieces of a stream. */
#include "tests/unit/adapters/responses_fixture.h"

#define EV(type, more) "{\"type\":\"response." type "\"," more "}"
#define IN(response) \
	"\"response\":{\"id\":\"resp_1\",\"model\":\"gpt-x\"," response "}"

/* A stream, one event an element; the last delta in *last. */
static const char *
pieces_of(const char *const *events, struct delta *last, uint64_t *bytes)
{
	struct ask ask = {.kind = ASK_CHAT};
	struct responses_reading own = {0};
	struct source s = {
		.a = &arena, .ask = &ask, .own = &own, .put = fix_put};

	buf_reset(&text);
	*bytes = 0;
	for (; *events; events++) {
		CHECK(wire_responses.parse_event(&s, STR_NONE, str_of(*events),
						 last) == E_OK);
		*bytes += last->content_bytes;
	}
	return said();
}

TEST(a_text_comes_in_pieces_and_usage_at_the_end)
{
	static const char *const events[] = {
		EV("created", IN("\"status\":\"in_progress\",\"output\":[]")),
		EV("in_progress", IN("\"output\":[]")),
		EV("output_item.added",
		   "\"output_index\":0,\"item\":{\"type\":\"message\",\"id\":"
		   "\"msg_1\",\"content\":[]}"),
		EV("content_part.added",
		   "\"item_id\":\"msg_1\",\"output_index\":0,\"content_index\":"
		   "0,\"part\":{\"type\":\"output_text\",\"text\":\"\"}"),
		EV("output_text.delta",
		   "\"output_index\":0,\"content_index\":0,\"delta\":\"He\\ud83d\""),
		EV("output_text.delta",
		   "\"output_index\":0,\"content_index\":0,\"delta\":\"\\ude00\","
		   "\"logprobs\":[{\"token\":\"x\",\"logprob\":-1}]"),
		EV("output_text.done",
		   "\"output_index\":0,\"content_index\":0,\"text\":\"all\""),
		EV("output_item.done",
		   "\"output_index\":0,\"item\":{\"type\":\"message\"}"),
		EV("completed",
		   IN("\"status\":\"completed\",\"usage\":{\"input_tokens\":12,"
		      "\"output_tokens\":5,\"total_tokens\":17}")),
		NULL};
	struct delta d;
	uint64_t bytes;

	CHECK_STR(pieces_of(events, &d, &bytes),
		  "begin(resp_1,gpt-x) text(He\\ud83d) text(\\ude00) "
		  "probs({\"content\":[{\"token\":\"x\",\"logprob\":-1}]}) "
		  "finish(stop) ");
	CHECK_INT(bytes, 8 + 6);
	CHECK(d.last && !d.done && d.usage.present);
	CHECK_INT(d.usage.input, 12);
	CHECK_INT(d.usage.output, 5);
	CHECK(str_eq(d.model, STR("gpt-x")));
}

#define ADDED(at, id, name)                                                \
	EV("output_item.added",                                            \
	   "\"output_index\":" at ",\"item\":{\"type\":\"function_call\"," \
	   "\"id\":\"fc_" id "\",\"call_id\":\"" id "\",\"name\":\"" name  \
	   "\",\"arguments\":\"\"}")
#define ARGS(at, more)                      \
	EV("function_call_arguments.delta", \
	   "\"output_index\":" at ",\"delta\":\"" more "\"")

TEST(parallel_calls_keep_their_arguments_apart)
{
	static const char *const events[] = {
		ADDED("1", "a", "f"),
		ADDED("3", "b", "g"),
		ARGS("3", "{\\\"y\\\":"),
		ARGS("1", "{\\\"x\\\":1}"),
		ARGS("3", "2}"),
		ARGS("9", "lost"),
		EV("function_call_arguments.done",
		   "\"output_index\":1,\"arguments\":\"{}\""),
		EV("completed", IN("\"status\":\"completed\"")),
		NULL};
	struct delta d;
	uint64_t bytes;

	CHECK_STR(pieces_of(events, &d, &bytes),
		  "begin(,) call0(a,f) call1(b,g) args1({\\\"y\\\":) "
		  "args0({\\\"x\\\":1}) args1(2}) finish(calls) ");
	CHECK_INT(bytes, 1 + 1 + 7 + 9 + 2 + 4);
	CHECK(d.last && !d.usage.present);
}

TEST(what_was_not_said_in_fragments_is_said_at_the_end)
{
	static const char *const events[] = {
		ADDED("0", "a", "f"),
		EV("function_call_arguments.done",
		   "\"output_index\":0,\"arguments\":\"{}\""),
		EV("output_item.done",
		   "\"output_index\":1,\"item\":{\"type\":\"function_call\","
		   "\"call_id\":\"b\",\"name\":\"g\",\"arguments\":\"[]\"}"),
		EV("output_text.done",
		   "\"output_index\":2,\"content_index\":0,\"text\":\"Hi\""),
		EV("incomplete",
		   IN("\"status\":\"incomplete\",\"incomplete_details\":{"
		      "\"reason\":\"max_output_tokens\"}")),
		NULL};
	struct delta d;
	uint64_t bytes;

	CHECK_STR(pieces_of(events, &d, &bytes),
		  "begin(,) call0(a,f) args0({}) call1(b,g) args1([]) "
		  "text(Hi) finish(length) ");
	CHECK(d.last);
}

TEST(thoughts_come_with_their_seal)
{
	static const char *const events[] = {
		EV("output_item.added",
		   "\"output_index\":0,\"item\":{\"type\":\"reasoning\",\"id\":"
		   "\"rs_9\",\"summary\":[]}"),
		EV("reasoning_summary_part.added", "\"summary_index\":0"),
		EV("reasoning_summary_text.delta", "\"delta\":\"First\""),
		EV("reasoning_summary_part.added", "\"summary_index\":1"),
		EV("reasoning_summary_text.delta", "\"delta\":\"then\""),
		EV("reasoning_text.delta", "\"delta\":\"raw\""),
		EV("output_item.done",
		   "\"output_index\":0,\"item\":{\"type\":\"reasoning\",\"id\":"
		   "\"rs_9\",\"summary\":[],\"encrypted_content\":\"gA==\"}"),
		EV("refusal.delta", "\"output_index\":1,\"delta\":\"No\""),
		NULL};
	struct delta d;
	uint64_t bytes;

	CHECK_STR(pieces_of(events, &d, &bytes),
		  "begin(,) thinking(First) thinking(\\n\\n) thinking(then) "
		  "thinking(raw) sign(rs_9:gA==) refusal(No) ");
	CHECK_INT(bytes, 5 + 4 + 3 + 2);
}

static struct delta
delta_of(const char *data, enum err err)
{
	struct ask ask = {.kind = ASK_CHAT};
	struct responses_reading own = {0};
	struct source s = {.a = &arena, .ask = &ask, .own = &own};
	struct delta d;

	CHECK_INT(wire_responses.parse_event(&s, STR_NONE, str_of(data), &d),
		  err);
	return d;
}

TEST(errors_in_a_stream_are_told_apart_from_its_end)
{
	CHECK(delta_of("{\"type\":\"error\",\"message\":\"x\"}", E_OK).error);
	CHECK(delta_of(EV("failed", IN("\"status\":\"failed\"")), E_OK).error);
	CHECK(delta_of("[DONE]", E_OK).done);
	CHECK(!delta_of("{\"type\":\"keepalive\"}", E_OK).error);
	CHECK(!delta_of("{}", E_OK).last);
	(void)delta_of("x", E_UP_BAD_RESPONSE);
	(void)delta_of("[]", E_UP_BAD_RESPONSE);
	(void)delta_of("{\"type\":\"a\",\"type\":\"b\"}", E_UP_BAD_RESPONSE);
}

TEST(numbers_of_events_are_followed)
{
	struct ask ask = {.kind = ASK_CHAT};
	struct source s = {.a = &arena, .ask = &ask};
	struct delta d;

	CHECK(wire_responses.parse_event(
		      &s, STR_NONE,
		      STR("{\"type\":\"x\",\"sequence_number\":41}"),
		      &d) == E_OK);
	CHECK_INT(s.sequence, 42);
}

TEST(native_streams_are_only_counted)
{
	struct delta d = delta_of(
		EV("custom_tool_call_input.delta", "\"delta\":\"12345\""),
		E_OK);

	CHECK_INT(d.content_bytes, 5);
	d = delta_of(EV("output_text.delta", "\"delta\":\"123\""), E_OK);
	CHECK_INT(d.content_bytes, 3);
	CHECK(d.usage_value.type == JSON_ABSENT);
}

int
main(void)
{
	arena_init(&arena);
	RUN(a_text_comes_in_pieces_and_usage_at_the_end);
	RUN(parallel_calls_keep_their_arguments_apart);
	RUN(what_was_not_said_in_fragments_is_said_at_the_end);
	RUN(thoughts_come_with_their_seal);
	RUN(errors_in_a_stream_are_told_apart_from_its_end);
	RUN(numbers_of_events_are_followed);
	RUN(native_streams_are_only_counted);
	arena_free(&arena);
	buf_free(&text);
	return tap_done();
}
