/* adapters/gemini_answer.c: answers of Gemini as parts and pieces; and, by
 * way of adapters/gemini_put.c, back in Gemini's words. */
#include "adapters/gemini.h"
#include "tests/tap.h"

static struct arena arena;
static struct ask ask = {.kind = ASK_CHAT, .stream = true};

#define ANSWER(parts, rest)                                               \
	"{\"candidates\":[{\"content\":{\"parts\":[" parts "],\"role\":"  \
	"\"model\"}" rest "}],\"modelVersion\":\"gemini-2.0-flash-001\"," \
	"\"responseId\":\"r1\"}"

static struct reply
read_answer(const char *body)
{
	struct reply r;

	reply_init(&r);
	CHECK_INT(wire_gemini.read_answer(&arena, &ask, str_of(body), &r),
		  E_OK);
	CHECK(r.choices != NULL);
	return r;
}

TEST(parts_are_text_thoughts_and_calls)
{
	struct reply r;
	const struct part *p;

	arena_init(&arena);
	r = read_answer(ANSWER("{\"text\":\"Fi\\n\",\"thought\":true,"
			       "\"thoughtSignature\":\"c2ln\"},{\"text\":"
			       "\"42\"},{\"text\":\"\"},{\"functionCall\":"
			       "{\"name\":\"a\",\"args\":{\"x\":1},\"id\":"
			       "\"c1\"},\"thoughtSignature\":\"Y2Fs\"},"
			       "{\"functionCall\":{\"name\":\"b\"}}",
			       ",\"finishReason\":\"STOP\",\"index\":0"));
	CHECK(str_eq(r.id, STR("r1")));
	CHECK(str_eq(r.model, STR("gemini-2.0-flash-001")));
	CHECK_INT(r.choices->finish, FINISH_CALLS);
	p = r.choices->parts;
	CHECK(p->kind == PART_THINKING && str_eq(p->text, STR("Fi\\n")));
	CHECK(str_eq(p->signature, STR("c2ln")));
	p = p->next;
	CHECK(p->kind == PART_TEXT && str_eq(p->text, STR("42")));
	p = p->next;
	CHECK(p->kind == PART_CALL && str_eq(p->id, STR("c1")));
	CHECK(str_eq(p->args, STR("{\"x\":1}")));
	CHECK(str_eq(p->signature, STR("Y2Fs")));
	p = p->next;
	CHECK(p->kind == PART_CALL && p->id.n == 0);
	CHECK(str_eq(p->args, STR("{}")) && !p->next);
	arena_free(&arena);
}

TEST(every_finish_reason_is_known)
{
	static const struct {
		const char *reason;
		enum finish finish;
	} cases[] = {{"STOP", FINISH_STOP},
		     {"MAX_TOKENS", FINISH_LENGTH},
		     {"SAFETY", FINISH_FILTER},
		     {"RECITATION", FINISH_FILTER},
		     {"BLOCKLIST", FINISH_FILTER},
		     {"PROHIBITED_CONTENT", FINISH_FILTER},
		     {"SPII", FINISH_FILTER},
		     {"MALFORMED_FUNCTION_CALL", FINISH_ERROR},
		     {"UNEXPECTED_TOOL_CALL", FINISH_ERROR},
		     {"OTHER", FINISH_STOP},
		     {"FINISH_REASON_UNSPECIFIED", FINISH_NONE}};
	char body[256];

	arena_init(&arena);
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		(void)snprintf(body, sizeof(body),
			       "{\"candidates\":[{\"finishReason\":\"%s\"}]}",
			       cases[i].reason);
		CHECK_INT(read_answer(body).choices->finish, cases[i].finish);
	}
	CHECK_INT(read_answer("{\"promptFeedback\":{\"blockReason\":\"X\"}}")
			  .choices->finish,
		  FINISH_FILTER);
	arena_free(&arena);
}

TEST(logprobs_become_openais)
{
	struct reply r;

	arena_init(&arena);
	r = read_answer(ANSWER(
		"{\"text\":\"a\"}",
		",\"logprobsResult\":{\"topCandidates\":[{\"candidates\":["
		"{\"token\":\"a\",\"tokenId\":1,\"logProbability\":-0.5},"
		"{\"token\":\"\\\"\",\"logProbability\":-1}]}],"
		"\"chosenCandidates\":[{\"token\":\"a\",\"logProbability\":"
		"-0.5}]}"));
	CHECK_STR(r.choices->logprobs.raw.p,
		  "{\"content\":[{\"token\":\"a\",\"logprob\":-0.5,\"bytes\":"
		  "null,\"top_logprobs\":[{\"token\":\"a\",\"logprob\":-0.5,"
		  "\"bytes\":null},{\"token\":\"\\\"\",\"logprob\":-1,"
		  "\"bytes\":null}]}]}");
	arena_free(&arena);
}

/* ---- streams: pieces, and what a Gemini client would get of them ---- */

struct both {
	struct sink sink;
	struct buf log, out;
	struct source source;
};

static void
log_piece(void *user, const struct piece *p)
{
	static const char *const names[] = {
		"begin",    "text", "refusal", "thinking", "signature",
		"redacted", "call", "args",    "logprobs", "finish"};
	struct both *b = user;

	buf_printf(&b->log, "%s %u.%u %.*s%.*s%.*s %d\n", names[p->kind],
		   (unsigned)p->choice, (unsigned)p->call, STR_ARG(p->text),
		   STR_ARG(p->id), STR_ARG(p->name), (int)p->finish);
	dialect_gemini.put(&b->sink, p);
}

static void
begin(struct both *b)
{
	*b = (struct both){.log = BUF_INIT, .out = BUF_INIT};
	arena_init(&arena);
	b->sink = (struct sink){.a = &arena,
				.ask = &ask,
				.id = STR("req"),
				.model = STR("m"),
				.out = &b->out};
	b->sink.own = arena_zalloc(&arena, dialect_gemini.sink_bytes);
	b->source = (struct source){
		.a = &arena, .ask = &ask, .put = log_piece, .user = b};
	b->source.own = arena_zalloc(&arena, wire_gemini.source_bytes);
}

static void
feed(struct both *b, const char *data)
{
	struct delta d;

	CHECK_INT(
		wire_gemini.parse_event(&b->source, STR_NONE, str_of(data), &d),
		E_OK);
}

static void
end(struct both *b)
{
	struct usage u = {.present = true,
			  .input = 5,
			  .cache_read = 2,
			  .output = 3,
			  .reasoning = 1};

	dialect_gemini.end(&b->sink, &u, money_nano(0));
	buf_add_char(&b->log, '\0');
	buf_add_char(&b->out, '\0');
}

static void
done(struct both *b)
{
	buf_free(&b->log);
	buf_free(&b->out);
	arena_free(&arena);
}

#define CANDIDATE(parts, rest)                                   \
	"data: {\"candidates\":[{\"content\":{\"parts\":[" parts \
	"],\"role\":\"model\"}" rest "}],"
#define NAMES "\"modelVersion\":\"m\",\"responseId\":\"req\"}\n\n"
#define USAGE                                                       \
	"\"usageMetadata\":{\"promptTokenCount\":7,"                \
	"\"cachedContentTokenCount\":2,\"candidatesTokenCount\":3," \
	"\"thoughtsTokenCount\":1,\"totalTokenCount\":11},"

TEST(text_and_thoughts_come_piece_by_piece)
{
	struct both b;

	begin(&b);
	feed(&b, ANSWER("{\"text\":\"Hm\",\"thought\":true}", ""));
	feed(&b, ANSWER("{\"text\":\"\",\"thought\":true,"
			"\"thoughtSignature\":\"c2ln\"}",
			""));
	feed(&b, ANSWER("{\"text\":\"\\ud83d\"}", ""));
	feed(&b,
	     ANSWER("{\"text\":\"\\ude00\"}", ",\"finishReason\":\"STOP\""));
	feed(&b, "{\"usageMetadata\":{\"promptTokenCount\":1}}");
	end(&b);
	CHECK_STR(b.log.p, "begin 0.0 r1 0\nthinking 0.0 Hm 0\n"
			   "signature 0.0 c2ln 0\ntext 0.0 \\ud83d 0\n"
			   "text 0.0 \\ude00 0\nfinish 0.0  1\n");
	CHECK_STR(
		b.out.p,
		CANDIDATE("{\"text\":\"Hm\",\"thought\":true}", ",\"index\":0")
			NAMES CANDIDATE("{\"text\":\"\",\"thought\":true,"
					"\"thoughtSignature\":\"c2ln\"}",
					",\"index\":0")
				NAMES CANDIDATE("{\"text\":\"\\ud83d\"}",
						",\"index\":0")
					NAMES CANDIDATE(
						"{\"text\":\"\\ude00\"}",
						",\"index\":0")
						NAMES CANDIDATE(
							"{\"text\":\"\"}",
							",\"finishReason\":\"STOP\",\"index\":0")
							USAGE NAMES);
	done(&b);
}

TEST(calls_come_whole_with_their_signatures)
{
	struct both b;

	begin(&b);
	feed(&b, ANSWER("{\"functionCall\":{\"name\":\"get_weather\",\"args\":"
			"{\"city\":\"Zürich \\\"HB\\\"\"},\"id\":\"c1\"},"
			"\"thoughtSignature\":\"c2ln\"},{\"functionCall\":"
			"{\"name\":\"get_time\"}}",
			",\"finishReason\":\"STOP\",\"index\":0"));
	end(&b);
	CHECK_STR(b.log.p,
		  "begin 0.0 r1 0\ncall 0.0 c1get_weather 0\n"
		  "args 0.0 {\\\"city\\\":\\\"Zürich \\\\\\\"HB\\\\\\\"\\\"} 0"
		  "\nsignature 0.0 c2ln 0\ncall 0.1 get_time 0\n"
		  "args 0.1 {} 0\nfinish 0.0  4\n");
	CHECK_STR(b.out.p,
		  CANDIDATE("{\"functionCall\":{\"id\":\"c1\",\"name\":"
			    "\"get_weather\",\"args\":{\"city\":\"Zürich "
			    "\\\"HB\\\"\"}},\"thoughtSignature\":\"c2ln\"},"
			    "{\"functionCall\":{\"name\":\"get_time\",\"args\":"
			    "{}}}",
			    ",\"finishReason\":\"STOP\",\"index\":0")
			  USAGE NAMES);
	done(&b);
}

TEST(candidates_are_kept_apart)
{
	struct both b;

	begin(&b);
	feed(&b, "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"b\"}]},"
		 "\"index\":1,\"finishReason\":\"MAX_TOKENS\"},{\"content\":"
		 "{\"parts\":[{\"functionCall\":{\"name\":\"f\"}}]},"
		 "\"index\":0}]}");
	feed(&b, "{\"candidates\":[{\"finishReason\":\"STOP\",\"index\":0},"
		 "{\"index\":1,\"finishReason\":\"STOP\"},{\"index\":99}]}");
	CHECK_STR((buf_add_char(&b.log, '\0'), b.log.p),
		  "begin 0.0  0\ntext 1.0 b 0\nfinish 1.0  3\n"
		  "call 0.0 f 0\nargs 0.0 {} 0\nfinish 0.0  4\n");
	done(&b);
}

TEST(a_refused_prompt_is_filtered)
{
	struct both b;

	begin(&b);
	feed(&b, "{\"promptFeedback\":{\"blockReason\":\"SAFETY\"}}");
	end(&b);
	CHECK_STR(b.log.p, "begin 0.0  0\nfinish 0.0  5\n");
	CHECK_STR(b.out.p, CANDIDATE("{\"text\":\"\"}",
				     ",\"finishReason\":\"SAFETY\",\"index\":0")
				   USAGE NAMES);
	done(&b);
}

int
main(void)
{
	RUN(parts_are_text_thoughts_and_calls);
	RUN(every_finish_reason_is_known);
	RUN(logprobs_become_openais);
	RUN(text_and_thoughts_come_piece_by_piece);
	RUN(calls_come_whole_with_their_signatures);
	RUN(candidates_are_kept_apart);
	RUN(a_refused_prompt_is_filtered);
	return tap_done();
}
