/* Requests, whole answers and errors. Streams are in play_stream.c. */
#include "tests/golden/play.h"

#include <stdlib.h>

#include "base/must.h"
#include "tests/golden/play_inside.h"

#define WALL_S 1767225600u /* the first second of 2026 */

static const struct {
	const char *name;
	const struct dialect *dialect;
} clients[CLIENTS] = {
	[CLIENT_CHAT] = {"chat", &dialect_openai},
	[CLIENT_RESPONSES] = {"responses", &dialect_responses},
	[CLIENT_MESSAGES] = {"messages", &dialect_anthropic},
	[CLIENT_GEMINI] = {"gemini", &dialect_gemini},
};

const char *
client_name(enum client client)
{
	return clients[client].name;
}

/* What a channel of this adapter could say. */
static struct target
target_of(const struct adapter *ad)
{
	bool claude = ad->wire == &wire_anthropic || ad->wire == &wire_bedrock;
	struct target t = {
		.host = STR("upstream.example"),
		.path = STR(""),
		.model = STR("up-1"),
		.model_json = STR("\"up-1\""),
		.credential = STR("KEY"),
		.organization = STR(""),
		.project = STR("p"),
		.secret = STR("SECRET"),
		.session = STR(""),
		.now_s = WALL_S,
		.region = STR("eu-1"),
		.api_version = STR("2024-10-21"),
		.max_output = 4096,
		.quirks = ad->quirks,
	};

	if (ad->wire == &wire_bedrock) {
		t.model = STR("anthropic.claude-sonnet-4-v1:0");
		t.model_json = STR("\"anthropic.claude-sonnet-4-v1:0\"");
	} else if (claude) {
		t.model = STR("claude-sonnet-4");
		t.model_json = STR("\"claude-sonnet-4\"");
	}
	if (ad->auth != AUTH_GOOGLE)
		t.project = STR("");
	return t;
}

/* ---- the client's request ---- */

/* "POST /v1beta/models/m:generateContent?alt=sse" */
static void
read_line(struct ask *ask, struct str line)
{
	static const char models[] = "/models/";
	ptrdiff_t at;

	(void)str_cut(&line, ' ');
	ask->path = str_cut(&line, '?');
	ask->query = line.p ? line : STR("");
	at = str_search(ask->path, str_of(models));
	if (at >= 0)
		ask->path = str_from(ask->path, (size_t)at + strlen(models));
	ask->kind = ASK_CHAT;
}

static void
read_field(struct ask *ask, struct str line)
{
	struct str name = str_cut(&line, ':');

	if (str_eq(name, STR("anthropic-version")))
		ask->fields.version = str_trim(line);
	else if (str_eq(name, STR("anthropic-beta")))
		ask->fields.beta = str_trim(line);
}

/* The newline at the file's end is the editor's. */
struct str
play_body(struct str text)
{
	if (text.n > 0 && text.p[text.n - 1] == '\n')
		text.n--;
	return text;
}

static void
read_request(struct ask *ask, struct str text)
{
	struct str line;

	*ask = (struct ask){.fields = {STR(""), STR("")}};
	read_line(ask, str_cut(&text, '\n'));
	for (line = str_cut(&text, '\n'); line.n > 0;
	     line = str_cut(&text, '\n'))
		read_field(ask, line);
	ask->body = play_body(text);
}

void
play_init(struct play *p, const struct adapter *ad, enum client client,
	  struct str request, bool own_wire)
{
	*p = (struct play){.ad = ad, .dialect = clients[client].dialect};
	arena_init(&p->a);
	p->wire = own_wire ? ad->wire : adapter_wire(ad, p->dialect, ASK_CHAT);
	p->converts = p->wire->native != p->dialect;
	p->target = target_of(ad);
	p->target.wire = p->wire;
	read_request(&p->ask, request);
	p->err = p->dialect->parse(&p->a, &p->ask, &p->detail);
	if (p->err != E_OK || !p->converts)
		return;
	conversation_init(&p->talk, &p->a);
	p->err = p->dialect->read(&p->talk, &p->ask, &p->detail);
	p->ask.talk = &p->talk;
}

void
play_free(struct play *p)
{
	arena_free(&p->a);
}

/* ---- what is said to the client ---- */

void
play_complain(const struct play *p, struct buf *out, struct complaint *c)
{
	c->request_id = STR("req_1");
	if (c->status == 0)
		c->status = err_row(c->err)->status;
	buf_printf(out, "%d\n", c->status);
	if (c->status == 429 || c->status == 503) {
		c->retry_after_s = MAX_OF(1u, c->retry_after_s);
		buf_printf(out, "retry-after: %ju\n",
			   (uintmax_t)c->retry_after_s);
	}
	buf_add_char(out, '\n');
	p->dialect->error(out, c);
	buf_add_char(out, '\n');
}

static void
put_refusal(const struct play *p, struct buf *out, enum err e,
	    const char *detail)
{
	struct complaint c = {.err = e, .detail = detail, .param = detail};

	buf_add_cstr(out, "refused: ");
	play_complain(p, out, &c);
}

/* ---- requests ---- */

/* Heads end their lines with CRLF; in the files they end with LF. */
static void
put_pieces(struct buf *out, const struct pieces *p)
{
	CLEANUP(buf_free) struct buf all = BUF_INIT;
	struct str rest, line;

	for (unsigned i = 0; i < p->n; i++)
		buf_add(&all, p->iov[i].iov_base, p->iov[i].iov_len);
	rest = buf_str(&all);
	do {
		line = str_cut(&rest, '\n');
		must(line.n > 0 && line.p[line.n - 1] == '\r');
		buf_add(out, line.p, line.n - 1);
		buf_add_char(out, '\n');
	} while (line.n > 1);
	buf_add_str(out, rest);
	buf_add_char(out, '\n');
}

static enum err
write_body(struct play *p, struct buf *body, struct writing *w)
{
	struct json_out json;
	enum err e;

	json_out_init(&json, body);
	*w = (struct writing){.talk = &p->talk,
			      .ask = &p->ask,
			      .target = &p->target,
			      .a = &p->a,
			      .out = &json};
	e = p->wire->write(w);
	return e == E_OK ? writing_end(w) : e;
}

void
play_request(struct play *p, struct buf *out)
{
	CLEANUP(buf_free) struct buf body = BUF_INIT;
	struct writing w = {.refused = NULL};
	struct pieces inside = {.n = 0}, whole;
	enum err e = p->err;

	if (e == E_OK && p->converts)
		e = write_body(p, &body, &w);
	else if (e == E_OK)
		e = p->wire->patch(&p->a, &p->ask, &p->target, &inside);
	if (e != E_OK) {
		put_refusal(p, out, e, w.refused ? w.refused : p->detail);
		return;
	}
	if (p->converts)
		pieces_add(&inside, buf_str(&body));
	if (w.dropped.n > 0)
		buf_printf(out, "dropped: %.*s\n", STR_ARG(w.dropped));
	must(adapter_request(&p->a, p->ad, &p->ask, &p->target, &inside,
			     &whole) == E_OK);
	put_pieces(out, &whole);
}

/* ---- answers ---- */

void
play_sink(struct play *p, struct sink *s, struct buf *out)
{
	*s = (struct sink){.a = &p->a,
			   .ask = &p->ask,
			   .id = STR("req_1"),
			   .created_s = WALL_S,
			   .model = p->ask.model,
			   .input_hint = 11,
			   .out = out};
	s->own = arena_zalloc(&p->a, p->dialect->sink_bytes + 1);
	must(s->own != NULL);
}

struct money
play_cost(void)
{
	return money_nano(1234000);
}

static enum err
put_answer(struct play *p, const struct answer *answer, struct str body,
	   struct buf *out)
{
	struct pieces pieces;
	struct reply reply;
	struct sink sink;
	enum err e;

	if (p->converts) {
		play_sink(p, &sink, out);
		reply_init(&reply);
		e = p->wire->read_answer(&p->a, &p->ask, body, &reply);
		if (e == E_OK && reply_failed(&reply) &&
		    !p->dialect->tells_failure)
			e = E_UP_BAD_RESPONSE;
		if (e == E_OK)
			p->dialect->write_answer(&sink, &reply, &answer->usage,
						 play_cost());
		return e;
	}
	if (!p->dialect->put_cost) {
		buf_add_str(out, body);
		return E_OK;
	}
	e = p->dialect->put_cost(&p->a, answer, body, &answer->usage,
				 play_cost(), &pieces);
	for (unsigned i = 0; e == E_OK && i < pieces.n; i++)
		buf_add(out, pieces.iov[i].iov_base, pieces.iov[i].iov_len);
	return e;
}

/* The provider's verdict, in the client's words. */
static void
put_verdict(struct play *p, struct upstream_error *said, int status,
	    uint64_t retry_s, struct buf *out)
{
	bool speaks = said->err == E_UP_REQUEST || said->err == E_UP_FILTERED;
	struct complaint c = {.err = said->err, .retry_after_s = retry_s};

	if (p->converts)
		said->type = STR_NONE;
	if (retry_s == 0)
		c.retry_after_s = (said->retry_after_ms + 999) / 1000;
	if (said->err == E_UP_REQUEST && status >= 400 && status < 500)
		c.status = status;
	if (speaks)
		c.upstream = said;
	play_complain(p, out, &c);
}

void
play_answer(struct play *p, struct str body, struct buf *out)
{
	struct upstream_error said;
	struct answer answer;
	enum err e;

	p->ask.stream = false;
	body = play_body(body);
	e = p->wire->parse_answer(&p->ask, body, &answer);
	if (e == E_OK) { /* the provider's figures, whatever comes of them */
		p->usage = answer.usage;
		p->model = answer.model;
		p->content = answer.content_bytes;
		e = put_answer(p, &answer, body, out);
	}
	if (e == E_UP_SERVER_ERROR) {
		p->wire->parse_error(200, STR_NONE, body, &said);
		put_verdict(p, &said, 200, 0, out);
		return;
	}
	if (e != E_OK) {
		put_refusal(p, out, e, NULL);
		return;
	}
	buf_add_char(out, '\n');
}

void
play_error(struct play *p, struct str file, struct buf *out)
{
	struct upstream_error said;
	struct str line = str_cut(&file, '\n'), type = STR("");
	uint64_t status = 0, retry_s = 0;

	must(str_to_u64(line, &status));
	for (line = str_cut(&file, '\n'); line.n > 0;
	     line = str_cut(&file, '\n')) {
		struct str name = str_cut(&line, ':');

		if (str_eq(name, STR("retry-after")))
			must(str_to_u64(str_trim(line), &retry_s));
		if (str_eq(name, STR("x-amzn-errortype")))
			type = str_trim(line);
	}
	p->wire->parse_error((int)status, type, play_body(file), &said);
	put_verdict(p, &said, (int)status, retry_s, out);
}

void
play_bill(const struct play *p, struct buf *out)
{
	const struct usage *u = &p->usage;

	if (u->present)
		buf_printf(out,
			   "input %ju, cache_read %ju, cache_write %ju, "
			   "output %ju, reasoning %ju\n",
			   (uintmax_t)u->input, (uintmax_t)u->cache_read,
			   (uintmax_t)u->cache_write, (uintmax_t)u->output,
			   (uintmax_t)u->reasoning);
	else
		buf_printf(out, "no usage, %ju bytes of content\n",
			   (uintmax_t)p->content);
	if (p->model.n > 0)
		buf_printf(out, "model %.*s\n", STR_ARG(p->model));
}
