/*
 * Connections of the mock: edge-triggered events, write first. One loop
 * makes the answer piece by piece and never more than one piece ahead, so
 * that what the tally says was sent was taken by the kernel.
 */
#include "tests/mock/conn.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ENDLESS_PIECE = 16 * 1024, TURN = 64 };

/* What a step of the loop found. */
enum step { STEP_MORE, STEP_WAIT, STEP_CLOSE, STEP_RESET };

static void
leave_held(struct conn *c)
{
	if (c->wait != WAIT_RELEASE)
		return;
	TAILQ_REMOVE(&c->worker->held, c, link);
	gauge_add(c->worker->tally, G_unheld);
	c->wait = WAIT_NOTHING;
}

static void
end_record(struct conn *c, enum end end, enum counter counter)
{
	if (!c->record)
		return;
	conn_count(c, counter, 1);
	record_end(c->worker->shared, c->record, end);
	c->record = NULL;
}

static void
conn_free(struct conn *c, bool reset)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};
	struct worker *w = c->worker;

	leave_held(c);
	(void)event_del(&c->io);
	(void)event_del(&c->timer);
	if (reset)
		(void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now,
				 sizeof(now));
	if (c->ssl) {
		SSL_free(c->ssl);
		ERR_clear_error();
	}
	(void)close(c->fd);
	buf_free(&c->in);
	buf_free(&c->out);
	buf_free(&c->unwrapped);
	free(c);
	w->connections--;
	gauge_add(w->tally, G_closed);
}

/* -- waiting ------------------------------------------------------------- */

static enum step
wait_us(struct conn *c, int64_t us)
{
	struct timeval tv = {.tv_sec = us / 1000000, .tv_usec = us % 1000000};

	c->wait = WAIT_TIMER;
	(void)evtimer_add(&c->timer, &tv);
	return STEP_WAIT;
}

static enum step
wait_ms(struct conn *c, int64_t ms)
{
	return wait_us(c, ms * 1000);
}

/* Until the next delta is due: a late one does not delay those after it. */
static enum step
wait_due(struct conn *c)
{
	int64_t now = now_us();

	if (c->due_us == 0)
		c->due_us = now;
	c->due_us += c->answer.plan.delay * 1000;
	return wait_us(c, c->due_us > now ? c->due_us - now : 0);
}

static bool
take_permit(struct shared *sh)
{
	int64_t n = atomic_load(&sh->permits);

	while (n > 0)
		if (atomic_compare_exchange_weak(&sh->permits, &n, n - 1))
			return true;
	return false;
}

/* Was there a release since the request came? Only once: the next one that it
 * meets is another. */
static bool
is_released(struct conn *c)
{
	uint64_t epoch = atomic_load(&c->worker->shared->release_epoch);
	bool since = c->epoch != epoch;

	c->epoch = epoch;
	return since;
}

static enum step
wait_release(struct conn *c)
{
	c->due_us = 0;
	gauge_add(c->worker->tally, G_held);
	if (is_released(c) || take_permit(c->worker->shared)) {
		gauge_add(c->worker->tally, G_unheld);
		return STEP_MORE;
	}
	c->wait = WAIT_RELEASE;
	TAILQ_INSERT_TAIL(&c->worker->held, c, link);
	return STEP_WAIT;
}

/* Until the client leaves, unless the plan names a time. */
static enum step
stall(struct conn *c)
{
	int64_t ms = c->answer.plan.stall_ms;

	c->due_us = 0;
	if (ms >= 0)
		return wait_ms(c, ms);
	c->wait = WAIT_FOREVER;
	return STEP_WAIT;
}

/* -- making the answer --------------------------------------------------- */

static void
put_unit(struct conn *c, struct unit unit)
{
	struct buf *s = &c->worker->scratch;

	answer_frame(&c->answer, buf_at(s), buf_len(s), &c->out);
	buf_clear(s);
	c->unit = unit;
	c->unit_due = true;
}

static void
put_head(struct conn *c, int64_t length)
{
	size_t at = c->out.n;

	answer_head(&c->answer, length, &c->out);
	c->head_len = (int64_t)(c->out.n - at);
	c->head_made = true;
}

static void
put_end(struct conn *c)
{
	answer_frame_end(&c->answer, &c->out);
	c->all_made = true;
}

static void
put_plain(struct conn *c)
{
	struct answer *a = &c->answer;
	struct buf *s = &c->worker->scratch;
	struct unit unit = {0};
	struct span id = {NULL, 0};

	buf_clear(s);
	if (a->plan.status >= 300) {
		answer_error(a, NULL, s);
		conn_count(c, C_errors, 1);
	} else if (a->facts.endpoint == EP_MODELS) {
		answer_models(s, id);
	} else if (a->plan.status != 204) {
		unit.content = answer_body(a, s);
		unit.usage = a->plan.usage != USAGE_MISSING &&
			     a->plan.usage != USAGE_NULL;
	}
	put_head(c, (int64_t)buf_len(s));
	put_unit(c, unit);
	put_end(c);
}

/* The things that happen before delta K instead of it; true: one did. */
static bool
trouble(struct conn *c, enum step *step)
{
	struct answer *a = &c->answer;
	const struct plan *p = &a->plan;
	struct buf *s = &c->worker->scratch;

	if (p->hold_at == a->marks && !c->mark_passed) {
		c->mark_passed = true;
		*step = wait_release(c);
		return true;
	}
	if (p->stall == a->marks && !c->stalled) {
		c->stalled = true;
		*step = stall(c);
		return true;
	}
	if (p->error == a->marks) {
		buf_str(s, "data: ");
		answer_stream_error(a, s);
		buf_str(s, "\n\n");
		put_unit(c, (struct unit){0});
		put_end(c);
		*step = STEP_MORE;
		return true;
	}
	return false;
}

/* A line that does not end, as far as the plan goes. */
static enum step
put_endless(struct conn *c)
{
	struct answer *a = &c->answer;
	struct buf *s = &c->worker->scratch;

	if (a->ended == 0)
		buf_str(s, "data: {\"id\":\"");
	if (a->ended >= a->plan.endless) {
		put_end(c);
		return STEP_MORE;
	}
	buf_fill(s, 'x', ENDLESS_PIECE);
	a->ended += ENDLESS_PIECE;
	put_unit(c, (struct unit){0});
	return STEP_MORE;
}

static enum step
put_event(struct conn *c)
{
	struct answer *a = &c->answer;
	bool delta = answer_next_is_delta(a);
	struct unit unit;
	enum step step;

	buf_clear(&c->worker->scratch);
	if (a->plan.endless && a->marks >= a->plan.endless_at && delta)
		return put_endless(c);
	if (delta && trouble(c, &step))
		return step;
	if (delta && a->marks && a->plan.delay && !c->delayed) {
		c->delayed = true;
		return wait_due(c);
	}
	c->delayed = false;
	unit = answer_event(a, &c->worker->scratch);
	if (unit.last)
		put_end(c);
	else
		put_unit(c, unit);
	return STEP_MORE;
}

/* Holding and the delay of the first byte, at most one at a time. */
static bool
gate(struct conn *c, enum step *step)
{
	const struct plan *p = &c->answer.plan;

	if (p->hold && !c->hold_passed) {
		c->hold_passed = true;
		*step = wait_release(c);
		return true;
	}
	if (p->first && !c->first_passed) {
		c->first_passed = true;
		*step = wait_ms(c, p->first);
		return true;
	}
	return false;
}

static enum step
make(struct conn *c)
{
	struct answer *a = &c->answer;
	bool streams = answer_streams(a);
	enum step step;

	if (streams && a->plan.headfirst && !c->head_made) {
		put_head(c, -1);
		return STEP_MORE;
	}
	if (gate(c, &step))
		return step;
	if (!streams) {
		put_plain(c);
		return STEP_MORE;
	}
	if (!c->head_made)
		put_head(c, -1);
	return put_event(c);
}

/* -- the loop ------------------------------------------------------------ */

static enum step
begin(struct conn *c, const struct request *r)
{
	c->sent = c->head_len = c->due_us = 0;
	c->unit_due = c->head_made = c->all_made = false;
	c->hold_passed = c->first_passed = c->mark_passed = false;
	c->delayed = c->stalled = c->continued = false;
	c->phase = PHASE_ANSWER;
	/* Before the script is read, which a release changes first. */
	c->epoch = atomic_load(&c->worker->shared->release_epoch);
	if (control_serves(r)) {
		c->record = NULL;
		memset(c->rows, 0, sizeof(c->rows));
		plan_init(&c->answer.plan);
		c->answer.keep_alive = r->keep_alive;
		buf_clear(&c->worker->scratch);
		control_answer(c, r, &c->out, &c->worker->scratch);
		buf_add(&c->out, buf_at(&c->worker->scratch),
			buf_len(&c->worker->scratch));
		buf_clear(&c->worker->scratch);
		c->head_made = c->all_made = true;
	} else if (!serve_begin(c, r)) {
		end_record(c, END_BROKEN, C_broken);
		return c->answer.plan.reset ? STEP_RESET : STEP_CLOSE;
	}
	buf_eat(&c->in, r->head.n + r->body.n);
	return STEP_MORE;
}

static enum step
refuse(struct conn *c, const struct request *r)
{
	gauge_add(c->worker->tally, G_http_errors);
	memset(c->rows, 0, sizeof(c->rows));
	c->record = NULL;
	plan_init(&c->answer.plan);
	buf_fmt(&c->out,
		"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n"
		"content-type: text/plain\r\ncontent-length: %zu\r\n\r\n%s",
		strlen(r->why), r->why);
	c->answer.keep_alive = false;
	c->phase = PHASE_ANSWER;
	c->sent = 0;
	c->head_made = c->all_made = true;
	return STEP_MORE;
}

static enum step
read_step(struct conn *c)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct request r;

	switch (request_parse(&r, &c->in, &c->unwrapped)) {
	case PARSE_DONE: return begin(c, &r);
	case PARSE_BAD: return refuse(c, &r);
	case PARSE_MORE:
	default: break;
	}
	if (c->eof)
		return STEP_CLOSE;
	if (r.head.n && r.expects && !c->continued) {
		c->continued = true;
		if (wire_write(c, go_on, sizeof(go_on) - 1) < 0)
			return STEP_CLOSE;
	}
	return STEP_WAIT;
}

/* The answer is out. */
static enum step
finish(struct conn *c)
{
	int64_t linger = c->answer.plan.linger;

	end_record(c, END_ANSWERED, C_answered);
	if (!c->answer.keep_alive)
		return STEP_CLOSE;
	c->phase = PHASE_READ;
	if (linger < 0)
		return STEP_MORE;
	c->phase = PHASE_LINGER;
	return wait_ms(c, linger);
}

static enum step
flushed(struct conn *c, enum flush how)
{
	const struct plan *p = &c->answer.plan;

	switch (how) {
	case FLUSH_BLOCKED: return STEP_WAIT;
	case FLUSH_STALL: c->mark_passed = true; return stall(c);
	case FLUSH_CUT:
		end_record(c, END_BROKEN, C_broken);
		return p->rst >= 0 ? STEP_RESET : STEP_CLOSE;
	case FLUSH_GONE:
		end_record(c, END_ABORTED, C_aborted);
		return STEP_CLOSE;
	case FLUSH_DONE:
	default: break;
	}
	if (buf_len(&c->out))
		return wait_ms(c, p->split_ms);
	return STEP_MORE;
}

static enum step
answer_step(struct conn *c)
{
	if (c->eof) {
		end_record(c, END_ABORTED, C_aborted);
		return STEP_CLOSE;
	}
	if (c->wait != WAIT_NOTHING)
		return STEP_WAIT;
	if (buf_len(&c->out))
		return flushed(c, wire_flush(c));
	if (c->all_made)
		return finish(c);
	return make(c);
}

static enum step
linger_step(struct conn *c)
{
	if (c->wait == WAIT_NOTHING)
		return STEP_CLOSE;
	if (c->eof)
		return STEP_CLOSE;
	if (buf_len(&c->in) == 0)
		return STEP_WAIT;
	(void)event_del(&c->timer);
	c->wait = WAIT_NOTHING;
	c->phase = PHASE_READ;
	return STEP_MORE;
}

static enum step
one_step(struct conn *c)
{
	switch (c->phase) {
	case PHASE_READ: return read_step(c);
	case PHASE_LINGER: return linger_step(c);
	case PHASE_ANSWER:
	default: return answer_step(c);
	}
}

static void
run(struct conn *c)
{
	int turn;

	for (turn = 0; turn < TURN; turn++) {
		switch (one_step(c)) {
		case STEP_MORE: break;
		case STEP_WAIT: return;
		case STEP_RESET: conn_free(c, true); return;
		case STEP_CLOSE:
		default: conn_free(c, false); return;
		}
	}
	(void)wait_ms(c, 0); /* the others' turn */
}

static void
on_io(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd;
	if ((what & EV_READ) || c->ssl)
		wire_fill(c);
	run(c);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd;
	(void)what;
	c->wait = WAIT_NOTHING;
	run(c);
}

void
conn_release(struct worker *w)
{
	struct conn *c;

	/* The bell of a release may ring late: those that came after it stay,
	 * and they are the last of the list. */
	while ((c = TAILQ_FIRST(&w->held)) != NULL) {
		if (!is_released(c) && !take_permit(w->shared))
			return;
		leave_held(c);
		event_active(&c->timer, EV_TIMEOUT, 0);
	}
}

static bool
start_tls(struct conn *c)
{
	if (!c->worker->tls)
		return true;
	c->ssl = SSL_new(c->worker->tls);
	if (!c->ssl || SSL_set_fd(c->ssl, c->fd) != 1)
		return false;
	SSL_set_accept_state(c->ssl);
	return true;
}

void
conn_accept(struct worker *w, int fd)
{
	const int one = 1;
	struct conn *c;

	gauge_add(w->tally, G_accepted);
	c = w->connections < w->options->max_connections ? calloc(1, sizeof(*c))
							 : NULL;
	if (!c) {
		gauge_add(w->tally, G_refused);
		gauge_add(w->tally, G_closed);
		(void)close(fd);
		return;
	}
	w->connections++;
	c->worker = w;
	c->fd = fd;
	c->number = ++w->conn_seq * MAX_WORKERS + (uint64_t)w->index;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	(void)event_assign(&c->io, w->base, fd,
			   EV_READ | EV_WRITE | EV_ET | EV_PERSIST, on_io, c);
	(void)evtimer_assign(&c->timer, w->base, on_timer, c);
	if (!start_tls(c) || event_add(&c->io, NULL) != 0) {
		conn_free(c, false);
		return;
	}
	/* The request is often there already: read before the first event. */
	wire_fill(c);
	run(c);
}
