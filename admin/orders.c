/* Orders to the ledger writer, see orders.h. */
#include "admin/orders.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/hash.h"

#define WAITING_MAX 256u
#define PATIENCE_NS (30 * NS_PER_SEC)
#define AGAIN_NS    (5 * NS_PER_SEC)

struct waiting {
	struct waiting *next;
	struct order order;
	order_fn *done;
	void *user;
	uint64_t asked_ns;
	uint64_t sent_ns; /* 0 = not yet, or not to this writer */
};

struct admin_orders {
	const struct region *region;
	int fd;
	uint64_t next_id;
	uint32_t writer_pid;
	unsigned n;
	struct waiting *waiting; /* oldest first */
	struct waiting **last;
};

struct admin_orders *
orders_new(const struct region *r, int fd)
{
	struct admin_orders *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->region = r;
	o->fd = fd;
	o->last = &o->waiting;
	/* Answers to the orders of an earlier admin process fit none. */
	random_bytes(&o->next_id, sizeof(o->next_id));
	o->writer_pid = atomic_load(&r->head->writer_pid);
	return o;
}

void
orders_free(struct admin_orders *o)
{
	if (!o)
		return;
	while (o->waiting) {
		struct waiting *w = o->waiting;

		o->waiting = w->next;
		free(w);
	}
	free(o);
}

/* In order: an order must not overtake one before it. */
static void
send_unsent(struct admin_orders *o)
{
	for (struct waiting *w = o->waiting; w; w = w->next) {
		if (w->sent_ns)
			continue;
		if (send(o->fd, &w->order, sizeof(w->order),
			 MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			return; /* the queue is full: at the next tick */
		w->sent_ns = clock_mono_ns();
	}
}

static void
idem_fill(struct order *order)
{
	uint64_t r[2];

	random_bytes(r, sizeof(r));
	(void)snprintf(order->idem, sizeof(order->idem), "auto-%016llx%016llx",
		       (unsigned long long)r[0], (unsigned long long)r[1]);
}

enum err
orders_send(struct admin_orders *o, struct order *order, order_fn *done,
	    void *user)
{
	struct waiting *w;

	if (o->n >= WAITING_MAX)
		return E_OVERLOAD;
	w = calloc(1, sizeof(*w));
	if (!w)
		return E_NO_MEMORY;
	order->id = o->next_id++;
	if (order->idem[0] == '\0')
		idem_fill(order);
	w->order = *order;
	w->done = done;
	w->user = user;
	w->asked_ns = clock_mono_ns();
	*o->last = w;
	o->last = &w->next;
	o->n++;
	send_unsent(o);
	return E_OK;
}

/* Takes `w` out of the list and tells its owner. */
static void
finish(struct admin_orders *o, struct waiting **at,
       const struct order_answer *answer)
{
	struct waiting *w = *at;

	*at = w->next;
	if (o->last == &w->next)
		o->last = at;
	o->n--;
	w->done(w->user, &w->order, answer);
	bytes_wipe(&w->order, sizeof(w->order));
	free(w);
}

void
orders_read(struct admin_orders *o)
{
	struct order_answer answer;

	while (recv(o->fd, &answer, sizeof(answer), MSG_DONTWAIT) ==
	       (ssize_t)sizeof(answer)) {
		struct waiting **at = &o->waiting;

		while (*at && (*at)->order.id != answer.id)
			at = &(*at)->next;
		if (*at)
			finish(o, at, &answer);
	}
	send_unsent(o);
}

void
orders_tick(struct admin_orders *o, uint64_t now_ns)
{
	uint32_t pid = atomic_load(&o->region->head->writer_pid);

	bool is_new = pid != 0 && pid != o->writer_pid;

	if (is_new)
		o->writer_pid = pid;
	/* An answer may be lost in a full queue as well. */
	for (struct waiting *w = o->waiting; w; w = w->next)
		if (is_new || (w->sent_ns && now_ns > w->sent_ns + AGAIN_NS))
			w->sent_ns = 0;
	while (o->waiting && now_ns - o->waiting->asked_ns > PATIENCE_NS)
		finish(o, &o->waiting, NULL);
	send_unsent(o);
}

unsigned
orders_waiting(const struct admin_orders *o)
{
	return o->n;
}
