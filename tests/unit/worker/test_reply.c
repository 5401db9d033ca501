/* What a client reads: header lines, errors, CORS, methods. */
#include "base/clock.h"
#include "tests/unit/worker/fixture.h"

TEST(every_answer_has_an_id_of_its_own)
{
	struct fixture *f = fix_started();
	char first[64];
	struct request_id id;

	(void)str_copy(
		first, sizeof(first),
		str_of(fix_field(fix_get(f, "/v1/models"), "x-request-id")));
	CHECK(request_id_parse(str_of(first), &id));
	CHECK(strcmp(first,
		     fix_field(fix_get(f, "/v1/models"), "x-request-id")) != 0);
	(void)fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	fix_answer(f, 200, fix_whole("x", NULL));
	fix_settle(f);
	CHECK(request_id_parse(str_of(fix_field(f->exchanges, "x-request-id")),
			       &id));
	CHECK(memcmp(id.b, f->entry[0].note.request_id, sizeof(id.b)) == 0);
	CHECK(fix_done(f));
}

/* Every row of errors.def as our own words: valid JSON, and its hole filled. */
TEST(every_error_is_well_formed)
{
	for (unsigned e = 1; e < E_COUNT; e++) {
		CLEANUP(buf_free) struct buf text = BUF_INIT;
		struct complaint c = {.err = (enum err)e,
				      .detail = "a \"detail\"\n"};
		struct json_value root, error;
		struct json_error fault;

		dialect_openai.error(&text, &c);
		CHECK(json_valid(buf_str(&text), &root, &fault));
		error = json_get(root, "error");
		CHECK(json_get(error, "message").type == JSON_STRING);
		CHECK(json_get(error, "type").type == JSON_STRING);
		CHECK(json_get(error, "code").type == JSON_STRING);
		CHECK(str_search(buf_str(&text), STR("%s")) < 0);
	}
}

TEST(a_malformed_request_is_answered_by_render_error)
{
	struct fixture *f = fix_started();
	CLEANUP(buf_free) struct buf fields = BUF_INIT, body = BUF_INIT;
	struct json_value root;
	struct json_error fault;
	const struct series *s =
		metrics_request(f->w.metrics, ROUTE_OTHER, STR_NONE);
	struct exchange x = {.server_user = &f->w};

	request_exchange_ops.render_error(&x, E_BAD_HTTP, "two lengths",
					  &fields, &body);
	CHECK(json_valid(buf_str(&body), &root, &fault));
	CHECK(str_search(buf_str(&body), STR("two lengths")) >= 0);
	CHECK(str_search(buf_str(&fields),
			 STR("content-type: application/json\r\n")) >= 0);
	CHECK(str_starts(buf_str(&fields), STR("x-request-id: req_")));
	CHECK(str_search(buf_str(&fields), STR("retry-after")) < 0);
	CHECK_INT(s->cell[M_REQUESTS + err_vocab_id(E_BAD_HTTP)], 1);
	request_exchange_ops.render_error(&x, E_OVERLOAD, "", &fields, &body);
	CHECK(str_search(buf_str(&fields), STR("retry-after: 1\r\n")) >= 0);
	CHECK(fix_done(f));
}

/* Between head and body the server answers, and nobody counts it twice. */
TEST(a_body_that_is_refused_is_one_request_with_one_id)
{
	struct fixture *f = fix_started();
	struct str star = STR("*");
	const struct series *s =
		metrics_request(f->w.metrics, ROUTE_OTHER, STR_NONE);
	char text[REQUEST_ID_TEXT];
	struct exchange *x;
	uint64_t other;

	f->conf.cors.origins = &star;
	f->conf.cors.n_origins = 1;
	other = s->cell[M_REQUESTS + err_vocab_id(E_TOO_LARGE)];
	x = fix_open(f, "POST", FIX_CHATS, FIX_KEY,
		     "origin: https://page.example\r\n");
	request_id_text(((struct request *)x->user)->id, text);
	fix_refuse(x, E_TOO_LARGE, "1024");
	CHECK_INT(x->ends, 1);
	CHECK_INT(x->end, E_TOO_LARGE);
	CHECK(fix_says(x, "1024"));
	CHECK_STR(fix_field(x, "x-request-id"), text);
	CHECK_STR(fix_field(x, "access-control-allow-origin"),
		  "https://page.example");
	CHECK_INT(s->cell[M_REQUESTS + err_vocab_id(E_TOO_LARGE)], other);
	s = metrics_request(f->w.metrics, ROUTE_CHAT, STR_NONE);
	CHECK_INT(s->cell[M_REQUESTS + err_vocab_id(E_TOO_LARGE)], 1);
	x = fix_open(f, "POST", FIX_CHATS, FIX_KEY, "");
	fix_refuse(x, E_OVERLOAD, "");
	CHECK_STR(fix_field(x, "retry-after"), "1");
	CHECK(fix_done(f));
}

TEST(unknown_paths_and_methods_are_said)
{
	struct fixture *f = fix_started();
	struct exchange *x;

	x = fix_get(f, "/v1/nothing");
	CHECK_INT(x->status, 404);
	CHECK_STR(fix_json(x, "code"), "\"unknown_url\"");
	x = fix_get(f, FIX_CHATS);
	CHECK_INT(x->status, 405);
	CHECK_STR(fix_field(x, "allow"), "POST");
	CHECK(fix_says(x, "Use POST."));
	x = fix_open(f, "POST", "/v1/models", FIX_KEY, "");
	CHECK_INT(x->status, 405);
	CHECK_STR(fix_field(x, "allow"), "GET, HEAD");
	CHECK(!x->wants_body);
	x = fix_open(f, "DELETE", "/v1/models/gpt", FIX_KEY, "");
	CHECK_INT(x->status, 405);
	x = fix_open(f, "BREW", FIX_CHATS, FIX_KEY, "");
	CHECK_INT(x->status, 405);
	/* before the key is looked at */
	x = fix_open(f, "GET", "/nothing", NULL, "");
	CHECK_INT(x->status, 404);
	CHECK(fix_done(f));
}

TEST(a_compressed_body_is_not_read)
{
	struct fixture *f = fix_started();
	struct exchange *x;

	x = fix_open(f, "POST", FIX_CHATS, FIX_KEY,
		     "content-encoding: gzip\r\n");
	CHECK_INT(x->status, 415);
	CHECK(!x->wants_body);
	CHECK_STR(fix_json(x, "code"), "\"unsupported_media_type\"");
	x = fix_open(f, "POST", FIX_CHATS, FIX_KEY,
		     "content-encoding: Identity\r\n");
	CHECK(x->wants_body);
	fix_gone(x, E_CLIENT_GONE);
	CHECK(fix_done(f));
}

TEST(head_is_get_without_the_body)
{
	struct fixture *f = fix_started();
	struct exchange *x = fix_open(f, "HEAD", "/v1/models", FIX_KEY, "");

	CHECK_INT(x->status, 200);
	CHECK_STR(fix_field(x, "content-type"), "application/json");
	CHECK_INT(x->out.n, 1); /* the head */
	x = fix_open(f, "HEAD", FIX_CHATS, FIX_KEY, "");
	CHECK_INT(x->status, 405);
	CHECK(fix_done(f));
}

/* ---- CORS ---- */

static struct fixture *
with_origins(const struct str *origins, uint32_t n)
{
	struct fixture *f = fix_new();

	f->conf.cors.origins = origins;
	f->conf.cors.n_origins = n;
	fix_start(f);
	return f;
}

TEST(options_answers_a_preflight_of_an_allowed_origin)
{
	const struct str origins[] = {STR("https://a.example"),
				      STR("https://b.example")};
	struct fixture *f = with_origins(origins, 2);
	struct exchange *x;

	x = fix_open(f, "OPTIONS", FIX_CHATS, NULL,
		     "origin: https://b.example\r\n"
		     "access-control-request-method: POST\r\n");
	CHECK_INT(x->status, 204);
	CHECK_STR(fix_field(x, "access-control-allow-origin"),
		  "https://b.example");
	CHECK_STR(fix_field(x, "access-control-allow-methods"),
		  "GET, POST, OPTIONS");
	CHECK_STR(fix_field(x, "access-control-allow-headers"),
		  "authorization, content-type, x-api-key");
	CHECK_STR(fix_field(x, "access-control-max-age"), "600");
	CHECK_STR(fix_field(x, "vary"), "origin");
	x = fix_open(f, "OPTIONS", FIX_CHATS, NULL,
		     "origin: https://evil.example\r\n");
	CHECK_INT(x->status, 204);
	CHECK_STR(fix_field(x, "access-control-allow-origin"), "");
	CHECK_STR(fix_field(x, "access-control-allow-methods"), "");
	x = fix_open(f, "OPTIONS", "/v1/models", NULL, "");
	CHECK_INT(x->status, 204);
	CHECK_STR(fix_field(x, "allow"), "GET, HEAD, POST, OPTIONS");
	CHECK(fix_done(f));
}

TEST(answers_and_errors_carry_the_allowed_origin)
{
	const struct str origins[] = {STR("https://a.example")};
	struct fixture *f = with_origins(origins, 1);
	static const char field[] = "origin: https://a.example\r\n";
	struct exchange *x;

	x = fix_open(f, "GET", "/v1/models", FIX_KEY, field);
	CHECK_STR(fix_field(x, "access-control-allow-origin"),
		  "https://a.example");
	CHECK(strstr(fix_field(x, "access-control-expose-headers"),
		     "x-tollgate-charge-usd"));
	x = fix_open(f, "GET", "/v1/models", NULL, field);
	CHECK_INT(x->status, 401);
	CHECK_STR(fix_field(x, "access-control-allow-origin"),
		  "https://a.example");
	x = fix_open(f, "POST", FIX_CHATS, FIX_KEY, field);
	fix_body(x, fix_chat("gpt", STREAMED));
	fix_up_stream(f);
	fix_up_chunk(f, "x");
	CHECK_STR(fix_field(x, "access-control-allow-origin"),
		  "https://a.example");
	fix_up_done(f);
	x = fix_open(f, "GET", "/v1/models", FIX_KEY,
		     "origin: https://a.example.evil\r\n");
	CHECK_STR(fix_field(x, "access-control-allow-origin"), "");
	CHECK(fix_done(f));
}

TEST(a_star_allows_every_origin_and_nothing_allows_none)
{
	const struct str star[] = {STR("*")};
	struct fixture *f = with_origins(star, 1);
	struct exchange *x;

	x = fix_open(f, "GET", "/v1/models", FIX_KEY, "origin: null\r\n");
	CHECK_STR(fix_field(x, "access-control-allow-origin"), "null");
	CHECK(fix_done(f));
	f = fix_started();
	x = fix_open(f, "GET", "/v1/models", FIX_KEY,
		     "origin: https://a.example\r\n");
	CHECK_STR(fix_field(x, "access-control-allow-origin"), "");
	CHECK(fix_done(f));
}

/* ---- limits in header lines ---- */

TEST(limits_of_the_key_are_shown_else_the_accounts)
{
	struct fixture *f = fix_started();
	struct exchange *x;

	x = fix_get(f, "/v1/models");
	CHECK_STR(fix_field(x, "x-ratelimit-limit-requests"), "");
	CHECK_STR(fix_field(x, "x-ratelimit-limit-tokens"), "");
	atomic_store(&f->acme->limits.rpm, 600);
	atomic_store(&f->acme->limits.tpm, 50000);
	x = fix_get(f, "/v1/models");
	CHECK_STR(fix_field(x, "x-ratelimit-limit-requests"), "600");
	CHECK_STR(fix_field(x, "x-ratelimit-remaining-requests"), "600");
	CHECK_STR(fix_field(x, "x-ratelimit-reset-requests"), "0ms");
	CHECK_STR(fix_field(x, "x-ratelimit-limit-tokens"), "50000");
	atomic_store(&f->client_key->limits.rpm, 60);
	x = fix_get(f, "/v1/models");
	CHECK_STR(fix_field(x, "x-ratelimit-limit-requests"), "60");
	(void)fix_post(f, FIX_CHATS, fix_chat("gpt", ",\"max_tokens\":5"));
	fix_answer(f, 200,
		   fix_whole("x", "{\"prompt_tokens\":400,"
				  "\"completion_tokens\":100}"));
	fix_settle(f);
	x = fix_get(f, "/v1/models");
	CHECK_STR(fix_field(x, "x-ratelimit-remaining-requests"), "59");
	CHECK_STR(fix_field(x, "x-ratelimit-reset-requests"), "1s");
	CHECK_STR(fix_field(x, "x-ratelimit-remaining-tokens"), "49500");
	CHECK_STR(fix_field(x, "x-ratelimit-reset-tokens"), "600ms");
	CHECK(fix_done(f));
}

TEST(the_charge_is_said_where_it_is_known_before_the_body)
{
	struct fixture *f = fix_started();
	struct exchange *x;

	x = fix_post(f, FIX_CHATS, fix_chat("gpt", STREAMED));
	fix_up_stream(f);
	fix_up_chunk(f, "x");
	fix_up_done(f);
	CHECK_STR(fix_field(x, "x-tollgate-charge-usd"), "");
	fix_settle(f);
	x = fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	fix_answer(f, 400, "{}");
	CHECK_STR(fix_field(x, "x-tollgate-charge-usd"), "");
	CHECK_STR(fix_field(x, "x-tollgate-channel"), "a");
	CHECK_STR(fix_field(x, "x-tollgate-attempts"), "1");
	CHECK_STR(fix_field(x, "x-tollgate-upstream-id"), "");
	x = fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	fix_up_head(f, 400, "x-amzn-requestid: 7f-theirs\r\n");
	fix_up_end(f);
	CHECK_STR(fix_field(x, "x-tollgate-upstream-id"), "7f-theirs");
	x = fix_post(f, FIX_CHATS, "{}");
	CHECK_STR(fix_field(x, "x-tollgate-channel"), "");
	CHECK_STR(fix_field(x, "x-tollgate-attempts"), "");
	CHECK(fix_done(f));
}

int
main(void)
{
	RUN(every_answer_has_an_id_of_its_own);
	RUN(every_error_is_well_formed);
	RUN(a_malformed_request_is_answered_by_render_error);
	RUN(a_body_that_is_refused_is_one_request_with_one_id);
	RUN(unknown_paths_and_methods_are_said);
	RUN(a_compressed_body_is_not_read);
	RUN(head_is_get_without_the_body);
	RUN(options_answers_a_preflight_of_an_allowed_origin);
	RUN(answers_and_errors_carry_the_allowed_origin);
	RUN(a_star_allows_every_origin_and_nothing_allows_none);
	RUN(limits_of_the_key_are_shown_else_the_accounts);
	RUN(the_charge_is_said_where_it_is_known_before_the_body);
	return tap_done();
}
