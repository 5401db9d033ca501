/*
 * The upstream's answer as it arrives: whole ones are gathered, streams are
 * relayed event by event in the same loop turn. The usage event and the end
 * mark are kept back until the books are closed; an answer that breaks off
 * becomes an error event, never a silent end.
 */
#include "base/clock.h"
#include "base/hash.h"
#include "worker/array.h"
#include "worker/convert.h"
#include "worker/hedge.h"
#include "worker/pass.h"

/* ---- head ---- */

/* By which name a provider says its id of a request: OpenAI and most others,
 * Anthropic, AWS, Azure's gateway, Cohere. */
static struct str
upstream_id(const struct http_head *head)
{
	static const struct str names[] = {{"x-request-id", 12},
					   {"request-id", 10},
					   {"x-amzn-requestid", 16},
					   {"apim-request-id", 15},
					   {"x-debug-trace-id", 16}};

	for (unsigned f = 0; f < head->n_fields; f++) {
		struct str name = head->fields[f].name;

		for (unsigned i = 0; i < ARRAY_LEN(names); i++)
			if (name.n == names[i].n &&
			    (name.p[0] | 0x20) == names[i].p[0] &&
			    str_ieq(name, names[i]))
				return head->fields[f].value;
	}
	return STR_NONE;
}

static void
note_upstream_id(struct request *req, const struct http_head *head)
{
	static const struct sip_key plain;
	struct str id = upstream_id(head);

	req->leg->upstream_id_len = 0;
	req->leg->upstream_id_hash = 0;
	if (id.n == 0)
		return;
	req->leg->upstream_id_hash = siphash(&plain, id);
	req->leg->upstream_id_len =
		(uint8_t)MIN_OF(id.n, sizeof(req->leg->upstream_id));
	memcpy(req->leg->upstream_id, id.p, req->leg->upstream_id_len);
}

static void
note_retry_after(struct request *req, const struct http_head *head)
{
	uint64_t n;

	if (str_to_u64(http_get(head, "retry-after-ms"), &n))
		req->retry_after_ns = MIN_OF(n, 3600000u) * NS_PER_MS;
	else if (str_to_u64(http_get(head, "retry-after"), &n))
		req->retry_after_ns = MIN_OF(n, 3600u) * NS_PER_SEC;
}

/* An answer's input, where only the head says it. */
static void
note_count(struct request *req, const struct http_head *head)
{
	const char *field = wire_of(req)->count_field;
	uint64_t n;

	req->leg->counted = NULL;
	if (!field || !str_to_u64(http_get(head, field), &n) || n > UINT32_MAX)
		return;
	req->leg->counted =
		arena_zalloc(&req->arena, sizeof(*req->leg->counted));
	if (req->leg->counted)
		*req->leg->counted =
			(struct usage){.present = true, .input = n};
}

static enum frames_kind
framing_of(const struct request *req)
{
	switch (req->leg->offer->lane->adapter->wire->framing) {
	case FRAMING_SSE: break;
	case FRAMING_LINES: return FRAMES_LINES;
	case FRAMING_AWS: return FRAMES_AWS;
	}
	return FRAMES_SSE;
}

static bool
readable(struct request *req, const struct http_head *head)
{
	struct str coding = http_get(head, "content-encoding");
	struct str type = http_get(head, "content-type");

	if (coding.n > 0 && !str_ieq(coding, STR("identity")))
		return false;
	if (is_service(req))
		return pass_answers(req, head);
	/* whole where a stream was asked for; lines of JSON say so as well */
	return !req->ask.stream || head->status != 200 || type.n < 16 ||
	       framing_of(req) == FRAMES_LINES ||
	       !str_ieq(str_make(type.p, 16), STR("application/json"));
}

void
stream_head(struct request *req, const struct http_head *head)
{
	req->leg->upstream_status = head->status;
	note_upstream_id(req, head);
	note_count(req, head);
	if (head->status >= 300)
		req->leg->error_type = arena_dup(
			&req->arena, http_get(head, "x-amzn-errortype"));
	note_retry_after(req, head);
	if (head->status >= 200 && head->status < 300 && !readable(req, head)) {
		stream_broken(req, E_UP_BAD_RESPONSE);
		return;
	}
	/* freed here and not when an attempt fails: that may be decided
	 * inside of frames_feed() */
	frames_free(&req->leg->frames);
	frames_init(&req->leg->frames, framing_of(req),
		    req->w->conf->limits.event_size);
}

/* ---- which model answered ---- */

/* The rest of a name after the model's own: a date or a version. */
static bool
is_suffix(struct str rest)
{
	if (rest.n < 2 ||
	    (rest.p[0] != '-' && rest.p[0] != '@' && rest.p[0] != ':'))
		return false;
	for (size_t i = 1; i < rest.n; i++)
		if ((rest.p[i] < '0' || rest.p[i] > '9') && rest.p[i] != '-' &&
		    rest.p[i] != '.' && rest.p[i] != 'v')
			return false;
	return true;
}

static bool
same_model(const struct request *req, struct str served)
{
	const struct conf_channel_model *m = req->leg->offer->model;
	struct str asked = m->upstream;

	if (served.n == 0 || str_eq(served, asked))
		return true;
	if (str_starts(served, asked) && is_suffix(str_from(served, asked.n)))
		return true;
	for (unsigned i = 0; i < m->n_aliases; i++)
		if (str_eq(served, m->aliases[i]))
			return true;
	return false;
}

/* Another one is an error, but where the key takes what it gets. */
static bool
check_model(struct request *req, struct str served)
{
	if (!same_model(req, served)) {
		if (!(atomic_load(&req->w->region->keys[req->key].flags) &
		      KEY_SUBSTITUTION))
			return false;
		req->leg->substituted = true;
	}
	if (req->leg->served.n == 0 && served.n > 0 &&
	    !str_eq(served, req->leg->offer->model->upstream))
		req->leg->served =
			arena_dup(&req->arena,
				  str_make(served.p, MIN_OF(served.n, 128u)));
	return true;
}

/* ---- streams ---- */

void
stream_first(struct request *req)
{
	if (req->leg->first_byte_ns > 0)
		return;
	hedge_won(req);
	req->leg->first_byte_ns = req->w->now_ns;
	series_observe(req->leg->offer->series, M_FIRST_TOKEN,
		       (req->w->now_ns - req->start_ns) / 1000);
	route_first_byte(req);
}

/* Events in the form the client wants them; `content`: see startup_send(). */
static void
send_text(struct request *req, struct str text, bool content)
{
	CLEANUP(buf_free) struct buf framed = BUF_INIT;
	struct iovec piece;

	if (req->ask.array) {
		array_put(&framed, text, &req->leg->array_begun);
		text = buf_str(&framed);
	}
	if (framed.failed) {
		exchange_abort(req->x);
		return;
	}
	piece = (struct iovec){(void *)(uintptr_t)text.p, text.n};
	if (text.n > 0)
		startup_send(req, &piece, 1, content);
}

void
stream_text(struct request *req, struct str text)
{
	send_text(req, text, true);
}

static struct iovec
piece_of(struct str s)
{
	return (struct iovec){(void *)(uintptr_t)s.p, s.n};
}

/* A usage that came with choices is not the client's business yet. */
void
stream_forward(struct request *req, const struct sse_event *ev,
	       const struct delta *d)
{
	struct str usage = d->usage_value.raw;
	struct iovec piece[8];
	unsigned n = 0;

	if (req->ask.array) {
		piece[n++] = piece_of(req->leg->array_begun ? STR(",\r\n")
							    : STR("["));
		piece[n++] = piece_of(ev->data);
		req->leg->array_begun = true;
		startup_send(req, piece, n, d->content_bytes > 0);
		return;
	}
	if (ev->name.n > 0) {
		piece[n++] = piece_of(STR("event: "));
		piece[n++] = piece_of(ev->name);
		piece[n++] = piece_of(STR("\n"));
	}
	piece[n++] = piece_of(STR("data: "));
	if (d->usage_value.type == JSON_OBJECT) {
		const char *end = ev->data.p + ev->data.n;
		const char *after = usage.p + usage.n;

		piece[n++] = piece_of(
			str_make(ev->data.p, (size_t)(usage.p - ev->data.p)));
		piece[n++] = piece_of(STR("null"));
		piece[n++] = piece_of(str_make(after, (size_t)(end - after)));
	} else {
		piece[n++] = piece_of(ev->data);
	}
	piece[n++] = piece_of(STR("\n\n"));
	startup_send(req, piece, n, d->content_bytes > 0);
}

/* One of the last events of a native stream, framed, to go out with the end. */
void
stream_keep(struct request *req, const struct sse_event *ev)
{
	struct buf *kept = &req->leg->usage_data;

	req->leg->kept = true;
	if (ev->name.n > 0) {
		buf_add_cstr(kept, "event: ");
		buf_add_str(kept, ev->name);
		buf_add_char(kept, '\n');
	}
	buf_add_cstr(kept, "data: ");
	buf_add_str(kept, ev->data);
	buf_add_cstr(kept, "\n\n");
}

/* What parse_event() made of it, in the client's words. */
static void
forward_converted(struct request *req, const struct delta *d)
{
	if (req->w->text.n > 0)
		send_text(req, buf_str(&req->w->text), d->content_bytes > 0);
}

struct answer *
stream_answer(struct request *req)
{
	if (!req->leg->answer)
		req->leg->answer =
			arena_zalloc(&req->arena, sizeof(*req->leg->answer));
	return req->leg->answer;
}

/* True: the event goes nowhere else. */
static bool
keep_usage(struct request *req, const struct sse_event *ev,
	   const struct delta *d)
{
	struct answer *answer;
	ptrdiff_t shift;

	if (d->usage.present)
		req->leg->usage = d->usage;
	if (!req->dialect->usage_event || d->choices ||
	    d->usage_value.type != JSON_OBJECT)
		return false;
	if (!d->usage.present || !req->ask.include_usage)
		return true;
	/* the last one; an upstream may send any number of them */
	buf_reset(&req->leg->usage_data);
	buf_add_str(&req->leg->usage_data, ev->data);
	answer = stream_answer(req);
	if (req->leg->usage_data.failed || !answer) {
		buf_reset(&req->leg->usage_data);
		return true;
	}
	/* the spans move with the copy */
	shift = req->leg->usage_data.p - ev->data.p;
	*answer = (struct answer){.usage = d->usage,
				  .usage_value = d->usage_value,
				  .cost_value = d->cost_value};
	answer->usage_value.raw.p += shift;
	if (d->cost_value.type != JSON_ABSENT)
		answer->cost_value.raw.p += shift;
	return true;
}

/* The stream ends by our own will: the hold is used up. */
static void
stop_at_hold(struct request *req)
{
	req->reason = REASON_AT_HOLD;
	req->stream_error = true;
	req->err = E_BALANCE;
	req->detail = "your account (or the key's budget)";
	attempt_end(req, E_OK);
	(void)request_fail(req, E_BALANCE);
	request_run(req);
}

static bool
take_delta(struct request *req, const struct sse_event *ev,
	   const struct delta *d)
{
	if (d->content_bytes > 0)
		stream_first(req);
	req->leg->whole |= d->whole;
	if (d->content_bytes > 0 && !meter_arrived(req, d->content_bytes)) {
		stop_at_hold(req);
		return false;
	}
	if (converts(req)) {
		if (d->usage.present)
			req->leg->usage = d->usage;
		req->leg->kept |= d->last;
		forward_converted(req, d);
	} else if (keep_usage(req, ev, d)) {
		return true;
	} else if (req->leg->kept || d->last) {
		stream_keep(req, ev);
		return !req->leg->usage_data.failed;
	} else {
		stream_forward(req, ev, d);
	}
	meter_store(req);
	return !req->stream_error && (!req->client_gone || drain_allowed(req));
}

/* The end mark: of some wires it brings the last words and the usage. */
static bool
take_end(struct request *req, const struct sse_event *ev, const struct delta *d)
{
	bool more = true;

	/* the mark of a native stream is the client's as well */
	if (!converts(req) && req->leg->kept)
		stream_keep(req, ev);
	else if (converts(req))
		more = req->client_gone ? drain_delta(req, d)
					: take_delta(req, ev, d);
	req->leg->upstream_done = more;
	return false;
}

static bool
read_event(struct request *req, const struct sse_event *ev)
{
	const struct wire *wire = wire_of(req);
	struct source none = {.a = &req->arena, .ask = &req->ask};
	struct delta d = {.done = false};

	if (is_service(req))
		return pass_event(req, ev);
	buf_reset(&req->w->text);
	if (wire->parse_event(req->leg->source ? req->leg->source : &none,
			      ev->name, ev->data, &d) != E_OK) {
		stream_broken(req, E_UP_BAD_RESPONSE);
		return false;
	}
	if (d.error) {
		struct str copy = arena_dup(&req->arena, ev->data);
		struct str name = arena_dup(&req->arena, ev->name);

		wire->parse_error(200, name, copy, &req->upstream);
		stream_broken(req, req->upstream.err);
		return false;
	}
	if (!check_model(req, d.model)) {
		stream_broken(req, E_UP_MODEL_MISMATCH);
		return false;
	}
	if (req->leg->lost_media) {
		req->detail = req->leg->lost_media;
		stream_broken(req, E_UP_MEDIA);
		return false;
	}
	if (req->leg->gave_up) {
		stream_broken(req, E_UP_BAD_RESPONSE);
		return false;
	}
	if (d.done)
		return take_end(req, ev, &d);
	if (req->client_gone)
		return drain_delta(req, &d);
	return take_delta(req, ev, &d);
}

/* Data of several lines becomes one line: in JSON their ends are between
 * tokens only, where spaces say the same. */
static bool
on_event(void *user, const struct sse_event *ev)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;
	struct request *req = user;
	struct sse_event one = *ev;

	if (ev->data.n == 0)
		return true;
	if (!memchr(ev->data.p, '\n', ev->data.n))
		return read_event(req, ev);
	buf_add_str(&text, ev->data);
	if (text.failed) {
		stream_broken(req, E_NO_MEMORY);
		return false;
	}
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] == '\n')
			text.p[i] = ' ';
	one.data = buf_str(&text);
	return read_event(req, &one);
}

/* All content is on its way to the client: close the books. */
static void
finish(struct request *req)
{
	if (is_service(req))
		pass_complete(req);
	startup_end(req);
	/* What was kept back goes out behind the settling, for which the head
	 * must not wait; it is delivered when all before it is. */
	exchange_stream_send(req->x, NULL, 0, req->leg->seen_bytes);
	req->step = STEP_settle;
	request_run(req);
}

void
stream_slow_down(struct request *req)
{
	if (!req->leg->call || !req->x ||
	    exchange_queued(req->x) <= EXCHANGE_HIGH_WATER)
		return;
	req->leg->paused = true;
	call_pause(req->leg->call);
}

static void
stream_events(struct request *req, struct str piece)
{
	enum err e;

	if (req->leg->upstream_done || req->read_enough)
		return;
	e = frames_feed(&req->leg->frames, piece, on_event, req);
	if (e != E_OK)
		stream_broken(req, e);
	else if (req->client_gone && req->leg->upstream_done)
		drain_stop(req);
	else if (req->leg->upstream_done)
		finish(req);
	else if (!leg_charge(req->leg, req->w->pool))
		stream_broken(req, E_NO_MEMORY);
	else
		stream_slow_down(req);
}

void
stream_data(struct request *req, struct str piece)
{
	bool good = req->leg->upstream_status >= 200 &&
		    req->leg->upstream_status < 300;
	enum err e;

	if (req->ask.stream && good) {
		stream_events(req, piece);
		return;
	}
	if (req->leg->raw && good) {
		pass_piece(req, piece);
		return;
	}
	if (!good && req->leg->body.n + piece.n > ERROR_BODY_MAX)
		return;
	e = gather_add(req, piece, req->w->conf->limits.response_size);
	if (e != E_OK)
		stream_broken(req, e);
}

void
stream_progress(struct request *req)
{
	if (!req->streaming)
		return;
	meter_store(req);
	if (req->leg->paused && req->leg->call &&
	    exchange_queued(req->x) < EXCHANGE_LOW_WATER) {
		req->leg->paused = false;
		call_resume(req->leg->call);
	}
	if (req->step == STEP_settle && !req->settled &&
	    exchange_queued(req->x) == 0)
		request_run(req);
}

/* ---- whole answers ---- */

static void
upstream_refused(struct request *req)
{
	const struct wire *wire = wire_of(req);
	struct str body = arena_dup(&req->arena, gather_str(req));

	wire->parse_error(req->leg->upstream_status, req->leg->error_type, body,
			  &req->upstream);
	if (req->upstream.retry_after_ms > 0 && req->retry_after_ns == 0)
		req->retry_after_ns =
			MIN_OF(req->upstream.retry_after_ms, 3600000u) *
			NS_PER_MS;
	if (converts(req)) /* the client's dialect has types of its own */
		req->upstream.type = STR_NONE;
	attempt_failed(req, req->upstream.err);
}

static void
whole_answer(struct request *req)
{
	const struct wire *wire = wire_of(req);
	struct str body = gather_str(req);
	struct answer *answer = stream_answer(req);
	enum err e;

	if (!answer) {
		attempt_failed(req, E_NO_MEMORY);
		return;
	}
	e = is_service(req) ? service_answer(&req->ask, body, answer)
			    : wire->parse_answer(&req->ask, body, answer);
	if (!answer->usage.present && req->leg->counted)
		answer->usage = *req->leg->counted;
	if (e == E_UP_SERVER_ERROR) { /* an error inside a 200 */
		body = arena_dup(&req->arena, body);
		wire->parse_error(200, STR_NONE, body, &req->upstream);
		e = req->upstream.err;
	} else if (e == E_OK && !check_model(req, answer->model)) {
		e = E_UP_MODEL_MISMATCH;
	} else if (e == E_OK && converts(req)) {
		e = convert_answer(req, body);
	}
	if (e != E_OK) {
		attempt_failed(req, e);
		return;
	}
	hedge_won(req);
	attempt_end(req, E_OK);
	request_drop_body(req);
	req->leg->usage = answer->usage;
	req->leg->seen_bytes = answer->content_bytes;
	if (is_service(req)) {
		req->leg->tokens_said = req->leg->usage.present;
		pass_complete(req);
	}
	stream_first(req);
	req->step = STEP_settle;
	request_run(req);
}

/* A last line without its end. False: what it says broke the stream. */
static bool
read_last_line(struct request *req)
{
	struct sse_event ev = {STR(""), frames_last(&req->leg->frames)};
	struct json_value root;
	struct json_error fault;

	if (ev.data.n == 0 || req->leg->upstream_done || req->read_enough ||
	    !json_valid(ev.data, &root, &fault))
		return true;
	return on_event(req, &ev) || req->leg->upstream_done;
}

/* No end mark, but what comes last has come. */
static bool
ends_unmarked(struct request *req)
{
	if (!req->leg->whole || frames_unfinished(&req->leg->frames))
		return false;
	if (!converts(req) && req->leg->kept && !is_service(req))
		buf_add_str(&req->leg->usage_data, req->dialect->native_end);
	return true;
}

static bool
ends_well(struct request *req)
{
	if (req->leg->raw)
		return req->begun;
	return req->leg->upstream_done || ends_unmarked(req);
}

void
stream_end(struct request *req)
{
	bool ended = req->leg->upstream_done;

	if (!read_last_line(req))
		return;
	if (req->reads_on) {
		drain_answer(req);
		return;
	}
	if (req->leg->upstream_status < 200 ||
	    req->leg->upstream_status >= 300) {
		upstream_refused(req);
	} else if (!req->leg->raw && !req->ask.stream) {
		whole_answer(req);
	} else if (!req->leg->raw && ended) {
		attempt_end(req, E_OK);
	} else if (ends_well(req)) {
		attempt_end(req, E_OK);
		req->leg->upstream_done = true;
		finish(req);
	} else {
		stream_broken(req,
			      req->leg->raw ? E_UP_BAD_RESPONSE : E_UP_CUT);
	}
}

void
stream_broken(struct request *req, enum err e)
{
	if (req->reads_on) {
		drain_stop(req);
		return;
	}
	if (req->leg->upstream_done) { /* nothing is missing */
		attempt_end(req, E_OK);
		return;
	}
	if (!req->begun) {
		attempt_failed(req, e);
		return;
	}
	attempt_end(req, e);
	req->reason = REASON_UPSTREAM;
	req->stream_error = true;
	(void)request_fail(req, e);
	request_run(req);
}

/* The first step after send: everything happens in callbacks. */
enum next
step_stream(struct request *req)
{
	(void)req;
	return NEXT_WAIT;
}
