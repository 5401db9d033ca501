/* Receipts, as answers carry them. */
#include "tests/unit/worker/fixture.h"

#define ASKED "x-tollgate-receipt: 1\r\n"

static struct exchange *
ask(struct fixture *f, const char *more)
{
	struct exchange *x = fix_open(f, "POST", FIX_CHATS, FIX_KEY, ASKED);

	fix_body(x, fix_chat("gpt", more));
	return x;
}

TEST(a_whole_answer_carries_it_in_a_header)
{
	struct fixture *f = fix_started();
	struct exchange *x = ask(f, "");

	fix_answer(f, 200, fix_whole("hi", NULL));
	fix_settle(f);
	CHECK_INT(x->status, 0);
	CHECK(strstr(f->calls->sent.p, "GET /internal/v1/receipt?slot="));
	fix_answer(f, 200, "pay.sign");
	fix_settle(f);
	CHECK_INT(x->status, 200);
	CHECK_STR(fix_field(x, "x-tollgate-receipt"), "pay.sign");
	CHECK_INT(f->n_entries, 1);
	CHECK(!f->entry[0].reversed);
	CHECK(fix_done(f));
}

TEST(a_stream_carries_it_in_a_comment_before_its_end)
{
	struct fixture *f = fix_started();
	struct exchange *x = ask(f, STREAMED_USAGE);

	fix_up_stream(f);
	fix_up_chunk(f, "hello");
	fix_up_usage(f, 5, 5);
	fix_up_done(f);
	fix_up_end(f);
	fix_settle(f);
	fix_answer(f, 200, "pay.sign");
	fix_settle(f);
	CHECK(fix_says(x, ": tollgate-receipt pay.sign\n\n"));
	CHECK(strstr(fix_out(x), "tollgate-receipt") <
	      strstr(fix_out(x), "data: [DONE]"));
	CHECK(fix_done(f));
}

TEST(without_a_receipt_the_answer_is_sent_all_the_same)
{
	static const char *const bad[] = {"", "two words", "a\r\nx: y"};
	struct fixture *f = fix_started();
	struct exchange *x;

	for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
		x = ask(f, "");
		fix_answer(f, 200, fix_whole("hi", NULL));
		fix_settle(f);
		if (bad[i][0])
			fix_answer(f, 200, bad[i]);
		else
			fix_up_fail(f, CALL_HEAD_TIMEOUT);
		fix_settle(f);
		CHECK_INT(x->status, 200);
		CHECK_STR(fix_field(x, "x-tollgate-receipt"), "unavailable");
	}
	CHECK(fix_done(f));
}

TEST(nothing_is_asked_for_errors_and_for_those_who_do_not_ask)
{
	struct fixture *f = fix_started();
	struct exchange *x = ask(f, "");

	fix_answer(f, 400, "{\"error\":{\"message\":\"no\"}}");
	fix_settle(f);
	CHECK_INT(x->status, 400);
	CHECK_INT(f->n_calls, 1);
	x = fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	fix_answer(f, 200, fix_whole("hi", NULL));
	fix_settle(f);
	CHECK_INT(x->status, 200);
	CHECK_STR(fix_field(x, "x-tollgate-receipt"), "");
	CHECK_INT(f->n_calls, 2);
	CHECK(fix_done(f));
}

TEST(a_client_that_leaves_while_it_is_signed_pays_nothing)
{
	struct fixture *f = fix_started();
	struct exchange *x = ask(f, "");

	fix_answer(f, 200, fix_whole("hi", NULL));
	fix_settle(f);
	fix_gone(x, E_CLIENT_GONE);
	fix_settle(f);
	CHECK_INT(f->calls->end, CALL_CANCELLED);
	CHECK(f->entry[0].reversed);
	CHECK(fix_done(f));
}

TEST(the_public_key_is_there_once_the_admin_process_has_it)
{
	struct fixture *f = fix_started();
	struct exchange *x = fix_open(f, "GET", "/v1/receipts/key", NULL, "");

	CHECK_INT(x->status, 503);
	f->region.head->receipt_key[0] = 9;
	f->region.head->has_receipt_key = 1;
	x = fix_open(f, "GET", "/v1/receipts/key", NULL, "");
	CHECK_INT(x->status, 200);
	CHECK(fix_says(x, "-----BEGIN PUBLIC KEY-----"));
	CHECK_STR(fix_json(x, "algorithm"), "\"Ed25519\"");
	CHECK(fix_done(f));
}

int
main(void)
{
	RUN(a_whole_answer_carries_it_in_a_header);
	RUN(a_stream_carries_it_in_a_comment_before_its_end);
	RUN(without_a_receipt_the_answer_is_sent_all_the_same);
	RUN(nothing_is_asked_for_errors_and_for_those_who_do_not_ask);
	RUN(a_client_that_leaves_while_it_is_signed_pays_nothing);
	RUN(the_public_key_is_there_once_the_admin_process_has_it);
	return tap_done();
}
