#include "base/errors.h"
#include "tests/tap.h"

TEST(every_row_is_whole)
{
	for (int e = 1; e < E_COUNT; e++) {
		const struct err_row *r = err_row((enum err)e);

		CHECK(strncmp(r->name, "E_", 2) == 0);
		CHECK(r->status >= 400 && r->status <= 599);
		CHECK(r->type[0] && r->code[0] && r->vocab[0] && r->text[0]);
	}
}

TEST(a_text_takes_at_most_one_detail)
{
	for (int e = 0; e < E_COUNT; e++) {
		const char *text = err_row((enum err)e)->text;
		const char *at = strchr(text, '%');

		CHECK(at == NULL || (at[1] == 's' && !strchr(at + 1, '%')));
	}
}

TEST(the_word_of_an_error_goes_through_its_number)
{
	CHECK_INT(err_vocab_id(E_OK), 0);
	for (int e = 1; e < E_COUNT; e++) {
		uint8_t id = err_vocab_id((enum err)e);

		CHECK(id != 0);
		CHECK_STR(err_vocab_name(id), err_row((enum err)e)->vocab);
	}
	CHECK_STR(err_vocab_name(255), "");
}

/* Entries on disk hold these numbers. */
TEST(numbers_of_words_do_not_change)
{
	CHECK_STR(err_vocab_name(1), "caller_invalid_request");
	CHECK_STR(err_vocab_name(6), "policy_balance");
	CHECK_STR(err_vocab_name(13), "provider_auth");
	CHECK_STR(err_vocab_name(27), "gateway_internal");
}

TEST(another_channel_may_help_only_where_the_provider_failed)
{
	CHECK(err_row(E_UP_CONNECT)->other_channel);
	CHECK(err_row(E_UP_RATE_LIMITED)->other_channel);
	CHECK(!err_row(E_UP_REQUEST)->other_channel);
	CHECK(!err_row(E_BALANCE)->other_channel);
	CHECK(!err_row(E_INTERNAL)->other_channel);
}

int
main(void)
{
	RUN(every_row_is_whole);
	RUN(a_text_takes_at_most_one_detail);
	RUN(the_word_of_an_error_goes_through_its_number);
	RUN(numbers_of_words_do_not_change);
	RUN(another_channel_may_help_only_where_the_provider_failed);
	return tap_done();
}
