/* adapters/dialect_openai_answer.c: answers as OpenAI's clients read them. */
#include "adapters/dialect_openai.h"
#include "tests/tap.h"

static struct arena arena;
static struct buf text;

static const struct usage usage = {.present = true,
				   .input = 10,
				   .cache_read = 5,
				   .cache_write = 1,
				   .output = 7,
				   .reasoning = 3};

#define USAGE                                                               \
	"\"usage\":{\"prompt_tokens\":16,\"completion_tokens\":10,"         \
	"\"total_tokens\":26,\"prompt_tokens_details\":{\"cached_tokens\":" \
	"5,\"cache_write_tokens\":1},\"completion_tokens_details\":{"       \
	"\"reasoning_tokens\":3},\"cost\":0.25}"
#define HEAD                                                       \
	"\"id\":\"chatcmpl-req1\",\"object\":\"chat.completion\"," \
	"\"created\":99,\"model\":\"m\\\"x\","

static struct sink
sink_of(const struct ask *ask)
{
	struct sink s = {
		.a = &arena,
		.ask = ask,
		.id = STR("req1"),
		.created_s = 99,
		.model = STR("m\"x"),
		.out = &text,
		.own = arena_zalloc(&arena, dialect_openai.sink_bytes)};

	buf_reset(&text);
	return s;
}

static const char *
said(void)
{
	static char out[8192];

	(void)str_copy(out, sizeof(out), buf_str(&text));
	return out;
}

static const char *
answered(const struct ask *ask, const struct reply *r)
{
	struct sink s = sink_of(ask);
	struct json_value root;
	struct json_error fault;

	dialect_openai.write_answer(&s, r, &usage, money_nano(250000000));
	CHECK(json_valid(buf_str(&text), &root, &fault));
	return said();
}

static struct part *
add(struct reply_choice *c, enum part_kind kind, const char *words)
{
	struct part *p = reply_part(&arena, c, kind);

	p->text = str_of(words);
	return p;
}

static struct part *
add_call(struct reply_choice *c, const char *id, const char *name,
	 const char *args)
{
	struct part *p = reply_part(&arena, c, PART_CALL);

	p->id = str_of(id);
	p->name = str_of(name);
	p->args = str_of(args);
	return p;
}

/* ---- whole answers ---- */

TEST(a_whole_answer_has_all_that_the_client_knows)
{
	struct ask ask = {.kind = ASK_CHAT, .choices = 1};
	struct reply_choice *c;
	struct reply r;

	reply_init(&r);
	c = reply_choice(&arena, &r);
	add(c, PART_THINKING, "hm")->signature = STR("sig");
	reply_part(&arena, c, PART_REDACTED)->data = STR("ZGF0");
	add(c, PART_TEXT, "a\\ud83d");
	add(c, PART_TEXT, "\\ude00b");
	c->finish = FINISH_SEQUENCE;
	CHECK_STR(answered(&ask, &r),
		  "{" HEAD "\"choices\":[{\"index\":0,\"message\":{\"role\":"
		  "\"assistant\",\"content\":\"a\\ud83d\\ude00b\","
		  "\"refusal\":null,\"reasoning_content\":\"hm\","
		  "\"reasoning_details\":[{\"type\":\"thinking\",\"index\":0,"
		  "\"thinking\":\"hm\",\"signature\":\"sig\"},{\"type\":"
		  "\"redacted_thinking\",\"index\":1,\"data\":\"ZGF0\"}]},"
		  "\"logprobs\":null,\"finish_reason\":\"stop\"}]," USAGE "}");
}

TEST(calls_end_with_their_reason_and_have_ids)
{
	struct ask ask = {.kind = ASK_CHAT, .choices = 1};
	struct reply_choice *c;
	struct reply r;

	reply_init(&r);
	c = reply_choice(&arena, &r);
	add_call(c, "call_a", "f", "{\"x\":\"y\"}");
	add_call(c, "", "g", "")->signature = STR("s");
	add_call(c, "", "h", "")->text = STR("{\\\"");
	c->finish = FINISH_STOP;
	CHECK_STR(answered(&ask, &r),
		  "{" HEAD "\"choices\":[{\"index\":0,\"message\":{\"role\":"
		  "\"assistant\",\"content\":null,\"refusal\":null,"
		  "\"tool_calls\":[{\"id\":\"call_a\",\"type\":\"function\","
		  "\"function\":{\"name\":\"f\",\"arguments\":"
		  "\"{\\\"x\\\":\\\"y\\\"}\"}},{\"id\":\"call_req1_0\","
		  "\"type\":\"function\",\"function\":{\"name\":\"g\","
		  "\"arguments\":\"{}\"},\"extra_content\":{\"google\":{"
		  "\"thought_signature\":\"s\"}}},{\"id\":\"call_req1_1\","
		  "\"type\":\"function\",\"function\":{\"name\":\"h\","
		  "\"arguments\":\"{\\\"\"}}]},\"logprobs\":null,"
		  "\"finish_reason\":\"tool_calls\"}]," USAGE "}");
	ask.legacy_calls = true;
	CHECK(strstr(answered(&ask, &r),
		     "\"function_call\":{\"name\":\"f\",\"arguments\":"
		     "\"{\\\"x\\\":\\\"y\\\"}\"},\"tool_calls\":[{\"id\":"
		     "\"call_req1_0\"") != NULL);
	CHECK(strstr(said(), "\"finish_reason\":\"function_call\"") != NULL);
}

TEST(every_finish_has_a_word)
{
	static const char *const words[] = {
		[FINISH_NONE] = "stop",
		[FINISH_STOP] = "stop",
		[FINISH_SEQUENCE] = "stop",
		[FINISH_LENGTH] = "length",
		[FINISH_CALLS] = "tool_calls",
		[FINISH_FILTER] = "content_filter",
		[FINISH_PAUSE] = "stop",
		[FINISH_ERROR] = "stop",
	};
	struct ask ask = {.kind = ASK_CHAT, .choices = 1};
	char expected[64];
	struct reply r;

	for (unsigned f = 0; f < ARRAY_LEN(words); f++) {
		reply_init(&r);
		reply_choice(&arena, &r)->finish = (enum finish)f;
		(void)snprintf(expected, sizeof(expected),
			       "\"finish_reason\":\"%s\"}", words[f]);
		CHECK(strstr(answered(&ask, &r), expected) != NULL);
	}
}

TEST(choices_refusals_and_logprobs_are_kept)
{
	struct ask ask = {.kind = ASK_CHAT, .choices = 2};
	struct reply_choice *c;
	struct reply r;

	reply_init(&r);
	c = reply_choice(&arena, &r);
	add(c, PART_TEXT, "a");
	c = reply_choice(&arena, &r);
	c->index = 1;
	add(c, PART_REFUSAL, "no");
	c->logprobs = (struct json_value){JSON_OBJECT, STR("{\"content\":[]}")};
	CHECK(strstr(answered(&ask, &r),
		     "{\"index\":1,\"message\":{\"role\":\"assistant\","
		     "\"content\":null,\"refusal\":\"no\"},\"logprobs\":{"
		     "\"content\":[]},\"finish_reason\":\"stop\"}]") != NULL);
}

TEST(a_legacy_completion_has_its_own_shape)
{
	struct ask ask = {.kind = ASK_COMPLETIONS, .choices = 1};
	struct reply_choice *c;
	struct reply r;

	reply_init(&r);
	c = reply_choice(&arena, &r);
	add(c, PART_THINKING, "hm");
	add(c, PART_TEXT, "a");
	c->finish = FINISH_LENGTH;
	CHECK_STR(answered(&ask, &r),
		  "{\"id\":\"cmpl-req1\",\"object\":\"text_completion\","
		  "\"created\":99,\"model\":\"m\\\"x\",\"choices\":[{"
		  "\"text\":\"a\",\"index\":0,\"logprobs\":null,"
		  "\"finish_reason\":\"length\"}]," USAGE "}");
}

TEST(an_estimate_says_so)
{
	CLEANUP(buf_free) struct buf b = BUF_INIT;
	struct usage u = {.input = 1, .output = 2};
	struct json_out o;

	json_out_init(&o, &b);
	openai_put_usage(&o, &u, money_nano(0));
	buf_add_char(&b, '\0');
	CHECK_STR(b.p, "\"usage\":{\"prompt_tokens\":1,"
		       "\"completion_tokens\":2,\"total_tokens\":3,"
		       "\"prompt_tokens_details\":{\"cached_tokens\":0},"
		       "\"completion_tokens_details\":{\"reasoning_tokens\":"
		       "0},\"estimated\":true,\"cost\":0.00}");
}

/* ---- streams ---- */

#define CHUNK                                                            \
	"data: {\"id\":\"chatcmpl-req1\",\"object\":"                    \
	"\"chat.completion.chunk\",\"created\":99,\"model\":\"m\\\"x\"," \
	"\"choices\":["
#define DELTA(i, members)                             \
	CHUNK "{\"index\":" #i ",\"delta\":{" members \
	      "},\"logprobs\":null,\"finish_reason\":null}]}\n\n"
#define ROLE(i) DELTA(i, "\"role\":\"assistant\",\"content\":\"\"")
#define FINISH(i, word)                                           \
	CHUNK "{\"index\":" #i ",\"delta\":{},\"logprobs\":null," \
	      "\"finish_reason\":\"" word "\"}]}\n\n"
#define DONE "data: [DONE]\n\n"

static const char *
streamed(const struct ask *ask, const struct piece *p, unsigned n)
{
	struct sink s = sink_of(ask);

	for (unsigned i = 0; i < n; i++)
		dialect_openai.put(&s, &p[i]);
	dialect_openai.end(&s, &usage, money_nano(250000000));
	return said();
}

TEST(a_stream_begins_with_its_role_and_ends_with_its_usage)
{
	const struct piece pieces[] = {
		{.kind = PIECE_BEGIN, .id = STR("x")},
		{.kind = PIECE_TEXT, .text = STR("a\\ud83d")},
		{.kind = PIECE_TEXT, .text = STR("\\ude00")},
		{.kind = PIECE_FINISH, .finish = FINISH_STOP},
	};
	struct ask ask = {.kind = ASK_CHAT,
			  .choices = 1,
			  .stream = true,
			  .include_usage = true};

	CHECK_STR(streamed(&ask, pieces, 4),
		  ROLE(0) DELTA(0, "\"content\":\"a\\ud83d\"")
			  DELTA(0, "\"content\":\"\\ude00\"") FINISH(0, "stop")
				  CHUNK "]," USAGE "}\n\n" DONE);
	ask.include_usage = false;
	CHECK_STR(streamed(&ask, pieces, 1), ROLE(0) FINISH(0, "stop") DONE);
}

TEST(nothing_is_said_before_there_is_content)
{
	static const struct piece begin = {.kind = PIECE_BEGIN};
	struct ask ask = {.kind = ASK_CHAT, .choices = 1};
	struct sink s = sink_of(&ask);

	dialect_openai.put(&s, &begin);
	CHECK_INT(text.n, 0);
}

TEST(calls_are_streamed_by_index)
{
	const struct piece pieces[] = {
		{.kind = PIECE_CALL, .id = STR("call_a"), .name = STR("f")},
		{.kind = PIECE_ARGS, .text = STR("{\\\"a\\\":")},
		{.kind = PIECE_CALL, .call = 1, .name = STR("g")},
		{.kind = PIECE_SIGNATURE, .call = 1, .text = STR("s")},
		{.kind = PIECE_ARGS, .text = STR("1}")},
	};
	struct ask ask = {.kind = ASK_CHAT, .choices = 1};

	CHECK_STR(
		streamed(&ask, pieces, 5),
		ROLE(0) DELTA(
			0, "\"tool_calls\":[{\"index\":0,\"id\":\"call_a\","
			   "\"type\":\"function\",\"function\":{\"name\":\"f\","
			   "\"arguments\":\"\"}}]")
			DELTA(0, "\"tool_calls\":[{\"index\":0,\"function\":{"
				 "\"arguments\":\"{\\\"a\\\":\"}}]")
				DELTA(0, "\"tool_calls\":[{\"index\":1,"
					 "\"id\":\"call_req1_0\",\"type\":"
					 "\"function\",\"function\":{\"name\":"
					 "\"g\",\"arguments\":\"\"}}]")
					DELTA(0,
					      "\"tool_calls\":[{\"index\":1,"
					      "\"function\":{"
					      "\"arguments\":\"\"},"
					      "\"extra_content\":{\"google\":{"
					      "\"thought_signature\":\"s\"}}}"
					      "]") DELTA(0, "\"tool_calls\":[{"
							    "\"index\":0,"
							    "\"function\":{"
							    "\"arguments\":"
							    "\"1}\"}}]")
		/* without arguments: an object all the same */
		DELTA(0, "\"tool_calls\":[{\"index\":1,\"function\":{"
			 "\"arguments\":\"{}\"}}]") FINISH(0, "tool_calls")
			DONE);
}

TEST(legacy_functions_are_answered_as_such)
{
	const struct piece pieces[] = {
		{.kind = PIECE_CALL, .id = STR("x"), .name = STR("f")},
		{.kind = PIECE_ARGS, .text = STR("{}")},
		{.kind = PIECE_FINISH, .finish = FINISH_CALLS},
	};
	struct ask ask = {.kind = ASK_CHAT, .choices = 1, .legacy_calls = true};

	CHECK_STR(streamed(&ask, pieces, 3),
		  ROLE(0) DELTA(0, "\"function_call\":{\"name\":\"f\","
				   "\"arguments\":\"\"}")
			  DELTA(0, "\"function_call\":{\"arguments\":\"{}\"}")
				  FINISH(0, "function_call") DONE);
}

TEST(thinking_is_streamed_with_its_signature)
{
	const struct piece pieces[] = {
		{.kind = PIECE_THINKING, .text = STR("hm")},
		{.kind = PIECE_SIGNATURE, .text = STR("sig")},
		{.kind = PIECE_REDACTED, .text = STR("ZGF0")},
		{.kind = PIECE_REFUSAL, .text = STR("no")},
		{.kind = PIECE_LOGPROBS, .json = STR("{\"content\":[]}")},
		{.kind = PIECE_FINISH, .finish = FINISH_FILTER},
	};
	struct ask ask = {.kind = ASK_CHAT, .choices = 1};

	CHECK_STR(streamed(&ask, pieces, 6),
		  ROLE(0) DELTA(0, "\"reasoning_content\":\"hm\"")
			  DELTA(0, "\"reasoning_details\":[{\"type\":"
				   "\"thinking\",\"index\":0,\"thinking\":"
				   "\"hm\",\"signature\":\"sig\"}]")
				  DELTA(0, "\"reasoning_details\":[{\"type\":"
					   "\"redacted_thinking\",\"index\":1,"
					   "\"data\":\"ZGF0\"}]")
					  DELTA(0, "\"refusal\":\"no\"") CHUNK
		  "{\"index\":0,\"delta\":{},\"logprobs\":{\"content\":[]},"
		  "\"finish_reason\":null}]}\n\n" FINISH(0, "content_filter")
			  DONE);
}

TEST(of_several_thoughts_each_has_its_text_and_its_signature)
{
	const struct piece pieces[] = {
		{.kind = PIECE_THINKING, .text = STR("a")},
		{.kind = PIECE_THINKING, .text = STR("b")},
		{.kind = PIECE_SIGNATURE, .text = STR("s1")},
		{.kind = PIECE_THINKING, .text = STR("c")},
		{.kind = PIECE_SIGNATURE, .text = STR("s2")},
		{.kind = PIECE_SIGNATURE, .text = STR("s3")},
		{.kind = PIECE_FINISH, .finish = FINISH_STOP},
	};
	static const char *const details[] = {
		"{\"type\":\"thinking\",\"index\":0,\"thinking\":\"ab\","
		"\"signature\":\"s1\"}",
		"{\"type\":\"thinking\",\"index\":1,\"thinking\":\"c\","
		"\"signature\":\"s2\"}",
		"{\"type\":\"thinking\",\"index\":2,\"thinking\":\"\","
		"\"signature\":\"s3\"}"};
	struct ask ask = {.kind = ASK_CHAT, .choices = 1};
	const char *out = streamed(&ask, pieces, ARRAY_LEN(pieces));

	for (unsigned i = 0; i < ARRAY_LEN(details); i++)
		CHECK(strstr(out, details[i]) != NULL);
}

TEST(choices_are_told_apart_and_those_not_asked_for_left_out)
{
	const struct piece pieces[] = {
		{.kind = PIECE_TEXT, .choice = 1, .text = STR("b")},
		{.kind = PIECE_TEXT, .choice = 2, .text = STR("c")},
		{.kind = PIECE_TEXT, .text = STR("a")},
		{.kind = PIECE_FINISH, .choice = 1, .finish = FINISH_LENGTH},
		{.kind = PIECE_FINISH, .choice = 9, .finish = FINISH_LENGTH},
	};
	struct ask ask = {.kind = ASK_CHAT, .choices = 2};

	CHECK_STR(streamed(&ask, pieces, 5),
		  ROLE(1) DELTA(1, "\"content\":\"b\"") ROLE(0)
			  DELTA(0, "\"content\":\"a\"") FINISH(0, "stop")
				  FINISH(1, "length") DONE);
}

TEST(a_legacy_completion_is_streamed_in_its_shape)
{
	const struct piece pieces[] = {
		{.kind = PIECE_THINKING, .text = STR("hm")},
		{.kind = PIECE_TEXT, .text = STR("a")},
		{.kind = PIECE_FINISH, .finish = FINISH_STOP},
	};
	struct ask ask = {.kind = ASK_COMPLETIONS, .choices = 1};

	CHECK_STR(streamed(&ask, pieces, 3),
		  "data: {\"id\":\"cmpl-req1\",\"object\":\"text_completion\","
		  "\"created\":99,\"model\":\"m\\\"x\",\"choices\":[{\"text\":"
		  "\"a\",\"index\":0,\"logprobs\":null,\"finish_reason\":null}"
		  "]}\n\n"
		  "data: {\"id\":\"cmpl-req1\",\"object\":\"text_completion\","
		  "\"created\":99,\"model\":\"m\\\"x\",\"choices\":[{\"text\":"
		  "\"\",\"index\":0,\"logprobs\":null,\"finish_reason\":"
		  "\"stop\"}]}\n\n" DONE);
}

int
main(void)
{
	arena_init(&arena);
	RUN(a_whole_answer_has_all_that_the_client_knows);
	RUN(calls_end_with_their_reason_and_have_ids);
	RUN(every_finish_has_a_word);
	RUN(choices_refusals_and_logprobs_are_kept);
	RUN(a_legacy_completion_has_its_own_shape);
	RUN(an_estimate_says_so);
	RUN(a_stream_begins_with_its_role_and_ends_with_its_usage);
	RUN(nothing_is_said_before_there_is_content);
	RUN(calls_are_streamed_by_index);
	RUN(legacy_functions_are_answered_as_such);
	RUN(thinking_is_streamed_with_its_signature);
	RUN(of_several_thoughts_each_has_its_text_and_its_signature);
	RUN(choices_are_told_apart_and_those_not_asked_for_left_out);
	RUN(a_legacy_completion_is_streamed_in_its_shape);
	buf_free(&text);
	arena_free(&arena);
	return tap_done();
}
