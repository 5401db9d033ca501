/* Streams, as worker/stream.c and worker/reply.c relay them. */
#include <stdlib.h>

#include "base/hash.h"
#include "base/must.h"
#include "http/frames.h"
#include "tests/golden/play_inside.h"

struct relay {
	struct play *p;
	struct buf *out;
	struct source source;
	struct sink sink;
	struct frames frames;
	struct buf last;      /* native: events kept back */
	struct answer answer; /* native: its usage event */
	bool open;	      /* the client has something */
	bool kept;
	bool whole; /* good without an end mark */
	bool done;
	bool gave_up; /* and the dialect has no word for it */
	enum err err;
	struct upstream_error said;
};

static void
on_piece(void *user, const struct piece *piece)
{
	struct relay *r = user;

	if (piece->kind == PIECE_FINISH && piece->finish == FINISH_ERROR &&
	    !r->p->dialect->tells_failure)
		r->gave_up = true;
	else
		r->p->dialect->put(&r->sink, piece);
}

/* ---- native ---- */

static void
put_event(struct buf *out, const struct sse_event *ev)
{
	if (ev->name.n > 0)
		buf_printf(out, "event: %.*s\n", STR_ARG(ev->name));
	buf_add_cstr(out, "data: ");
	buf_add_str(out, ev->data);
	buf_add_cstr(out, "\n\n");
}

/* A usage beside choices is put out of sight. */
static void
forward(struct relay *r, const struct sse_event *ev, const struct delta *d)
{
	CLEANUP(buf_free) struct buf data = BUF_INIT;
	struct str usage = d->usage_value.raw;
	struct sse_event one = *ev;

	if (d->usage_value.type == JSON_OBJECT) {
		buf_add(&data, ev->data.p, (size_t)(usage.p - ev->data.p));
		buf_add_cstr(&data, "null");
		buf_add_str(&data,
			    str_from(ev->data,
				     (size_t)(usage.p - ev->data.p) + usage.n));
		one.data = buf_str(&data);
	}
	put_event(r->out, &one);
}

/* Chunks of OpenAI: the last usage comes with its cost, behind the books. */
static bool
keep_usage(struct relay *r, const struct sse_event *ev, const struct delta *d)
{
	ptrdiff_t shift;

	if (!r->p->dialect->usage_event || d->choices ||
	    d->usage_value.type != JSON_OBJECT)
		return false;
	if (!d->usage.present || !r->p->ask.include_usage)
		return true;
	buf_reset(&r->last);
	buf_add_str(&r->last, ev->data);
	shift = r->last.p - ev->data.p;
	r->answer = (struct answer){.usage = d->usage,
				    .usage_value = d->usage_value,
				    .cost_value = d->cost_value};
	r->answer.usage_value.raw.p += shift;
	if (d->cost_value.type != JSON_ABSENT)
		r->answer.cost_value.raw.p += shift;
	return true;
}

static void
take_native(struct relay *r, const struct sse_event *ev, const struct delta *d)
{
	if (keep_usage(r, ev, d))
		return;
	if (r->kept || d->last) {
		r->kept = true;
		put_event(&r->last, ev);
		return;
	}
	forward(r, ev, d);
}

static void
end_native(struct relay *r)
{
	struct play *p = r->p;
	struct pieces pieces;

	if (!p->dialect->usage_event) {
		buf_add_str(r->out, buf_str(&r->last));
	} else if (p->ask.include_usage &&
		   p->dialect->usage_event(&p->a, &p->ask, &r->answer,
					   buf_str(&r->last), &p->usage,
					   play_cost(), &pieces) == E_OK) {
		buf_add_cstr(r->out, "data: ");
		for (unsigned i = 0; i < pieces.n; i++)
			buf_add(r->out, pieces.iov[i].iov_base,
				pieces.iov[i].iov_len);
		buf_add_cstr(r->out, "\n\n");
	}
	buf_add_str(r->out, p->dialect->stream_end);
}

/* ---- events ---- */

static bool
fail(struct relay *r, enum err e)
{
	if (!r->done && r->err == E_OK)
		r->err = e;
	return false;
}

static void
take_delta(struct relay *r, const struct sse_event *ev, const struct delta *d)
{
	struct play *p = r->p;

	p->content += d->content_bytes;
	r->whole |= d->whole;
	if (d->usage.present)
		p->usage = d->usage;
	if (d->model.n > 0)
		p->model = arena_dup(&p->a, d->model);
	if (p->converts)
		r->kept |= d->last;
	else if (!d->done)
		take_native(r, ev, d);
	else if (r->kept)
		put_event(&r->last, ev);
	r->done |= d->done;
}

static bool
take_event(struct relay *r, const struct sse_event *ev)
{
	const struct wire *wire = r->p->wire;
	struct delta d = {.done = false};
	size_t before = r->out->n;

	if (!r->p->converts && wire->source_bytes == 0)
		r->source = (struct source){.a = &r->p->a, .ask = &r->p->ask};
	if (wire->parse_event(&r->source, ev->name, ev->data, &d) != E_OK)
		return fail(r, E_UP_BAD_RESPONSE);
	if (d.error) {
		wire->parse_error(200, arena_dup(&r->p->a, ev->name),
				  arena_dup(&r->p->a, ev->data), &r->said);
		return fail(r, r->said.err);
	}
	take_delta(r, ev, &d);
	if (r->gave_up)
		return fail(r, E_UP_BAD_RESPONSE);
	r->open |= r->out->n > before;
	return !r->done;
}

static bool
on_event(void *user, const struct sse_event *ev)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;
	struct sse_event one = *ev;

	if (ev->data.n == 0)
		return true;
	if (!memchr(ev->data.p, '\n', ev->data.n))
		return take_event(user, ev);
	buf_add_str(&text, ev->data);
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] == '\n')
			text.p[i] = ' ';
	one.data = buf_str(&text);
	return take_event(user, &one);
}

/* ---- ends ---- */

static void
end_badly(struct relay *r)
{
	bool speaks = r->err == E_UP_REQUEST || r->err == E_UP_FILTERED;
	struct complaint c = {.err = r->err,
			      .sequence = r->source.sequence,
			      .request_id = STR("req_1")};

	if (speaks)
		c.upstream = &r->said;
	if (!r->open) {
		play_complain(r->p, r->out, &c);
		return;
	}
	c.status = err_row(r->err)->status;
	if (c.status == 503)
		c.retry_after_s = 1;
	r->p->dialect->error_event(r->out, &c,
				   r->p->converts ? &r->sink : NULL);
}

static void
end(struct relay *r)
{
	struct json_value root;
	struct json_error fault;
	struct sse_event rest = {STR(""), frames_last(&r->frames)};

	if (rest.data.n > 0 && !r->done && r->err == E_OK &&
	    json_valid(rest.data, &root, &fault))
		(void)on_event(r, &rest);
	else if (!r->done && frames_unfinished(&r->frames))
		r->whole = false;
	if (!r->done && !r->whole)
		(void)fail(r, E_UP_CUT);
	if (!r->done && !r->p->converts && r->kept)
		buf_add_str(&r->last, r->p->dialect->native_end);
	if (r->err != E_OK)
		end_badly(r);
	else if (r->p->converts)
		r->p->dialect->end(&r->sink, &r->p->usage, play_cost());
	else
		end_native(r);
}

/* As if the bytes had come alone: what lies behind them is not ours. */
static void
feed(struct relay *r, struct str piece)
{
	char *copy;
	enum err e;

	if (piece.n == 0 || r->err != E_OK || r->done)
		return;
	copy = malloc(piece.n);
	must(copy != NULL);
	memcpy(copy, piece.p, piece.n);
	e = frames_feed(&r->frames, str_make(copy, piece.n), on_event, r);
	memset(copy, '#', piece.n);
	free(copy);
	if (e != E_OK)
		(void)fail(r, e);
}

static enum frames_kind
kind_of(const struct play *p)
{
	switch (p->wire->framing) {
	case FRAMING_SSE: break;
	case FRAMING_LINES: return FRAMES_LINES;
	case FRAMING_AWS: return FRAMES_AWS;
	}
	return FRAMES_SSE;
}

void
play_stream(struct play *p, struct str stream, size_t split, struct buf *out)
{
	struct relay r = {.p = p, .out = out, .last = BUF_INIT};

	p->ask.stream = true;
	p->ask.include_usage = true;
	p->usage = (struct usage){.present = false};
	p->content = 0;
	p->model = STR_NONE;
	r.source = (struct source){.a = &p->a,
				   .ask = &p->ask,
				   .put = p->converts ? on_piece : NULL,
				   .user = &r};
	r.source.own = arena_zalloc(&p->a, p->wire->source_bytes + 1);
	must(r.source.own != NULL);
	play_sink(p, &r.sink, out);
	frames_init(&r.frames, kind_of(p), 1u << 20);
	for (size_t i = 0; split == 0 && i < stream.n; i++)
		feed(&r, str_make(stream.p + i, 1));
	if (split > 0) {
		feed(&r, str_make(stream.p, split));
		feed(&r, str_from(stream, split));
	}
	end(&r);
	frames_free(&r.frames);
	buf_free(&r.last);
}

/* ---- AWS's event stream ---- */

static void
put_u32(struct buf *out, uint32_t v)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		buf_add_char(out, (char)(v >> shift & 255));
}

static void
put_text(struct buf *out, const char *name, struct str value)
{
	buf_add_char(out, (char)strlen(name));
	buf_add_cstr(out, name);
	buf_add_char(out, 7);
	buf_add_char(out, (char)(value.n >> 8));
	buf_add_char(out, (char)(value.n & 255));
	buf_add_str(out, value);
}

static void
put_frame(struct buf *out, struct str name, struct str payload)
{
	CLEANUP(buf_free) struct buf fields = BUF_INIT;
	struct str kind = STR("event");
	size_t start = out->n;

	if (str_find(name, ':') >= 0)
		kind = str_cut(&name, ':');
	put_text(&fields, ":content-type", STR("application/json"));
	put_text(&fields,
		 str_eq(kind, STR("event")) ? ":event-type" : ":exception-type",
		 name);
	put_text(&fields, ":message-type", kind);
	put_u32(out, (uint32_t)(fields.n + payload.n + 16));
	put_u32(out, (uint32_t)fields.n);
	put_u32(out, crc32_ieee(0, out->p + start, 8));
	buf_add_str(out, buf_str(&fields));
	buf_add_str(out, payload);
	put_u32(out, crc32_ieee(0, out->p + start, out->n - start));
}

void
play_frames(struct str lines, struct buf *out)
{
	while (lines.n > 0) {
		struct str payload = str_cut(&lines, '\n');
		struct str name = str_cut(&payload, ' ');

		put_frame(out, name, payload);
	}
}
