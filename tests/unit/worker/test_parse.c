/* The body, and the model it names. */
#include "tests/unit/worker/fixture.h"

static struct exchange *
asked(struct fixture *f, const char *body)
{
	struct exchange *x = fix_post(f, FIX_CHATS, body);

	fix_settle(f);
	return x;
}

struct wrong {
	const char *body;
	const char *code;
	const char *param;
};
static const struct wrong wrongs[] = {
	{"", "\"malformed_json\"", "null"},
	{"{", "\"malformed_json\"", "null"},
	{"[]", "\"malformed_json\"", "null"},
	{"{\"model\":\"gpt\",\"messages\":[]}x", "\"malformed_json\"", "null"},
	{"{\"messages\":[]}", "\"missing_field\"", "\"model\""},
	{"{\"model\":\"gpt\"}", "\"missing_field\"", "\"messages\""},
	{"{\"model\":7,\"messages\":[]}", "\"invalid_field\"", "\"model\""},
	{"{\"model\":\"\",\"messages\":[]}", "\"invalid_field\"", "\"model\""},
	{"{\"model\":\"gpt\",\"messages\":{}}", "\"invalid_field\"",
	 "\"messages\""},
	{"{\"model\":\"gpt\",\"model\":\"free\",\"messages\":[]}",
	 "\"duplicate_field\"", "\"model\""},
	{"{\"model\":\"gpt\",\"messages\":[],\"max_tokens\":-1}",
	 "\"invalid_field\"", "\"max_tokens\""},
	{"{\"model\":\"gpt\",\"messages\":[],\"n\":0}", "\"invalid_field\"",
	 "\"n\""},
	{"{\"model\":\"gpt\",\"messages\":[],\"stream\":1}",
	 "\"invalid_field\"", "\"stream\""},
};

TEST(each_fault_of_a_body_is_named)
{
	struct fixture *f = fix_started();

	for (unsigned i = 0; i < ARRAY_LEN(wrongs); i++) {
		struct exchange *x = asked(f, wrongs[i].body);

		CHECK_INT(x->status, 400);
		CHECK_STR(fix_json(x, "code"), wrongs[i].code);
		CHECK_STR(fix_json(x, "param"), wrongs[i].param);
		CHECK_STR(fix_json(x, "type"), "\"invalid_request_error\"");
	}
	CHECK_INT(f->n_entries, 0);
	CHECK_INT(f->n_calls, 0);
	CHECK(fix_done(f));
}

TEST(a_model_that_is_not_sold_is_not_found)
{
	struct fixture *f = fix_started();
	struct exchange *x;

	x = asked(f, fix_chat("gpt-5", ""));
	CHECK_INT(x->status, 404);
	CHECK_STR(fix_json(x, "code"), "\"model_not_found\"");
	CHECK_STR(fix_json(x, "param"), "\"model\"");
	CHECK(fix_says(x, "'gpt-5'"));
	/* the upstream's name is none of ours */
	CHECK_INT(asked(f, fix_chat("up-gpt", ""))->status, 404);
	CHECK_INT(asked(f, fix_chat("GPT", ""))->status, 404);
	CHECK_INT(fix_gauge(f, M_REJECTED + REJECT_MODEL), 3);
	CHECK(fix_done(f));
}

TEST(what_a_client_calls_a_model_cannot_break_the_error)
{
	struct fixture *f = fix_started();
	struct exchange *x;
	char name[301], body[400];
	struct json_value root;
	struct json_error fault;

	x = asked(f, fix_chat("a\\\"b\\u0000\\u0007<c>\\n", ""));
	CHECK_INT(x->status, 404);
	CHECK(json_valid(buf_str(&x->out), &root, &fault));
	memset(name, 'n', sizeof(name) - 1);
	name[300] = '\0';
	(void)snprintf(body, sizeof(body), "{\"model\":\"%s\",\"messages\":[]}",
		       name);
	x = asked(f, body);
	CHECK_INT(x->status, 404);
	CHECK(x->out.n < 400); /* cut */
	/* cut within a letter */
	for (unsigned i = 1; i + 1 < sizeof(name); i += 2)
		memcpy(name + i, "\xc3\xa9", 2);
	name[299] = '\0';
	(void)snprintf(body, sizeof(body), "{\"model\":\"%s\",\"messages\":[]}",
		       name);
	x = asked(f, body);
	CHECK_INT(x->status, 404);
	CHECK(json_valid(buf_str(&x->out), &root, &fault));
	CHECK(fix_done(f));
}

TEST(a_key_for_some_models_gets_no_other)
{
	struct fixture *f = fix_started();
	struct exchange *x;

	(void)str_copy(f->client_key->texts[0].models, KEY_MODELS,
		       STR("free, emb*"));
	x = asked(f, fix_chat("gpt", ""));
	CHECK_INT(x->status, 403);
	CHECK_STR(fix_json(x, "code"), "\"model_not_allowed\"");
	CHECK(fix_says(x, "'gpt'"));
	/* nothing is said of what exists */
	CHECK_INT(asked(f, fix_chat("gpt-5", ""))->status, 403);
	(void)fix_post(f, FIX_CHATS, fix_chat("free", ""));
	CHECK_INT(f->n_calls, 1);
	fix_answer(f, 200, "{\"choices\":[{}]}");
	CHECK(fix_done(f));
}

TEST(a_group_has_its_multiplier_for_a_family_of_models)
{
	struct fixture *f = fix_new();
	struct conf_group_model family[] = {
		{.match = STR("ch*"), .multiplier_ppm = 1500000}};

	f->group[GROUP_POOL].models = family;
	f->group[GROUP_POOL].n_models = 1;
	(void)str_copy(f->acme->texts[0].group, GROUP_NAME, STR("pool"));
	fix_start(f);
	(void)fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	fix_answer(f, 200, fix_whole("x", "{\"prompt_tokens\":10}"));
	(void)fix_post(f, FIX_CHATS, fix_chat("cheap", ""));
	fix_answer(f, 200,
		   "{\"choices\":[{}],\"usage\":{\"prompt_tokens\":1000}}");
	fix_settle(f);
	CHECK_INT(f->entry[0].note.multiplier_ppm, 700000);
	CHECK_INT(f->entry[0].cost, 17500);
	CHECK_INT(f->entry[1].note.multiplier_ppm, 1500000);
	CHECK_INT(f->entry[1].cost, 500); /* 333 x 1.5 = 499.5 */
	CHECK(fix_done(f));
}

int
main(void)
{
	RUN(each_fault_of_a_body_is_named);
	RUN(a_model_that_is_not_sold_is_not_found);
	RUN(what_a_client_calls_a_model_cannot_break_the_error);
	RUN(a_key_for_some_models_gets_no_other);
	RUN(a_group_has_its_multiplier_for_a_family_of_models);
	return tap_done();
}
