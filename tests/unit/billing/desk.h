#pragma once
/*
 * The writer's parts in this process, without its loop: a ledger, a segment,
 * two accounts (ids 0 and 1) of 10 USD each, a key (id 0) with a budget of 3.
 */
#include "billing/audit.h"
#include "billing/books.h"
#include "billing/group.h"
#include "billing/orders.h"
#include "billing/reap.h"
#include "billing/recover.h"
#include "tests/unit/billing/fixture.h"

#define USD 1000000000ll

struct desk {
	struct fixture f;
	struct region *r;
	struct ledger *ledger;
	struct post post;
	struct books books;
	struct group group;
	struct audit audit;
	struct reaper reaper;
	struct orders orders;
	struct windows windows;
};

static inline void
desk_start(struct desk *d)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;
	uint32_t slots = FIX_SLOTS + SHM_OWN_SLOTS;

	d->r = &d->f.region;
	must(ledger_open(&d->ledger, d->f.dir, LEDGER_WRITE, FIX_MAP, &why) ==
	     STORE_OK);
	must(post_load(&d->post, d->ledger, slots, &why) == STORE_OK);
	if (d->r->head->boot_epoch == 0)
		must(recover_raise_epoch(&d->post, &why) == STORE_OK);
	must(books_load(&d->books, d->r, &d->post, &d->f.conf, &why) ==
	     STORE_OK);
	recover_claim(d->r, &d->post);
	must(group_init(&d->group, d->r, &d->post, d->f.doorbells));
	must(audit_init(&d->audit, d->r, &d->post));
	must(reaper_init(&d->reaper, d->r, &d->group));
	must(windows_load(&d->windows, d->r, &d->post, &d->group, &why) ==
	     STORE_OK);
	d->orders = (struct orders){d->r,      &d->post,  &d->books,
				    &d->group, &d->audit, &d->windows};
}

/* As if the writer had died: nothing is said to anybody. */
static inline void
desk_stop(struct desk *d)
{
	reaper_free(&d->reaper);
	audit_free(&d->audit);
	group_free(&d->group);
	books_free(&d->books);
	post_free(&d->post);
	ledger_close(d->ledger);
}

static inline struct order_answer
desk_order(struct desk *d, const struct order *o)
{
	struct order_answer a;

	orders_obey(&d->orders, o, &a);
	return a;
}

static inline void
desk_open(struct desk *d)
{
	struct order a = {.kind = ORDER_ACCOUNT_CREATE, .amount = {10 * USD}};
	struct order k = {.kind = ORDER_KEY_CREATE, .name = "a0"};

	memset(d, 0, sizeof(*d));
	fix_open(&d->f);
	desk_start(d);
	for (char i = '0'; i < '2'; i++) {
		(void)snprintf(a.name, sizeof(a.name), "a%c", i);
		must(desk_order(d, &a).result == ORDER_DONE);
	}
	k.key.hash[0] = 1;
	k.key.has_budget = 1;
	k.key.budget = money_nano(3 * USD);
	must(desk_order(d, &k).result == ORDER_DONE);
}

static inline void
desk_close(struct desk *d)
{
	desk_stop(d);
	fix_close(&d->f);
}

/* Everything that can be done now. */
static inline enum store
desk_settle(struct desk *d)
{
	enum store s = STORE_OK;

	group_scan(&d->group);
	while (s == STORE_OK && group_gather(&d->group) > 0)
		s = group_commit(&d->group);
	return s;
}
