/* What conversations need, in each dialect. */
#include "adapters/adapter.h"
#include "adapters/needs.h"
#include "tests/tap.h"

static unsigned
needs(const struct dialect *d, const char *body)
{
	struct ask ask = {.kind = ASK_CHAT,
			  .body = str_of(body),
			  .path = STR("m:generateContent")};
	struct arena arena;
	const char *detail = NULL;
	unsigned found;

	arena_init(&arena);
	CHECK_INT(d->parse(&arena, &ask, &detail), E_OK);
	found = ask_needs(&ask);
	arena_free(&arena);
	return found;
}

#define CHAT(content, more)                                                  \
	" {\"model\":\"m\",\"messages\":[{\"role\":\"system\","              \
	"\"content\":\"image_url\"},{\"role\":\"user\",\"content\":" content \
	"}]" more "} "

TEST(chats_of_openai)
{
	static const struct {
		const char *body;
		unsigned needs;
	} c[] = {
		{CHAT("\"file\"", ""), 0},
		{CHAT("\"x\"", ",\"tools\":[]"), 0},
		{CHAT("\"x\"", ",\"tools\":[{\"type\":\"function\"}]"),
		 NEED_TOOLS},
		{CHAT("\"x\"", ",\"functions\":[{\"name\":\"f\"}]"),
		 NEED_TOOLS},
		{CHAT("\"x\"", ",\"response_format\":{\"type\":"
			       "\"json_object\"}"),
		 0},
		{CHAT("\"x\"", ",\"response_format\":{\"type\":"
			       "\"json_schema\"}"),
		 NEED_JSON_SCHEMA},
		{CHAT("[{\"type\":\"text\",\"text\":\"image_url\"}]", ""), 0},
		{CHAT("[{\"type\":\"text\",\"text\":\"a\"},{\"type\":"
		      "\"image_\\u0075rl\",\"image_url\":{}}]",
		      ""),
		 NEED_VISION},
		{CHAT("[{\"type\":\"input_audio\"},{\"type\":\"file\"}]", ""),
		 NEED_AUDIO | NEED_FILE},
		{CHAT("\"x\"", ",\"modalities\":[\"text\",\"audio\"]"),
		 NEED_AUDIO},
		{CHAT("[1,null,{\"type\":2}]",
		      ",\"tools\":1,\"response_format\":\"json_schema\""),
		 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(c); i++)
		CHECK_INT(needs(&dialect_openai, c[i].body), c[i].needs);
}

TEST(messages_of_anthropic)
{
	CHECK_INT(needs(&dialect_anthropic,
			CHAT("[{\"type\":\"tool_result\",\"content\":[{"
			     "\"type\":\"image\"}]},{\"type\":\"document\"}]",
			     ",\"max_tokens\":1,\"tools\":[{\"name\":\"t\"}]")),
		  NEED_VISION | NEED_FILE | NEED_TOOLS);
	CHECK_INT(
		needs(&dialect_anthropic,
		      CHAT("\"x\"", ",\"max_tokens\":1,\"output_config\":{"
				    "\"format\":{\"type\":\"json_schema\"}}")),
		NEED_JSON_SCHEMA);
}

TEST(items_of_responses)
{
	CHECK_INT(needs(&dialect_responses,
			"{\"model\":\"m\",\"input\":\"input_image\"}"),
		  0);
	CHECK_INT(needs(&dialect_responses,
			"{\"model\":\"m\",\"input\":[{\"role\":\"user\","
			"\"content\":[{\"type\":\"input_image\"}]},{\"type\":"
			"\"function_call_output\",\"output\":[{\"type\":"
			"\"input_file\",\"file_data\":\"data:\"}]}],"
			"\"text\":{\"format\":{\"type\":\"json_schema\"}}}"),
		  NEED_VISION | NEED_FILE | NEED_JSON_SCHEMA);
}

TEST(contents_of_gemini)
{
	CHECK_INT(needs(&dialect_gemini,
			"{\"contents\":[{\"parts\":[{\"text\":\"a\"},{"
			"\"inlineData\":{\"mimeType\":\"image/png\"}},{"
			"\"file_data\":{\"mime_type\":\"audio/wav\"}}]}]}"),
		  NEED_VISION | NEED_AUDIO);
	CHECK_INT(needs(&dialect_gemini,
			"{\"contents\":{\"parts\":[{\"fileData\":{"
			"\"mimeType\":\"application/pdf\"}}]},"
			"\"generationConfig\":{\"responseSchema\":{}}}"),
		  NEED_FILE | NEED_JSON_SCHEMA);
}

TEST(what_is_no_conversation_needs_nothing)
{
	struct ask ask = {.kind = ASK_EMBEDDINGS, .body = STR("\xff not JSON")};

	CHECK_INT(ask_needs(&ask), 0);
}

int
main(void)
{
	RUN(chats_of_openai);
	RUN(messages_of_anthropic);
	RUN(items_of_responses);
	RUN(contents_of_gemini);
	RUN(what_is_no_conversation_needs_nothing);
	return tap_done();
}
