/* adapters/demo.c: what the embedded provider says can be checked by hand. */
#include "adapters/demo.h"
#include "tests/tap.h"

static struct arena arena;

static struct ask
ask_of(enum ask_kind kind, const char *body)
{
	struct ask ask = {.kind = kind, .body = str_of(body)};
	const char *detail;

	CHECK(dialect_openai.parse(&arena, &ask, &detail) == E_OK);
	return ask;
}

TEST(a_whole_answer_counts_its_words)
{
	struct ask ask = ask_of(ASK_CHAT, "{\"model\":\"demo-echo\","
					  "\"messages\":[{\"role\":\"user\","
					  "\"content\":\"hello my world\"}],"
					  "\"max_tokens\":5}");
	const struct adapter *a = adapter_find(STR("demo"));
	struct demo_reply r;
	struct answer answer;
	CLEANUP(buf_free) struct buf out = BUF_INIT;

	demo_plan(&ask, 1, &r);
	demo_answer(&r, &out);
	CHECK(a->wire->parse_answer(&ask, buf_str(&out), &answer) == E_OK);
	CHECK(answer.usage.present);
	CHECK_INT(answer.usage.output, 5);
	/* role, user, content, hello, my, world */
	CHECK_INT(answer.usage.input, 6);
	CHECK_INT(answer.content_bytes, 1);
	CHECK(str_eq(answer.model, STR("demo-echo")));
}

/* The data of one event that stands alone in `out`. */
static bool
event_of(const struct ask *ask, const struct buf *out, struct delta *d)
{
	struct str data = str_from(str_make(out->p, out->n - 2), 6);

	struct source s = {.ask = ask};

	return adapter_find(STR("demo"))
		       ->wire->parse_event(&s, STR_NONE, data, d) == E_OK;
}

TEST(a_stream_says_the_same_as_the_whole_answer)
{
	struct ask ask = ask_of(ASK_CHAT,
				"{\"model\":\"demo-slow\",\"messages\":[],"
				"\"stream\":true,\"max_tokens\":12,"
				"\"stream_options\":{\"include_usage\":true}}");
	struct demo_reply r;
	struct delta d;
	uint64_t bytes = 0;
	bool done = false;
	unsigned usages = 0;

	demo_plan(&ask, 2, &r);
	for (uint32_t i = 0;; i++) {
		CLEANUP(buf_free) struct buf out = BUF_INIT;

		if (!demo_event(&r, i, &out))
			break;
		CHECK(!done && out.n > 8);
		CHECK(event_of(&ask, &out, &d));
		bytes += d.content_bytes;
		usages += d.usage.present;
		done = d.done;
	}
	CHECK(done);
	CHECK_INT(usages, 1);
	CHECK_INT(bytes,
		  strlen("This answer comes from the demo model; nothing "
			 "leaves this machine. Every"));
}

TEST(embeddings_and_errors_are_valid)
{
	struct ask ask =
		ask_of(ASK_EMBEDDINGS, "{\"model\":\"e\",\"input\":\"a b\"}");
	struct demo_reply r;
	struct answer answer;
	struct upstream_error error;
	CLEANUP(buf_free) struct buf out = BUF_INIT;
	CLEANUP(buf_free) struct buf bad = BUF_INIT;

	demo_plan(&ask, 3, &r);
	demo_answer(&r, &out);
	CHECK(adapter_find(STR("demo"))
		      ->wire->parse_answer(&ask, buf_str(&out), &answer) ==
	      E_OK);
	CHECK_INT(answer.usage.input, 2);
	demo_error(429, &bad);
	adapter_find(STR("demo"))
		->wire->parse_error(429, STR_NONE, buf_str(&bad), &error);
	CHECK(error.err == E_UP_RATE_LIMITED);
	CHECK(error.message.n > 0);
}

TEST(each_input_has_its_vector)
{
	struct ask ask = ask_of(ASK_EMBEDDINGS,
				"{\"model\":\"e\",\"input\":[\"a\",\"b\"],"
				"\"encoding_format\":\"base64\"}");
	CLEANUP(buf_free) struct buf out = BUF_INIT;
	struct demo_reply r;
	struct reply reply;

	demo_plan(&ask, 3, &r);
	demo_answer(&r, &out);
	reply_init(&reply);
	CHECK_INT(wire_openai_vectors.read_answer(&arena, &ask, buf_str(&out),
						  &reply),
		  E_OK);
	CHECK_INT(reply.n_vectors, 2);
	CHECK(str_eq(reply.vectors[1].raw, STR("[0.25,-0.5,0.125,1]")));
}

int
main(void)
{
	arena_init(&arena);
	RUN(a_whole_answer_counts_its_words);
	RUN(a_stream_says_the_same_as_the_whole_answer);
	RUN(embeddings_and_errors_are_valid);
	RUN(each_input_has_its_vector);
	arena_free(&arena);
	return tap_done();
}
