/*
 * Owns sockets: their one event, their deadline, their buffers. Called by
 * the server for clients and by the client for upstreams.
 *
 * Hard: edge triggering. An edge is not repeated, so c->readable stays true
 * until a read has shown that the socket is empty. A read that gives less
 * than was asked for shows it too, and saves the second call, unless the
 * peer has hung up: then the end of the stream follows without a new edge.
 */
#include "http/conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"

#define FLUSH_PIECES 8

struct conn_block {
	struct conn_block *next;
	uint32_t at;
	uint32_t end;
	char bytes[];
};

#define BLOCK_ROOM (POOL_BLOCK - sizeof(struct conn_block))
_Static_assert(CONN_RECORD <= POOL_BLOCK - sizeof(struct conn_block),
	       "a record that is tried again must lie in one block");

int
conn_fd(const struct conn *c)
{
	return event_get_fd(&c->event);
}

void
conn_options(int fd, unsigned lost_ms)
{
	const int on = 1;
	const int idle_s = 60;
	const int interval_s = 15;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s,
			 sizeof(idle_s));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s,
			 sizeof(interval_s));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &lost_ms,
			 sizeof(lost_ms));
}

static size_t
iov_size(const struct iovec *iov, int n)
{
	size_t size = 0;

	for (int i = 0; i < n; i++)
		size += iov[i].iov_len;
	return size;
}

static ssize_t
plain_read(struct conn *c, const struct iovec *iov, int n)
{
	ssize_t got;

	do {
		got = n == 1 ? recv(conn_fd(c), iov->iov_base, iov->iov_len, 0)
			     : readv(conn_fd(c), iov, n);
	} while (got < 0 && errno == EINTR);
	if (got < 0) {
		c->readable = false;
		return errno == EAGAIN ? CONN_AGAIN : CONN_FAILED;
	}
	if ((size_t)got < iov_size(iov, n) && !c->hung_up)
		c->readable = false;
	return got;
}

static ssize_t
plain_write(struct conn *c, const struct iovec *iov, int n)
{
	struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)iov,
			     .msg_iovlen = (size_t)n};
	ssize_t took;

	do {
		took = sendmsg(conn_fd(c), &msg, MSG_NOSIGNAL);
	} while (took < 0 && errno == EINTR);
	if (took >= 0)
		return took;
	c->writable = false;
	return errno == EAGAIN ? CONN_AGAIN : CONN_FAILED;
}

const struct conn_io conn_plain = {.read = plain_read, .write = plain_write};

/* The loop: frames, turns, rests. */

static void
drop_held(struct conn *c)
{
	pool_free(c->loop->pool, c->held, c->held_size);
	c->held = NULL;
	c->held_size = 0;
}

static void
ask_later(struct conn_loop *l)
{
	const struct timeval now = {0, 0};

	if (!event_pending(&l->later, EV_TIMEOUT, NULL))
		must(event_add(&l->later, &now) == 0);
}

/* But for those that still stand in the turns. */
static void
end_rests(struct conn_loop *l)
{
	struct conn *c = l->resting;

	l->resting = NULL;
	while (c) {
		struct conn *next = c->next_rest;

		if (c->in_turns) {
			c->next_rest = l->resting;
			l->resting = c;
			ask_later(l);
		} else {
			drop_held(c);
			c->role->rested(c);
		}
		c = next;
	}
}

/* Behind the turns that are asked for already. */
static void
append_lasts(struct conn_loop *l)
{
	if (!l->lasts)
		return;
	*l->turns_end = l->lasts;
	l->turns_end = l->lasts_end;
	l->lasts = NULL;
	l->lasts_end = &l->lasts;
}

/* One pass; what is asked for meanwhile waits for the next loop turn, so
 * that a peer that always has more cannot keep the others waiting. */
static void
run_turns(struct conn_loop *l)
{
	struct conn *c = l->turns;

	l->turns = NULL;
	l->turns_end = &l->turns;
	while (c) {
		struct conn *next = c->next_turn;

		c->in_turns = false;
		if (!c->released)
			c->role->turn(c);
		c = next;
	}
	if (l->turns)
		ask_later(l);
}

static void
enter(struct conn_loop *l)
{
	if (l->depth++ == 0)
		wheel_touch(l->wheel);
}

uint64_t
conn_now(const struct conn *c)
{
	return wheel_clock(c->loop->wheel);
}

static void
leave(struct conn_loop *l)
{
	if (l->depth == 1 && l->turns && !l->doomed)
		run_turns(l);
	if (--l->depth == 0 && l->doomed)
		l->destroy(l);
}

static void
soon_event(evutil_socket_t fd, short what, void *arg)
{
	struct conn_loop *l = arg;

	(void)fd;
	(void)what;
	enter(l);
	leave(l); /* runs the turns */
}

static void
later_event(evutil_socket_t fd, short what, void *arg)
{
	struct conn_loop *l = arg;

	(void)fd;
	(void)what;
	end_rests(l);
	append_lasts(l);
	enter(l);
	leave(l);
}

bool
conn_loop_init(struct conn_loop *l, struct event_base *base, struct pool *pool,
	       struct wheel *wheel)
{
	*l = (struct conn_loop){.base = base, .pool = pool, .wheel = wheel};
	l->turns_end = &l->turns;
	l->lasts_end = &l->lasts;
	l->scratch = pool_alloc(pool, CONN_SCRATCH);
	l->record = malloc(CONN_RECORD);
	if (l->scratch && l->record &&
	    event_assign(&l->soon, base, -1, 0, soon_event, l) == 0 &&
	    event_assign(&l->later, base, -1, 0, later_event, l) == 0)
		return true;
	pool_free(pool, l->scratch, CONN_SCRATCH);
	free(l->record);
	return false;
}

void
conn_loop_free(struct conn_loop *l)
{
	must(l->depth == 0);
	append_lasts(l);
	for (struct conn *c = l->turns; c; c = c->next_turn)
		c->in_turns = false;
	end_rests(l);
	(void)event_del(&l->soon);
	(void)event_del(&l->later);
	pool_free(l->pool, l->scratch, CONN_SCRATCH);
	free(l->record);
}

void
conn_loop_doom(struct conn_loop *l, void (*destroy)(struct conn_loop *l))
{
	l->destroy = destroy;
	l->doomed = true;
	if (l->depth == 0)
		destroy(l);
}

/* Opening and closing. */

static void
note_event(struct conn *c, short what)
{
	if (what & EV_CLOSED)
		c->hung_up = true;
	if (what & (EV_READ | EV_CLOSED)) {
		c->readable = c->fresh = true;
		c->writable |= c->write_on_read;
		c->write_on_read = false;
	}
	if (what & EV_WRITE) {
		c->writable = true;
		c->readable |= c->read_on_write;
		c->read_on_write = false;
	}
}

static void
socket_event(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;
	struct conn_loop *l = c->loop;

	(void)fd;
	note_event(c, what);
	enter(l);
	c->role->ready(c);
	leave(l);
}

bool
conn_open(struct conn *c, struct conn_loop *l, int fd,
	  const struct conn_role *role, const struct conn_io *io)
{
	c->loop = l;
	c->role = role;
	c->io = io;
	return event_assign(&c->event, l->base, fd,
			    EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST,
			    socket_event, c) == 0 &&
	       event_add(&c->event, NULL) == 0;
}

static void
drop_queue(struct conn *c)
{
	while (c->first) {
		struct conn_block *b = c->first;

		c->first = b->next;
		pool_give(c->loop->pool, b);
	}
	c->last = NULL;
	c->queued = 0;
}

void
conn_close(struct conn *c)
{
	if (c->closed)
		return;
	c->closed = true;
	c->readable = c->writable = false;
	c->n = 0;
	if (c->io->free)
		c->io->free(c);
	(void)event_del(&c->event);
	(void)close(conn_fd(c));
	wheel_disarm(&c->timer);
	drop_queue(c);
}

void
conn_reset(struct conn *c)
{
	const struct linger hard = {.l_onoff = 1, .l_linger = 0};

	if (c->closed)
		return;
	(void)setsockopt(conn_fd(c), SOL_SOCKET, SO_LINGER, &hard,
			 sizeof(hard));
	conn_close(c);
}

void
conn_release(struct conn *c)
{
	must(c->closed);
	if (c->released)
		return;
	c->released = true;
	c->next_rest = c->loop->resting;
	c->loop->resting = c;
	ask_later(c->loop);
}

void
conn_later(struct conn *c)
{
	struct conn_loop *l = c->loop;

	if (c->in_turns || c->released)
		return;
	c->in_turns = true;
	c->next_turn = NULL;
	*l->turns_end = c;
	l->turns_end = &c->next_turn;
	if (l->depth == 0)
		event_active(&l->soon, EV_TIMEOUT, 1);
}

void
conn_last(struct conn *c)
{
	struct conn_loop *l = c->loop;

	if (c->in_turns || c->released)
		return;
	c->in_turns = true;
	c->next_turn = NULL;
	*l->lasts_end = c;
	l->lasts_end = &c->next_turn;
	ask_later(l);
}

static void
timer_fired(struct wheel_timer *t)
{
	struct conn *c = (void *)((char *)t - offsetof(struct conn, timer));
	struct conn_loop *l = c->loop;

	if (c->due_ns == 0)
		return;
	if (c->due_ns > t->due_ns) {
		/* Moved while the timer was armed: moving it then would have
		 * cost more, most of the time for nothing. */
		wheel_arm(l->wheel, t, c->due_ns, timer_fired);
		return;
	}
	c->due_ns = 0;
	enter(l);
	c->role->due(c);
	leave(l);
}

void
conn_deadline(struct conn *c, uint64_t due_ns)
{
	c->due_ns = due_ns;
	if (due_ns && !c->closed &&
	    (!c->timer.prev || c->timer.due_ns > due_ns))
		wheel_arm(c->loop->wheel, &c->timer, due_ns, timer_fired);
}

/* Input. */

/* Room behind the held input, which may take up to `max` bytes. */
static bool
make_room(struct conn *c, size_t max)
{
	size_t size = c->held_size;
	char *moved;

	if (c->bytes > c->held) {
		memmove(c->held, c->bytes, c->n);
		c->bytes = c->held;
	}
	if (c->n < size)
		return true;
	if (size < POOL_BLOCK) {
		size = POOL_BLOCK;
	} else {
		must(size < max);
		size = MIN_OF(size * 2, max);
	}
	moved = pool_realloc(c->loop->pool, c->held, c->held_size, size);
	if (!moved)
		return false;
	c->held = c->bytes = moved;
	c->held_size = (uint32_t)size;
	return true;
}

ssize_t
conn_fill(struct conn *c, size_t max)
{
	struct iovec iov;
	ssize_t got;

	if (c->n == 0) {
		drop_held(c);
		c->bytes = c->loop->scratch;
		iov = (struct iovec){c->bytes, MIN_OF(max, CONN_SCRATCH)};
	} else {
		must(c->held);
		if (!make_room(c, max))
			return CONN_NO_MEMORY;
		iov = (struct iovec){c->bytes + c->n, c->held_size - c->n};
	}
	got = c->io->read(c, &iov, 1);
	if (got > 0)
		c->n += (uint32_t)got;
	return got;
}

ssize_t
conn_read(struct conn *c, char *p, size_t room)
{
	struct iovec iov[2] = {{p, room}, {c->loop->scratch, CONN_SCRATCH}};
	ssize_t got;

	must(c->n == 0);
	got = c->io->read(c, iov, 2);
	if (got <= 0 || (size_t)got <= room)
		return got;
	drop_held(c);
	c->bytes = c->loop->scratch;
	c->n = (uint32_t)((size_t)got - room);
	return (ssize_t)room;
}

char *
conn_take(struct conn *c, size_t *skip)
{
	struct conn_loop *l = c->loop;
	char *taken = l->scratch;
	char *fresh;

	if (c->n == 0 || c->held)
		return NULL;
	fresh = pool_alloc(l->pool, CONN_SCRATCH);
	if (!fresh)
		return NULL;
	*skip = (size_t)(c->bytes - taken);
	l->scratch = c->bytes = fresh;
	c->n = 0;
	return taken;
}

void
conn_use(struct conn *c, size_t n)
{
	must(n <= c->n);
	if (n == 0)
		return;
	c->bytes += n;
	c->n -= (uint32_t)n;
}

bool
conn_keep(struct conn *c)
{
	/* A few bytes of a head that come slowly hold no whole block. */
	size_t size =
		c->n <= POOL_SMALL ? POOL_SMALL : MAX_OF(c->n, POOL_BLOCK);

	if (c->n == 0) {
		drop_held(c);
		return true;
	}
	if (c->held)
		return true;
	c->held = pool_alloc(c->loop->pool, size);
	if (!c->held)
		return false;
	c->held_size = (uint32_t)size;
	memcpy(c->held, c->bytes, c->n);
	c->bytes = c->held;
	return true;
}

/* Output. */

static struct conn_block *
new_block(struct conn *c)
{
	struct conn_block *b = pool_block(c->loop->pool);

	if (!b)
		return NULL;
	b->next = NULL;
	b->at = b->end = 0;
	if (c->last)
		c->last->next = b;
	else
		c->first = b;
	c->last = b;
	return b;
}

static bool
queue_bytes(struct conn *c, const char *p, size_t n)
{
	while (n > 0) {
		struct conn_block *b = c->last;
		size_t room = b ? BLOCK_ROOM - b->end : 0;

		if (room == 0) {
			b = new_block(c);
			if (!b)
				return false;
			room = BLOCK_ROOM;
		}
		room = MIN_OF(room, n);
		memcpy(b->bytes + b->end, p, room);
		b->end += (uint32_t)room;
		c->queued += room;
		p += room;
		n -= room;
	}
	return true;
}

/* Queues the pieces but for their first `skip` bytes. */
static enum err
queue_rest(struct conn *c, const struct iovec *iov, unsigned n, size_t skip)
{
	for (unsigned i = 0; i < n; i++) {
		size_t cut = MIN_OF(skip, iov[i].iov_len);

		skip -= cut;
		if (!queue_bytes(c, (const char *)iov[i].iov_base + cut,
				 iov[i].iov_len - cut))
			return E_OVERLOAD;
	}
	return E_OK;
}

/* The queue's first bytes were taken; returns what exceeds the queue. */
static size_t
shorten_queue(struct conn *c, size_t n)
{
	while (n > 0 && c->first) {
		struct conn_block *b = c->first;
		size_t cut = MIN_OF(n, b->end - b->at);

		b->at += (uint32_t)cut;
		c->queued -= cut;
		n -= cut;
		if (b->at < b->end)
			break;
		c->first = b->next;
		if (!c->first)
			c->last = NULL;
		pool_give(c->loop->pool, b);
	}
	return n;
}

static int
queue_iov(const struct conn *c, struct iovec *iov)
{
	int n = 0;

	for (struct conn_block *b = c->first; b && n < FLUSH_PIECES;
	     b = b->next)
		iov[n++] = (struct iovec){b->bytes + b->at, b->end - b->at};
	return n;
}

enum err
conn_flush(struct conn *c)
{
	while (c->queued > 0 && c->writable) {
		struct iovec iov[FLUSH_PIECES];
		int n = queue_iov(c, iov);
		ssize_t took = c->io->write(c, iov, n);

		if (took == CONN_AGAIN)
			break;
		if (took < 0)
			return E_CLIENT_GONE;
		c->taken += (size_t)took;
		(void)shorten_queue(c, (size_t)took);
	}
	return E_OK;
}

enum err
conn_hold(struct conn *c, const struct iovec *iov, unsigned n)
{
	c->given += iov_size(iov, (int)n);
	return queue_rest(c, iov, n, 0);
}

enum err
conn_send(struct conn *c, const struct iovec *iov, unsigned n)
{
	struct iovec all[FLUSH_PIECES + CONN_PIECES];
	size_t size = iov_size(iov, (int)n);
	ssize_t took;
	size_t beyond;
	enum err e;
	int m;

	must(n <= CONN_PIECES);
	c->given += size;
	if (!c->writable)
		return queue_rest(c, iov, n, 0);
	m = queue_iov(c, all);
	if (m == FLUSH_PIECES) { /* perhaps there is more behind them */
		e = queue_rest(c, iov, n, 0);
		return e == E_OK ? conn_flush(c) : e;
	}
	for (unsigned i = 0; i < n; i++)
		all[m + (int)i] = iov[i];
	took = c->io->write(c, all, m + (int)n);
	if (took == CONN_FAILED)
		return E_CLIENT_GONE;
	took = MAX_OF(took, 0);
	c->taken += (size_t)took;
	beyond = shorten_queue(c, (size_t)took);
	if (beyond == size && c->queued == 0)
		return E_OK;
	e = queue_rest(c, iov, n, beyond);
	return e == E_OK ? conn_flush(c) : e;
}
