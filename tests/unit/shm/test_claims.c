/* Claims: at most one request runs for a hash. */
#include <pthread.h>

#include "shm/claims.h"
#include "shm/steps.h"
#include "shm/workers.h"
#include "tests/tap.h"

#define SLOTS	(4 * SLOT_PAGE)
#define WORKERS 4u
#define THREADS 4u

struct side {
	struct region *r;
	struct slot_owner *o;
	uint32_t row, epoch;
};

static struct side
side_new(struct region *r, uint32_t row, uint32_t epoch)
{
	r->workers[row].spawn_epoch = epoch;
	r->workers[row].state = WORKER_READY;
	return (struct side){r, slot_owner_new(r, row, epoch), row, epoch};
}

static struct hold
claimed(struct side *s, uint64_t a, uint64_t b)
{
	struct hold h;

	CHECK_INT(hold_claim(s->o, &h), E_OK);
	atomic_store(&s->r->notes[h.slot].idem[0], a);
	atomic_store(&s->r->notes[h.slot].idem[1], b);
	return h;
}

static enum claim
take(struct side *s, const struct hold *h)
{
	return claim_take(s->r, h, s->epoch);
}

static void
let_go(struct side *s, struct hold *h, uint64_t a, uint64_t b)
{
	const uint64_t idem[2] = {a, b};

	claim_drop(s->r, h->slot, h->gen, idem);
	hold_unclaim(s->o, h);
}

TEST(one_hash_is_claimed_once_and_again_when_it_was_let_go)
{
	struct region r;
	struct side a, b;
	struct hold h, g, other;

	CHECK(region_anonymous(&r, SLOTS, WORKERS) == E_OK);
	a = side_new(&r, 0, 1);
	b = side_new(&r, 1, 2);
	h = claimed(&a, 5, 6);
	CHECK_INT(take(&a, &h), CLAIM_TAKEN);
	g = claimed(&b, 5, 6);
	CHECK_INT(take(&b, &g), CLAIM_RUNS);
	other = claimed(&b, 5, 7);
	CHECK_INT(take(&b, &other), CLAIM_TAKEN);
	let_go(&a, &h, 5, 6);
	CHECK_INT(take(&b, &g), CLAIM_TAKEN);
	slot_owner_free(a.o);
	slot_owner_free(b.o);
	region_close(&r);
}

TEST(a_claim_ends_with_its_slot)
{
	struct hold_spec spec = {.k = 0};
	struct region r;
	struct side a, b;
	struct hold h, g;

	CHECK(region_anonymous(&r, SLOTS, WORKERS) == E_OK);
	a = side_new(&r, 0, 1);
	b = side_new(&r, 1, 2);
	h = claimed(&a, 5, 6);
	CHECK_INT(take(&a, &h), CLAIM_TAKEN);
	CHECK_INT(hold_take(a.o, &h, &spec), E_OK);
	g = claimed(&b, 5, 6);
	CHECK_INT(take(&b, &g), CLAIM_RUNS);
	hold_settle(a.o, &h, money_nano(0), money_nano(0), REASON_NORMAL, true);
	CHECK_INT(take(&b, &g), CLAIM_RUNS);
	slot_durable(&r, h.slot);
	CHECK_INT(take(&b, &g), CLAIM_RUNS);
	slot_free(&r, h.slot);
	CHECK_INT(take(&b, &g), CLAIM_TAKEN);
	slot_owner_free(a.o);
	slot_owner_free(b.o);
	region_close(&r);
}

TEST(a_dead_worker_claims_nothing_and_its_holds_until_they_are_reaped)
{
	struct hold_spec spec = {.k = 0};
	struct region r;
	struct side a, b;
	struct hold h, held, g;

	CHECK(region_anonymous(&r, SLOTS, WORKERS) == E_OK);
	a = side_new(&r, 0, 1);
	b = side_new(&r, 1, 2);
	h = claimed(&a, 5, 6);
	CHECK_INT(take(&a, &h), CLAIM_TAKEN);
	held = claimed(&a, 8, 8);
	CHECK_INT(take(&a, &held), CLAIM_TAKEN);
	CHECK_INT(hold_take(a.o, &held, &spec), E_OK);
	r.workers[0].state = WORKER_DEAD;
	g = claimed(&b, 5, 6);
	CHECK_INT(take(&b, &g), CLAIM_TAKEN);
	g = claimed(&b, 8, 8);
	CHECK_INT(take(&b, &g), CLAIM_RUNS);
	while (slot_reap(&r, held.slot))
		continue;
	CHECK_INT(take(&b, &g), CLAIM_RUNS);
	slot_durable(&r, held.slot);
	slot_free(&r, held.slot);
	CHECK_INT(take(&b, &g), CLAIM_TAKEN);
	slot_owner_free(a.o);
	slot_owner_free(b.o);
	region_close(&r);
}

TEST(the_heir_of_a_dead_workers_page_is_not_taken_for_it)
{
	struct region r;
	struct side a, b, c;
	struct hold h, g, heir;

	CHECK(region_anonymous(&r, SLOTS, WORKERS) == E_OK);
	a = side_new(&r, 0, 1);
	b = side_new(&r, 1, 2);
	h = claimed(&a, 5, 6);
	CHECK_INT(take(&a, &h), CLAIM_TAKEN);
	/* dies; its page goes to another, the slot keeps its generation */
	r.workers[0].state = WORKER_UNUSED;
	r.pages[h.slot / SLOT_PAGE].owner = 0;
	c = side_new(&r, 2, 3);
	g = claimed(&b, 5, 6);
	CHECK_INT(take(&b, &g), CLAIM_TAKEN);
	let_go(&b, &g, 5, 6);
	/* the heir asks for the same with the very same slot */
	heir = claimed(&c, 5, 6);
	if (heir.slot == h.slot)
		CHECK_INT(heir.gen, h.gen);
	CHECK_INT(take(&c, &heir), CLAIM_TAKEN);
	g = claimed(&b, 5, 6);
	CHECK_INT(take(&b, &g), CLAIM_RUNS);
	slot_owner_free(a.o);
	slot_owner_free(b.o);
	slot_owner_free(c.o);
	region_close(&r);
}

TEST(cells_of_nonsense_do_no_harm)
{
	struct region r;
	struct side a;
	struct hold h;

	CHECK(region_anonymous(&r, SLOTS, WORKERS) == E_OK);
	for (uint32_t i = 0; i < CLAIM_CELLS(SLOTS); i++)
		r.claims[i] = 0xfedcba9876543210ull * (i + 1);
	a = side_new(&r, 0, 1);
	h = claimed(&a, 5, 6);
	CHECK_INT(take(&a, &h), CLAIM_TAKEN);
	slot_owner_free(a.o);
	region_close(&r);
}

TEST(all_places_may_be_others)
{
	struct region r;
	struct side a;
	struct hold h;
	unsigned full = 0, taken = 0;

	/* More claims than a hash has places: none is lost or doubled. */
	CHECK(region_anonymous(&r, SLOTS, WORKERS) == E_OK);
	a = side_new(&r, 0, 1);
	for (uint64_t i = 1; i <= SLOTS; i++) {
		h = claimed(&a, i * 0x9e3779b97f4a7c15ull | 1, i);
		switch (take(&a, &h)) {
		case CLAIM_TAKEN: taken++; break;
		case CLAIM_FULL: full++; break;
		case CLAIM_RUNS: CHECK(false); break;
		}
	}
	CHECK_INT(taken + full, SLOTS);
	CHECK(full < SLOTS / 50);
	slot_owner_free(a.o);
	region_close(&r);
}

/* ---- at once ---- */

struct race {
	struct side side;
	_Atomic uint32_t *running;
	_Atomic uint32_t *wrong;
	uint32_t taken;
};

static void *
run(void *arg)
{
	struct race *race = arg;
	struct side *s = &race->side;

	for (uint64_t i = 0; i < 20000; i++) {
		uint64_t a = i % 3 + 1;
		struct hold h = claimed(s, a, a);

		if (take(s, &h) == CLAIM_TAKEN) {
			if (atomic_fetch_add(&race->running[a], 1) != 0)
				atomic_fetch_add(race->wrong, 1);
			race->taken++;
			atomic_fetch_sub(&race->running[a], 1);
			let_go(s, &h, a, a);
		} else {
			hold_unclaim(s->o, &h);
		}
	}
	return NULL;
}

TEST(of_many_at_once_never_two_run)
{
	_Atomic uint32_t running[4] = {0}, wrong = 0;
	struct race race[THREADS];
	pthread_t thread[THREADS];
	struct region r;

	CHECK(region_anonymous(&r, SLOTS, WORKERS) == E_OK);
	for (uint32_t i = 0; i < THREADS; i++)
		race[i] = (struct race){side_new(&r, i, i + 1), running, &wrong,
					0};
	for (uint32_t i = 0; i < THREADS; i++)
		CHECK(pthread_create(&thread[i], NULL, run, &race[i]) == 0);
	for (uint32_t i = 0; i < THREADS; i++) {
		CHECK(pthread_join(thread[i], NULL) == 0);
		CHECK(race[i].taken > 0);
		slot_owner_free(race[i].side.o);
	}
	CHECK_INT(wrong, 0);
	region_close(&r);
}

int
main(void)
{
	RUN(one_hash_is_claimed_once_and_again_when_it_was_let_go);
	RUN(a_claim_ends_with_its_slot);
	RUN(a_dead_worker_claims_nothing_and_its_holds_until_they_are_reaped);
	RUN(the_heir_of_a_dead_workers_page_is_not_taken_for_it);
	RUN(cells_of_nonsense_do_no_harm);
	RUN(all_places_may_be_others);
	RUN(of_many_at_once_never_two_run);
	return tap_done();
}
