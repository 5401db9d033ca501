/*
 * The table of processes, the hint rings and the doorbells. Rows are taken
 * by the master, filled by the worker and freed by the writer.
 */
#include "shm/workers.h"

#include <errno.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"
#include "shm/metrics.h"

void
ring_push(struct hint_ring *ring, uint32_t slot)
{
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);

	if (head - tail >= RING_SIZE) {
		atomic_store_explicit(&ring->scan_me, 1, memory_order_release);
		return;
	}
	ring->slot[head % RING_SIZE] = slot;
	atomic_store_explicit(&ring->head, head + 1, memory_order_release);
}

bool
ring_pop(struct hint_ring *ring, uint32_t *slot)
{
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

	if (tail == atomic_load_explicit(&ring->head, memory_order_acquire))
		return false;
	*slot = ring->slot[tail % RING_SIZE];
	atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
	return true;
}

void
writer_sleeps(struct region *r, bool asleep)
{
	/* Store, then look at the rings: the counterpart of the fence below. */
	atomic_store_explicit(&r->head->writer_asleep, asleep,
			      memory_order_seq_cst);
	atomic_thread_fence(memory_order_seq_cst);
}

bool
writer_to_wake(struct region *r)
{
	atomic_thread_fence(memory_order_seq_cst);
	if (!atomic_load_explicit(&r->head->writer_asleep,
				  memory_order_relaxed))
		return false;
	return atomic_exchange_explicit(&r->head->writer_asleep, 0,
					memory_order_relaxed) != 0;
}

static void
row_fill(struct worker_row *w, uint32_t epoch, uint32_t generation,
	 uint32_t number)
{
	w->pid = 0;
	w->spawn_epoch = epoch;
	w->generation = generation;
	w->heartbeat_ns = clock_mono_ns();
	w->started_ms = clock_wall_ns() / NS_PER_MS;
	w->connections = 0;
	w->requests = 0;
	w->streams = 0;
	w->waiting = 0;
	w->number = number;
	atomic_store_explicit(&w->state, WORKER_STARTING, memory_order_release);
}

uint32_t
worker_row_take(struct region *r, uint32_t generation, uint32_t number)
{
	for (uint32_t i = 0; i < r->head->n_workers; i++) {
		struct worker_row *w = &r->workers[i];
		struct metrics_block *b = metrics_of_worker(r, i);

		if (atomic_load_explicit(&w->state, memory_order_acquire) !=
		    WORKER_UNUSED)
			continue;
		if (region_reserve(r, b, sizeof(*b)) != E_OK ||
		    region_reserve(r, &r->rings[i], sizeof(r->rings[i])) !=
			    E_OK)
			return SHM_NONE;
		metrics_adopt(b);
		row_fill(w, r->head->next_spawn_epoch++, generation, number);
		return i;
	}
	return SHM_NONE;
}

void
doorbell_ring(int fd)
{
	const uint64_t one = 1;

	/* EAGAIN: it is ringing already. */
	while (write(fd, &one, sizeof(one)) < 0 && errno == EINTR)
		continue;
}

void
doorbell_clear(int fd)
{
	uint64_t n;

	while (read(fd, &n, sizeof(n)) < 0 && errno == EINTR)
		continue;
}
