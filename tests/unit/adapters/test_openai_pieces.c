/* adapters/openai_pieces.c, openai_thoughts.c: answers of providers, as
 * parts and as pieces. */
#include <stdarg.h>

#include "tests/unit/adapters/openai_talk.h"

static char log_text[4096];
static size_t log_n;

PRINTF(1, 2)
static void
note(const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(log_text + log_n, sizeof(log_text) - log_n, format, args);
	va_end(args);
	if (n > 0)
		log_n = MIN_OF(log_n + (size_t)n, sizeof(log_text) - 1);
}

/* A letter a kind; choice and call where they are not 0. */
static void
on_piece(void *user, const struct piece *p)
{
	static const char letters[] = "BTRHSXCALF";

	(void)user;
	note("%c", letters[p->kind]);
	if (p->choice)
		note("@%u", p->choice);
	if (p->call)
		note("#%u", p->call);
	if (p->kind == PIECE_CALL || p->kind == PIECE_BEGIN)
		note("<%.*s>", STR_ARG(p->id));
	if (p->kind == PIECE_CALL)
		note("%.*s", STR_ARG(p->name));
	if (p->kind == PIECE_FINISH)
		note("%d", (int)p->finish);
	if (p->kind == PIECE_LOGPROBS)
		note("%.*s", STR_ARG(p->json));
	note("%.*s ", STR_ARG(p->text));
}

/* The pieces of events; each is the inside of a choice's delta, or an event
 * of its own. */
static const char *
pieces_of(const char *const *deltas, unsigned n)
{
	struct ask ask = {.kind = ASK_CHAT, .stream = true};
	struct source s = {
		.a = &arena,
		.ask = &ask,
		.put = on_piece,
		.own = arena_zalloc(&arena, wire_openai.source_bytes)};
	struct delta d;
	char event[1024];

	log_n = 0;
	log_text[0] = '\0';
	for (unsigned i = 0; i < n; i++) {
		(void)snprintf(event, sizeof(event),
			       deltas[i][0] == '{'
				       ? "%s"
				       : "{\"id\":\"x\",\"choices\":[{"
					 "\"index\":0,\"delta\":{%s}}]}",
			       deltas[i]);
		CHECK(wire_openai.parse_event(&s, STR(""), str_of(event), &d) ==
		      E_OK);
	}
	if (log_n > 0)
		log_text[--log_n] = '\0';
	return log_text;
}

#define PIECES(...)                                   \
	pieces_of((const char *const[]){__VA_ARGS__}, \
		  ARRAY_LEN(((const char *const[]){__VA_ARGS__})))

TEST(a_stream_of_words_becomes_pieces)
{
	CHECK_STR(PIECES("\"role\":\"assistant\",\"content\":\"\"",
			 "\"content\":\"a\\ud83d\"", "\"content\":\"b\"",
			 "{\"choices\":[{\"index\":0,\"delta\":{},"
			 "\"finish_reason\":\"length\"}]}",
			 "{\"choices\":[],\"usage\":{\"prompt_tokens\":1,"
			 "\"completion_tokens\":1}}"),
		  "B<x> Ta\\ud83d Tb F3");
	CHECK_STR(PIECES("{\"choices\":[],\"prompt_filter_results\":[]}",
			 "{\"choices\":[{\"index\":1,\"delta\":{\"refusal\":"
			 "\"no\"},\"logprobs\":{\"content\":[1]},"
			 "\"finish_reason\":\"content_filter\"}]}"),
		  "B<> R@1no L@1{\"content\":[1]} F@15");
}

TEST(thinking_has_many_names)
{
	CHECK_STR(PIECES("\"reasoning_content\":\"a\",\"content\":null",
			 "\"reasoning\":\"b\"",
			 "\"content\":[{\"type\":\"thinking\",\"thinking\":[{"
			 "\"type\":\"text\",\"text\":\"c\"}]},{\"type\":"
			 "\"text\",\"text\":\"d\"}]"),
		  "B<x> Ha Hb Hc Td");
	CHECK_STR(PIECES("\"reasoning\":\"a\",\"reasoning_details\":[{"
			 "\"type\":\"reasoning.text\",\"text\":\"a\"}]",
			 "\"reasoning_details\":[{\"type\":\"reasoning.text\","
			 "\"text\":\"b\",\"signature\":\"s\"},{\"type\":"
			 "\"reasoning.encrypted\",\"data\":\"e\"}]"),
		  "B<x> Ha Hb Ss Xe");
	/* as this gateway writes it */
	CHECK_STR(PIECES("\"reasoning_content\":\"a\"",
			 "\"reasoning_content\":\"b\"",
			 "\"reasoning_details\":[{\"type\":\"thinking\","
			 "\"thinking\":\"ab\",\"signature\":\"s\"}]",
			 "\"reasoning_details\":[{\"type\":\"thinking\","
			 "\"thinking\":\"c\",\"signature\":\"t\"}]"),
		  "B<x> Ha Hb Ss Hc St");
}

#define CALL(i, id, name, args)                                         \
	"\"tool_calls\":[{\"index\":" #i ",\"id\":\"" id "\",\"type\":" \
	"\"function\",\"function\":{\"name\":\"" name                   \
	"\",\"arguments\":\"" args "\"}}]"
#define MORE(i, args)                                      \
	"\"tool_calls\":[{\"index\":" #i ",\"function\":{" \
	"\"arguments\":\"" args "\"}}]"

TEST(calls_are_put_together)
{
	CHECK_STR(PIECES(CALL(0, "a", "f", ""), MORE(0, "{\\\"x\\\":"),
			 MORE(0, "1}"), CALL(1, "b", "g", ""), MORE(1, "{}"),
			 "{\"choices\":[{\"delta\":{},\"finish_reason\":"
			 "\"tool_calls\"}]}"),
		  "B<x> C<a>f A{\\\"x\\\": A1} C#1<b>g A#1{} F4");
	/* interleaved, and of two choices */
	CHECK_STR(PIECES(CALL(0, "a", "f", ""), CALL(1, "b", "g", ""),
			 MORE(0, "1"), MORE(1, "2"),
			 "{\"choices\":[{\"index\":1,\"delta\":{" CALL(
				 0, "c", "h", "3") "}}]}"),
		  "B<x> C<a>f C#1<b>g A1 A#12 C@1<c>h A@13");
}

TEST(deviations_of_calls_are_understood)
{
	/* id and name again, with every piece */
	CHECK_STR(PIECES(CALL(0, "a", "f", "1"), CALL(0, "a", "f", "2")),
		  "B<x> C<a>f A1 A2");
	/* all calls at index 0 */
	CHECK_STR(PIECES(CALL(0, "a", "f", "{}"), CALL(0, "b", "g", "{}")),
		  "B<x> C<a>f A{} C#1<b>g A#1{}");
	/* no index */
	CHECK_STR(PIECES("\"tool_calls\":[{\"id\":\"a\",\"function\":{"
			 "\"name\":\"f\",\"arguments\":\"1\"}}]",
			 "\"tool_calls\":[{\"function\":{\"arguments\":"
			 "\"2\"}}]",
			 "\"tool_calls\":[{\"id\":\"b\",\"function\":{"
			 "\"name\":\"g\",\"arguments\":\"3\"}}]",
			 "\"tool_calls\":[{\"id\":\"a\",\"function\":{"
			 "\"arguments\":\"4\"}}]"),
		  "B<x> C<a>f A1 A2 C#1<b>g A#13 A4");
	/* neither index nor id: whole calls */
	CHECK_STR(PIECES("\"tool_calls\":[{\"function\":{\"name\":\"f\","
			 "\"arguments\":{\"a\":\"b\"}}},{\"function\":{"
			 "\"name\":\"f\",\"arguments\":{}}}]"),
		  "B<x> C<>f A{\\\"a\\\":\\\"b\\\"} C#1<>f A#1{}");
	/* the id first, the name later */
	CHECK_STR(PIECES("\"tool_calls\":[{\"index\":0,\"id\":\"a\"}]",
			 "\"tool_calls\":[{\"index\":0,\"function\":{\"name\":"
			 "\"f\"}}]",
			 MORE(0, "1")),
		  "B<x> C<a>f A1");
	/* arguments out of nowhere */
	CHECK_STR(PIECES(MORE(3, "1"), MORE(3, "2")), "B<x> C<> A1 A2");
	CHECK_STR(PIECES("\"function_call\":{\"name\":\"f\",\"arguments\":"
			 "\"\"}",
			 "\"function_call\":{\"arguments\":\"1\"}"),
		  "B<x> C<>f A1");
	CHECK_STR(PIECES("\"tool_calls\":[{\"index\":0,\"id\":\"a\","
			 "\"extra_content\":{\"google\":{"
			 "\"thought_signature\":\"s\"}},\"function\":{"
			 "\"name\":\"f\",\"arguments\":\"{}\"}}]"),
		  "B<x> C<a>f Ss A{}");
}

TEST(without_a_listener_nothing_is_told)
{
	struct ask ask = {.kind = ASK_CHAT};
	struct source s = {.a = &arena, .ask = &ask};
	struct delta d;

	CHECK(wire_openai.parse_event(
		      &s, STR(""),
		      STR("{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}"),
		      &d) == E_OK);
	CHECK_INT(d.content_bytes, 1);
}

/* ---- whole answers ---- */

static const char *
parts_of(const char *message)
{
	struct ask ask = {.kind = ASK_CHAT};
	char body[1024];
	struct reply r;

	reply_init(&r);
	log_n = 0;
	(void)snprintf(body, sizeof(body),
		       "{\"id\":\"i\",\"model\":\"m\",\"choices\":[{\"index\":"
		       "0,\"message\":{%s},\"finish_reason\":\"stop\"}]}",
		       message);
	CHECK(wire_openai.read_answer(&arena, &ask, str_of(body), &r) == E_OK);
	CHECK(str_eq(r.id, STR("i")) && str_eq(r.model, STR("m")));
	CHECK(r.choices && !r.choices->next);
	CHECK(r.choices->finish == FINISH_STOP);
	for (const struct part *p = r.choices->parts; p; p = p->next)
		note("%d:%.*s%.*s%.*s%.*s%.*s ", (int)p->kind, STR_ARG(p->id),
		     STR_ARG(p->name), STR_ARG(p->args),
		     p->args.n > 0 ? 0 : (int)p->text.n, p->text.p,
		     STR_ARG(p->signature));
	return log_text;
}

TEST(a_whole_answer_becomes_parts)
{
	CHECK_STR(parts_of("\"role\":\"assistant\",\"content\":\"a\","
			   "\"refusal\":null,\"reasoning_content\":\"t\""),
		  "2:t 0:a ");
	CHECK_STR(parts_of("\"content\":null,\"refusal\":\"no\","
			   "\"tool_calls\":[{\"id\":\"i\",\"type\":"
			   "\"function\",\"function\":{\"name\":\"f\","
			   "\"arguments\":\"{\\\"a\\\":1}\"}},{\"function\":{"
			   "\"name\":\"g\",\"arguments\":{}}},{\"id\":\"j\","
			   "\"function\":{\"name\":\"h\",\"arguments\":"
			   "\"{\"}}]"),
		  "1:no 7:if{\"a\":1} 7:g{} 7:jh{ ");
	CHECK_STR(parts_of("\"content\":\"a\",\"reasoning\":\"t\","
			   "\"reasoning_details\":[{\"type\":"
			   "\"reasoning.text\",\"text\":\"t\",\"signature\":"
			   "\"s\"}]"),
		  "2:ts 0:a ");
	CHECK_STR(parts_of("\"content\":[{\"type\":\"thinking\",\"thinking\":"
			   "[{\"type\":\"text\",\"text\":\"t\"}]},{\"type\":"
			   "\"text\",\"text\":\"a\"}],\"function_call\":{"
			   "\"name\":\"f\",\"arguments\":\"{}\"}"),
		  "2:t 0:a 7:f{} ");
}

TEST(every_finish_is_understood)
{
	static const struct {
		const char *word;
		enum finish finish;
	} words[] = {{"null", FINISH_NONE},
		     {"\"stop\"", FINISH_STOP},
		     {"\"length\"", FINISH_LENGTH},
		     {"\"model_length\"", FINISH_LENGTH},
		     {"\"tool_calls\"", FINISH_CALLS},
		     {"\"function_call\"", FINISH_CALLS},
		     {"\"content_filter\"", FINISH_FILTER},
		     {"\"error\"", FINISH_ERROR},
		     {"\"eos\"", FINISH_STOP}};
	struct json_value v;
	struct json_error fault;

	for (unsigned i = 0; i < ARRAY_LEN(words); i++) {
		CHECK(json_valid(str_of(words[i].word), &v, &fault));
		CHECK_INT(openai_finish(v), words[i].finish);
	}
}

int
main(void)
{
	arena_init(&arena);
	RUN(a_stream_of_words_becomes_pieces);
	RUN(thinking_has_many_names);
	RUN(calls_are_put_together);
	RUN(deviations_of_calls_are_understood);
	RUN(without_a_listener_nothing_is_told);
	RUN(a_whole_answer_becomes_parts);
	RUN(every_finish_is_understood);
	arena_free(&arena);
	return tap_done();
}
