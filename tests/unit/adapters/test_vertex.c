/* adapters/vertex.c: paths below a project, and Anthropic's bodies there. */
#include "adapters/gemini.h"
#include "tests/tap.h"

static struct arena arena;

static const char *
path_of(const char *provider, struct ask ask, const char *base,
	const char *region)
{
	struct target t = {.path = str_of(base),
			   .model = STR("some-model@001"),
			   .project = STR("my-project"),
			   .region = str_of(region)};
	struct str path =
		adapter_find(str_of(provider))->path(&arena, &ask, &t);

	return path.p ? path.p : "none";
}

TEST(paths_name_project_place_publisher_and_model)
{
	struct ask chat = {.kind = ASK_CHAT};
	struct ask stream = {.kind = ASK_CHAT, .stream = true};
	struct ask count = {.kind = ASK_COUNT};
	struct ask vectors = {.kind = ASK_EMBEDDINGS};

	arena_init(&arena);
	CHECK_STR(path_of("vertex", chat, "", "us-central1"),
		  "/v1/projects/my-project/locations/us-central1/publishers/"
		  "google/models/some-model@001:generateContent");
	CHECK_STR(path_of("vertex", stream, "/v1beta1", ""),
		  "/projects/my-project/locations/global/publishers/google/"
		  "models/some-model@001:streamGenerateContent?alt=sse");
	CHECK_STR(path_of("vertex", count, "/x/v1", "eu"),
		  "/projects/my-project/locations/eu/publishers/google/"
		  "models/some-model@001:countTokens");
	CHECK_STR(path_of("vertex", vectors, "", "eu"),
		  "/v1/projects/my-project/locations/eu/publishers/google/"
		  "models/some-model@001:predict");
	CHECK_STR(path_of("vertex-anthropic", chat, "", "us-east5"),
		  "/v1/projects/my-project/locations/us-east5/publishers/"
		  "anthropic/models/some-model@001:rawPredict");
	CHECK_STR(path_of("vertex-anthropic", stream, "", "us-east5"),
		  "/v1/projects/my-project/locations/us-east5/publishers/"
		  "anthropic/models/some-model@001:streamRawPredict");
	CHECK_STR(path_of("vertex-anthropic", count, "", "us-east5"),
		  "/v1/projects/my-project/locations/us-east5/publishers/"
		  "anthropic/models/count-tokens:rawPredict");
	CHECK_STR(path_of("vertex-anthropic", vectors, "", "x"), "none");
	arena_free(&arena);
}

/* The client's body, patched. */
static const char *
patched(const char *body, enum ask_kind kind)
{
	static char out[512];
	struct ask ask = {.kind = kind, .body = str_of(body)};
	struct target t = {.model_json = STR("\"up\""), .quirks = QUIRK_VERTEX};
	struct pieces p;
	const char *detail = NULL;
	size_t n = 0;

	CHECK_INT(dialect_anthropic.parse(&arena, &ask, &detail), E_OK);
	CHECK_INT(wire_anthropic.patch(&arena, &ask, &t, &p), E_OK);
	for (unsigned i = 0; i < p.n; i++) {
		memcpy(out + n, p.iov[i].iov_base, p.iov[i].iov_len);
		n += p.iov[i].iov_len;
	}
	out[n] = '\0';
	return out;
}

TEST(the_version_takes_the_place_of_the_model)
{
	arena_init(&arena);
	CHECK_STR(patched("{ \"max_tokens\":5, \"model\" : \"claude\" ,"
			  "\"messages\":[]}",
			  ASK_CHAT),
		  "{ \"max_tokens\":5, \"anthropic_version\":"
		  "\"vertex-2023-10-16\" ,\"messages\":[]}");
	CHECK_STR(patched("{\"mod\\u0065l\":\"cl\\\"aude\",\"max_tokens\":5,"
			  "\"messages\":[]}",
			  ASK_CHAT),
		  "{\"anthropic_version\":\"vertex-2023-10-16\","
		  "\"max_tokens\":5,\"messages\":[]}");
	CHECK_STR(patched("{\"model\":\"claude\",\"messages\":[]}", ASK_COUNT),
		  "{\"anthropic_version\":\"vertex-2023-10-16\","
		  "\"model\":\"up\",\"messages\":[]}");
	arena_free(&arena);
}

TEST(a_converted_body_has_the_version_and_no_model)
{
	struct conversation talk;
	struct target t = {.model_json = STR("\"up\""),
			   .max_output = 64,
			   .quirks = QUIRK_VERTEX};
	struct ask ask = {.kind = ASK_CHAT};
	struct buf out = BUF_INIT;
	struct json_out o;
	struct writing w;

	arena_init(&arena);
	conversation_init(&talk, &arena);
	turn_add(&talk, conversation_turn(&talk, SPEAKER_USER), PART_TEXT)
		->text = STR("hi");
	json_out_init(&o, &out);
	w = (struct writing){.talk = &talk,
			     .ask = &ask,
			     .target = &t,
			     .a = &arena,
			     .out = &o};
	CHECK_INT(wire_anthropic.write(&w), E_OK);
	CHECK(str_starts(buf_str(&out),
			 STR("{\"anthropic_version\":\"vertex-2023-10-16\","
			     "\"max_tokens\":64,")));
	CHECK(str_search(buf_str(&out), STR("\"model\"")) < 0);
	buf_free(&out);
	arena_free(&arena);
}

TEST(a_token_is_a_bearer_and_no_project_goes_into_a_header)
{
	struct ask ask = {.kind = ASK_CHAT, .body = STR("{}")};
	struct target t = {.host = STR("h"),
			   .path = STR(""),
			   .model = STR("m"),
			   .project = STR("p"),
			   .region = STR("eu"),
			   .credential = STR("ya29.token")};
	struct buf out = BUF_INIT;
	struct pieces body, all;

	arena_init(&arena);
	CHECK_INT(wire_gemini.patch(&arena, &ask, &t, &body), E_OK);
	CHECK_INT(adapter_request(&arena, adapter_find(STR("vertex")), &ask, &t,
				  &body, &all),
		  E_OK);
	for (unsigned i = 0; i < all.n; i++)
		buf_add(&out, all.iov[i].iov_base, all.iov[i].iov_len);
	CHECK(str_search(buf_str(&out),
			 STR("\r\nauthorization: Bearer ya29.token\r\n")) > 0);
	CHECK(str_search(buf_str(&out), STR("openai")) < 0);
	buf_free(&out);
	arena_free(&arena);
}

int
main(void)
{
	RUN(paths_name_project_place_publisher_and_model);
	RUN(the_version_takes_the_place_of_the_model);
	RUN(a_converted_body_has_the_version_and_no_model);
	RUN(a_token_is_a_bearer_and_no_project_goes_into_a_header);
	return tap_done();
}
