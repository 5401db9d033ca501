/* adapters/openai_patch.c: the client's bytes, changed where a provider
 * differs. (What OpenAI itself gets: test_openai.c.) */
#include "adapters/openai.h"
#include "tests/tap.h"

static struct arena arena;

static const char *
patched(const char *body, unsigned quirks)
{
	static char out[8192];
	struct ask ask = {.kind = ASK_CHAT, .body = str_of(body)};
	struct target t = {.model_json = STR("\"up\""), .quirks = quirks};
	const char *detail = NULL;
	struct pieces p;
	size_t n = 0;

	if (dialect_openai.parse(&arena, &ask, &detail) != E_OK ||
	    wire_openai.patch(&arena, &ask, &t, &p) != E_OK)
		return "";
	for (unsigned i = 0; i < p.n && n + p.iov[i].iov_len < 8191; i++) {
		memcpy(out + n, p.iov[i].iov_base, p.iov[i].iov_len);
		n += p.iov[i].iov_len;
	}
	CHECK_INT(n, p.bytes);
	out[n] = '\0';
	return out;
}

TEST(names_and_values_are_replaced)
{
	CHECK_STR(patched(" {\"seed\": 1 ,\"max_completion_tokens\":5,"
			  "\"model\":\"m\",\"tool_choice\":\"required\","
			  "\"messages\":[{\"role\":\"developer\"},{\"role\":"
			  "\"user\"}]} ",
			  QUIRK_MAX_TOKENS | QUIRK_RANDOM_SEED |
				  QUIRK_CHOICE_ANY | QUIRK_SYSTEM),
		  " {\"random_seed\": 1 ,\"max_tokens\":5,\"model\":\"up\","
		  "\"tool_choice\":\"any\",\"messages\":[{\"role\":\"system\""
		  "},{\"role\":\"user\"}]} ");
}

TEST(of_two_maximums_the_one_that_counts_stays)
{
	CHECK_STR(patched("{\"model\":\"m\",\"max_tokens\":1,"
			  "\"max_completion_tokens\":2,\"messages\":[]}",
			  QUIRK_MAX_TOKENS),
		  "{\"model\":\"up\",\"max_tokens\":2,\"messages\":[]}");
	CHECK_STR(patched("{\"model\":\"m\",\"messages\":[],\"max_tokens\":1,"
			  "\"max_completion_tokens\":null}",
			  QUIRK_MAX_TOKENS),
		  "{\"model\":\"up\",\"messages\":[],\"max_tokens\":1}");
	CHECK_STR(patched("{\"model\":\"m\",\"max_completion_tokens\":2,"
			  "\"messages\":[],\"max_tokens\":1 }",
			  QUIRK_MAX_TOKENS),
		  "{\"model\":\"up\",\"max_tokens\":2,\"messages\":[] }");
}

TEST(stream_options_are_cut_where_nobody_knows_them)
{
	CHECK_STR(patched("{\"stream_options\":{\"include_usage\":true}, "
			  "\"model\":\"m\",\"messages\":[],\"stream\":true}",
			  QUIRK_USAGE_ALWAYS),
		  "{\"model\":\"up\",\"messages\":[],\"stream\":true}");
	CHECK_STR(patched("{\"model\":\"m\",\"messages\":[],\"stream\":true,"
			  "\"stream_options\":null,\"max_tokens\":1,"
			  "\"max_completion_tokens\":null}",
			  QUIRK_USAGE_ALWAYS | QUIRK_MAX_TOKENS),
		  "{\"model\":\"up\",\"messages\":[],\"stream\":true,"
		  "\"max_tokens\":1}");
	/* a run of them at the end */
	CHECK_STR(patched("{\"model\":\"m\",\"max_completion_tokens\":3,"
			  "\"messages\":[],\"stream\":true,"
			  "\"stream_options\":null,\"max_tokens\":1}",
			  QUIRK_USAGE_ALWAYS | QUIRK_MAX_TOKENS),
		  "{\"model\":\"up\",\"max_tokens\":3,\"messages\":[],"
		  "\"stream\":true}");
	CHECK_STR(patched("{\"model\":\"m\",\"messages\":[],\"stream\":true}",
			  QUIRK_USAGE_ALWAYS),
		  "{\"model\":\"up\",\"messages\":[],\"stream\":true}");
}

TEST(many_patches_are_joined)
{
	CLEANUP(buf_free) struct buf body = BUF_INIT;
	CLEANUP(buf_free) struct buf want = BUF_INIT;

	buf_add_cstr(&body, "{\"model\":\"m\",\"messages\":[0");
	buf_add_cstr(&want, "{\"model\":\"up\",\"messages\":[0");
	for (unsigned i = 0; i < 20; i++) {
		buf_add_cstr(&body, ",{\"role\":\"developer\"}");
		buf_add_cstr(&want, ",{\"role\":\"system\"}");
	}
	buf_add(&body, "]}", 3);
	buf_add(&want, "]}", 3);
	CHECK_STR(patched(body.p, QUIRK_SYSTEM), want.p);
}

int
main(void)
{
	arena_init(&arena);
	RUN(names_and_values_are_replaced);
	RUN(of_two_maximums_the_one_that_counts_stays);
	RUN(stream_options_are_cut_where_nobody_knows_them);
	RUN(many_patches_are_joined);
	arena_free(&arena);
	return tap_done();
}
