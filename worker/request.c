/*
 * The engine: callbacks of the server come in here, steps run one after
 * another, and a request ends in exactly one place, conclude(). The hard part
 * is that a client may vanish in the middle of anything we do: see the rules
 * in request.h.
 */
#include "worker/request.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/must.h"
#include "worker/access.h"
#include "worker/affinity.h"
#include "worker/convert.h"
#include "worker/hedge.h"
#include "worker/idem.h"
#include "worker/pass.h"
#include "worker/queue.h"
#include "worker/receipt.h"

/* Of a path: a model's name of 127 bytes, each of them escaped, fits. */
#define PATH_KEPT 512u

static step_fn *const steps[STEP_COUNT] = {
#define STEP(name) step_##name,
#include "worker/steps.def"
#undef STEP
};

static struct request *
request_new(struct worker *w)
{
	struct request *req = w->spare;

	if (req)
		w->spare = req->next;
	else
		req = malloc(sizeof(*req));
	if (!req)
		return NULL;
	memset(req, 0, sizeof(*req));
	req->w = w;
	arena_init_capped(&req->arena, w->pool);
	leg_init(&req->first, w->pool);
	req->leg = &req->first;
	req->hold.slot = SHM_NONE;
	req->key = req->account = req->parent = SHM_NONE;
	w->running++;
	return req;
}

static void
request_free(struct request *req)
{
	struct worker *w = req->w;

	must(!req->waiting && !queue_waits(req) && !req->leg->call &&
	     !req->rival && !req->inside && req->leg->attempt.slot == SHM_NONE);
	wheel_disarm(&req->timer);
	leg_free(req->leg, w->pool);
	arena_free(&req->arena);
	req->next = w->spare;
	w->spare = req;
	w->running--;
}

void
requests_free_spares(struct worker *w)
{
	while (w->spare) {
		struct request *next = w->spare->next;

		free(w->spare);
		w->spare = next;
	}
}

/* ---- the list of those that wait for their commit ---- */

void
request_wait_commit(struct request *req)
{
	struct worker *w = req->w;

	req->waiting = true;
	req->next = w->waiting;
	w->waiting = req;
	/* ordered before the next look at the slot: no lost wake-up */
	atomic_store(&w->row->waiting, 1);
}

void
request_stop_waiting(struct request *req)
{
	struct request **at = &req->w->waiting;

	if (!req->waiting)
		return;
	while (*at != req)
		at = &(*at)->next;
	*at = req->next;
	req->waiting = false;
}

void
requests_committed(struct worker *w)
{
	struct request *req, *ready = NULL;
	struct request **at = &w->waiting;

	while ((req = *at) != NULL) {
		if (!hold_committed(w->slots, &req->hold)) {
			at = &req->next;
			continue;
		}
		*at = req->next;
		req->waiting = false;
		req->next = ready;
		ready = req;
	}
	if (!w->waiting)
		atomic_store(&w->row->waiting, 0);
	while ((req = ready) != NULL) {
		ready = req->next;
		request_go(req, STEP_receipt);
	}
}

/* ---- ends ---- */

/* Of models that few endpoints fit they are made as they are used. */
static struct series *
series_of(struct request *req, enum metric_route route)
{
	struct product *p = req->asked;

	if (!p)
		return metrics_request(req->w->metrics, route, STR_NONE);
	if (!p->requests[route])
		p->requests[route] =
			metrics_request(req->w->metrics, route, p->conf->name);
	return p->requests[route];
}

static void
account_for(struct request *req)
{
	struct worker *w = req->w;
	enum metric_route route =
		req->endpoint ? req->endpoint->route : ROUTE_OTHER;
	struct series *s = series_of(req, route);

	/* A request may have had only this one event. */
	wheel_touch(w->wheel);
	w->now_ns = wheel_clock(w->wheel);
	if (req->client_gone && req->err == E_OK)
		req->err = E_CLIENT_GONE;
	if (req->status == 0)
		req->status = err_row(req->err)->status;
	series_add(s, M_REQUESTS + err_vocab_id(req->err), 1);
	metric_observe(w->metrics, M_HIST(M_REQUEST_DURATION, route),
		       (w->now_ns - req->start_ns) / 1000);
	if (req->endpoint)
		metric_add(w->metrics, M_REQUESTS_IN_FLIGHT + route, -1);
	access_write(w->access, req);
}

static void
conclude(struct request *req)
{
	hedge_end(req);
	req->reads_on = drain_keep(req);
	if (!req->reads_on)
		attempt_end(req, req->client_gone ? E_CLIENT_GONE : E_OK);
	inside_end(req);
	queue_quit(req, QUEUED_GONE);
	request_stop_waiting(req);
	idem_release(req);
	if (req->needs_sent)
		settle_sent(req, req->answer_ok || request_mark(req) > 0);
	else if (!req->settled && req->hold.slot != SHM_NONE)
		settle_abandoned(req);
	settle_limits(req);
	if (req->streaming)
		metric_add(req->w->metrics,
			   M_STREAMS_OPEN + req->endpoint->route, -1);
	account_for(req);
	if (req->x)
		exchange_set_user(req->x, NULL);
	if (req->reads_on)
		drain_begin(req);
	else
		request_free(req);
}

uint64_t
request_mark(const struct request *req)
{
	return req->x ? exchange_mark(req->x) : req->last_mark;
}

void
request_enter(struct request *req)
{
	req->depth++;
	req->w->now_ns = wheel_clock(req->w->wheel);
}

void
request_leave(struct request *req)
{
	must(req->depth > 0);
	if (--req->depth > 0)
		return;
	if (req->reads_on && req->read_enough) {
		drain_end(req);
		request_free(req);
	} else if (!req->reads_on && (req->client_gone || req->answer_ok)) {
		conclude(req);
	}
}

/* ---- steps ---- */

void
request_run(struct request *req)
{
	enum next next = NEXT_STEP;

	while (next != NEXT_WAIT && !req->client_gone) {
		next = steps[req->step](req);
		if (next == NEXT_STEP)
			req->step++;
	}
}

void
request_go(struct request *req, enum step step)
{
	request_enter(req);
	req->step = step;
	request_run(req);
	request_leave(req);
}

enum next
request_fail(struct request *req, enum err e)
{
	queue_quit(req, QUEUED_CLOSED);
	req->err = e;
	req->step = STEP_settle;
	req->stream_error |= req->streaming;
	return NEXT_AGAIN;
}

void
request_drop_body(struct request *req)
{
	/* a conversion's answer still looks into what was asked, for the names
	 * of tools */
	if (!req->leg->offer || !converts(req))
		exchange_drop_body(req->x);
}

enum next
request_fail_detail(struct request *req, enum err e, const char *detail)
{
	req->detail = detail;
	return request_fail(req, e);
}

/* ---- the server's callbacks ---- */

/* A page of another origin may call us only if the operator says so. */
static struct str
allowed_origin(struct request *req, const struct http_head *head)
{
	const struct conf_cors *cors = &req->w->conf->cors;
	struct str origin = http_get(head, "origin");

	for (unsigned i = 0; i < cors->n_origins && origin.n > 0; i++)
		if (str_eq(cors->origins[i], STR("*")) ||
		    str_eq(cors->origins[i], origin))
			return arena_dup(&req->arena, origin);
	return STR_NONE;
}

static void
preflight(struct request *req)
{
	const struct conf_cors *cors = &req->w->conf->cors;
	struct buf *fields = &req->w->fields;

	reply_fields(req, fields);
	buf_add_cstr(fields, "allow: GET, HEAD, POST, OPTIONS\r\n");
	if (req->origin.n > 0) {
		buf_add_cstr(fields, "access-control-allow-methods: GET, "
				     "POST, OPTIONS\r\n"
				     "access-control-allow-headers: ");
		for (unsigned i = 0; i < cors->n_headers; i++) {
			buf_add_cstr(fields, i ? ", " : "");
			buf_add_str(fields, cors->headers[i]);
		}
		buf_printf(fields, "\r\naccess-control-max-age: %u\r\n",
			   cors->max_age_ms / 1000);
	}
	req->status = 204;
	req->answered = true;
	exchange_reply(req->x, 204, buf_str(fields), STR_NONE, 0);
}

static bool
plain_coding(const struct http_head *head)
{
	struct str coding = http_get(head, "content-encoding");

	return coding.n == 0 || str_ieq(coding, STR("identity"));
}

static enum next
find_endpoint(struct request *req, const struct http_head *head)
{
	bool method_ok = false;

	req->endpoint = endpoint_find(head->path, head->method, &method_ok);
	if (req->endpoint && req->endpoint->dialect)
		req->dialect = req->endpoint->dialect;
	else
		req->dialect = endpoint_dialect(head);
	if (!req->endpoint)
		return request_fail(req, E_NO_PATH);
	req->ask.kind = req->endpoint->kind;
	metric_add(req->w->metrics, M_REQUESTS_IN_FLIGHT + req->endpoint->route,
		   1);
	if (!method_ok)
		return request_fail_detail(req, E_METHOD,
					   req->endpoint->post ? "POST"
							       : "GET, HEAD");
	if (req->endpoint->post && !plain_coding(head))
		return request_fail_detail(req, E_MEDIA_TYPE,
					   "a compressed body");
	return NEXT_STEP;
}

/* Sent on where the upstream speaks the same dialect. */
static void
note_fields(struct request *req, const struct http_head *head)
{
	struct ask_fields *f = &req->ask.fields;

	if (req->dialect != &dialect_anthropic)
		return;
	f->version =
		arena_dup(&req->arena, http_get(head, "anthropic-version"));
	for (unsigned i = 0; i < head->n_fields; i++) {
		struct str value = head->fields[i].value;

		if (value.n == 0 ||
		    !str_ieq(head->fields[i].name, STR("anthropic-beta")))
			continue;
		f->beta = f->beta.n > 0 ? arena_printf(&req->arena, "%.*s,%.*s",
						       STR_ARG(f->beta),
						       STR_ARG(value))
					: arena_dup(&req->arena, value);
	}
}

static void
begin(struct request *req, struct exchange *x, const struct http_head *head)
{
	req->x = x;
	req->id = id_next(&req->w->ids);
	request_id_text(req->id, req->id_text);
	req->start_ns = exchange_start_ns(x);
	req->start_wall_ns = clock_wall_ns();
	req->method = head->method;
	req->origin = allowed_origin(req, head);
	req->path = arena_dup(
		&req->arena,
		str_make(head->path.p, MIN_OF(head->path.n, PATH_KEPT)));
	req->peer = arena_dup(&req->arena, exchange_peer(x));
	exchange_set_user(x, req);
}

/* Where the path says more than which endpoint: the model, what is done. */
static void
note_path(struct request *req, const struct http_head *head)
{
	ptrdiff_t star = str_find(str_of(req->endpoint->path), '*');

	if (star < 0)
		return;
	req->ask.path =
		page_unescape(&req->arena, str_from(head->path, (size_t)star));
	req->ask.query = arena_dup(&req->arena, head->query);
}

static void
on_head(struct exchange *x, const struct http_head *head)
{
	struct worker *w = exchange_server_user(x);
	struct request *req = request_new(w);
	enum next next;

	if (!req) {
		exchange_abort(x);
		return;
	}
	request_enter(req);
	begin(req, x, head);
	if (head->method == HTTP_OPTIONS) {
		req->dialect = endpoint_dialect(head);
		preflight(req);
		request_leave(req);
		return;
	}
	next = find_endpoint(req, head);
	if (next == NEXT_STEP && !admit_head(req))
		next = NEXT_AGAIN;
	if (next == NEXT_STEP)
		next = auth_head(req, head);
	if (next == NEXT_STEP) {
		note_path(req, head);
		note_fields(req, head);
		rules_head(req, head);
		affinity_head(req, head);
		if (req->endpoint->service)
			next = pass_head(req, head);
	}
	if (next == NEXT_STEP && req->endpoint->dialect && !is_free(req)) {
		receipt_head(req, head);
		next = idem_head(req, head);
	}
	if (next == NEXT_AGAIN)
		request_run(req);
	else if (req->endpoint->page) {
		req->step = STEP_reply;
		req->query = arena_dup(&req->arena, head->query);
		req->accept = arena_dup(&req->arena, http_get(head, "accept"));
		req->endpoint->page(req);
	} else {
		req->step = STEP_parse;
		exchange_read_body(x);
	}
	request_leave(req);
}

static void
on_body(struct exchange *x, struct str body)
{
	struct request *req = exchange_user(x);

	request_enter(req);
	req->ask.body = body;
	request_run(req);
	request_leave(req);
}

static void
on_progress(struct exchange *x)
{
	struct request *req = exchange_user(x);

	if (!req)
		return;
	request_enter(req);
	stream_progress(req);
	request_leave(req);
}

static void
on_end(struct exchange *x, enum err why)
{
	struct request *req = exchange_user(x);

	if (!req)
		return;
	request_enter(req);
	req->last_mark = exchange_mark(x);
	req->bytes_in = exchange_bytes_in(x);
	req->bytes_out = exchange_bytes_out(x);
	exchange_set_user(x, NULL);
	req->x = NULL;
	if (why == E_OK)
		req->answer_ok = true;
	else
		req->client_gone = true;
	if (why != E_OK && why != E_CLIENT_GONE && req->err == E_OK)
		req->err = why;
	request_leave(req);
}

const struct exchange_ops request_exchange_ops = {
	.on_head = on_head,
	.on_body = on_body,
	.on_progress = on_progress,
	.on_end = on_end,
	.render_error = reply_render_error,
};
