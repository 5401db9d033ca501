/* Which path and method is served by what. */
#include "tests/tap.h"
#include "worker/endpoints.h"
#include "worker/request.h"

static const struct endpoint *
find(const char *path, enum http_method method, bool *ok)
{
	*ok = false;
	return endpoint_find(str_of(path), method, ok);
}

TEST(inference_is_posted)
{
	bool ok;
	const struct endpoint *e = find("/v1/chat/completions", HTTP_POST, &ok);

	CHECK(e && ok && e->kind == ASK_CHAT && e->dialect && !e->page);
	CHECK_INT(e->note, ENDPOINT_CHAT);
	CHECK(find("/v1/chat/completions", HTTP_GET, &ok) == e && !ok);
	e = find("/v1/completions", HTTP_POST, &ok);
	CHECK(e && ok && e->kind == ASK_COMPLETIONS);
	e = find("/v1/embeddings", HTTP_POST, &ok);
	CHECK(e && ok && e->kind == ASK_EMBEDDINGS);
	e = find("/v1/messages", HTTP_POST, &ok);
	CHECK(e && ok && e->dialect == &dialect_anthropic);
	CHECK_INT(e->note, ENDPOINT_MESSAGES);
	e = find("/v1/messages/count_tokens", HTTP_POST, &ok);
	CHECK(e && ok && e->kind == ASK_COUNT && e->dialect->write_count);
}

TEST(the_path_tells_the_dialect_of_an_error)
{
	struct http_head head = {.path = STR("/v1/messages/x")};

	CHECK(endpoint_dialect(&head) == &dialect_anthropic);
	head.path = STR("/v1/x");
	CHECK(endpoint_dialect(&head) == &dialect_openai);
	head.fields[0] = (struct http_field){STR("Anthropic-Version"),
					     STR("2023-06-01")};
	head.n_fields = 1;
	CHECK(endpoint_dialect(&head) == &dialect_anthropic);
}

TEST(geminis_paths_hold_the_model_and_end_with_what_to_do)
{
	static const char *const paths[] = {
		"/v1beta/models/gemini-2.0-flash:generateContent",
		"/v1beta/models/vendor/m:streamGenerateContent",
		"/v1/models/gemini-2.0-flash:generateContent",
		"/v1/models/m:streamGenerateContent",
	};
	bool ok;
	const struct endpoint *e;

	for (unsigned i = 0; i < ARRAY_LEN(paths); i++) {
		e = find(paths[i], HTTP_POST, &ok);
		CHECK(e && ok && e->kind == ASK_CHAT && !e->page);
		CHECK(e->dialect == &dialect_gemini);
	}
	e = find("/v1beta/models", HTTP_GET, &ok);
	CHECK(e && ok && e->page == page_models);
	e = find("/v1beta/models/m", HTTP_GET, &ok);
	CHECK(e && ok && e->page == page_model);
	e = find("/v1beta/models/m:countTokens", HTTP_POST, &ok);
	CHECK(e && ok && e->kind == ASK_COUNT);
	CHECK(!find("/v1beta/m:generateContent", HTTP_POST, &ok));
	e = find("/v1beta/models/m:what", HTTP_POST, &ok);
	CHECK(e && !ok);
}

TEST(pages_are_read)
{
	static const char *const paths[] = {"/v1/models", "/v1/models/x",
					    "/v1/balance", "/healthz",
					    "/readyz"};
	bool ok;

	for (unsigned i = 0; i < ARRAY_LEN(paths); i++) {
		const struct endpoint *e = find(paths[i], HTTP_GET, &ok);

		CHECK(e && ok && e->page && !e->dialect);
		CHECK(find(paths[i], HTTP_HEAD, &ok) == e && ok);
		CHECK(find(paths[i], HTTP_POST, &ok) == e && !ok);
		CHECK(find(paths[i], HTTP_DELETE, &ok) == e && !ok);
		CHECK(find(paths[i], HTTP_OTHER, &ok) == e && !ok);
	}
	CHECK(find("/healthz", HTTP_GET, &ok)->flags & ENDPOINT_NO_KEY);
	CHECK(find("/readyz", HTTP_GET, &ok)->flags & ENDPOINT_NO_KEY);
	CHECK(!(find("/v1/models/healthz", HTTP_GET, &ok)->flags &
		ENDPOINT_NO_KEY));
}

TEST(other_paths_are_not_served)
{
	static const char *const paths[] = {
		"",
		"/",
		"/v1",
		"/v1/",
		"/v1/models/",
		"/v1/modelsx",
		"/V1/models",
		"/v1/models//../..",
		"/v1/chat/completions/",
		"//v1/models",
		"/healthz/",
		"/v1/chat",
	};
	bool ok;

	for (unsigned i = 0; i < ARRAY_LEN(paths); i++) {
		const struct endpoint *e = find(paths[i], HTTP_GET, &ok);

		/* an id may be anything; it is looked up, not opened */
		if (e)
			CHECK(str_starts(str_of(paths[i]),
					 STR("/v1/models/")) &&
			      strlen(paths[i]) > 11);
	}
	CHECK(!find("/v1/models/", HTTP_GET, &ok));
	CHECK(!find("", HTTP_GET, &ok));
}

int
main(void)
{
	RUN(inference_is_posted);
	RUN(the_path_tells_the_dialect_of_an_error);
	RUN(geminis_paths_hold_the_model_and_end_with_what_to_do);
	RUN(pages_are_read);
	RUN(other_paths_are_not_served);
	return tap_done();
}
