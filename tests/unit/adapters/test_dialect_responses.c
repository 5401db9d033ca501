/* adapters/dialect_responses.c: what is asked for, whole answers, costs. */
#include "base/json.h"
#include "tests/unit/adapters/responses_fixture.h"

TEST(the_fields_that_matter_are_found)
{
	struct ask a;
	const char *detail;

	CHECK(fix_parse("{\"input\":\"hi\",\"instructions\":\"Be terse.\","
			"\"tools\":[{}],\"stream\":true,\"max_output_tokens\":9"
			",\"model\":\"m\",\"metadata\":{\"a\":\"b\"}}",
			&a, &detail) == E_OK);
	CHECK(str_eq(a.model, STR("m")));
	CHECK(a.stream && a.has_max && a.include_usage);
	CHECK_INT(a.max_output, 9);
	CHECK_INT(a.choices, 1);
	CHECK(str_eq(a.input.raw, STR("\"hi\"")));
	CHECK(str_eq(a.more[0].raw, STR("\"Be terse.\"")));
	CHECK(str_eq(a.more[1].raw, STR("[{}]")));
	CHECK(str_eq(a.metadata.raw, STR("{\"a\":\"b\"}")));
}

TEST(bad_requests_name_the_field)
{
	static const struct {
		const char *body;
		enum err err;
		const char *detail;
	} cases[] = {
		{"{\"input\":\"x\"}", E_MISSING_FIELD, "model"},
		{"{\"model\":\"m\",\"input\":1}", E_BAD_FIELD, "input"},
		{"{\"model\":\"m\",\"stream\":1}", E_BAD_FIELD, "stream"},
		{"{\"model\":\"m\",\"max_output_tokens\":-1}", E_BAD_FIELD,
		 "max_output_tokens"},
		{"{\"model\":\"m\",\"background\":true}", E_FIELD_LOST,
		 "background"},
		{"{\"model\":\"m\",\"model\":\"n\"}", E_DUPLICATE_FIELD,
		 "model"},
	};
	struct ask a;
	const char *detail;

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		CHECK_INT(fix_parse(cases[i].body, &a, &detail), cases[i].err);
		CHECK_STR(detail, cases[i].detail);
	}
	CHECK_INT(fix_parse("x", &a, &detail), E_BAD_JSON);
}

TEST(errors_stand_in_the_envelope_of_the_sdk)
{
	struct complaint c = {
		.err = E_BAD_FIELD, .detail = "input", .param = "input"};
	struct str body;

	buf_reset(&text);
	dialect_responses.error(&text, &c);
	body = buf_str(&text);
	CHECK(str_starts(body, STR("{\"error\":{\"message\":\"The field "
				   "'input' ")));
	CHECK(str_ends(body, STR("\"param\":\"input\",\"code\":"
				 "\"invalid_field\"}}")));
}

/* ---- whole answers ---- */

static const struct usage usage = {.present = true,
				   .input = 50,
				   .cache_read = 30,
				   .cache_write = 20,
				   .output = 10,
				   .reasoning = 40};

#define USAGE_TEXT                                                           \
	"\"usage\":{\"input_tokens\":100,\"input_tokens_details\":{"         \
	"\"cached_tokens\":30,\"cache_write_tokens\":20},\"output_tokens\":" \
	"50,\"output_tokens_details\":{\"reasoning_tokens\":40},"            \
	"\"total_tokens\":150,\"cost\":0.00125}"

static struct part *
add(struct reply *r, enum part_kind kind, const char *raw)
{
	struct part *p = reply_part(
		&arena, r->choices ? r->choices : reply_choice(&arena, r),
		kind);

	p->text = str_of(raw);
	return p;
}

static const char *
written(const struct reply *r)
{
	struct fix_stream f;
	struct json_value root;
	struct json_error fault;

	dialect_responses.write_answer(fix_sink(&f), r, &usage,
				       money_nano(1250000));
	CHECK(json_valid(buf_str(&text), &root, &fault));
	return said();
}

TEST(an_answer_is_a_whole_response)
{
	struct reply r;
	struct part *p;

	reply_init(&r);
	p = add(&r, PART_THINKING, "First");
	p->signature = STR("EqQB");
	(void)add(&r, PART_TEXT, "Hel\\u006co");
	(void)add(&r, PART_REFUSAL, "No");
	p = add(&r, PART_CALL, "");
	p->id = STR("call_1");
	p->name = STR("f");
	p->args = STR("{\"x\":\"ü\\n\"}");
	r.choices->finish = FINISH_CALLS;
	CHECK_STR(
		written(&r),
		"{\"id\":\"resp_1\",\"object\":\"response\",\"created_at\":7,"
		"\"status\":\"completed\",\"error\":null,"
		"\"incomplete_details\":null,\"model\":\"m\",\"output\":[{"
		"\"type\":\"reasoning\",\"id\":\"rs_1_0\",\"status\":"
		"\"completed\",\"summary\":[{\"type\":\"summary_text\","
		"\"text\":\"First\"}],\"encrypted_content\":\"EqQB\"},{"
		"\"type\":\"message\",\"id\":\"msg_1_1\",\"status\":"
		"\"completed\",\"role\":\"assistant\",\"content\":[{\"type\":"
		"\"output_text\",\"annotations\":[],\"logprobs\":[],\"text\":"
		"\"Hel\\u006co\"},{\"type\":\"refusal\",\"refusal\":\"No\"}]},"
		"{\"type\":\"function_call\",\"id\":\"fc_1_2\",\"status\":"
		"\"completed\",\"call_id\":\"call_1\",\"name\":\"f\","
		"\"arguments\":\"{\\\"x\\\":\\\"ü\\\\n\\\"}\"}]," USAGE_TEXT
		"}");
}

TEST(an_answer_cut_short_is_incomplete)
{
	struct reply r;

	reply_init(&r);
	(void)add(&r, PART_TEXT, "a");
	r.choices->finish = FINISH_LENGTH;
	CHECK(strstr(written(&r), "\"status\":\"incomplete\",\"error\":null,"
				  "\"incomplete_details\":{\"reason\":"
				  "\"max_output_tokens\"}"));
	CHECK(strstr(text.p, "\"id\":\"msg_1_0\",\"status\":\"incomplete\""));
	r.choices->finish = FINISH_FILTER;
	CHECK(strstr(written(&r), "{\"reason\":\"content_filter\"}"));
	r.choices->finish = FINISH_ERROR;
	CHECK(strstr(written(&r), "\"status\":\"failed\",\"error\":{\"code\":"
				  "\"server_error\""));
}

TEST(seals_of_calls_and_unreadable_thoughts_stand_in_items)
{
	struct reply r;
	struct part *p;

	reply_init(&r);
	p = add(&r, PART_REDACTED, "");
	p->data = STR("Abc=");
	p = add(&r, PART_CALL, "");
	p->name = STR("f");
	p->signature = STR("Sig=");
	CHECK(strstr(written(&r),
		     "\"summary\":[],\"encrypted_content\":\"redacted:Abc=\"}") !=
	      NULL);
	CHECK(strstr(text.p, "\"call_id\":\"call_1_1\",\"name\":\"f\","
			     "\"arguments\":\"{}\"},{\"type\":\"reasoning\","
			     "\"id\":\"rs_1_2\",\"status\":\"completed\","
			     "\"summary\":[],\"encrypted_content\":"
			     "\"call:call_1_1:Sig=\"}") != NULL);
}

TEST(an_answer_of_nothing_is_valid)
{
	struct reply r;

	reply_init(&r);
	CHECK(strstr(written(&r), "\"output\":[]," USAGE_TEXT) != NULL);
}

/* ---- the charge ---- */

static const char *
costed(const char *body)
{
	struct ask ask = {.kind = ASK_CHAT};
	struct answer a;
	struct usage estimate = {.input = 3, .output = 2};
	struct json_value root;
	struct json_error fault;
	struct pieces p;

	CHECK(wire_responses.parse_answer(&ask, str_of(body), &a) == E_OK);
	CHECK(dialect_responses.put_cost(&arena, &a, str_of(body), &estimate,
					 money_nano(1000), &p) == E_OK);
	buf_reset(&text);
	for (unsigned i = 0; i < p.n; i++)
		buf_add(&text, p.iov[i].iov_base, p.iov[i].iov_len);
	CHECK(json_valid(buf_str(&text), &root, &fault));
	return said();
}

#define ESTIMATE                                                             \
	"{\"input_tokens\":3,\"input_tokens_details\":{\"cached_tokens\":0," \
	"\"cache_write_tokens\":0},\"output_tokens\":2,"                     \
	"\"output_tokens_details\":{\"reasoning_tokens\":0},"                \
	"\"total_tokens\":5,\"estimated\":true,\"cost\":0.000001}"

TEST(the_charge_stands_in_native_answers)
{
	CHECK_STR(costed("{\"output\":[],\"usage\":{\"input_tokens\":1,"
			 "\"output_tokens\":2}}"),
		  "{\"output\":[],\"usage\":{\"cost\":0.000001,"
		  "\"input_tokens\":1,\"output_tokens\":2}}");
	CHECK_STR(costed("{\"output\":[],\"usage\":{\"input_tokens\":1,"
			 "\"output_tokens\":2,\"cost\":7}}"),
		  "{\"output\":[],\"usage\":{\"input_tokens\":1,"
		  "\"output_tokens\":2,\"cost\":0.000001}}");
	CHECK_STR(costed("{\"output\":[],\"usage\":null,\"x\":1}"),
		  "{\"output\":[],\"usage\":" ESTIMATE ",\"x\":1}");
	CHECK_STR(costed("{\"output\":[]}"),
		  "{\"usage\":" ESTIMATE ",\"output\":[]}");
}

int
main(void)
{
	arena_init(&arena);
	RUN(the_fields_that_matter_are_found);
	RUN(bad_requests_name_the_field);
	RUN(errors_stand_in_the_envelope_of_the_sdk);
	RUN(an_answer_is_a_whole_response);
	RUN(an_answer_cut_short_is_incomplete);
	RUN(seals_of_calls_and_unreadable_thoughts_stand_in_items);
	RUN(an_answer_of_nothing_is_valid);
	RUN(the_charge_stands_in_native_answers);
	arena_free(&arena);
	buf_free(&text);
	return tap_done();
}
