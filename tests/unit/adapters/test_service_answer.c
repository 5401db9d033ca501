/* What answers of services say for the bill. */
#include "adapters/service.h"
#include "tests/tap.h"

static const struct {
	const struct service *s;
	const char *body;
	enum err err;
	uint64_t input, cached, output;
	enum unit unit;
	uint32_t units;
	bool tokens;
} answers[] = {
	{&service_images,
	 "{\"created\":1,\"data\":[{\"url\":\"u\"},{\"url\":\"v\"}]}", E_OK, 0,
	 0, 0, UNIT_IMAGE, 2, false},
	{&service_images,
	 "{\"data\":[{}],\"usage\":{\"input_tokens\":50,\"output_tokens\":272,"
	 "\"input_tokens_details\":{\"text_tokens\":10,\"image_tokens\":40,"
	 "\"cached_tokens\":8}}}",
	 E_OK, 42, 8, 272, UNIT_IMAGE, 1, true},
	{&service_images, "{\"data\":[]}", E_UP_BAD_RESPONSE, 0, 0, 0,
	 UNIT_NONE, 0, false},
	{&service_images, "{\"error\":{\"message\":\"x\"}}", E_UP_SERVER_ERROR,
	 0, 0, 0, UNIT_NONE, 0, false},
	{&service_images, "oops", E_UP_BAD_RESPONSE, 0, 0, 0, UNIT_NONE, 0,
	 false},
	{&service_transcriptions,
	 "{\"text\":\"t\",\"usage\":{\"type\":\"duration\",\"seconds\":9.5}}",
	 E_OK, 0, 0, 0, UNIT_MILLISECOND, 9500, false},
	{&service_transcriptions, "{\"text\":\"t\",\"duration\":\"8.47\"}",
	 E_OK, 0, 0, 0, UNIT_MILLISECOND, 8470, false},
	{&service_transcriptions,
	 "{\"text\":\"t\",\"usage\":{\"type\":\"tokens\",\"input_tokens\":14,"
	 "\"output_tokens\":45,\"total_tokens\":59}}",
	 E_OK, 14, 0, 45, UNIT_NONE, 0, true},
	{&service_transcriptions, "{\"text\":\"t\",\"duration\":-1}", E_OK, 0,
	 0, 0, UNIT_NONE, 0, false},
	{&service_rerank,
	 "{\"results\":[],\"meta\":{\"billed_units\":{\"search_units\":2}}}",
	 E_OK, 0, 0, 0, UNIT_SEARCH, 2, false},
	{&service_rerank, "{\"results\":[],\"usage\":{\"total_tokens\":33}}",
	 E_OK, 33, 0, 0, UNIT_NONE, 0, true},
	{&service_moderations, "{\"results\":[{}]}", E_OK, 0, 0, 0, UNIT_NONE,
	 0, false},
	/* contradictions are no usage */
	{&service_images,
	 "{\"data\":[{}],\"usage\":{\"input_tokens\":1,\"input_tokens_"
	 "details\":{\"cached_tokens\":2}}}",
	 E_OK, 0, 0, 0, UNIT_IMAGE, 1, false},
};

TEST(answers_are_counted)
{
	for (unsigned i = 0; i < ARRAY_LEN(answers); i++) {
		struct ask ask = {.kind = ASK_SERVICE, .service = answers[i].s};
		struct answer a;

		CHECK_INT(service_answer(&ask, str_of(answers[i].body), &a),
			  answers[i].err);
		CHECK_INT(a.usage.input, (int64_t)answers[i].input);
		CHECK_INT(a.usage.cache_read, (int64_t)answers[i].cached);
		CHECK_INT(a.usage.output, (int64_t)answers[i].output);
		CHECK_INT(a.usage.units,
			  units_of(answers[i].unit, answers[i].units));
		CHECK(a.usage.present == answers[i].tokens);
	}
}

TEST(text_that_was_asked_for_is_no_fault)
{
	struct ask ask = {.kind = ASK_SERVICE,
			  .service = &service_transcriptions,
			  .plain = true};
	struct answer a;

	CHECK_INT(service_answer(&ask, STR("1\n00:00"), &a), E_OK);
	CHECK(!a.usage.present && a.content_bytes > 0);
	CHECK_INT(service_answer(&ask, STR(""), &a), E_UP_BAD_RESPONSE);
}

TEST(the_last_events_have_the_usage)
{
	struct ask ask = {.kind = ASK_SERVICE, .service = &service_images};
	struct delta d;

	CHECK_INT(service_event(&ask,
				STR("{\"type\":\"image_generation.partial_"
				    "image\",\"b64_json\":\"AA\"}"),
				&d),
		  E_OK);
	CHECK(!d.last && !d.usage.present && d.content_bytes > 0);
	CHECK_INT(service_event(&ask,
				STR("{\"type\":\"image_generation.completed\","
				    "\"usage\":{\"input_tokens\":5,"
				    "\"output_tokens\":6}}"),
				&d),
		  E_OK);
	CHECK(d.last && d.usage.present);
	CHECK_INT(d.usage.output, 6);
	CHECK_INT(d.usage.units, units_of(UNIT_IMAGE, 1));
	CHECK_INT(service_event(&ask, STR("{\"type\":\"error\",\"error\":{}}"),
				&d),
		  E_OK);
	CHECK(d.error);
	CHECK_INT(
		service_event(&ask, STR("{\"error\":{\"message\":\"\"}}"), &d),
		E_OK);
	CHECK(d.error);
	CHECK_INT(service_event(&ask, STR(" [DONE]"), &d), E_OK);
	CHECK(d.done);
	CHECK_INT(service_event(&ask, STR("x"), &d), E_UP_BAD_RESPONSE);
}

int
main(void)
{
	RUN(answers_are_counted);
	RUN(text_that_was_asked_for_is_no_fault);
	RUN(the_last_events_have_the_usage);
	return tap_done();
}
