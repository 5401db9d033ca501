/* adapters/gemini_contents.c: turns, media, calls and their results. */
#include "tests/unit/adapters/gemini_case.h"

static const struct part *
part_at(const struct gemini_case *g, unsigned turn, unsigned i)
{
	static const struct part none;
	const struct turn *t = g->talk.turns;
	const struct part *p;

	while (t && turn-- > 0)
		t = t->next;
	p = t ? t->parts : NULL;
	while (p && i-- > 0)
		p = p->next;
	CHECK(p != NULL);
	return p ? p : &none;
}

#define PART_IS(p_, kind_, member_, text_)                                 \
	do {                                                               \
		const struct part *part_ = (p_);                           \
		CHECK_INT(part_->kind, kind_);                             \
		if (!str_eq(part_->member_, STR(text_))) {                 \
			printf("# it is %.*s\n", STR_ARG(part_->member_)); \
			CHECK_STR(#member_, text_);                        \
		}                                                          \
	} while (0)

TEST(turns_and_the_system_keep_their_order)
{
	struct gemini_case g;

	gemini_case_read(
		&g, "{\"system_instruction\":{\"parts\":{\"text\":\"Be "
		    "terse.\"},\"role\":\"user\"},\"contents\":[{\"parts\":"
		    "[{\"text\":\"a\\u00e9\"}]},{\"role\":\"model\",\"parts\":"
		    "[{\"text\":\"b\"},{\"text\":\"\"}]},{\"role\":\"user\","
		    "\"parts\":[{\"text\":\"c\"}]}]}");
	CHECK_INT(g.err, E_OK);
	CHECK_INT(g.talk.turns->speaker, SPEAKER_SYSTEM);
	PART_IS(part_at(&g, 0, 0), PART_TEXT, text, "Be terse.");
	PART_IS(part_at(&g, 1, 0), PART_TEXT, text, "a\\u00e9");
	PART_IS(part_at(&g, 2, 0), PART_TEXT, text, "b");
	CHECK(!part_at(&g, 2, 0)->next);
	PART_IS(part_at(&g, 3, 0), PART_TEXT, text, "c");
	gemini_case_end(&g);
}

TEST(calls_and_results_with_ids_as_the_sdk_sends_them)
{
	struct gemini_case g;

	gemini_case_read(
		&g,
		"{\"contents\":[{\"parts\":[{\"text\":\"tool2\"}],\"role\":"
		"\"user\"},{\"parts\":[{\"functionCall\":{\"args\":{\"city\":"
		"\"Zürich\",\"unit\":\"celsius\"},\"id\":\"call_1\",\"name\":"
		"\"get_weather\"}},{\"functionCall\":{\"args\":{\"tz\":"
		"\"UTC\"},\"id\":\"call_2\",\"name\":\"get_time\"}}],\"role\":"
		"\"model\"},{\"parts\":[{\"functionResponse\":{\"id\":"
		"\"call_1\",\"name\":\"get_weather\",\"response\":{\"result\":"
		"\"sunny\"}}},{\"functionResponse\":{\"id\":\"call_2\","
		"\"name\":\"get_time\",\"response\":{\"name\":\"get_time\","
		"\"content\":\"09:00\"}}}],\"role\":\"user\"}]}");
	CHECK_INT(g.err, E_OK);
	PART_IS(part_at(&g, 1, 0), PART_CALL, id, "call_1");
	PART_IS(part_at(&g, 1, 0), PART_CALL, args,
		"{\"city\":\"Zürich\",\"unit\":\"celsius\"}");
	PART_IS(part_at(&g, 1, 1), PART_CALL, name, "get_time");
	PART_IS(part_at(&g, 2, 0), PART_RESULT, id, "call_1");
	PART_IS(part_at(&g, 2, 0)->content, PART_TEXT, text, "sunny");
	PART_IS(part_at(&g, 2, 1), PART_RESULT, name, "get_time");
	PART_IS(part_at(&g, 2, 1)->content, PART_TEXT, text, "09:00");
	gemini_case_end(&g);
}

TEST(without_ids_results_find_their_calls_by_name_in_order)
{
	struct gemini_case g;

	gemini_case_read(
		&g, "{\"contents\":[{\"role\":\"model\",\"parts\":["
		    "{\"functionCall\":{\"name\":\"a\",\"args\":{\"n\":1}}},"
		    "{\"functionCall\":{\"name\":\"b\"}},"
		    "{\"function_call\":{\"name\":\"a\",\"args\":{\"n\":2}}}"
		    "]},{\"role\":\"function\",\"parts\":["
		    "{\"functionResponse\":{\"name\":\"b\",\"response\":"
		    "{\"x\":[1]}}},{\"function_response\":{\"name\":\"a\","
		    "\"response\":{\"error\":\"no\"}}},{\"functionResponse\":"
		    "{\"id\":\"unknown\",\"name\":\"a\",\"response\":"
		    "{\"output\":{\"y\":2}}}}]}]}");
	CHECK_INT(g.err, E_OK);
	PART_IS(part_at(&g, 0, 0), PART_CALL, id, "call_gemini_1");
	PART_IS(part_at(&g, 0, 1), PART_CALL, args, "{}");
	PART_IS(part_at(&g, 0, 2), PART_CALL, id, "call_gemini_3");
	PART_IS(part_at(&g, 1, 0), PART_RESULT, id, "call_gemini_2");
	PART_IS(part_at(&g, 1, 0)->content, PART_TEXT, text, "{\\\"x\\\":[1]}");
	PART_IS(part_at(&g, 1, 1), PART_RESULT, id, "call_gemini_1");
	CHECK(part_at(&g, 1, 1)->failed);
	PART_IS(part_at(&g, 1, 1)->content, PART_TEXT, text, "no");
	PART_IS(part_at(&g, 1, 2), PART_RESULT, id, "call_gemini_3");
	PART_IS(part_at(&g, 1, 2)->content, PART_TEXT, text, "{\\\"y\\\":2}");
	gemini_case_end(&g);
}

TEST(media_are_known_by_their_type)
{
	struct gemini_case g;
	const struct part *p;

	gemini_case_read(
		&g, "{\"contents\":{\"parts\":[{\"inlineData\":{\"mimeType\":"
		    "\"image/png\",\"data\":\"iV-_\"}},{\"inline_data\":"
		    "{\"mime_type\":\"audio/wav\",\"data\":\"AAAA\"}},"
		    "{\"inlineData\":{\"mimeType\":\"application\\/pdf\","
		    "\"data\":\"AAAA\",\"displayName\":\"a.pdf\"}},"
		    "{\"fileData\":{\"mimeType\":\"image/jpeg\",\"fileUri\":"
		    "\"https://x/y.jpg\"}}]}}");
	CHECK_INT(g.err, E_OK);
	p = part_at(&g, 0, 0);
	PART_IS(p, PART_IMAGE, data, "iV+/");
	PART_IS(p, PART_IMAGE, mime, "image/png");
	PART_IS(p->next, PART_AUDIO, data, "AAAA");
	PART_IS(p->next->next, PART_FILE, mime, "application/pdf");
	PART_IS(p->next->next, PART_FILE, name, "a.pdf");
	PART_IS(p->next->next->next, PART_IMAGE, url, "https://x/y.jpg");
	gemini_case_end(&g);
}

TEST(thoughts_come_back_with_their_signature)
{
	struct gemini_case g;

	gemini_case_read(
		&g, "{\"contents\":[{\"role\":\"model\",\"parts\":["
		    "{\"text\":\"Fi\",\"thought\":true},{\"text\":\"rst\","
		    "\"thought\":true},{\"text\":\"\",\"thought\":true,"
		    "\"thoughtSignature\":\"c2ln\"},{\"text\":\"\","
		    "\"thought\":true,\"thoughtSignature\":"
		    "\"redactedthinkingZGF0YQ==\"},{\"functionCall\":"
		    "{\"name\":\"a\"},\"thought_signature\":\"Y2Fs\"}]}]}");
	CHECK_INT(g.err, E_OK);
	PART_IS(part_at(&g, 0, 0), PART_THINKING, text, "First");
	PART_IS(part_at(&g, 0, 0), PART_THINKING, signature, "c2ln");
	PART_IS(part_at(&g, 0, 1), PART_REDACTED, data, "ZGF0YQ==");
	PART_IS(part_at(&g, 0, 2), PART_CALL, signature, "Y2Fs");
	CHECK(!part_at(&g, 0, 2)->next);
	gemini_case_end(&g);
}

TEST(pictures_of_a_result_follow_its_text)
{
	struct gemini_case g;
	const struct part *p;

	gemini_case_read(
		&g, "{\"contents\":[{\"role\":\"model\",\"parts\":"
		    "[{\"functionCall\":{\"name\":\"a\"}}]},{\"parts\":"
		    "[{\"functionResponse\":{\"name\":\"a\",\"response\":"
		    "{\"result\":\"x\"},\"parts\":[{\"inlineData\":"
		    "{\"mimeType\":\"image/png\",\"data\":\"AAAA\"}}]}}]}]}");
	CHECK_INT(g.err, E_OK);
	p = part_at(&g, 1, 0)->content;
	PART_IS(p, PART_TEXT, text, "x");
	PART_IS(p->next, PART_IMAGE, data, "AAAA");
	gemini_case_end(&g);
}

TEST(what_cannot_be_read_is_named)
{
	static const struct {
		const char *contents;
		enum err err;
		const char *name;
	} cases[] = {
		{"[1]", E_BAD_FIELD, "contents"},
		{"[{\"role\":\"system\"}]", E_BAD_FIELD, "contents[].role"},
		{"[{\"parts\":[\"x\"]}]", E_BAD_FIELD, "contents[].parts"},
		{"[{\"parts\":[{\"text\":1}]}]", E_BAD_FIELD,
		 "contents[].parts[].text"},
		{"[{\"parts\":[{\"functionCall\":{}}]}]", E_BAD_FIELD,
		 "contents[].parts[].functionCall.name"},
		{"[{\"parts\":[{\"functionCall\":{\"name\":\"a\",\"args\":"
		 "\"{}\"}}]}]",
		 E_BAD_FIELD, "contents[].parts[].functionCall.args"},
		{"[{\"parts\":[{\"functionResponse\":{\"name\":\"a\"}}]}]",
		 E_BAD_FIELD, "contents[].parts[].functionResponse.name"},
		{"[{\"parts\":[{\"inlineData\":{\"mimeType\":\"a/b\"}}]}]",
		 E_BAD_FIELD, "contents[].parts[].inlineData"},
		{"[{\"parts\":[{\"text\":\"a\",\"text\":\"b\"}]}]",
		 E_DUPLICATE_FIELD, "contents[].parts[].text"},
		{"[{\"parts\":[{\"executableCode\":{\"code\":\"1\"}}]}]", E_OK,
		 "contents[].parts[].executableCode"},
		{"[{\"parts\":[{\"video_metadata\":{},\"fileData\":{"
		 "\"fileUri\":\"gs://x\"}}]}]",
		 E_OK, "contents[].parts[].video_metadata"},
		{"[{\"parts\":[],\"x\":1}]", E_OK, "contents[].x"},
	};
	struct gemini_case g;
	char body[256];

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		(void)snprintf(body, sizeof(body), "{\"contents\":%s}",
			       cases[i].contents);
		gemini_case_read(&g, body);
		CHECK_INT(g.err, cases[i].err);
		if (g.err == E_OK)
			CHECK_STR(g.talk.refused ? g.talk.refused : "",
				  cases[i].name);
		else
			CHECK_STR(g.detail, cases[i].name);
		gemini_case_end(&g);
	}
}

int
main(void)
{
	RUN(turns_and_the_system_keep_their_order);
	RUN(calls_and_results_with_ids_as_the_sdk_sends_them);
	RUN(without_ids_results_find_their_calls_by_name_in_order);
	RUN(media_are_known_by_their_type);
	RUN(thoughts_come_back_with_their_signature);
	RUN(pictures_of_a_result_follow_its_text);
	RUN(what_cannot_be_read_is_named);
	return tap_done();
}
