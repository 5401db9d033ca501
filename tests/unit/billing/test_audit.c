/* The online audit: exact in every state, and while others work. */
#include <pthread.h>

#include "tests/tap.h"
#include "tests/unit/billing/desk.h"

TEST(every_state_of_a_slot_adds_up)
{
	struct desk d;
	struct slot_owner *w;
	struct hold h;
	uint32_t row, counter = 1, slot;
	bool is_short;

	desk_open(&d);
	CHECK(audit_run(&d.audit));
	w = fix_worker(&d.f, &row);
	CHECK(fix_hold(w, &h, 0, 0, USD));
	CHECK(audit_run(&d.audit));
	CHECK(hold_extend(w, &h, money_nano(2 * USD)));
	CHECK(audit_run(&d.audit));
	CHECK(!hold_extend(w, &h, money_nano(20 * USD)));
	CHECK(audit_run(&d.audit));
	hold_settle(w, &h, money_nano(USD), money_nano(0), REASON_NORMAL,
		    false);
	CHECK(audit_run(&d.audit));
	group_note(&d.group, h.slot);
	CHECK_INT(group_gather(&d.group), 1);
	CHECK_INT(group_commit(&d.group), STORE_OK);
	CHECK(audit_run(&d.audit)); /* DURABLE, nothing given back */
	CHECK_INT(group_gather(&d.group), 0);
	CHECK(audit_run(&d.audit)); /* not sent yet */
	hold_not_sent(w, &h);
	group_note(&d.group, h.slot);
	CHECK_INT(group_gather(&d.group), 1);
	CHECK_INT(group_commit(&d.group), STORE_OK);
	CHECK(audit_run(&d.audit)); /* REVERSED */
	CHECK_INT(desk_settle(&d), STORE_OK);
	slot = own_take(d.r, SLOT_REFUND, 1, &counter, 1, money_nano(USD),
			&is_short);
	CHECK(slot != SHM_NONE);
	CHECK(audit_run(&d.audit));
	group_void_own(&d.group, slot);
	CHECK(audit_run(&d.audit));
	CHECK_INT(fix_available(&d.f, 0), 10 * USD);
	slot_owner_free(w);
	desk_close(&d);
}

TEST(a_nano_too_much_or_too_little_freezes_the_account)
{
	struct desk d;
	uint32_t budget = counter_of_key(0);

	desk_open(&d);
	d.r->counters[1].available -= 1;
	CHECK(!audit_run(&d.audit));
	CHECK_INT(d.audit.differing, 1);
	CHECK(d.r->accounts[1].flags & ACCOUNT_AUDIT);
	CHECK(!(d.r->accounts[0].flags & ACCOUNT_AUDIT));
	d.r->counters[1].available += 1;
	d.r->counters[budget].available += 1;
	CHECK(!audit_run(&d.audit));
	CHECK(d.r->accounts[0].flags & ACCOUNT_AUDIT);
	CHECK_INT(d.r->head->audit_frozen, 2);
	desk_close(&d);
}

TEST(totals_that_differ_are_found)
{
	struct desk d;

	desk_open(&d);
	d.post.meta.credits++;
	CHECK(!audit_run(&d.audit));
	desk_close(&d);
}

struct busy {
	struct desk *d;
	_Atomic bool stop;
	uint32_t holds;
};

/* Takes and gives back on account 0 as fast as it can. */
static void *
work(void *arg)
{
	struct busy *b = arg;
	struct slot_owner *w;
	struct hold h;
	uint32_t row;

	w = fix_worker(&b->d->f, &row);
	while (!b->stop) {
		/* Refused: the whole balance is not there. */
		if (fix_hold(w, &h, 0, 0, 2 * USD) &&
		    !hold_extend(w, &h, money_nano(4 * USD)))
			b->holds++;
		hold_settle(w, &h, money_nano(0), money_nano(0), REASON_NORMAL,
			    true);
		while (!b->stop && slot_owner_busy(w) > 0)
			continue;
	}
	slot_owner_free(w);
	return NULL;
}

TEST(it_is_right_while_a_worker_works)
{
	struct busy b = {0};
	struct desk d;
	pthread_t thread;

	desk_open(&d);
	b.d = &d;
	CHECK_INT(pthread_create(&thread, NULL, work, &b), 0);
	for (int i = 0; i < 200; i++) {
		group_scan(&d.group);
		if (group_gather(&d.group) > 0)
			CHECK_INT(group_commit(&d.group), STORE_OK);
		CHECK(audit_run(&d.audit));
		CHECK_INT(group_gather(&d.group), 0);
	}
	b.stop = true;
	CHECK_INT(pthread_join(thread, NULL), 0);
	CHECK_INT(d.r->head->audit_frozen, 0);
	CHECK_INT(d.r->accounts[0].flags, ACCOUNT_LIVE);
	desk_close(&d);
}

int
main(void)
{
	RUN(every_state_of_a_slot_adds_up);
	RUN(a_nano_too_much_or_too_little_freezes_the_account);
	RUN(totals_that_differ_are_found);
	RUN(it_is_right_while_a_worker_works);
	return tap_done();
}
