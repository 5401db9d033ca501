/* From a request to the plan of its answer; see conn.h. */
#include <stdio.h>
#include <string.h>

#include "tests/mock/conn.h"

static const char *
bearer(const struct request *r)
{
	if (r->authorization.n < 8 ||
	    memcmp(r->authorization.p, "Bearer ", 7) != 0)
		return NULL;
	return r->authorization.p + 7;
}

/* The accepted key's text, "" when any will do, NULL when it is wrong. */
static const char *
known_key(const struct options *o, const struct request *r)
{
	const char *key = bearer(r);
	int i;

	if (o->key_count == 0)
		return "";
	for (i = 0; key && i < o->key_count; i++)
		if (span_is((struct span){key, r->authorization.n - 7},
			    o->keys[i]))
			return o->keys[i];
	return NULL;
}

static void
open_rows(struct conn *c, const char *key)
{
	struct worker_tally *t = c->worker->tally;
	const struct facts *f = &c->answer.facts;

	c->rows[0] = tally_row(t, "endpoint ", endpoint_names[f->endpoint]);
	c->rows[1] = *f->model ? tally_row(t, "model ", f->model) : NULL;
	c->rows[2] = key && *key ? tally_row(t, "key ", key) : NULL;
}

static void
refuse(struct answer *a, int status, const char *why)
{
	plan_init(&a->plan);
	a->plan.status = status;
	(void)snprintf(a->plan.message, sizeof(a->plan.message), "%s", why);
}

/* Script first, then the model's name, then the message: the last wins. */
static bool
read_plan(struct conn *c, const char *key, char *why, size_t room)
{
	struct answer *a = &c->answer;
	const struct facts *f = &a->facts;
	char script[1024];

	if (script_take(c->worker->shared, f->model,
			endpoint_names[f->endpoint], key ? key : "",
			c->served > 1, script) &&
	    !plan_read(&a->plan, script, strlen(script), why, room))
		return false;
	return plan_read(&a->plan, f->model, strlen(f->model), why, room) &&
	       plan_read(&a->plan, f->user.p, f->user.n, why, room);
}

static void
judge(struct conn *c, const struct request *r, const char *key)
{
	struct answer *a = &c->answer;
	struct facts *f = &a->facts;
	const char *bad = NULL;
	char why[64];
	bool post = f->endpoint <= EP_EMBEDDINGS;

	if (f->endpoint == EP_OTHER) {
		refuse(a, 404, "mock: no such path");
		return;
	}
	if (!span_is(r->method, post ? "POST" : "GET")) {
		refuse(a, 405, "mock: method");
		return;
	}
	if (!key) {
		refuse(a, 401, "mock: bad key");
		return;
	}
	if (post)
		bad = request_facts(r, f);
	if (bad) {
		*f = (struct facts){.endpoint = f->endpoint, .n = 1};
		refuse(a, 400, bad);
	} else if (!read_plan(c, key, why, sizeof(why))) {
		refuse(a, 400, why);
	}
}

static void
begin_record(struct conn *c, const struct request *r)
{
	struct record *rec = record_begin(c->worker->shared);
	struct answer *a = &c->answer;

	c->record = rec;
	a->seq = rec->seq;
	rec->conn = c->number;
	rec->worker = (uint32_t)c->worker->index;
	rec->endpoint = (uint8_t)a->facts.endpoint;
	rec->request_bytes = r->head.n + r->body.n;
	memcpy(rec->tag, a->plan.tag, sizeof(rec->tag));
	memcpy(rec->model, a->facts.model, sizeof(rec->model));
}

static void
note_figures(struct conn *c)
{
	const struct figures *f = &c->answer.figures;
	struct record *rec = c->record;

	rec->status = (uint16_t)c->answer.plan.status;
	rec->stream = answer_streams(&c->answer);
	if (rec->status >= 300 || rec->endpoint > EP_EMBEDDINGS)
		return;
	rec->prompt = f->prompt;
	rec->completion = f->completion;
	rec->cached = f->cached;
	rec->reasoning = f->reasoning;
}

bool
serve_begin(struct conn *c, const struct request *r)
{
	struct answer *a = &c->answer;
	struct worker *w = c->worker;
	const char *key = known_key(w->options, r);
	const char *bad;

	a->plan = w->plan;
	a->facts = (struct facts){.endpoint = request_endpoint(r), .n = 1};
	a->keep_alive = r->keep_alive;
	a->unit = a->marks = a->ended = a->usages = 0;
	c->served++;
	if (c->served > 1)
		gauge_add(w->tally, G_reused);
	if (w->options->keep_last)
		last_keep(w->shared, r->head, r->body);
	judge(c, r, key);
	begin_record(c, r);
	open_rows(c, key);
	conn_count(c, C_requests, 1);
	bad = answer_prepare(a);
	if (bad) {
		refuse(a, 400, bad);
		(void)answer_prepare(a);
	}
	if (r->http10)
		a->chunked = a->keep_alive = false;
	note_figures(c);
	if (c->record->stream)
		conn_count(c, C_streams, 1);
	return !a->plan.reset && !a->plan.fin;
}
