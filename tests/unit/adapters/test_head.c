/* adapters/head.c: what health checks ask. How credentials are presented is
 * tested with hmac.c and sigv4.c. */
#include "adapters/adapter.h"
#include "tests/tap.h"

static struct arena arena;

static const char *
probe(const char *provider, const char *base, const char *path)
{
	struct target t = {.host = STR("h:1"),
			   .path = str_of(base),
			   .credential = STR("k"),
			   .signature_field = STR("x-signature"),
			   .now_s = 1795211880u};
	struct check check = {STR("GET"), str_of(path)};
	struct pieces out;
	char text[1024];
	size_t n = 0;

	if (adapter_probe(&arena, adapter_find(str_of(provider)), &t, &check,
			  &out) != E_OK)
		return "none";
	for (unsigned i = 0; i < out.n; i++) {
		memcpy(text + n, out.iov[i].iov_base, out.iov[i].iov_len);
		n += out.iov[i].iov_len;
	}
	CHECK(n > 4 && memcmp(text + n - 4, "\r\n\r\n", 4) == 0);
	return arena_dup(&arena, str_make(text, n)).p;
}

static const char *
line(const char *provider, const char *base, const char *path)
{
	const char *text = probe(provider, base, path);
	const char *end = strstr(text, " HTTP/1.1\r\n");

	return end ? arena_dup(&arena, str_make(text, (size_t)(end - text))).p
		   : text;
}

TEST(the_list_of_models_is_asked_for_where_the_provider_has_it)
{
	CHECK_STR(line("openai", "", ""), "GET /v1/models");
	CHECK_STR(line("openai", "/v1", ""), "GET /v1/models");
	CHECK_STR(line("groq", "/openai/v1", ""), "GET /openai/v1/models");
	CHECK_STR(line("compatible", "/v1beta/openai", ""),
		  "GET /v1beta/openai/models");
	CHECK_STR(line("openai-responses", "", ""), "GET /v1/models");
	CHECK_STR(line("anthropic", "/v1", ""), "GET /v1/models");
	CHECK_STR(line("gemini", "", ""), "GET /v1beta/models");
	CHECK_STR(line("gemini", "/v1beta", ""), "GET /v1beta/models");
	CHECK_STR(line("ollama", "", ""), "GET /api/tags");
	CHECK_STR(line("ollama", "/api", ""), "GET /api/tags");
	CHECK_STR(line("cohere", "", ""), "GET /v1/models");
}

TEST(another_path_begins_at_the_host)
{
	CHECK_STR(line("openai", "/v1", "/health?x=1"), "GET /health?x=1");
	CHECK_STR(line("azure", "", "/health"), "GET /health");
	CHECK_STR(line("azure", "", ""), "none");
	CHECK_STR(line("vertex", "", ""), "none");
	CHECK_STR(line("bedrock", "", ""), "none");
}

TEST(a_probe_has_the_credential_as_requests_have_it)
{
	CHECK(strstr(probe("openai", "", ""), "\r\nauthorization: Bearer k\r"));
	CHECK(strstr(probe("gemini", "", ""), "\r\nx-goog-api-key: k\r"));
	CHECK(strstr(probe("anthropic", "", ""), "\r\nx-api-key: k\r"));
	CHECK(strstr(probe("anthropic", "", ""), "\r\nanthropic-version: "));
	CHECK(strstr(probe("openai", "", ""), "\r\nhost: h:1\r\n"));
	CHECK(!strstr(probe("openai", "", ""), "content-"));
}

int
main(void)
{
	RUN(the_list_of_models_is_asked_for_where_the_provider_has_it);
	RUN(another_path_begins_at_the_host);
	RUN(a_probe_has_the_credential_as_requests_have_it);
	arena_free(&arena);
	return tap_done();
}
