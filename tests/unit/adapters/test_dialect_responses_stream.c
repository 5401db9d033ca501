/* adapters/dialect_responses_stream.c and _answer.c: the order of events. */
#include "base/json.h"
#include "tests/unit/adapters/responses_fixture.h"

static const struct usage usage = {.present = true, .input = 12, .output = 5};

static struct fix_stream stream;

static void
begin(void)
{
	(void)fix_sink(&stream);
}

static void
put(struct piece p)
{
	dialect_responses.put(&stream.sink, &p);
}

static void
finish(enum finish finish)
{
	put((struct piece){.kind = PIECE_FINISH, .finish = finish});
	dialect_responses.end(&stream.sink, &usage, money_nano(1000));
}

/* The types of the events so far; each is checked: one line of JSON, its type
 * the event's, numbers from 0. */
static const char *
types(void)
{
	static char out[4096];
	struct str rest = buf_str(&text), line;
	uint64_t n, expected = 0;
	size_t at = 0;

	out[0] = '\0';
	while (rest.n > 0) {
		struct str name = str_cut(&rest, '\n');
		struct json_value root;
		struct json_error fault;

		line = str_cut(&rest, '\n');
		CHECK(str_cut(&rest, '\n').n == 0);
		CHECK(str_starts(name, STR("event: ")) &&
		      str_starts(line, STR("data: ")));
		name = str_from(name, 7);
		CHECK(json_valid(str_from(line, 6), &root, &fault));
		CHECK(json_str_eq(json_get(root, "type").raw, name));
		CHECK(json_u64(json_get(root, "sequence_number"), &n));
		CHECK_INT(n, expected);
		expected++;
		if (str_starts(name, STR("response.")))
			name = str_from(name, 9);
		at += (size_t)snprintf(out + at, sizeof(out) - at, "%.*s ",
				       STR_ARG(name));
	}
	return out;
}

/* Is this text somewhere in the events. */
static bool
has(const char *part)
{
	buf_add_char(&text, '\0');
	text.n--;
	return strstr(text.p, part) != NULL;
}

static void
put_text(const char *raw)
{
	put((struct piece){.kind = PIECE_TEXT, .text = str_of(raw)});
}

static void
put_call(uint32_t call, const char *id, const char *name)
{
	put((struct piece){.kind = PIECE_CALL,
			   .call = call,
			   .id = str_of(id),
			   .name = str_of(name)});
}

static void
put_args(uint32_t call, const char *raw)
{
	put((struct piece){
		.kind = PIECE_ARGS, .call = call, .text = str_of(raw)});
}

#define WHOLE_MESSAGE                                                        \
	"{\"type\":\"message\",\"id\":\"msg_1_0\",\"status\":\"completed\"," \
	"\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\","     \
	"\"annotations\":[],\"logprobs\":[],\"text\":\"Hello\\ud83d\\ude00\"}]}"

TEST(a_text_has_its_events_in_order)
{
	begin();
	put((struct piece){.kind = PIECE_BEGIN, .id = STR("x")});
	CHECK_STR(types(), "created in_progress ");
	put_text("Hello\\ud83d");
	put_text("\\ude00");
	finish(FINISH_STOP);
	CHECK_STR(types(),
		  "created in_progress output_item.added content_part.added "
		  "output_text.delta output_text.delta output_text.done "
		  "content_part.done output_item.done completed ");
	CHECK(has("\"item_id\":\"msg_1_0\",\"output_index\":0,"
		  "\"content_index\":0,\"delta\":\"Hello\\ud83d\","
		  "\"logprobs\":[]}"));
	CHECK(has("\"output_index\":0,\"item\":{\"type\":\"message\",\"id\":"
		  "\"msg_1_0\",\"status\":\"in_progress\",\"role\":"
		  "\"assistant\",\"content\":[]}}"));
	CHECK(has("\"output_index\":0,\"item\":" WHOLE_MESSAGE "}"));
	CHECK(has(
		"\"status\":\"completed\",\"error\":null,"
		"\"incomplete_details\":null,\"model\":\"m\",\"output\":[" WHOLE_MESSAGE
		"],\"usage\":{\"input_tokens\":12,"));
	CHECK(has("\"total_tokens\":17,\"cost\":0.000001}}}\n\n"));
}

TEST(thoughts_text_and_calls_follow_each_other)
{
	begin();
	put((struct piece){.kind = PIECE_THINKING, .text = STR("Fir")});
	put((struct piece){.kind = PIECE_THINKING, .text = STR("st")});
	put((struct piece){.kind = PIECE_SIGNATURE, .text = STR("EqQB")});
	put_text("Hi");
	put_call(0, "call_1", "f");
	put_args(0, "{\\\"x\\\":");
	put_args(0, "1}");
	put_call(1, "", "g");
	finish(FINISH_CALLS);
	CHECK_STR(types(),
		  "created in_progress output_item.added "
		  "reasoning_summary_part.added reasoning_summary_text.delta "
		  "reasoning_summary_text.delta reasoning_summary_text.done "
		  "reasoning_summary_part.done output_item.done "
		  "output_item.added content_part.added output_text.delta "
		  "output_text.done content_part.done output_item.done "
		  "output_item.added function_call_arguments.delta "
		  "function_call_arguments.delta function_call_arguments.done "
		  "output_item.done output_item.added "
		  "function_call_arguments.done output_item.done completed ");
	CHECK(has("\"item\":{\"type\":\"reasoning\",\"id\":\"rs_1_0\","
		  "\"status\":\"completed\",\"summary\":[{\"type\":"
		  "\"summary_text\",\"text\":\"First\"}],"
		  "\"encrypted_content\":\"EqQB\"}}"));
	CHECK(has("\"item_id\":\"fc_1_2\",\"output_index\":2,\"name\":\"f\","
		  "\"arguments\":\"{\\\"x\\\":1}\"}"));
	CHECK(has("\"call_id\":\"call_1_3\",\"name\":\"g\",\"arguments\":"
		  "\"{}\"}"));
}

TEST(interleaved_calls_stay_open_until_they_are_whole)
{
	begin();
	put_call(0, "a", "f");
	put_args(0, "{\\\"x\\\":");
	put_call(1, "b", "g");
	put_args(1, "{}");
	put_args(0, "\\\"}\\\"}");
	put_call(2, "c", "h");
	put_args(0, "late");
	put_args(7, "unknown");
	finish(FINISH_CALLS);
	CHECK_STR(types(),
		  "created in_progress output_item.added "
		  "function_call_arguments.delta output_item.added "
		  "function_call_arguments.delta function_call_arguments.delta "
		  "function_call_arguments.done output_item.done "
		  "function_call_arguments.done output_item.done "
		  "output_item.added function_call_arguments.done "
		  "output_item.done completed ");
	CHECK(has("\"name\":\"f\",\"arguments\":\"{\\\"x\\\":\\\"}\\\"}\"}"));
}

TEST(refusals_and_probabilities_are_kept)
{
	begin();
	put_text("a");
	put((struct piece){.kind = PIECE_LOGPROBS,
			   .json = STR("{\"content\":[{\"token\":\"a\"}]}")});
	put((struct piece){.kind = PIECE_LOGPROBS,
			   .json = STR("{\"content\":[{\"token\":\"b\"}]}")});
	put((struct piece){.kind = PIECE_REFUSAL, .text = STR("No")});
	finish(FINISH_STOP);
	CHECK_STR(types(),
		  "created in_progress output_item.added content_part.added "
		  "output_text.delta output_text.done content_part.done "
		  "content_part.added refusal.delta refusal.done "
		  "content_part.done output_item.done completed ");
	CHECK(has("\"text\":\"a\",\"logprobs\":[{\"token\":\"a\"},{\"token\":"
		  "\"b\"}]}"));
	CHECK(has("\"content_index\":1,\"refusal\":\"No\"}"));
}

TEST(seals_of_calls_have_items_of_their_own)
{
	begin();
	put((struct piece){.kind = PIECE_REDACTED, .text = STR("Abc")});
	put_call(0, "a", "f");
	put((struct piece){.kind = PIECE_SIGNATURE, .text = STR("S")});
	put_args(0, "{}");
	put((struct piece){.kind = PIECE_SIGNATURE, .text = STR("ig")});
	finish(FINISH_CALLS);
	CHECK_STR(types(), "created in_progress output_item.added "
			   "output_item.done output_item.added "
			   "function_call_arguments.delta "
			   "function_call_arguments.done output_item.done "
			   "output_item.added output_item.done completed ");
	CHECK(has("\"encrypted_content\":\"redacted:Abc\""));
	CHECK(has("\"encrypted_content\":\"call:a:Sig\""));
}

TEST(a_stream_cut_short_says_why)
{
	begin();
	put_text("a");
	finish(FINISH_LENGTH);
	CHECK(strstr(types(), " incomplete ") != NULL);
	CHECK(has("\"incomplete_details\":{\"reason\":\"max_output_tokens\"}"));
	CHECK(has("\"id\":\"msg_1_0\",\"status\":\"incomplete\""));
	begin();
	finish(FINISH_ERROR);
	CHECK_STR(types(), "created in_progress failed ");
	CHECK(has("\"error\":{\"code\":\"server_error\""));
}

TEST(an_empty_stream_is_a_stream)
{
	begin();
	dialect_responses.end(&stream.sink, &usage, money_nano(0));
	CHECK_STR(types(), "created in_progress completed ");
}

TEST(errors_are_events_with_the_next_number)
{
	struct complaint c = {.err = E_UP_CUT};

	begin();
	put_text("a");
	dialect_responses.error_event(&text, &c, &stream.sink);
	CHECK_STR(types(), "created in_progress output_item.added "
			   "content_part.added output_text.delta error ");
	CHECK(has("event: error\ndata: {\"type\":\"error\","
		  "\"sequence_number\":5,\"code\":\"upstream_cut\","
		  "\"message\":\"The provider's answer broke off."));
	CHECK(has("\"param\":null,\"error\":{\"message\":"));
	buf_reset(&text);
	c.sequence = 9;
	dialect_responses.error_event(&text, &c, NULL);
	CHECK(has("\"sequence_number\":9,"));
}

/* Longer than any chunk a text is kept in. */
TEST(long_texts_are_whole_in_the_last_event)
{
	static char long_text[50000];

	memset(long_text, 'x', sizeof(long_text) - 1);
	begin();
	put_text("a");
	put_text(long_text);
	put_text("b");
	put_text(long_text);
	finish(FINISH_STOP);
	(void)types();
	/* two deltas, and four times whole: 2 x 50000 each */
	CHECK(text.n > 4 * 2 * 49999 + 2 * 49999);
}

int
main(void)
{
	arena_init(&arena);
	RUN(a_text_has_its_events_in_order);
	RUN(thoughts_text_and_calls_follow_each_other);
	RUN(interleaved_calls_stay_open_until_they_are_whole);
	RUN(refusals_and_probabilities_are_kept);
	RUN(seals_of_calls_have_items_of_their_own);
	RUN(a_stream_cut_short_says_why);
	RUN(an_empty_stream_is_a_stream);
	RUN(errors_are_events_with_the_next_number);
	RUN(long_texts_are_whole_in_the_last_event);
	arena_free(&arena);
	buf_free(&text);
	return tap_done();
}
