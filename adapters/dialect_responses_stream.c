/*
 * A stream of another upstream as Responses events. Every event has its
 * number; every item begins and ends by itself. The hard part: calls may come
 * interleaved, so one stays open until its arguments are a whole object or
 * the stream ends.
 */
#include <inttypes.h>

#include "adapters/responses.h"

/* ---- events ---- */

/* Opens the data of an event; event_close() ends it. */
static void
event_open(struct json_out *o, struct sink *s, const char *type)
{
	struct answering *w = s->own;

	buf_add_cstr(s->out, "event: ");
	buf_add_cstr(s->out, type);
	buf_add_cstr(s->out, "\ndata: ");
	json_out_init(o, s->out);
	json_open(o, '{');
	json_name(o, "type");
	json_put_str(o, str_of(type));
	json_name(o, "sequence_number");
	json_put_u64(o, w->sequence++);
}

static void
event_close(struct json_out *o)
{
	json_close(o, '}');
	buf_add_cstr(o->buf, "\n\n");
}

/* Of an item: where it is. `part` NULL: none. */
static void
item_event(struct json_out *o, struct sink *s, const char *type,
	   const struct output *out)
{
	event_open(o, s, type);
	put_output_id(o, "item_id", s, out);
	json_name(o, "output_index");
	json_put_u64(o, out->index);
}

static void
part_event(struct json_out *o, struct sink *s, const char *type,
	   const struct output *out, uint32_t part)
{
	item_event(o, s, type, out);
	json_name(o, out->kind == OUTPUT_MESSAGE ? "content_index"
						 : "summary_index");
	json_put_u64(o, part);
}

static void
output_event(struct sink *s, const char *type, const struct output *out)
{
	struct json_out o;

	event_open(&o, s, type);
	json_name(&o, "output_index");
	json_put_u64(&o, out->index);
	json_name(&o, "item");
	put_output(&o, s, out, !out->closed);
	event_close(&o);
}

static void
response_event(struct sink *s, const char *type, const struct usage *u,
	       struct money cost)
{
	struct json_out o;

	event_open(&o, s, type);
	json_name(&o, "response");
	put_response(&o, s, s->own, u, cost);
	event_close(&o);
}

static void
begin(struct sink *s)
{
	struct answering *w = s->own;

	if (w->begun)
		return;
	w->begun = true;
	response_event(s, "response.created", NULL, money_nano(0));
	response_event(s, "response.in_progress", NULL, money_nano(0));
}

/* ---- ends ---- */

/* An item of its own that only says who can read what. */
static void
put_seal(struct sink *s, struct output *seal)
{
	output_event(s, "response.output_item.added", seal);
	seal->closed = true;
	output_event(s, "response.output_item.done", seal);
}

static void
close_part(struct sink *s, const struct output *out,
	   const struct output_part *p)
{
	struct json_out o;

	if (!p)
		return;
	part_event(&o, s,
		   p->refusal ? "response.refusal.done"
			      : "response.output_text.done",
		   out, p->index);
	json_name(&o, p->refusal ? "refusal" : "text");
	put_rope(&o, &p->text);
	if (!p->refusal)
		put_logprobs(&o, &p->logprobs);
	event_close(&o);
	part_event(&o, s, "response.content_part.done", out, p->index);
	json_name(&o, "part");
	put_output_part(&o, p, false);
	event_close(&o);
}

static void
close_call(struct sink *s, struct output *out)
{
	struct json_out o;

	if (!out->text.first && !rope_add(s->a, &out->text, STR("{}")))
		s->out->failed = true;
	item_event(&o, s, "response.function_call_arguments.done", out);
	json_name(&o, "name");
	json_put_inside(&o, out->name);
	json_name(&o, "arguments");
	put_rope(&o, &out->text);
	event_close(&o);
}

static void
close_reasoning(struct sink *s, const struct output *out)
{
	struct json_out o;

	if (!out->text.first)
		return;
	part_event(&o, s, "response.reasoning_summary_text.done", out, 0);
	json_name(&o, "text");
	put_rope(&o, &out->text);
	event_close(&o);
	part_event(&o, s, "response.reasoning_summary_part.done", out, 0);
	json_name(&o, "part");
	put_summary_part(&o, &out->text);
	event_close(&o);
}

static void
close_output(struct sink *s, struct output *out)
{
	struct output *seal;

	if (out->closed)
		return;
	if (out->kind == OUTPUT_MESSAGE)
		close_part(s, out, out->last);
	else if (out->kind == OUTPUT_CALL)
		close_call(s, out);
	else
		close_reasoning(s, out);
	out->closed = true;
	output_event(s, "response.output_item.done", out);
	if (out->kind != OUTPUT_CALL || !out->signature.first)
		return;
	seal = answering_seal_call(s, s->own, out);
	if (seal)
		put_seal(s, seal);
	else
		s->out->failed = true;
}

/* Another item begins: those end of which nothing more can come. */
static void
close_finished(struct sink *s)
{
	struct answering *w = s->own;

	for (struct output *out = w->open; out; out = out->next)
		if (out->kind != OUTPUT_CALL || rope_is_object(&out->text))
			close_output(s, out);
	while (w->open && w->open->closed)
		w->open = w->open->next;
}

/* ---- pieces ---- */

static struct output *
open_output(struct sink *s, enum output_kind kind)
{
	struct answering *w = s->own;
	struct output *out;

	close_finished(s);
	out = answering_output(s, w, kind);
	if (!out) {
		s->out->failed = true;
		return NULL;
	}
	if (!w->open)
		w->open = out;
	return out;
}

/* The newest item, if it is of this kind and open. */
static struct output *
current(const struct sink *s, enum output_kind kind)
{
	const struct answering *w = s->own;

	return w->last && !w->last->closed && w->last->kind == kind ? w->last
								    : NULL;
}

static struct output_part *
open_part(struct sink *s, struct output *out, bool refusal)
{
	struct output_part *p = out->last;
	struct json_out o;

	if (p && p->refusal == refusal)
		return p;
	close_part(s, out, p);
	p = output_part(s, out, refusal);
	if (!p) {
		s->out->failed = true;
		return NULL;
	}
	part_event(&o, s, "response.content_part.added", out, p->index);
	json_name(&o, "part");
	put_output_part(&o, p, true);
	event_close(&o);
	return p;
}

static struct output *
open_message(struct sink *s)
{
	struct output *out = current(s, OUTPUT_MESSAGE);

	if (out)
		return out;
	out = open_output(s, OUTPUT_MESSAGE);
	if (out)
		output_event(s, "response.output_item.added", out);
	return out;
}

static void
put_text(struct sink *s, const struct piece *piece)
{
	bool refusal = piece->kind == PIECE_REFUSAL;
	struct output *out = open_message(s);
	struct output_part *p = out ? open_part(s, out, refusal) : NULL;
	struct json_out o;

	if (!p)
		return;
	part_event(&o, s,
		   refusal ? "response.refusal.delta"
			   : "response.output_text.delta",
		   out, p->index);
	json_name(&o, "delta");
	json_put_inside(&o, piece->text);
	if (!refusal) {
		json_name(&o, "logprobs");
		json_put_raw(&o, STR("[]"));
	}
	event_close(&o);
	if (!rope_add(s->a, &p->text, piece->text))
		s->out->failed = true;
}

/* They stand in the text's end; when they come tells nothing of which delta
 * they are. */
static void
put_probabilities(struct sink *s, const struct piece *piece)
{
	struct json_value chunk = {JSON_OBJECT, piece->json};
	struct str list = responses_logprobs(chunk);
	struct output *out = list.n > 0 ? open_message(s) : NULL;
	struct output_part *p = out ? open_part(s, out, false) : NULL;

	if (!p)
		return;
	if ((p->logprobs.first && !rope_add(s->a, &p->logprobs, STR(","))) ||
	    !rope_add(s->a, &p->logprobs, list))
		s->out->failed = true;
}

static struct output *
open_reasoning(struct sink *s)
{
	struct output *out = current(s, OUTPUT_REASONING);

	/* behind its seal another thought begins */
	if (out && !out->signature.first)
		return out;
	out = open_output(s, OUTPUT_REASONING);
	if (out)
		output_event(s, "response.output_item.added", out);
	return out;
}

static void
put_thinking(struct sink *s, const struct piece *piece)
{
	static const struct rope none;
	struct output *out = open_reasoning(s);
	struct json_out o;

	if (!out || piece->text.n == 0)
		return;
	if (!out->text.first) {
		part_event(&o, s, "response.reasoning_summary_part.added", out,
			   0);
		json_name(&o, "part");
		put_summary_part(&o, &none);
		event_close(&o);
	}
	part_event(&o, s, "response.reasoning_summary_text.delta", out, 0);
	json_name(&o, "delta");
	json_put_inside(&o, piece->text);
	event_close(&o);
	if (!rope_add(s->a, &out->text, piece->text))
		s->out->failed = true;
}

static struct output *
find_call(const struct sink *s, uint32_t call)
{
	const struct answering *w = s->own;

	for (struct output *out = w->open; out; out = out->next)
		if (out->kind == OUTPUT_CALL && out->call == call)
			return out;
	return NULL;
}

static void
put_redacted(struct sink *s, const struct piece *piece)
{
	struct output *seal;

	close_finished(s);
	seal = answering_seal(s, s->own, RESPONSES_REDACTED, piece->text);
	if (seal)
		put_seal(s, seal);
	else
		s->out->failed = true;
}

/* A call's is said behind the call. */
static void
put_signature(struct sink *s, const struct piece *piece)
{
	struct output *out = current(s, OUTPUT_REASONING);

	if (!out)
		out = find_call(s, piece->call);
	if (!out || out->closed)
		out = open_reasoning(s);
	if (out && !rope_add(s->a, &out->signature, piece->text))
		s->out->failed = true;
}

static void
put_call(struct sink *s, const struct piece *piece)
{
	struct output *out = open_output(s, OUTPUT_CALL);

	if (!out)
		return;
	out->call = piece->call;
	out->name = arena_dup(s->a, piece->name);
	out->call_id = piece->id.n > 0
			       ? arena_dup(s->a, piece->id)
			       : arena_printf(s->a, "call_%.*s_%u",
					      STR_ARG(s->id), out->index);
	if (!out->name.p || !out->call_id.p)
		s->out->failed = true;
	else
		output_event(s, "response.output_item.added", out);
}

static void
put_args(struct sink *s, const struct piece *piece)
{
	struct output *out = find_call(s, piece->call);
	struct json_out o;

	if (!out || out->closed || piece->text.n == 0)
		return;
	item_event(&o, s, "response.function_call_arguments.delta", out);
	json_name(&o, "delta");
	json_put_inside(&o, piece->text);
	event_close(&o);
	if (!rope_add(s->a, &out->text, piece->text))
		s->out->failed = true;
}

void
responses_put(struct sink *s, const struct piece *p)
{
	struct answering *w = s->own;

	if (p->choice > 0)
		return;
	begin(s);
	switch (p->kind) {
	case PIECE_BEGIN:
	case PIECE_MEDIA: break;
	case PIECE_TEXT:
	case PIECE_REFUSAL: put_text(s, p); break;
	case PIECE_THINKING: put_thinking(s, p); break;
	case PIECE_SIGNATURE: put_signature(s, p); break;
	case PIECE_REDACTED: put_redacted(s, p); break;
	case PIECE_CALL: put_call(s, p); break;
	case PIECE_ARGS: put_args(s, p); break;
	case PIECE_LOGPROBS: put_probabilities(s, p); break;
	case PIECE_FINISH: w->finish = p->finish; break;
	}
}

void
responses_end(struct sink *s, const struct usage *u, struct money cost)
{
	struct answering *w = s->own;
	bool early = w->finish == FINISH_LENGTH || w->finish == FINISH_FILTER;

	begin(s);
	for (struct output *out = w->open; out; out = out->next) {
		out->cut = early && out == w->last && !out->closed;
		close_output(s, out);
	}
	response_event(s, responses_end_event(w->finish), u, cost);
}

/* ---- errors ---- */

/* The plain form of the documents, and `error`, which makes SDKs throw. */
void
responses_error_event(struct buf *out, const struct complaint *c,
		      struct sink *s)
{
	CLEANUP(buf_free) struct buf body = BUF_INIT;
	struct answering *w = s ? s->own : NULL;
	struct json_value error, root;
	struct json_error fault;

	dialect_openai.error(&body, c);
	if (body.failed || !json_valid(buf_str(&body), &root, &fault)) {
		out->failed = true;
		return;
	}
	error = json_get(root, "error");
	buf_printf(out,
		   "event: error\ndata: {\"type\":\"error\","
		   "\"sequence_number\":%" PRIu64,
		   w ? w->sequence++ : c->sequence);
	for (unsigned i = 0; i < 3; i++) {
		static const char *const names[] = {"code", "message", "param"};
		struct str v = json_get(error, names[i]).raw;

		buf_printf(out, ",\"%s\":%.*s", names[i], STR_ARG(v));
	}
	buf_printf(out, ",\"error\":%.*s}\n\n", STR_ARG(error.raw));
}
