/*
 * Anthropic as a client dialect: what a request asks for, errors in its
 * envelope, and answers of other upstreams in its words. Streamed answers are
 * blocks, one open at a time; the message begins with its first content, so
 * that until then another upstream may still be asked.
 */
#include "adapters/anthropic.h"
#include "adapters/ask.h"

/* ---- requests ---- */

enum {
	F_MODEL,
	F_STREAM,
	F_MAX,
	F_MESSAGES,
	F_SYSTEM,
	F_TOOLS,
	F_METADATA,
	FIELDS
};
static const char *const fields[FIELDS] = {"model",    "stream", "max_tokens",
					   "messages", "system", "tools",
					   "metadata"};

static enum err
read_maximum(struct ask *ask, struct json_value v, const char **detail)
{
	*detail = "max_tokens";
	if (ask_absent(v) && ask->kind != ASK_COUNT)
		return E_MISSING_FIELD;
	return ask_maximum(ask, v);
}

static enum err
read_input(struct ask *ask, const struct json_value *v, const char **detail)
{
	*detail = "messages";
	if (ask_absent(v[F_MESSAGES]))
		return E_MISSING_FIELD;
	if (v[F_MESSAGES].type != JSON_ARRAY)
		return E_BAD_FIELD;
	ask->input = v[F_MESSAGES];
	ask->more[0] = v[F_SYSTEM];
	ask->more[1] = v[F_TOOLS];
	ask->metadata = v[F_METADATA];
	return E_OK;
}

static enum err
anthropic_parse(struct arena *a, struct ask *ask, const char **detail)
{
	struct json_value v[FIELDS];
	struct json_error fault;
	enum err e;

	ask->choices = 1;
	if (!json_members(ask->body, fields, FIELDS, v, &fault))
		return ask_fault(a, &fault, detail);
	*detail = "model";
	e = ask_model(a, ask, v[F_MODEL]);
	if (e != E_OK)
		return e;
	*detail = "stream";
	e = ask_flag(v[F_STREAM], &ask->stream);
	if (ask->kind == ASK_COUNT)
		ask->stream = false;
	if (e == E_OK)
		e = read_maximum(ask, v[F_MAX], detail);
	if (e == E_OK)
		e = read_input(ask, v, detail);
	return e;
}

/* ---- errors ---- */

static const struct error_type {
	int status;
	const char *type;
} types[] = {
	{401, "authentication_error"},
	{402, "billing_error"},
	{403, "permission_error"},
	{404, "not_found_error"},
	{413, "request_too_large"},
	{429, "rate_limit_error"},
	{500, "api_error"},
	{502, "api_error"},
	{503, "overloaded_error"},
	{504, "timeout_error"},
	{529, "overloaded_error"},
};

static const char *
type_of(int status)
{
	for (unsigned i = 0; i < ARRAY_LEN(types); i++)
		if (types[i].status == status)
			return types[i].type;
	return "invalid_request_error";
}

/* An upstream's word, where it is one of this dialect. */
static const char *
word_of(struct str type)
{
	for (unsigned i = 0; i < ARRAY_LEN(types); i++)
		if (str_eq(type, str_of(types[i].type)))
			return types[i].type;
	return NULL;
}

static void
anthropic_error(struct buf *out, const struct complaint *c)
{
	static const struct upstream_error none;
	const struct upstream_error *u = c->upstream ? c->upstream : &none;
	int status = c->status ? c->status : err_row(c->err)->status;
	const char *word = word_of(u->type);
	struct json_out o;

	json_out_init(&o, out);
	json_put_raw(&o, STR("{\"type\":\"error\",\"error\":{\"type\":"));
	o.comma = false;
	json_put_str(&o, str_of(word ? word : type_of(status)));
	json_name(&o, "message");
	if (u->message.n > 0)
		json_put_inside(&o, u->message);
	else
		complaint_put_text(&o, c);
	json_close(&o, '}');
	json_name(&o, "request_id");
	if (c->request_id.n > 0)
		json_put_str(&o, c->request_id);
	else
		json_put_null(&o);
	json_close(&o, '}');
}

static void
anthropic_error_event(struct buf *out, const struct complaint *c,
		      struct sink *s)
{
	(void)s;
	buf_add_cstr(out, "event: error\ndata: ");
	anthropic_error(out, c);
	buf_add_cstr(out, "\n\n");
}

static void
anthropic_write_count(struct buf *out, uint64_t tokens)
{
	buf_add_cstr(out, "{\"input_tokens\":");
	buf_add_u64(out, tokens);
	buf_add_char(out, '}');
}

/* ---- answers ---- */

/* Thinking counts as output here; what a cache knew, not as input. */
static void
put_usage(struct json_out *o, const struct usage *u)
{
	json_name(o, "usage");
	json_open(o, '{');
	json_name(o, "input_tokens");
	json_put_u64(o, u->input);
	json_name(o, "cache_creation_input_tokens");
	json_put_u64(o, u->cache_write);
	json_name(o, "cache_read_input_tokens");
	json_put_u64(o, u->cache_read);
	json_name(o, "output_tokens");
	json_put_u64(o, u->output + u->reasoning);
	if (u->reasoning > 0) {
		json_name(o, "output_tokens_details");
		json_open(o, '{');
		json_name(o, "thinking_tokens");
		json_put_u64(o, u->reasoning);
		json_close(o, '}');
	}
	json_close(o, '}');
}

/* Our request's id without its prefix, with another one. */
static struct str
own_id(const struct sink *s, const char *prefix)
{
	struct str id = s->id;

	if (str_starts(id, STR("req_")))
		id = str_from(id, 4);
	return arena_join(s->a, str_of(prefix), id);
}

/* Ours, where the upstream has none: one a call. */
static struct str
call_id(const struct sink *s, struct str id, uint32_t call)
{
	if (id.n > 0)
		return id;
	id = own_id(s, "toolu_");
	return arena_printf(s->a, "%.*s_%u", STR_ARG(id), call);
}

static void
put_finish(struct json_out *o, enum finish finish, bool calls,
	   struct str sequence)
{
	json_name(o, "stop_reason");
	json_put_str(o, anthropic_stop_reason(finish, calls));
	json_name(o, "stop_sequence");
	if (finish == FINISH_SEQUENCE && sequence.n > 0)
		json_put_inside(o, sequence);
	else
		json_put_null(o);
}

/* The begin of a message, up to its content. */
static void
put_message(struct json_out *o, const struct sink *s)
{
	json_open_type(o, "message");
	json_name(o, "id");
	json_put_str(o, own_id(s, "msg_"));
	json_name(o, "role");
	json_put_str(o, STR("assistant"));
	json_name(o, "model");
	json_put_str(o, s->model);
	json_name(o, "content");
	json_open(o, '[');
}

/* What the model wrote in place of an object is kept as a member. */
static void
put_input(struct json_out *o, const struct part *p)
{
	json_name(o, "input");
	if (p->args.n > 0) {
		json_put_raw(o, p->args);
		return;
	}
	json_open(o, '{');
	if (p->text.n > 0)
		json_put_member(o, "raw_arguments", p->text);
	json_close(o, '}');
}

/* A block of its own, see anthropic.h; the last brace is the caller's. */
static void
put_call_sign(struct json_out *o, struct str signature)
{
	if (signature.n == 0)
		return;
	json_close(o, '}');
	json_open_type(o, "thinking");
	json_put_member(o, "thinking", STR(""));
	json_name(o, "signature");
	json_put_raw(o, STR("\"" ANTHROPIC_CALL_SIGN));
	buf_add_str(o->buf, signature);
	buf_add_char(o->buf, '"');
}

static void
put_block(struct json_out *o, const struct sink *s, const struct part *p,
	  uint32_t *calls)
{
	switch (p->kind) {
	case PART_TEXT:
	case PART_REFUSAL:
		json_open_type(o, "text");
		json_put_member(o, "text", p->text);
		break;
	case PART_THINKING:
		json_open_type(o, "thinking");
		json_put_member(o, "thinking", p->text);
		json_put_member(o, "signature", p->signature);
		break;
	case PART_REDACTED:
		json_open_type(o, "redacted_thinking");
		json_put_member(o, "data", p->data);
		break;
	case PART_CALL:
		json_open_type(o, "tool_use");
		json_put_member(o, "id", call_id(s, p->id, *calls));
		json_put_member(o, "name", p->name);
		put_input(o, p);
		++*calls;
		put_call_sign(o, p->signature);
		break;
	case PART_IMAGE:
	case PART_AUDIO:
	case PART_FILE:
	case PART_RESULT: return; /* nothing here can be asked for */
	}
	json_close(o, '}');
}

static void
anthropic_write_answer(struct sink *s, const struct reply *r,
		       const struct usage *u, struct money cost)
{
	static const struct reply_choice nothing;
	const struct reply_choice *c = r->choices ? r->choices : &nothing;
	struct json_out o;
	uint32_t calls = 0;

	(void)cost;
	json_out_init(&o, s->out);
	put_message(&o, s);
	for (const struct part *p = c->parts; p; p = p->next)
		put_block(&o, s, p, &calls);
	json_close(&o, ']');
	put_finish(&o, c->finish, calls > 0, c->sequence);
	put_usage(&o, u);
	json_close(&o, '}');
}

/* ---- streams ---- */

enum block { BLOCK_NONE, BLOCK_TEXT, BLOCK_THINKING, BLOCK_CALL };

/* Where the arguments of a call go. */
struct call_block {
	struct call_block *next;
	uint32_t call;
	uint32_t index;
};

struct stream {
	bool begun;
	enum block open;
	bool is_signed; /* the open thinking has its signature */
	uint32_t index; /* of the open block, or the next one */
	uint32_t calls;
	struct call_block *blocks; /* last one first */
	enum finish finish;
	struct str sequence;
};

static void
event_begin(struct sink *s, struct json_out *o, const char *type)
{
	buf_add_cstr(s->out, "event: ");
	buf_add_cstr(s->out, type);
	buf_add_cstr(s->out, "\ndata: ");
	json_out_init(o, s->out);
	json_open_type(o, type);
}

static void
event_end(struct sink *s, struct json_out *o)
{
	json_close(o, '}');
	buf_add_cstr(s->out, "\n\n");
}

static void
begin(struct sink *s, struct stream *st)
{
	struct usage hint = {.input = s->input_hint};
	struct json_out o;

	if (st->begun)
		return;
	st->begun = true;
	event_begin(s, &o, "message_start");
	json_name(&o, "message");
	put_message(&o, s);
	json_close(&o, ']');
	json_name(&o, "stop_reason");
	json_put_null(&o);
	json_name(&o, "stop_sequence");
	json_put_null(&o);
	put_usage(&o, &hint);
	json_close(&o, '}');
	event_end(s, &o);
}

static void
close_block(struct sink *s, struct stream *st)
{
	struct json_out o;

	if (st->open == BLOCK_NONE)
		return;
	event_begin(s, &o, "content_block_stop");
	json_name(&o, "index");
	json_put_u64(&o, st->index++);
	event_end(s, &o);
	st->open = BLOCK_NONE;
	st->is_signed = false;
}

/* The begin of a block's begin, up to its own members. */
static void
block_begin(struct sink *s, struct stream *st, struct json_out *o,
	    const char *type)
{
	begin(s, st);
	close_block(s, st);
	event_begin(s, o, "content_block_start");
	json_name(o, "index");
	json_put_u64(o, st->index);
	json_name(o, "content_block");
	json_open_type(o, type);
}

static void
open_block(struct sink *s, struct stream *st, enum block block)
{
	struct json_out o;

	if (st->open == block && !st->is_signed)
		return;
	if (block == BLOCK_TEXT) {
		block_begin(s, st, &o, "text");
		json_put_member(&o, "text", STR(""));
	} else {
		block_begin(s, st, &o, "thinking");
		json_put_member(&o, "thinking", STR(""));
		json_put_member(&o, "signature", STR(""));
	}
	json_close(&o, '}');
	event_end(s, &o);
	st->open = block;
}

static void
put_delta(struct sink *s, uint32_t index, const char *type, const char *name,
	  struct str text)
{
	struct json_out o;

	event_begin(s, &o, "content_block_delta");
	json_name(&o, "index");
	json_put_u64(&o, index);
	json_name(&o, "delta");
	json_open_type(&o, type);
	json_put_member(&o, name, text);
	json_close(&o, '}');
	event_end(s, &o);
}

static void
put_redacted(struct sink *s, struct stream *st, struct str data)
{
	struct json_out o;

	block_begin(s, st, &o, "redacted_thinking");
	json_put_member(&o, "data", data);
	json_close(&o, '}');
	event_end(s, &o);
	st->open = BLOCK_THINKING;
	close_block(s, st);
}

static void
put_call(struct sink *s, struct stream *st, const struct piece *p)
{
	struct call_block *b = arena_alloc(s->a, sizeof(*b));
	struct json_out o;

	if (!b) {
		s->out->failed = true;
		return;
	}
	block_begin(s, st, &o, "tool_use");
	json_put_member(&o, "id", call_id(s, p->id, p->call));
	json_put_member(&o, "name", p->name);
	json_name(&o, "input");
	json_put_raw(&o, STR("{}"));
	json_close(&o, '}');
	event_end(s, &o);
	st->open = BLOCK_CALL;
	st->calls++;
	*b = (struct call_block){st->blocks, p->call, st->index};
	st->blocks = b;
}

/* Calls may take turns; each has the block it began with. */
static void
put_args(struct sink *s, struct stream *st, const struct piece *p)
{
	if (p->text.n == 0)
		return;
	for (const struct call_block *b = st->blocks; b; b = b->next) {
		if (b->call != p->call)
			continue;
		put_delta(s, b->index, "input_json_delta", "partial_json",
			  p->text);
		return;
	}
}

/* One without a text before it stands in a block of its own, as does that of
 * a call. */
static void
put_signature(struct sink *s, struct stream *st, const struct piece *p)
{
	struct str signature = p->text;

	if (signature.n == 0)
		return;
	if (st->open == BLOCK_CALL) {
		if (st->blocks->call != p->call)
			return;
		signature = arena_printf(s->a, ANTHROPIC_CALL_SIGN "%.*s",
					 STR_ARG(signature));
	}
	open_block(s, st, BLOCK_THINKING);
	put_delta(s, st->index, "signature_delta", "signature", signature);
	st->is_signed = true;
}

static void
anthropic_put(struct sink *s, const struct piece *p)
{
	struct stream *st = s->own;

	if (p->choice > 0) /* nobody can have asked for it */
		return;
	switch (p->kind) {
	case PIECE_BEGIN:
	case PIECE_MEDIA:
	case PIECE_LOGPROBS: break;
	case PIECE_TEXT:
	case PIECE_REFUSAL:
		if (p->text.n == 0)
			break;
		open_block(s, st, BLOCK_TEXT);
		put_delta(s, st->index, "text_delta", "text", p->text);
		break;
	case PIECE_THINKING:
		if (p->text.n == 0)
			break;
		open_block(s, st, BLOCK_THINKING);
		put_delta(s, st->index, "thinking_delta", "thinking", p->text);
		break;
	case PIECE_SIGNATURE: put_signature(s, st, p); break;
	case PIECE_REDACTED: put_redacted(s, st, p->text); break;
	case PIECE_CALL: put_call(s, st, p); break;
	case PIECE_ARGS: put_args(s, st, p); break;
	case PIECE_FINISH:
		st->finish = p->finish;
		st->sequence = arena_dup(s->a, p->sequence);
		break;
	}
}

static void
anthropic_end(struct sink *s, const struct usage *u, struct money cost)
{
	struct stream *st = s->own;
	struct json_out o;

	(void)cost;
	begin(s, st);
	close_block(s, st);
	event_begin(s, &o, "message_delta");
	json_name(&o, "delta");
	json_open(&o, '{');
	put_finish(&o, st->finish, st->calls > 0, st->sequence);
	json_close(&o, '}');
	put_usage(&o, u);
	event_end(s, &o);
	event_begin(s, &o, "message_stop");
	event_end(s, &o);
}

#define MESSAGE_STOP \
	"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"

const struct dialect dialect_anthropic = {
	.name = "anthropic",
	.stream_end = {"", 0},
	.native_end = {MESSAGE_STOP, sizeof(MESSAGE_STOP) - 1},
	.parse = anthropic_parse,
	.read = anthropic_read,
	.write_count = anthropic_write_count,
	.error = anthropic_error,
	.error_event = anthropic_error_event,
	.write_answer = anthropic_write_answer,
	.put = anthropic_put,
	.end = anthropic_end,
	.sink_bytes = sizeof(struct stream),
};
