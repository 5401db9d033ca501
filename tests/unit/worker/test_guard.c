/* What can never be answered is refused before any money is held. */
#include "tests/unit/worker/fixture.h"

static struct exchange *
asked(struct fixture *f, const char *path, const char *body)
{
	struct exchange *x = fix_post(f, path, body);

	fix_settle(f);
	return x;
}

TEST(embeddings_are_not_streamed)
{
	struct fixture *f = fix_new();
	struct exchange *x;

	fix_start(f);
	x = asked(f, "/v1/embeddings",
		  "{\"model\":\"embed\",\"input\":\"x\",\"stream\":true}");
	CHECK_INT(x->status, 400);
	CHECK_STR(fix_json(x, "param"), "\"stream\"");
	CHECK_INT(f->n_entries, 0);
	CHECK(fix_done(f));
}

TEST(more_tokens_than_can_be_held_for_are_refused)
{
	struct fixture *f = fix_new();
	struct exchange *x;

	fix_start(f);
	fix_fund(f, ACME, INT64_MAX / 2);
	x = asked(f, FIX_CHATS,
		  fix_chat("gpt", ",\"n\":128,\"max_tokens\":1073741824"));
	CHECK_INT(x->status, 400);
	CHECK_STR(fix_json(x, "param"), "\"n\"");
	x = asked(f, FIX_CHATS,
		  fix_chat("gpt", ",\"n\":128,\"max_tokens\":8388609"));
	CHECK_INT(x->status, 400);
	CHECK_INT(f->n_calls, 0);
	(void)fix_post(f, FIX_CHATS,
		       fix_chat("gpt", ",\"n\":128,\"max_tokens\":8388608"));
	CHECK_INT(f->n_calls, 1);
	fix_up_fail(f, CALL_REFUSED);
	fix_up_fail(f, CALL_REFUSED);
	CHECK(fix_done(f));
}

TEST(the_models_maximum_counts_where_the_request_has_none)
{
	struct fixture *f = fix_new();

	f->model[MODEL_GPT].max_output = 16777216;
	fix_start(f);
	CHECK_INT(asked(f, FIX_CHATS, fix_chat("gpt", ",\"n\":65"))->status,
		  400);
	CHECK(fix_done(f));
}

int
main(void)
{
	RUN(embeddings_are_not_streamed);
	RUN(more_tokens_than_can_be_held_for_are_refused);
	RUN(the_models_maximum_counts_where_the_request_has_none);
	return tap_done();
}
