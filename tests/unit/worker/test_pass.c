/* Services: their prices, forms, and answers of any type. */
#include "tests/unit/worker/fixture.h"

#define IMAGES	"/v1/images/generations"
#define SPEECH	"/v1/audio/speech"
#define SOUND	"/v1/audio/transcriptions"
#define A_CAT	"{\"model\":\"gpt\",\"prompt\":\"a cat\""
#define A_WORD	"{\"model\":\"gpt\",\"input\":\"abcd\"}"
#define FORM	"Content-Type: multipart/form-data; boundary=b\r\n"
#define PART(n) "--b\r\nContent-Disposition: form-data; name=" n "\r\n\r\n"
#define A_FORM        \
	PART("model") \
	"gpt\r\n" PART("file; filename=f") "12345678\r\n--b--\r\n"

/* Only lane a; a price of another kind. */
static struct fixture *
begin(struct conf_model price)
{
	struct fixture *f = fix_new();
	struct conf_model *m = &f->model[MODEL_GPT];

	m->input = m->cache_read = m->cache_write = price.input;
	m->output = m->reasoning = price.output;
	m->per_request = price.per_request;
	m->per_image = price.per_image;
	m->per_second = price.per_second;
	m->per_million_characters = price.per_million_characters;
	f->channel[LANE_B].n_models = 0;
	f->channel[LANE_DEMO].n_models = 0;
	fix_start(f);
	return f;
}

static const struct conf_model by_image = {.per_image = {40000000}};
static const struct conf_model by_second = {.per_second = {100000}};
static const struct conf_model by_character = {
	.per_million_characters = {15000000}};
static const struct conf_model by_token = {.input = {2500000},
					   .output = {10000000}};

static const char *
sent(const struct fixture *f)
{
	buf_add_char(&f->calls->sent, '\0');
	return f->calls->sent.p;
}

TEST(pictures_are_held_for_and_paid_by_those_that_came)
{
	struct fixture *f = begin(by_image);
	struct exchange *x = fix_post(f, IMAGES, A_CAT ",\"n\":2}");

	CHECK(strstr(sent(f), "POST " IMAGES " HTTP/1.1\r\n") ==
	      f->calls->sent.p);
	CHECK(strstr(sent(f), "\r\naccept: */*\r\n") != NULL);
	CHECK(strstr(sent(f), "{\"model\":\"up-gpt\",\"prompt\":\"a cat\","
			      "\"n\":2}") != NULL);
	fix_up_head(f, 200, "content-type: application/json; x=y\r\n");
	fix_up_text(f, "{\"data\":[{},{}]}");
	fix_up_end(f);
	fix_settle(f);
	CHECK_INT(x->status, 200);
	CHECK_STR(fix_out(x), "{\"data\":[{},{}]}");
	CHECK_STR(fix_field(x, "content-type"), "application/json; x=y");
	CHECK_STR(fix_field(x, "x-tollgate-charge-usd"), "0.08");
	CHECK_INT(f->entry[0].cost, 2 * 40000000);
	CHECK_INT(f->entry[0].note.tokens.units, units_of(UNIT_IMAGE, 2));
	CHECK_INT(f->entry[0].note.endpoint, ENDPOINT_IMAGES);
	CHECK_INT(f->entry[0].note.usage_source, USAGE_UPSTREAM);
	CHECK(fix_done(f));
}

static void
refused(struct fixture *f, const char *path, const char *body, int status,
	const char *code)
{
	struct exchange *x = fix_post(f, path, body);

	fix_settle(f);
	CHECK_INT(x->status, status);
	CHECK_STR(fix_json(x, "code"), code);
	CHECK_INT(f->n_calls, 0);
	CHECK_INT(f->n_entries, 0);
}

TEST(without_a_price_that_fits_nothing_is_sent)
{
	struct fixture *f = begin(by_image);

	refused(f, SPEECH, A_WORD, 400, "\"model_not_priced\"");
	refused(f, "/v1/moderations", A_WORD, 400, "\"model_not_priced\"");
	refused(f, "/v1/rerank", A_WORD, 400, "\"model_not_priced\"");
	refused(f, FIX_CHATS, fix_chat("gpt", ""), 400, "\"model_not_priced\"");
	CHECK(fix_done(f));
	f = begin(by_character);
	refused(f, IMAGES, A_CAT "}", 400, "\"model_not_priced\"");
	CHECK(fix_done(f));
	f = begin(by_token); /* plain speech tells no tokens */
	refused(f, SPEECH, A_WORD, 400, "\"model_not_priced\"");
	CHECK(fix_done(f));
}

TEST(a_price_per_request_fits_everywhere)
{
	struct conf_model price = {.per_request = {7}};
	struct fixture *f = begin(price);
	struct exchange *x = fix_post(f, "/v1/moderations", A_WORD);

	fix_answer(f, 200, "{\"results\":[{}]}");
	fix_settle(f);
	CHECK_INT(x->status, 200);
	CHECK_INT(f->entry[0].cost, 7);
	CHECK(fix_done(f));
}

TEST(sound_goes_on_as_it_comes)
{
	struct fixture *f = begin(by_character);
	struct exchange *x = fix_post(f, SPEECH, A_WORD);

	fix_up_head(f, 200, "content-type: audio/mpeg\r\n");
	CHECK_INT(x->status, 0);
	fix_up_data(f, "\0\1\2", 3);
	CHECK_STR(fix_field(x, "content-type"), "audio/mpeg");
	CHECK_INT(x->out.n, 3);
	fix_up_data(f, "\3", 1);
	CHECK_INT(x->out.n, 4);
	fix_up_end(f);
	fix_settle(f);
	CHECK(memcmp(x->out.p, "\0\1\2\3", 4) == 0);
	CHECK_INT(x->out.n, 4);
	CHECK(!x->aborted);
	CHECK_INT(f->entry[0].cost, 4 * 15000);
	CHECK_INT(f->entry[0].note.tokens.units, units_of(UNIT_CHARACTER, 4));
	CHECK(fix_done(f));
}

TEST(sound_that_breaks_off_is_no_end_and_costs_nothing)
{
	struct fixture *f = begin(by_character);
	struct exchange *x = fix_post(f, SPEECH, A_WORD);

	fix_up_head(f, 200, "content-type: audio/mpeg\r\n");
	fix_up_data(f, "\0\1\2", 3);
	fix_up_fail(f, CALL_CUT);
	fix_settle(f);
	CHECK(x->aborted);
	CHECK_INT(f->entry[0].cost, 0);
	CHECK(fix_done(f));
}

TEST(a_client_that_leaves_pays_for_what_it_asked)
{
	struct fixture *f = begin(by_character);
	struct exchange *x = fix_post(f, SPEECH, A_WORD);

	fix_up_head(f, 200, "content-type: audio/mpeg\r\n");
	fix_up_data(f, "\0\1\2", 3);
	fix_gone(x, E_CLIENT_GONE);
	fix_settle(f);
	CHECK_INT(f->entry[0].cost, 4 * 15000);
	CHECK(!fix_call_runs(f));
	CHECK(fix_done(f));
	f = begin(by_character);
	x = fix_post(f, SPEECH, A_WORD);
	fix_gone(x, E_CLIENT_GONE);
	fix_settle(f);
	CHECK_INT(f->entry[0].cost, 0);
	CHECK(fix_done(f));
}

TEST(a_form_keeps_its_bytes)
{
	struct fixture *f = begin(by_second);
	struct exchange *x = fix_open(f, "POST", SOUND, FIX_KEY, FORM);

	fix_body(x, A_FORM);
	CHECK(strstr(sent(f), "\r\ncontent-type: multipart/form-data; "
			      "boundary=b\r\n") != NULL);
	CHECK(strstr(sent(f), "\r\n\r\n" PART("model") "up-gpt\r\n" PART(
				      "file; filename=f") "12345678\r\n"
							  "--b--\r\n") != NULL);
	fix_answer(f, 200,
		   "{\"text\":\"t\",\"usage\":{\"type\":\"duration\","
		   "\"seconds\":1.5}}");
	fix_settle(f);
	CHECK_INT(x->status, 200);
	CHECK_INT(f->entry[0].cost, 150000);
	CHECK_INT(f->entry[0].note.tokens.units,
		  units_of(UNIT_MILLISECOND, 1500));
	CHECK(fix_done(f));
}

TEST(what_nobody_says_is_estimated)
{
	struct fixture *f = begin(by_second);
	struct exchange *x = fix_open(f, "POST", SOUND, FIX_KEY, FORM);

	fix_body(x, A_FORM);
	fix_answer(f, 200, "{\"text\":\"t\"}");
	fix_settle(f);
	CHECK_STR(fix_field(x, "x-tollgate-estimated"), "true");
	CHECK_INT(f->entry[0].cost, 200); /* 2 ms */
	CHECK_INT(f->entry[0].note.usage_source, USAGE_ESTIMATED);
	CHECK(fix_done(f));
}

TEST(bodies_of_other_types_are_refused_on_the_head)
{
	struct fixture *f = begin(by_second);
	struct exchange *x;

	refused(f, SOUND, A_WORD, 415, "\"unsupported_media_type\"");
	x = fix_open(f, "POST", SOUND, FIX_KEY,
		     "Content-Type: multipart/form-data\r\n");
	CHECK_INT(x->status, 415);
	x = fix_open(f, "POST", IMAGES, FIX_KEY, FORM);
	CHECK_INT(x->status, 415);
	x = fix_open(f, "POST", SOUND, FIX_KEY, FORM);
	fix_body(x, "--b\r\n");
	fix_settle(f);
	CHECK_INT(x->status, 400);
	CHECK_STR(fix_json(x, "code"), "\"malformed_form\"");
	CHECK(fix_done(f));
}

TEST(the_last_events_wait_for_the_books)
{
	struct fixture *f = begin(by_token);
	struct exchange *x = fix_post(f, IMAGES, A_CAT ",\"stream\":true}");

	fix_up_head(f, 200, "content-type: text/event-stream\r\n");
	fix_up_text(f, "event: image_generation.partial_image\n"
		       "data: {\"type\":\"image_generation.partial_image\"}"
		       "\n\n");
	CHECK(fix_says(x, "partial_image"));
	fix_up_text(f, "data: {\"type\":\"image_generation.completed\","
		       "\"usage\":{\"input_tokens\":4,\"output_tokens\":9}}"
		       "\n\n");
	CHECK(!fix_says(x, "completed"));
	fix_up_end(f);
	fix_settle(f);
	CHECK(fix_says(x, "completed"));
	CHECK(!fix_says(x, "[DONE]"));
	CHECK_INT(f->entry[0].cost, 4 * 2500 + 9 * 10000);
	CHECK(fix_done(f));
}

TEST(a_stream_that_ends_early_says_so)
{
	struct fixture *f = begin(by_token);
	struct exchange *x = fix_post(f, IMAGES, A_CAT ",\"stream\":true}");

	fix_up_head(f, 200, "content-type: text/event-stream\r\n");
	fix_up_text(f, "data: {\"type\":\"x.partial_image\"}\n\n");
	fix_up_end(f);
	fix_settle(f);
	CHECK(fix_says(x, "upstream_cut"));
	CHECK_INT(f->entry[0].cost, 0);
	CHECK(fix_done(f));
}

TEST(what_is_no_answer_goes_to_another_channel)
{
	struct fixture *f = fix_new();
	struct exchange *x;

	f->model[MODEL_GPT].per_image = money_nano(5);
	f->channel[LANE_DEMO].n_models = 0;
	fix_start(f);
	x = fix_post(f, IMAGES, A_CAT "}");
	fix_up_head(f, 200, "content-type: text/html\r\n");
	CHECK_INT(f->n_calls, 2);
	fix_up_head(f, 200, "content-type: application/json\r\n");
	fix_up_text(f, "{\"data\":[]}");
	fix_up_end(f);
	fix_settle(f);
	CHECK_INT(x->status, 502);
	CHECK(fix_done(f));
}

TEST(a_provider_without_the_endpoint_is_not_asked)
{
	struct fixture *f = fix_new();

	f->model[MODEL_GPT].per_image = money_nano(5);
	f->channel[LANE_A].provider = STR("anthropic");
	f->channel[LANE_B].n_models = 0;
	f->channel[LANE_DEMO].n_models = 0;
	fix_start(f);
	fix_settle(f);
	CHECK_INT(fix_post(f, IMAGES, A_CAT "}")->status, 400);
	CHECK_INT(f->n_calls, 0);
	CHECK(fix_done(f));
}

int
main(void)
{
	RUN(pictures_are_held_for_and_paid_by_those_that_came);
	RUN(without_a_price_that_fits_nothing_is_sent);
	RUN(a_price_per_request_fits_everywhere);
	RUN(sound_goes_on_as_it_comes);
	RUN(sound_that_breaks_off_is_no_end_and_costs_nothing);
	RUN(a_client_that_leaves_pays_for_what_it_asked);
	RUN(a_form_keeps_its_bytes);
	RUN(what_nobody_says_is_estimated);
	RUN(bodies_of_other_types_are_refused_on_the_head);
	RUN(the_last_events_wait_for_the_books);
	RUN(a_stream_that_ends_early_says_so);
	RUN(what_is_no_answer_goes_to_another_channel);
	RUN(a_provider_without_the_endpoint_is_not_asked);
	return tap_done();
}
