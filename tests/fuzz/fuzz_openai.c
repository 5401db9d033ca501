/*
 * OpenAI's dialect, both sides: the first byte says what the rest is. A
 * request that is read is written for an upstream, and that body must be JSON
 * and be read again; pieces become events that are JSON as well.
 */
#include <stdlib.h>

#include "adapters/openai.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void
check_json(struct str text)
{
	struct json_value root;
	struct json_error fault;

	if (!json_valid(text, &root, &fault))
		abort();
}

static bool
read_request(struct arena *a, struct ask *ask, struct conversation *c)
{
	const char *detail = NULL;

	conversation_init(c, a);
	return dialect_openai.parse(a, ask, &detail) == E_OK &&
	       dialect_openai.read(c, ask, &detail) == E_OK;
}

static enum err
write_request(struct arena *a, const struct ask *ask,
	      const struct conversation *c, unsigned quirks, struct str *out)
{
	CLEANUP(buf_free) struct buf body = BUF_INIT;
	struct target t = {.model_json = STR("\"up\""), .quirks = quirks};
	struct json_out o;
	struct writing w = {
		.talk = c, .ask = ask, .target = &t, .a = a, .out = &o};
	enum err e;

	json_out_init(&o, &body);
	e = wire_openai.write(&w);
	if (e == E_OK)
		e = writing_end(&w);
	if (e == E_OK) {
		check_json(buf_str(&body));
		*out = arena_dup(a, buf_str(&body));
	}
	return e;
}

static void
patch_request(struct arena *a, const struct ask *ask, unsigned quirks)
{
	CLEANUP(buf_free) struct buf body = BUF_INIT;
	struct target t = {.model_json = STR("\"up\""), .quirks = quirks};
	struct pieces p;

	if (wire_openai.patch(a, ask, &t, &p) != E_OK)
		abort();
	for (unsigned i = 0; i < p.n; i++)
		buf_add(&body, p.iov[i].iov_base, p.iov[i].iov_len);
	if (body.n != p.bytes)
		abort();
	check_json(buf_str(&body));
}

static void
try_request(struct arena *a, enum ask_kind kind, struct str text,
	    unsigned quirks)
{
	struct ask ask = {.kind = kind, .body = text}, again = {.kind = 0};
	struct conversation c;
	struct str body;
	const char *detail;

	if (dialect_openai.parse(a, &ask, &detail) != E_OK)
		return;
	patch_request(a, &ask, quirks);
	if (!read_request(a, &ask, &c) ||
	    write_request(a, &ask, &c, quirks, &body) != E_OK)
		return;
	again.body = body;
	if (!read_request(a, &again, &c))
		abort();
}

/* ---- answers ---- */

static void
put_piece(void *user, const struct piece *p)
{
	dialect_openai.put(user, p);
}

/* Every event is one line of JSON. */
static void
check_events(struct str text)
{
	struct str line;

	while (text.n > 0) {
		line = str_cut(&text, '\n');
		if (line.n == 0 || str_eq(line, STR("data: [DONE]")))
			continue;
		if (!str_starts(line, STR("data: ")))
			abort();
		check_json(str_from(line, 6));
	}
}

static struct sink
sink_of(struct arena *a, const struct ask *ask, struct buf *out)
{
	return (struct sink){.a = a,
			     .ask = ask,
			     .id = STR("req"),
			     .model = STR("m"),
			     .out = out,
			     .own = arena_zalloc(a, dialect_openai.sink_bytes)};
}

static void
try_events(struct arena *a, const struct ask *ask, struct str text)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;
	struct sink sink = sink_of(a, ask, &out);
	struct source source = {
		.a = a,
		.ask = ask,
		.put = put_piece,
		.user = &sink,
		.own = arena_zalloc(a, wire_openai.source_bytes)};
	struct usage usage = {.present = true};
	struct delta d;

	while (text.n > 0)
		(void)wire_openai.parse_event(&source, STR(""),
					      str_cut(&text, '\n'), &d);
	dialect_openai.end(&sink, &usage, money_nano(1));
	check_events(buf_str(&out));
}

static void
try_answer(struct arena *a, const struct ask *ask, struct str text)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;
	struct sink sink = sink_of(a, ask, &out);
	struct usage usage = {.present = true};
	struct answer answer;
	struct reply r;

	reply_init(&r);
	if (wire_openai.parse_answer(ask, text, &answer) != E_OK ||
	    wire_openai.read_answer(a, ask, text, &r) != E_OK)
		return;
	dialect_openai.write_answer(&sink, &r, &usage, money_nano(1));
	check_json(buf_str(&out));
}

static void
try_error(struct str text, unsigned status)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;
	struct upstream_error e;
	struct complaint c = {.upstream = &e};

	wire_openai.parse_error((int)status, STR_NONE, text, &e);
	c.err = e.err;
	dialect_openai.error(&out, &c);
	check_json(buf_str(&out));
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct ask ask = {.kind = ASK_CHAT, .choices = 2};
	struct arena a;
	struct str text;
	char *copy;

	if (size < 2)
		return 0;
	copy = malloc(size - 1);
	if (!copy)
		abort();
	memcpy(copy, bytes + 1, size - 1);
	text = str_make(copy, size - 1);
	arena_init(&a);
	ask.legacy_calls = bytes[0] & 8;
	switch (bytes[0] & 7) {
	case 0: try_request(&a, ASK_CHAT, text, bytes[0] * 33u); break;
	case 1: try_request(&a, ASK_CHAT, text, bytes[0] * 257u); break;
	case 2: try_request(&a, ASK_COMPLETIONS, text, bytes[0]); break;
	case 3: try_events(&a, &ask, text); break;
	case 4: try_answer(&a, &ask, text); break;
	case 5: try_error(text, 400 + bytes[0]); break;
	default:
		ask.kind = ASK_COMPLETIONS;
		try_events(&a, &ask, text);
		try_answer(&a, &ask, text);
		break;
	}
	arena_free(&a);
	free(copy);
	return 0;
}
