/*
 * What the client gets: header lines, whole answers, ends of streams, errors
 * in its own dialect. The only code that renders an error.
 */
#include "base/clock.h"
#include "base/digits.h"
#include "shm/limits.h"
#include "worker/array.h"
#include "worker/convert.h"
#include "worker/idem.h"

/* ---- header lines ---- */

/* Inlined, so that the lengths of the names are known. */
INLINE void
put_line(struct buf *out, const char *name, struct str value)
{
	if (value.n == 0)
		return;
	buf_add_cstr(out, name);
	buf_add_str(out, value);
	buf_add(out, "\r\n", 2);
}

INLINE void
put_number(struct buf *out, const char *name, uint64_t value)
{
	buf_add_cstr(out, name);
	buf_add_u64(out, value);
	buf_add(out, "\r\n", 2);
}

/* As OpenAI writes it: "120ms", "6s". */
INLINE void
put_reset(struct buf *out, const char *name, uint64_t ns)
{
	uint64_t ms = (ns + NS_PER_MS - 1) / NS_PER_MS;

	buf_add_cstr(out, name);
	if (ms < 1000) {
		buf_add_u64(out, ms);
		buf_add(out, "ms\r\n", 4);
	} else {
		buf_add_u64(out, (ms + 999) / 1000);
		buf_add(out, "s\r\n", 3);
	}
}

/* The key's limits where it has some, else the account's. */
static void
put_limits(struct request *req, struct buf *out)
{
	const struct limit_cells *key = &req->w->region->keys[req->key].limits;
	const struct limit_cells *account =
		&req->w->region->accounts[req->account].limits;
	const struct limit_cells *c;
	struct limit_view v;

	c = atomic_load(&key->rpm) ? key : account;
	if (atomic_load(&c->rpm)) {
		v = limit_look(&c->rpm_tat_ns, atomic_load(&c->rpm),
			       req->w->now_ns);
		put_number(out, "x-ratelimit-limit-requests: ", v.limit);
		put_number(out,
			   "x-ratelimit-remaining-requests: ", v.remaining);
		put_reset(out, "x-ratelimit-reset-requests: ", v.reset_ns);
	}
	c = atomic_load(&key->tpm) ? key : account;
	if (atomic_load(&c->tpm)) {
		v = limit_look(&c->tpm_tat_ns, atomic_load(&c->tpm),
			       req->w->now_ns);
		put_number(out, "x-ratelimit-limit-tokens: ", v.limit);
		put_number(out, "x-ratelimit-remaining-tokens: ", v.remaining);
		put_reset(out, "x-ratelimit-reset-tokens: ", v.reset_ns);
	}
}

static void
put_origin(struct request *req, struct buf *out)
{
	if (req->origin.n == 0)
		return;
	put_line(out, "access-control-allow-origin: ", req->origin);
	buf_add_cstr(out,
		     "vary: origin\r\naccess-control-expose-headers: "
		     "x-request-id, x-tollgate-channel, "
		     "x-tollgate-model, x-tollgate-attempts, "
		     "x-tollgate-upstream-id, "
		     "x-tollgate-dropped, x-tollgate-substituted, "
		     "x-tollgate-estimated, "
		     "x-tollgate-charge-usd, x-tollgate-receipt, retry-after, "
		     "retry-after-ms\r\n");
}

INLINE void
put_between(struct buf *out, const char *before, const char *name,
	    struct str value, const char *after)
{
	if (value.n == 0)
		return;
	buf_add_cstr(out, before);
	buf_add_cstr(out, name);
	buf_add_str(out, value);
	buf_add_cstr(out, after);
}

INLINE void
put_attempt(const struct request *req, struct buf *out, const char *before,
	    const char *after)
{
	struct str model;
	char n[DIGITS_MAX];

	put_between(out, before, "x-tollgate-dropped: ", req->leg->dropped,
		    after);
	if (req->attempts == 0 || !req->leg->offer)
		return;
	model = req->leg->served.n > 0 ? req->leg->served
				       : req->leg->offer->model->upstream;
	put_between(out, before,
		    "x-tollgate-channel: ", req->leg->offer->lane->conf->name,
		    after);
	put_between(out, before, "x-tollgate-model: ", model, after);
	put_between(out, before, "x-tollgate-attempts: ",
		    str_make(n, digits_write(n, req->attempts)), after);
	put_between(out, before, "x-tollgate-upstream-id: ",
		    str_make(req->leg->upstream_id, req->leg->upstream_id_len),
		    after);
	if (req->product != req->asked)
		put_between(out, before,
			    "x-tollgate-substituted: ", req->asked->conf->name,
			    after);
	else if (req->leg->substituted)
		put_between(out, before, "x-tollgate-substituted: ",
			    req->leg->offer->model->upstream, after);
}

void
reply_attempt(const struct request *req, struct buf *out, const char *before,
	      const char *after)
{
	put_attempt(req, out, before, after);
}

void
reply_fields(struct request *req, struct buf *out)
{
	buf_reset(out);
	put_line(out, "x-request-id: ", request_id_str(req));
	/* of a stream that has not begun another one may answer */
	if (!req->ask.stream || req->begun || req->err != E_OK)
		put_attempt(req, out, "", "\r\n");
	if (req->key != SHM_NONE && req->account != SHM_NONE)
		put_limits(req, out);
	put_origin(req, out);
}

/* ---- errors ---- */

static int
status_for(const struct request *req)
{
	/* the provider's own verdict on the request keeps its status */
	if (req->err == E_UP_REQUEST && req->leg->upstream_status >= 400 &&
	    req->leg->upstream_status < 500)
		return req->leg->upstream_status;
	return err_row(req->err)->status;
}

static bool
upstream_speaks(const struct request *req)
{
	return req->err == E_UP_REQUEST || req->err == E_UP_FILTERED;
}

/* The longest day of a calendar. */
#define DAY_S  (25u * 3600)
#define HOUR_S 3600u

/* Seconds, rounded up; at least 1. */
static uint64_t
retry_after(const struct request *req)
{
	uint64_t most = req->err == E_MODEL_BUDGET ? DAY_S : HOUR_S;
	uint64_t ns = MIN_OF(req->retry_after_ns, most * NS_PER_SEC);

	return MAX_OF(1u, (ns + NS_PER_SEC - 1) / NS_PER_SEC);
}

/* The milliseconds are no part of HTTP; the official SDKs go by them. */
static void
put_retry_after(const struct request *req, struct buf *fields)
{
	uint64_t ms = (req->retry_after_ns + NS_PER_MS - 1) / NS_PER_MS;

	put_number(fields, "retry-after: ", retry_after(req));
	if (ms > 0 && ms < HOUR_S * 1000)
		put_number(fields, "retry-after-ms: ", ms);
}

static void
complain(struct request *req, struct complaint *c)
{
	*c = (struct complaint){
		.err = req->err,
		.status = status_for(req),
		.detail = req->detail,
		.param = req->param,
		.sequence = req->leg->source ? req->leg->source->sequence : 0,
		.request_id = request_id_str(req)};
	if (c->status == 429 || c->status == 503)
		c->retry_after_s = retry_after(req);
	if (upstream_speaks(req))
		c->upstream = &req->upstream;
}

static void
put_error_lines(const struct request *req, const struct complaint *c,
		struct buf *fields)
{
	if (c->status == 429 || c->status == 503 || c->err == E_IDEM_RUNNING)
		put_retry_after(req, fields);
	if (c->err == E_IDEM_SETTLED) {
		put_line(fields, "x-tollgate-entry: ", req->idem->entry);
		put_line(fields, "x-tollgate-txn: ", req->idem->txn);
		put_line(fields, "x-tollgate-charge-usd: ", req->idem->charge);
	}
	if (c->err == E_IDEM_SETTLED || c->err == E_IDEM_REUSED)
		buf_add_cstr(fields, "x-should-retry: false\r\n");
	if (c->status == 405)
		put_line(fields, "allow: ", str_of(req->detail));
	buf_add_cstr(fields, "content-type: application/json\r\n");
}

void
reply_error(struct request *req)
{
	struct buf *fields = &req->w->fields, *text = &req->w->text;
	struct complaint c;

	complain(req, &c);
	buf_reset(text);
	req->dialect->error(text, &c);
	reply_fields(req, fields);
	put_error_lines(req, &c, fields);
	req->status = c.status;
	req->answered = true;
	exchange_reply(req->x, c.status, buf_str(fields), buf_str(text), 0);
}

/* The server refuses the body of a request that we know: it is counted and
 * logged at its end, like any other. */
static void
refuse_body(struct request *req, enum err e, const char *detail,
	    struct buf *fields, struct buf *body)
{
	struct complaint c;

	req->err = e;
	req->detail = detail;
	if (e == E_OVERLOAD)
		metric_add(req->w->metrics, M_OVERLOAD + OVERLOAD_MEMORY, 1);
	complain(req, &c);
	req->dialect->error(body, &c);
	reply_fields(req, fields);
	put_error_lines(req, &c, fields);
	req->detail = NULL; /* the text is not ours */
	req->status = c.status;
	req->answered = true;
}

/* A head that was not even a request: nobody to account it to. */
void
reply_render_error(struct exchange *x, enum err e, const char *detail,
		   struct buf *fields, struct buf *body)
{
	struct complaint c = {.err = e, .detail = detail};
	struct worker *w = exchange_server_user(x);
	char id[REQUEST_ID_TEXT];

	if (exchange_user(x)) {
		refuse_body(exchange_user(x), e, detail, fields, body);
		return;
	}
	/* a limit of connections comes with a detail */
	if (e == E_CONCURRENCY)
		metric_add(w->metrics, M_OVERLOAD + OVERLOAD_SOURCE, 1);
	else if (e == E_OVERLOAD)
		metric_add(w->metrics,
			   M_OVERLOAD + (detail[0] ? OVERLOAD_CONNECTIONS
						   : OVERLOAD_MEMORY),
			   1);
	request_id_text(id_next(&w->ids), id);
	put_line(fields, "x-request-id: ", str_make(id, REQUEST_ID_TEXT - 1));
	if (err_row(e)->status == 503 || err_row(e)->status == 429)
		put_number(fields, "retry-after: ", 1);
	buf_add_cstr(fields, "content-type: application/json\r\n");
	dialect_openai.error(body, &c);
	series_add(metrics_request(w->metrics, ROUTE_OTHER, STR_NONE),
		   M_REQUESTS + err_vocab_id(e), 1);
}

void
reply_json(struct request *req, int status, struct str body)
{
	struct buf *fields = &req->w->fields;

	reply_fields(req, fields);
	buf_add_cstr(fields, "content-type: application/json\r\n");
	req->status = status;
	req->answered = true;
	exchange_reply(req->x, status, buf_str(fields), body, 0);
}

/* ---- answers ---- */

/* What the bill says, for an answer without usage. */
static struct usage
booked_usage(const struct request *req)
{
	const struct token_counts *t = &req->tokens;

	return (struct usage){.present = req->leg->usage.present,
			      .input = t->input,
			      .cache_read = t->cache_read,
			      .cache_write = t->cache_write,
			      .output = t->output,
			      .reasoning = t->reasoning};
}

static void
put_charge(struct request *req, struct buf *fields)
{
	char text[MONEY_TEXT];

	(void)money_text(req->charge, text);
	put_line(fields, "x-tollgate-charge-usd: ", str_of(text));
	if (req->commit_pending)
		buf_add_cstr(fields, "x-tollgate-durability: pending\r\n");
	put_line(fields, "x-tollgate-receipt: ", req->receipt);
}

static void
put_converted(struct request *req, const struct usage *booked, struct buf *text)
{
	struct sink *s = convert_sink(req, text);

	if (s)
		req->dialect->write_answer(s, req->leg->reply, booked,
					   req->charge);
	else
		text->failed = true;
}

/* As it came, but for the cost where the dialect has a place for it. */
static void
put_native(struct request *req, const struct usage *booked, struct buf *text)
{
	struct pieces p;

	if (!req->dialect->put_cost ||
	    req->dialect->put_cost(&req->arena, req->leg->answer,
				   gather_str(req), booked, req->charge,
				   &p) != E_OK) {
		buf_add_str(text, gather_str(req));
		return;
	}
	for (unsigned i = 0; i < p.n; i++)
		buf_add(text, p.iov[i].iov_base, p.iov[i].iov_len);
}

/* As it came, however large: it is not copied together. */
static void
reply_service(struct request *req)
{
	struct buf *fields = &req->w->fields;

	reply_fields(req, fields);
	put_charge(req, fields);
	if (req->usage_source == USAGE_ESTIMATED)
		buf_add_cstr(fields, "x-tollgate-estimated: true\r\n");
	put_line(fields, "content-type: ", req->leg->type);
	req->status = req->leg->upstream_status;
	req->answered = true;
	if (fields->failed)
		exchange_abort(req->x);
	else
		exchange_reply(req->x, req->status, buf_str(fields),
			       gather_str(req), 1);
	gather_free(req);
}

static void
reply_whole(struct request *req)
{
	struct buf *fields = &req->w->fields, *text = &req->w->text;
	struct usage booked = booked_usage(req);

	buf_reset(text);
	if (req->leg->reply)
		put_converted(req, &booked, text);
	else
		put_native(req, &booked, text);
	reply_fields(req, fields);
	put_charge(req, fields);
	buf_add_cstr(fields, "content-type: application/json\r\n");
	gather_free(req);
	req->status = req->leg->upstream_status;
	req->answered = true;
	if (text->failed || fields->failed)
		exchange_abort(req->x);
	else
		exchange_reply(req->x, req->status, buf_str(fields),
			       buf_str(text), 1);
}

static void
put_last_events(struct request *req, struct buf *text)
{
	static const struct answer none;
	struct usage booked = booked_usage(req);
	struct complaint c;
	struct pieces p;

	if (req->commit_pending)
		buf_add_cstr(text, ": durability pending\n\n");
	if (req->receipt.n > 0) {
		buf_add_cstr(text, ": tollgate-receipt ");
		buf_add_str(text, req->receipt);
		buf_add_cstr(text, "\n\n");
	}
	if (req->stream_error) {
		complain(req, &c);
		req->dialect->error_event(text, &c, req->leg->sink);
		return;
	}
	if (req->leg->offer && converts(req)) {
		struct sink *s = convert_sink(req, text);

		if (s)
			req->dialect->end(s, &booked, req->charge);
		else
			text->failed = true;
		return;
	}
	if (is_service(req)) {
		buf_add_str(text, buf_str(&req->leg->usage_data));
		return;
	}
	if (!req->dialect->usage_event)
		buf_add_str(text, buf_str(&req->leg->usage_data));
	else if (req->ask.include_usage &&
		 req->dialect->usage_event(&req->arena, &req->ask,
					   req->leg->answer ? req->leg->answer
							    : &none,
					   buf_str(&req->leg->usage_data),
					   &booked, req->charge, &p) == E_OK) {
		buf_add_cstr(text, "data: ");
		for (unsigned i = 0; i < p.n; i++)
			buf_add(text, p.iov[i].iov_base, p.iov[i].iov_len);
		buf_add_cstr(text, "\n\n");
	}
	buf_add_str(text, req->dialect->stream_end);
}

static void
end_array(struct request *req)
{
	struct buf *text = &req->w->text;
	struct iovec piece;

	buf_reset(text);
	array_end(text, &req->leg->array_begun);
	piece = (struct iovec){text->p, text->n};
	exchange_stream_send(req->x, &piece, 1, req->leg->seen_bytes);
}

/* Bytes that only the upstream understands: an end that is none is told by
 * breaking off. */
static void
end_raw(struct request *req)
{
	req->answered = true;
	if (req->stream_error)
		exchange_abort(req->x);
	else
		exchange_stream_end(req->x);
}

static void
end_stream(struct request *req)
{
	struct buf *text = &req->w->text;

	buf_reset(text);
	put_last_events(req, text);
	req->answered = true;
	if (text->failed) {
		exchange_abort(req->x);
		return;
	}
	stream_text(req, buf_str(text));
	if (req->ask.array && !req->client_gone)
		end_array(req);
	if (!req->client_gone)
		exchange_stream_end(req->x);
}

enum next
step_reply(struct request *req)
{
	wheel_disarm(&req->timer);
	/* Before the last byte: who has it may ask again at once, and meet
	 * another worker. */
	settle_limits(req);
	if (req->streaming && req->leg->raw)
		end_raw(req);
	else if (req->streaming)
		end_stream(req);
	else if (is_free(req) && (req->err == E_OK || count_is_ours(req)))
		count_reply(req);
	else if (req->err != E_OK)
		reply_error(req);
	else if (is_service(req))
		reply_service(req);
	else
		reply_whole(req);
	return NEXT_WAIT;
}
