/*
 * The generation of a commit comes from a load of the word that says SETTLED.
 * Between an earlier look and that one the owner may have freed the slot and
 * settled the next request in it: with the older generation its charge would
 * be found posted, and never be. The model's mutant M_STALEGEN, in C: here
 * the writer rests between the two looks, and the owner is fast.
 */
#include <pthread.h>
#include <unistd.h>

#include "tests/tap.h"
#include "tests/unit/billing/desk.h"

#define REQUESTS 300
#define COST	 7

struct owner {
	struct desk *d;
	struct slot_owner *slots;
	_Atomic bool done;
	uint32_t slot; /* of all of them */
	uint32_t moved;
};

static void
request(struct owner *o)
{
	struct hold h;

	must(fix_hold(o->slots, &h, 0, SHM_NONE, 100));
	o->moved += o->slot != SHM_NONE && h.slot != o->slot;
	o->slot = h.slot;
	hold_settle(o->slots, &h, money_nano(COST), money_nano(0),
		    REASON_NORMAL, false);
	while (!hold_committed(o->slots, &h))
		continue;
	/* It is freed by us, once the writer has given the rest back. */
	while (word_mask(o->d->r->slots[h.slot].word) != 0)
		continue;
	hold_sent(o->slots, &h);
}

static void *
run_owner(void *arg)
{
	struct owner *o = arg;

	for (int i = 0; i < REQUESTS; i++)
		request(o);
	o->done = true;
	return NULL;
}

TEST(a_slot_that_is_used_again_between_two_looks_is_posted)
{
	static struct crash_word crash;
	struct desk d;
	struct owner o = {.d = &d, .slot = SHM_NONE};
	uint64_t before, end;
	pthread_t thread;
	uint32_t row;

	desk_open(&d);
	before = d.post.meta.next_seq;
	o.slots = fix_worker(&d.f, &row);
	crash.pause = CP_STEP_LOOKED;
	crash_share(&crash);
	end = clock_mono_ns() + 60 * NS_PER_SEC;
	must(pthread_create(&thread, NULL, run_owner, &o) == 0);
	while (!o.done && clock_mono_ns() < end)
		must(desk_settle(&d) == STORE_OK);
	must(o.done);
	must(pthread_join(thread, NULL) == 0);
	CHECK_INT(desk_settle(&d), STORE_OK);
	CHECK_INT(d.post.meta.next_seq - before, REQUESTS);
	CHECK_INT(fix_available(&d.f, 0), 10 * USD - REQUESTS * COST);
	CHECK_INT(o.moved, 0);
	CHECK(audit_run(&d.audit));
	slot_owner_free(o.slots);
	desk_close(&d);
}

int
main(void)
{
	RUN(a_slot_that_is_used_again_between_two_looks_is_posted);
	return tap_done();
}
