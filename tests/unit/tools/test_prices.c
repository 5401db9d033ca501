/* Price lists of others become configuration text, exactly. */
#include "tests/tap.h"
#include "tools/prices.h"

static struct buf out, said, error;

static bool
import(bool litellm, const char *only, const char *text)
{
	struct price_list l = {
		.only = str_of(only), .out = &out, .said = &said};
	bool fine;

	buf_reset(&out);
	buf_reset(&said);
	buf_reset(&error);
	fine = litellm ? prices_of_litellm(&l, str_of(text), &error)
		       : prices_of_newapi(&l, str_of(text), &error);
	buf_add_char(&out, '\0');
	buf_add_char(&said, '\0');
	buf_add_char(&error, '\0');
	return fine;
}

static void
shut(void)
{
	buf_free(&out);
	buf_free(&said);
	buf_free(&error);
}

TEST(prices_per_token_become_prices_per_million)
{
	CHECK(import(true, "",
		     "{\"sample_spec\":{\"mode\":\"x\"},"
		     "\"gpt-4o\":{\"mode\":\"chat\","
		     "\"input_cost_per_token\":2.5e-06,"
		     "\"cache_read_input_token_cost\":1.25e-06,"
		     "\"output_cost_per_token\":0.00001,"
		     "\"max_input_tokens\":128000,"
		     "\"max_output_tokens\":16384}}"));
	CHECK_STR(out.p, "models = (\n  { name = \"gpt-4o\"; input = \"2.50\"; "
			 "cache_read = \"1.25\"; output = \"10.00\"; "
			 "max_output = 16384; context = 128000; }\n);\n");
	CHECK_STR(said.p, "");
	shut();
}

TEST(long_contexts_become_tiers)
{
	CHECK(import(true, "",
		     "{\"claude\":{\"input_cost_per_token\":3e-06,"
		     "\"output_cost_per_token\":1.5e-05,"
		     "\"input_cost_per_token_above_200k_tokens\":6e-06,"
		     "\"output_cost_per_token_above_200k_tokens\":2.25e-05}}"));
	CHECK(strstr(out.p, "tiers = (\n      { above = 200000; input = "
			    "\"6.00\"; output = \"22.50\"; } );"));
	shut();
}

TEST(what_is_not_billed_by_the_token_is_left_out_with_a_reason)
{
	CHECK(import(true, "",
		     "{\"dall-e\":{\"mode\":\"image_generation\"},"
		     "\"odd\":{\"mode\":\"chat\"},"
		     "\"minus\":{\"input_cost_per_token\":-1},"
		     "\"a b\":{\"input_cost_per_token\":0}}"));
	CHECK_STR(out.p, "models = (\n);\n");
	CHECK_STR(said.p, "dall-e: not billed by the token\n"
			  "odd: no input_cost_per_token\n"
			  "minus: no input_cost_per_token\n"
			  "a b: not a name for a model\n");
	shut();
}

TEST(only_the_models_asked_for_come)
{
	CHECK(import(true, "gpt-*, o?",
		     "{\"gpt-x\":{\"input_cost_per_token\":0},"
		     "\"claude\":{\"input_cost_per_token\":0}}"));
	CHECK(strstr(out.p, "gpt-x") && !strstr(out.p, "claude"));
	shut();
}

TEST(ratios_become_prices_and_groups)
{
	CHECK(import(false, "",
		     "{\"ModelRatio\":{\"gpt-4o\":1.25,\"odd\":\"x\"},"
		     "\"CompletionRatio\":{\"gpt-4o\":4},"
		     "\"CacheRatio\":{\"gpt-4o\":0.5},"
		     "\"ModelPrice\":{\"mj\":0.04,\"gpt-4o\":9},"
		     "\"GroupRatio\":{\"default\":1,\"vip\":0.85}}"));
	CHECK_STR(
		out.p,
		"models = (\n  { name = \"gpt-4o\"; input = \"2.50\"; "
		"cache_read = \"1.25\"; output = \"10.00\"; },\n"
		"  { name = \"mj\"; input = \"0\"; per_request = \"0.04\"; }\n"
		");\n\ngroups = (\n  { name = \"default\"; multiplier = "
		"\"1.0\"; },\n  { name = \"vip\"; multiplier = \"0.85\"; }\n"
		");\n");
	CHECK_STR(said.p, "odd: a ratio that is no number\n");
	shut();
}

TEST(ratios_written_as_texts_and_under_data_are_the_same)
{
	CHECK(import(false, "", "{\"ModelRatio\":\"{\\\"m\\\":0.3}\"}"));
	CHECK(strstr(out.p, "input = \"0.60\"; output = \"0.60\""));
	CHECK(import(false, "",
		     "{\"success\":true,\"data\":{\"model_ratio\":{\"m\":0.3},"
		     "\"completion_ratio\":{\"m\":3}}}"));
	CHECK(strstr(out.p, "input = \"0.60\"; output = \"1.80\""));
	shut();
}

TEST(what_is_no_price_list_is_refused)
{
	static const char *const bad[] = {"", "[1]", "{\"a\":", "{} x", "nul"};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CHECK(!import(true, "", bad[i]));
		CHECK(error.n > 1);
		CHECK(!import(false, "", bad[i]));
	}
	CHECK(!import(false, "", "{\"gpt-4o\":{}}"));
	CHECK_STR(error.p, "neither ModelRatio nor ModelPrice in it");
	shut();
}

int
main(void)
{
	RUN(prices_per_token_become_prices_per_million);
	RUN(long_contexts_become_tiers);
	RUN(what_is_not_billed_by_the_token_is_left_out_with_a_reason);
	RUN(only_the_models_asked_for_come);
	RUN(ratios_become_prices_and_groups);
	RUN(ratios_written_as_texts_and_under_data_are_the_same);
	RUN(what_is_no_price_list_is_refused);
	return tap_done();
}
