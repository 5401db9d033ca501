/* Worker rows, hint rings, doorbells. */
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/must.h"
#include "shm/metrics.h"
#include "shm/workers.h"
#include "tests/tap.h"

TEST(a_ring_gives_hints_in_their_order)
{
	static struct hint_ring ring;
	uint32_t slot;

	CHECK(!ring_pop(&ring, &slot));
	for (uint32_t n = 0; n < 3 * RING_SIZE; n += 3) {
		for (uint32_t i = 0; i < 3; i++)
			ring_push(&ring, n + i);
		for (uint32_t i = 0; i < 3; i++) {
			CHECK(ring_pop(&ring, &slot));
			CHECK_INT(slot, n + i);
		}
	}
	CHECK_INT(ring.scan_me, 0);
}

TEST(a_full_ring_asks_for_a_scan)
{
	static struct hint_ring ring = {.head = UINT32_MAX - 5,
					.tail = UINT32_MAX - 5};
	uint32_t slot;

	for (uint32_t i = 0; i < RING_SIZE; i++)
		ring_push(&ring, i);
	CHECK_INT(ring.scan_me, 0);
	ring_push(&ring, 7);
	CHECK_INT(ring.scan_me, 1);
	for (uint32_t i = 0; i < RING_SIZE; i++) {
		CHECK(ring_pop(&ring, &slot));
		CHECK_INT(slot, i);
	}
	CHECK(!ring_pop(&ring, &slot));
}

TEST(each_process_has_a_row_and_an_epoch_of_its_own)
{
	struct region r;

	must(region_anonymous(&r, SLOT_PAGE, 3) == E_OK);
	for (uint32_t i = 0; i < 3; i++) {
		CHECK_INT(worker_row_take(&r, 4, 7), i);
		CHECK_INT(r.workers[i].spawn_epoch, i + 1);
		CHECK_INT(r.workers[i].state, WORKER_STARTING);
		CHECK_INT(r.workers[i].generation, 4);
		CHECK_INT(r.workers[i].number, 7);
	}
	CHECK_INT(worker_row_take(&r, 4, 7), SHM_NONE);
	r.workers[1].state = WORKER_DEAD;
	CHECK_INT(worker_row_take(&r, 4, 7), SHM_NONE);
	r.workers[1].state = WORKER_UNUSED;
	CHECK_INT(worker_row_take(&r, 5, 8), 1);
	CHECK_INT(r.workers[1].spawn_epoch, 4);
	region_close(&r);
}

TEST(a_new_process_goes_on_with_the_counters_but_not_the_gauges)
{
	struct region r;
	struct metrics_block *b;
	uint32_t row;

	must(region_anonymous(&r, SLOT_PAGE, 1) == E_OK);
	row = worker_row_take(&r, 1, 0);
	b = metrics_of_worker(&r, row);
	metric_add(b, M_REJECTED + REJECT_AUTH, 3);
	metric_add(b, M_STREAMS_OPEN + ROUTE_CHAT, 2);
	r.workers[row].state = WORKER_UNUSED;
	CHECK_INT(worker_row_take(&r, 1, 0), row);
	CHECK_INT(b->cell[M_REJECTED + REJECT_AUTH], 3);
	CHECK_INT(b->cell[M_STREAMS_OPEN + ROUTE_CHAT], 0);
	region_close(&r);
}

TEST(the_writer_is_woken_once_and_only_when_it_sleeps)
{
	struct region r;

	must(region_anonymous(&r, SLOT_PAGE, 1) == E_OK);
	CHECK(!writer_to_wake(&r));
	writer_sleeps(&r, true);
	CHECK(writer_to_wake(&r));
	CHECK(!writer_to_wake(&r));
	writer_sleeps(&r, true);
	writer_sleeps(&r, false);
	CHECK(!writer_to_wake(&r));
	region_close(&r);
}

TEST(a_doorbell_rings_until_it_is_cleared)
{
	struct pollfd p = {.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
			   .events = POLLIN};

	must(p.fd >= 0);
	doorbell_clear(p.fd);
	CHECK_INT(poll(&p, 1, 0), 0);
	doorbell_ring(p.fd);
	doorbell_ring(p.fd);
	CHECK_INT(poll(&p, 1, 0), 1);
	doorbell_clear(p.fd);
	CHECK_INT(poll(&p, 1, 0), 0);
	(void)close(p.fd);
}

int
main(void)
{
	RUN(a_ring_gives_hints_in_their_order);
	RUN(a_full_ring_asks_for_a_scan);
	RUN(each_process_has_a_row_and_an_epoch_of_its_own);
	RUN(a_new_process_goes_on_with_the_counters_but_not_the_gauges);
	RUN(the_writer_is_woken_once_and_only_when_it_sleeps);
	RUN(a_doorbell_rings_until_it_is_cleared);
	return tap_done();
}
