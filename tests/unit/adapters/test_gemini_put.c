/* adapters/gemini_put.c: answers of other upstreams for a Gemini client. */
#include "adapters/gemini.h"
#include "tests/tap.h"

static struct arena arena;
static struct buf out;
static struct sink sink;

#define NAMES "\"modelVersion\":\"m\",\"responseId\":\"req\"}"
#define USAGE                                                       \
	"\"usageMetadata\":{\"promptTokenCount\":6,"                \
	"\"cachedContentTokenCount\":2,\"candidatesTokenCount\":4," \
	"\"totalTokenCount\":10},"

static const struct usage usage = {.present = true,
				   .input = 1,
				   .cache_read = 2,
				   .cache_write = 3,
				   .output = 4};

static void
begin(void)
{
	arena_init(&arena);
	out = BUF_INIT;
	sink = (struct sink){
		.a = &arena, .id = STR("req"), .model = STR("m"), .out = &out};
	sink.own = arena_zalloc(&arena, dialect_gemini.sink_bytes);
}

static void
done(void)
{
	CHECK(!out.failed);
	buf_free(&out);
	arena_free(&arena);
}

static const char *
text(void)
{
	buf_add_char(&out, '\0');
	out.n--;
	return out.p;
}

static void
put(enum piece_kind kind, uint32_t call, const char *raw)
{
	struct piece p = {.kind = kind, .call = call, .text = str_of(raw)};

	if (kind == PIECE_CALL) {
		p.text = STR_NONE;
		p.name = str_of(raw);
		p.id = call ? STR("c1") : STR("c0");
	}
	dialect_gemini.put(&sink, &p);
}

static void
put_finish(enum finish finish)
{
	struct piece p = {.kind = PIECE_FINISH, .finish = finish};

	dialect_gemini.put(&sink, &p);
}

TEST(a_whole_answer_of_every_kind_of_part)
{
	struct reply r = {.tail = NULL};
	struct reply_choice *c;
	struct part *p;

	begin();
	reply_init(&r);
	c = reply_choice(&arena, &r);
	p = reply_part(&arena, c, PART_THINKING);
	p->text = STR("hm");
	p->signature = STR("c2ln");
	reply_part(&arena, c, PART_REDACTED)->data = STR("ZGF0YQ==");
	reply_part(&arena, c, PART_TEXT)->text = STR("4\\n2");
	p = reply_part(&arena, c, PART_CALL);
	p->id = STR("c1");
	p->name = STR("f");
	p->args = STR("{\"a\":1}");
	c->finish = FINISH_CALLS;
	c = reply_choice(&arena, &r);
	c->index = 1;
	c->finish = FINISH_LENGTH;
	dialect_gemini.write_answer(&sink, &r, &usage, money_nano(5));
	CHECK_STR(text(),
		  "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"hm\","
		  "\"thought\":true,\"thoughtSignature\":\"c2ln\"},{\"text\":"
		  "\"\",\"thought\":true,\"thoughtSignature\":"
		  "\"redactedthinkingZGF0YQ==\"},{\"text\":\"4\\n2\"},"
		  "{\"functionCall\":{\"id\":\"c1\",\"name\":\"f\",\"args\":"
		  "{\"a\":1}}}],\"role\":\"model\"},\"finishReason\":\"STOP\","
		  "\"index\":0},{\"content\":{\"parts\":[],\"role\":"
		  "\"model\"},\"finishReason\":\"MAX_TOKENS\",\"index\":1}]"
		  "," USAGE NAMES);
	done();
}

TEST(arguments_are_collected_until_they_are_whole)
{
	begin();
	put(PIECE_BEGIN, 0, "");
	put(PIECE_CALL, 0, "f");
	put(PIECE_ARGS, 0, "{\\\"a");
	put(PIECE_CALL, 1, "g");
	put(PIECE_ARGS, 0, "\\\":1}");
	put(PIECE_ARGS, 1, "");
	CHECK_INT(out.n, 0);
	put_finish(FINISH_CALLS);
	CHECK_INT(out.n, 0);
	dialect_gemini.end(&sink, &usage, money_nano(0));
	CHECK_STR(text(),
		  "data: {\"candidates\":[{\"content\":{\"parts\":["
		  "{\"functionCall\":{\"id\":\"c0\",\"name\":\"f\",\"args\":"
		  "{\"a\":1}}},{\"functionCall\":{\"id\":\"c1\",\"name\":"
		  "\"g\",\"args\":{}}}],\"role\":\"model\"},\"finishReason\":"
		  "\"STOP\",\"index\":0}]," USAGE NAMES "\n\n");
	done();
}

TEST(arguments_that_are_no_object_are_a_malformed_call)
{
	struct reply r = {.tail = NULL};
	struct part *p;

	begin();
	put(PIECE_CALL, 0, "f");
	put(PIECE_ARGS, 0, "{\\\"a\\\":");
	dialect_gemini.end(&sink, &usage, money_nano(0));
	CHECK_STR(text(),
		  "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":"
		  "\"\"}],\"role\":\"model\"},\"finishReason\":"
		  "\"MALFORMED_FUNCTION_CALL\",\"finishMessage\":\"Malformed "
		  "function call: f({\\\"a\\\":)\",\"index\":0}]," USAGE NAMES
		  "\n\n");
	buf_reset(&out);
	reply_init(&r);
	p = reply_part(&arena, reply_choice(&arena, &r), PART_CALL);
	p->name = STR("f");
	p->text = STR("[]");
	dialect_gemini.write_answer(&sink, &r, &usage, money_nano(0));
	CHECK(strstr(text(), "\"finishMessage\":\"Malformed function call: "
			     "f([])\"") != NULL);
	done();
}

TEST(a_signature_belongs_to_what_came_before_it)
{
	begin();
	put(PIECE_THINKING, 0, "hm");
	put(PIECE_SIGNATURE, 0, "dGg=");
	CHECK(strstr(text(), "{\"text\":\"\",\"thought\":true,"
			     "\"thoughtSignature\":\"dGg=\"}") != NULL);
	put(PIECE_REDACTED, 0, "ZA==");
	CHECK(strstr(text(), "\"thoughtSignature\":\"redactedthinkingZA==\"") !=
	      NULL);
	buf_reset(&out);
	put(PIECE_CALL, 0, "f");
	put(PIECE_SIGNATURE, 0, "Y2Fs");
	CHECK_INT(out.n, 0);
	dialect_gemini.end(&sink, &usage, money_nano(0));
	CHECK(strstr(text(), "\"args\":{}},\"thoughtSignature\":\"Y2Fs\"}") !=
	      NULL);
	done();
}

TEST(logprobs_become_googles)
{
	struct piece p = {
		.kind = PIECE_LOGPROBS,
		.choice = 1,
		.json = STR("{\"content\":[{\"token\":\"a\",\"logprob\":-0.5,"
			    "\"bytes\":[97],\"top_logprobs\":[{\"token\":"
			    "\"b\",\"logprob\":-1}]}]}")};

	begin();
	dialect_gemini.put(&sink, &p);
	CHECK_STR(text(),
		  "data: {\"candidates\":[{\"content\":{\"parts\":[],\"role\":"
		  "\"model\"},\"index\":1,\"logprobsResult\":"
		  "{\"topCandidates\":[{\"candidates\":[{\"token\":\"b\","
		  "\"logProbability\":-1}]}],\"chosenCandidates\":[{\"token\":"
		  "\"a\",\"logProbability\":-0.5}]}}]," NAMES "\n\n");
	done();
}

TEST(a_stream_that_said_nothing_has_an_end)
{
	begin();
	dialect_gemini.end(&sink, &usage, money_nano(0));
	CHECK_STR(text(),
		  "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":"
		  "\"\"}],\"role\":\"model\"},\"finishReason\":\"STOP\","
		  "\"index\":0}]," USAGE NAMES "\n\n");
	done();
}

TEST(finish_reasons_in_googles_words)
{
	static const struct {
		enum finish finish;
		const char *reason;
	} cases[] = {{FINISH_STOP, "\"STOP\""},
		     {FINISH_SEQUENCE, "\"STOP\""},
		     {FINISH_PAUSE, "\"STOP\""},
		     {FINISH_LENGTH, "\"MAX_TOKENS\""},
		     {FINISH_FILTER, "\"SAFETY\""},
		     {FINISH_ERROR, "\"MALFORMED_FUNCTION_CALL\""}};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		begin();
		put(PIECE_REFUSAL, 0, "no");
		put_finish(cases[i].finish);
		dialect_gemini.end(&sink, &usage, money_nano(0));
		CHECK(strstr(text(), cases[i].reason) != NULL);
		done();
	}
}

int
main(void)
{
	RUN(a_whole_answer_of_every_kind_of_part);
	RUN(arguments_are_collected_until_they_are_whole);
	RUN(arguments_that_are_no_object_are_a_malformed_call);
	RUN(a_signature_belongs_to_what_came_before_it);
	RUN(logprobs_become_googles);
	RUN(a_stream_that_said_nothing_has_an_end);
	RUN(finish_reasons_in_googles_words);
	return tap_done();
}
