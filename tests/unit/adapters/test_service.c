/* Requests of services: what of them counts, and the model replaced. */
#include "adapters/service.h"
#include "tests/tap.h"

static struct arena arena;
static const char *detail;

static enum err
parse(const struct service *s, const char *body, struct ask *ask)
{
	*ask = (struct ask){
		.kind = ASK_SERVICE, .service = s, .body = str_of(body)};
	detail = "";
	return service_parse(&arena, ask, &detail);
}

static bool
counts(uint32_t units, enum unit unit, uint32_t n)
{
	return units == units_of(unit, n);
}

TEST(pictures_are_counted_and_the_prompt_is_input)
{
	struct ask ask;

	CHECK_INT(parse(&service_images,
			"{\"model\":\"dall-e\",\"prompt\":\"a cat\",\"n\":3,"
			"\"quality\":\"low\",\"x\":{\"n\":9}}",
			&ask),
		  E_OK);
	CHECK(str_eq(ask.model, STR("dall-e")));
	CHECK(counts(ask.units_most, UNIT_IMAGE, 3));
	CHECK(counts(ask.units_likely, UNIT_IMAGE, 3));
	CHECK_INT(ask.choices, 3);
	CHECK_INT(service_image_tokens(&ask, true), 408);
	CHECK_INT(service_image_tokens(&ask, false), 272);
	CHECK_INT(service_input(&ask, 1000, false), 7);
	CHECK(!ask.stream);
	CHECK_INT(parse(&service_images, "{\"model\":\"m\",\"stream\":true}",
			&ask),
		  E_OK);
	CHECK(ask.stream);
	CHECK(counts(ask.units_most, UNIT_IMAGE, 1));
	CHECK_INT(service_image_tokens(&ask, true), 6240);
}

TEST(characters_are_code_points)
{
	struct ask ask;

	CHECK_INT(parse(&service_speech,
			"{\"model\":\"m\",\"input\":\"a\\u00e9\\ud83d\\ude00"
			"\xc3\xa9\\n\"}",
			&ask),
		  E_OK);
	CHECK(counts(ask.units_most, UNIT_CHARACTER, 5));
	CHECK(!ask.stream);
	CHECK_INT(parse(&service_speech,
			"{\"model\":\"m\",\"input\":\"\","
			"\"stream_format\":\"sse\"}",
			&ask),
		  E_OK);
	CHECK(ask.stream && ask.units_most == 0);
}

TEST(searches_are_hundreds_of_documents)
{
	struct ask ask;

	CHECK_INT(parse(&service_rerank,
			"{\"model\":\"m\",\"query\":\"abc\","
			"\"documents\":[\"d\",{\"text\":\"e\"}]}",
			&ask),
		  E_OK);
	CHECK(counts(ask.units_most, UNIT_SEARCH, 1));
	CHECK(counts(ask.units_likely, UNIT_SEARCH, 1));
}

static const struct {
	const struct service *s;
	const char *body;
	enum err err;
	const char *detail;
} faults[] = {
	{&service_images, "[]", E_BAD_JSON, NULL},
	{&service_images, "{\"prompt\":\"x\"}", E_MISSING_FIELD, "model"},
	{&service_images, "{\"model\":\"a\",\"model\":\"b\"}",
	 E_DUPLICATE_FIELD, "model"},
	{&service_images, "{\"model\":\"a\",\"n\":0}", E_BAD_FIELD, "n"},
	{&service_images, "{\"model\":\"a\",\"n\":129}", E_BAD_FIELD, "n"},
	{&service_images, "{\"model\":\"a\",\"n\":\"2\"}", E_BAD_FIELD, "n"},
	{&service_images, "{\"model\":\"a\",\"n\":1,\"n\":100}",
	 E_DUPLICATE_FIELD, "n"},
	{&service_moderations, "{\"model\":\"a\",\"stream\":true}", E_BAD_FIELD,
	 "stream"},
	{&service_images, "{\"model\":\"a\",\"stream\":1}", E_BAD_FIELD,
	 "stream"},
	{&service_speech, "{\"model\":\"a\"}", E_MISSING_FIELD, "input"},
	{&service_speech, "{\"model\":\"a\",\"input\":[\"x\"]}", E_BAD_FIELD,
	 "input"},
};

TEST(each_fault_is_named)
{
	struct ask ask;

	for (unsigned i = 0; i < ARRAY_LEN(faults); i++) {
		CHECK_INT(parse(faults[i].s, faults[i].body, &ask),
			  faults[i].err);
		if (faults[i].detail)
			CHECK_STR(detail, faults[i].detail);
	}
}

static enum err
field(struct ask *ask, const char *name, const char *value)
{
	return service_field(&arena, ask, str_of(name), str_of(value), &detail);
}

static struct ask
form(const struct service *s)
{
	return (struct ask){
		.kind = ASK_SERVICE, .service = s, .form = true, .choices = 1};
}

TEST(a_form_is_read_field_by_field)
{
	struct ask ask = form(&service_image_edits);

	CHECK_INT(field(&ask, "model", "gpt-image-1"), E_OK);
	CHECK_INT(field(&ask, "n", "4"), E_OK);
	CHECK_INT(field(&ask, "prompt", "12345678"), E_OK);
	CHECK_INT(field(&ask, "quality", "high"), E_OK);
	CHECK_INT(field(&ask, "whatever", "x"), E_OK);
	CHECK_INT(field(&ask, "whatever", "x"), E_OK);
	CHECK_INT(service_fields_end(&ask, &detail), E_MISSING_FIELD);
	CHECK_STR(detail, "image");
	service_file(&ask, STR("png"));
	CHECK_INT(service_fields_end(&ask, &detail), E_OK);
	CHECK(str_eq(ask.model, STR("gpt-image-1")));
	CHECK(counts(ask.units_most, UNIT_IMAGE, 4));
	CHECK_INT(service_input(&ask, 4000, false), 2 + 1536);
	CHECK_INT(service_image_tokens(&ask, false), 4160);
}

TEST(sound_is_counted_in_milliseconds_and_tokens)
{
	struct ask ask = form(&service_transcriptions);
	char sound[40000] = "ID3";

	CHECK_INT(service_fields_end(&ask, &detail), E_MISSING_FIELD);
	CHECK_STR(detail, "model");
	CHECK_INT(field(&ask, "model", "m"), E_OK);
	CHECK_INT(field(&ask, "response_format", "srt"), E_OK);
	CHECK(ask.plain);
	CHECK_INT(service_fields_end(&ask, &detail), E_MISSING_FIELD);
	CHECK_STR(detail, "file");
	service_file(&ask, str_make(sound, sizeof(sound)));
	CHECK_INT(service_fields_end(&ask, &detail), E_OK);
	CHECK(counts(ask.units_most, UNIT_MILLISECOND, 40000));
	CHECK(counts(ask.units_likely, UNIT_MILLISECOND, 10000));
	CHECK_INT(service_input(&ask, 4000, true), 400);
	CHECK_INT(service_input(&ask, 4000, false), 100);
}

TEST(fields_that_stand_twice_or_are_wrong_are_refused)
{
	struct ask ask = form(&service_image_edits);
	const char *known = NULL;

	CHECK_INT(field(&ask, "n", "x"), E_BAD_FIELD);
	ask = form(&service_image_edits);
	CHECK_INT(field(&ask, "model", ""), E_BAD_FIELD);
	CHECK_INT(field(&ask, "model", "a"), E_DUPLICATE_FIELD);
	CHECK_STR(detail, "model");
	CHECK_INT(field(&ask, "stream", "perhaps"), E_BAD_FIELD);
	ask = form(&service_translations);
	CHECK_INT(field(&ask, "stream", "true"), E_BAD_FIELD);
	CHECK(service_knows(STR("model"), &known));
	CHECK_STR(known, "model");
	CHECK(!service_knows(STR("file"), &known));
}

TEST(the_model_is_replaced_and_nothing_else)
{
	struct pieces p;
	struct ask ask;
	char out[128];
	size_t n = 0;

	CHECK_INT(parse(&service_moderations,
			" {\"input\" : [ 1 ],\"model\":\"m\\u0031\" } ", &ask),
		  E_OK);
	CHECK(str_eq(ask.model, STR("m1")));
	service_patch(&ask, STR("up"), STR("\"up\""), &p);
	for (unsigned i = 0; i < p.n; i++) {
		memcpy(out + n, p.iov[i].iov_base, p.iov[i].iov_len);
		n += p.iov[i].iov_len;
	}
	CHECK(str_eq(str_make(out, n),
		     STR(" {\"input\" : [ 1 ],\"model\":\"up\" } ")));
	CHECK_INT(p.bytes, (int64_t)n);
}

TEST(a_path_has_its_version_once)
{
	CHECK(str_eq(service_path(&service_speech, false),
		     STR("/v1/audio/speech")));
	CHECK(str_eq(service_path(&service_speech, true),
		     STR("/audio/speech")));
	CHECK(str_eq(service_path(&service_rerank_v2, false),
		     STR("/v2/rerank")));
}

int
main(void)
{
	arena_init(&arena);
	RUN(pictures_are_counted_and_the_prompt_is_input);
	RUN(characters_are_code_points);
	RUN(searches_are_hundreds_of_documents);
	RUN(each_fault_is_named);
	RUN(a_form_is_read_field_by_field);
	RUN(sound_is_counted_in_milliseconds_and_tokens);
	RUN(fields_that_stand_twice_or_are_wrong_are_refused);
	RUN(the_model_is_replaced_and_nothing_else);
	RUN(a_path_has_its_version_once);
	arena_free(&arena);
	return tap_done();
}
