/*
 * Properties of worker/stream.c: however the network cuts the upstream's
 * bytes, the client reads the same and pays the same.
 */
#include <stdlib.h>

#include "tests/unit/worker/fixture.h"

#define CHUNK(text)                                                  \
	"{\"model\":\"up-gpt\",\"choices\":[{\"index\":0,\"delta\":" \
	"{\"content\":\"" text "\"}}]}"
#define USAGE                                   \
	"{\"model\":\"up-gpt\",\"choices\":[]," \
	"\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3}}"

struct outcome {
	char *out;
	int status;
	int64_t cost;
	struct token_counts tokens;
	enum slot_reason reason;
	uint8_t flags;
};

/* The upstream's body in two pieces, cut at `at`, or byte by byte. */
static struct outcome
play(const char *more, const char *body, size_t at)
{
	struct fixture *f = fix_new();
	struct exchange *x;
	size_t n = strlen(body);
	struct outcome o;

	fix_start(f);
	x = fix_post(f, FIX_CHATS, fix_chat("gpt", more));
	fix_up_head(f, 200, "");
	if (at > 0 && at < n)
		fix_up_data(f, body, at);
	else if (at > n)
		for (size_t i = 0; i < n && fix_call_runs(f); i++)
			fix_up_data(f, body + i, 1);
	if (at <= n && fix_call_runs(f))
		fix_up_data(f, body + at % n, n - at % n);
	if (fix_call_runs(f))
		fix_up_end(f);
	fix_settle(f);
	o = (struct outcome){.out = strdup(fix_out(x)),
			     .status = x->status,
			     .cost = f->entry[0].cost,
			     .tokens = f->entry[0].note.tokens,
			     .reason = f->entry[0].reason,
			     .flags = f->entry[0].note.flags};
	CHECK(fix_done(f));
	return o;
}

static void
same_for_every_split(const char *more, const char *body)
{
	struct outcome whole = play(more, body, 0);

	for (size_t at = 1; at <= strlen(body) + 1; at++) {
		struct outcome o = play(more, body, at);

		CHECK_STR(o.out, whole.out);
		CHECK_INT(o.status, whole.status);
		CHECK_INT(o.cost, whole.cost);
		CHECK_INT(o.reason, whole.reason);
		CHECK_INT(o.flags, whole.flags);
		CHECK(memcmp(&o.tokens, &whole.tokens, sizeof(o.tokens)) == 0);
		free(o.out);
	}
	free(whole.out);
}

TEST(every_split_of_a_stream_says_and_costs_the_same)
{
	same_for_every_split(
		STREAMED_USAGE,
		"\xef\xbb\xbf: hello\r\n\r\nevent: x\r\ndata: " CHUNK(
			"Hi \xc3\xa9") "\r\n\r\ndata: {\"choices\":\ndata: [{\"delta\":{"
				       "\"content\":\"\\u00e9\"}}]}\n\ndata:" CHUNK(
					       "c") "\r\rid: 9\ndata: " USAGE
						    "\n\ndata: [DONE]\n\n");
	same_for_every_split(STREAMED,
			     "data: " CHUNK("Hi") "\n\ndata: " USAGE "\n\n");
}

TEST(every_split_of_a_broken_stream_says_and_costs_the_same)
{
	same_for_every_split(STREAMED,
			     "data: " CHUNK("Hi") "\n\ndata: {\"error\":{"
						  "\"message\":\"b\"}}\n\n");
	same_for_every_split(STREAMED,
			     "data: " CHUNK("Hi") "\n\ndata: {bad\n\n");
	same_for_every_split(STREAMED, "data: " CHUNK("Hi") "\n\ndata: {\"cho");
}

TEST(every_split_of_a_whole_answer_says_and_costs_the_same)
{
	same_for_every_split("", "{\"choices\":[{\"message\":{\"content\":"
				 "\"x\"}}],\"usage\":{\"prompt_tokens\":7,"
				 "\"completion_tokens\":3}}");
	same_for_every_split("", "{\"choices\":[{\"message\":{\"content\":"
				 "\"x\"}}],\"usage\":null}");
}

int
main(void)
{
	RUN(every_split_of_a_stream_says_and_costs_the_same);
	RUN(every_split_of_a_broken_stream_says_and_costs_the_same);
	RUN(every_split_of_a_whole_answer_says_and_costs_the_same);
	return tap_done();
}
