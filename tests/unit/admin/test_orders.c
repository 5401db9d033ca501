/* Orders: answered once, sent again to a new writer, never for ever. */
#include <sys/socket.h>
#include <unistd.h>

#include "admin/orders.h"
#include "base/clock.h"
#include "tests/tap.h"

static struct region region;
static int ends[2]; /* 0: the writer's */

struct heard {
	unsigned times;
	bool answered;
	uint32_t result;
};

static void
hear(void *user, const struct order *order, const struct order_answer *answer)
{
	struct heard *h = user;

	(void)order;
	h->times++;
	h->answered = answer != NULL;
	if (answer)
		h->result = answer->result;
}

static struct admin_orders *
open_orders(void)
{
	CHECK(region_anonymous(&region, 256, 8) == E_OK);
	region.head->writer_pid = 100;
	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) == 0);
	return orders_new(&region, ends[1]);
}

static void
close_orders(struct admin_orders *o)
{
	orders_free(o);
	(void)close(ends[0]);
	(void)close(ends[1]);
	region_close(&region);
}

static bool
receive(struct order *o)
{
	return recv(ends[0], o, sizeof(*o), MSG_DONTWAIT) ==
	       (ssize_t)sizeof(*o);
}

static void
reply(struct admin_orders *o, uint64_t id)
{
	struct order_answer a = {.id = id, .result = ORDER_EXISTS};

	CHECK(send(ends[0], &a, sizeof(a), 0) > 0);
	orders_read(o);
}

TEST(an_answer_is_heard_once)
{
	struct admin_orders *o = open_orders();
	struct order order = {.kind = ORDER_AUDIT}, got;
	struct heard h = {0, false, 0};

	CHECK(orders_send(o, &order, hear, &h) == E_OK);
	CHECK(receive(&got));
	CHECK(got.idem[0] != '\0');
	reply(o, got.id + 1);
	CHECK_INT(h.times, 0);
	reply(o, got.id);
	reply(o, got.id);
	CHECK_INT(h.times, 1);
	CHECK(h.answered);
	CHECK_INT(h.result, ORDER_EXISTS);
	CHECK_INT(orders_waiting(o), 0);
	close_orders(o);
}

TEST(a_new_writer_gets_what_is_unanswered_as_it_was)
{
	struct admin_orders *o = open_orders();
	struct order order = {.kind = ORDER_AUDIT}, first, second;
	struct heard h = {0, false, 0};

	CHECK(orders_send(o, &order, hear, &h) == E_OK);
	CHECK(receive(&first));
	orders_tick(o, clock_mono_ns());
	CHECK(!receive(&second));
	region.head->writer_pid = 0; /* between two writers */
	orders_tick(o, clock_mono_ns());
	CHECK(!receive(&second));
	region.head->writer_pid = 101;
	orders_tick(o, clock_mono_ns());
	CHECK(receive(&second));
	CHECK(memcmp(&first, &second, sizeof(first)) == 0);
	orders_tick(o, clock_mono_ns());
	CHECK(!receive(&second));
	reply(o, first.id);
	CHECK_INT(h.times, 1);
	close_orders(o);
}

TEST(without_an_answer_the_owner_is_told_at_last)
{
	struct admin_orders *o = open_orders();
	struct order order = {.kind = ORDER_AUDIT};
	struct heard h = {0, true, 0};

	CHECK(orders_send(o, &order, hear, &h) == E_OK);
	orders_tick(o, clock_mono_ns() + 29 * NS_PER_SEC);
	CHECK_INT(h.times, 0);
	orders_tick(o, clock_mono_ns() + 31 * NS_PER_SEC);
	CHECK_INT(h.times, 1);
	CHECK(!h.answered);
	close_orders(o);
}

TEST(a_full_queue_is_sent_later_in_order_and_too_many_are_refused)
{
	struct admin_orders *o = open_orders();
	struct order order = {.kind = ORDER_AUDIT}, got;
	struct heard h = {0, false, 0};
	unsigned sent = 0, received = 0;
	uint64_t last = 0;

	while (orders_send(o, &order, hear, &h) == E_OK && sent < 10000)
		sent++;
	CHECK(sent > 10 && sent < 10000);
	for (int round = 0; round < 10000 && received < sent; round++) {
		while (receive(&got)) {
			CHECK(received == 0 || got.id == last + 1);
			last = got.id;
			received++;
		}
		orders_tick(o, clock_mono_ns());
	}
	CHECK_INT(received, sent);
	close_orders(o);
}

int
main(void)
{
	RUN(an_answer_is_heard_once);
	RUN(a_new_writer_gets_what_is_unanswered_as_it_was);
	RUN(without_an_answer_the_owner_is_told_at_last);
	RUN(a_full_queue_is_sent_later_in_order_and_too_many_are_refused);
	return tap_done();
}
