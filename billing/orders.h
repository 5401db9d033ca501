#pragma once
/*
 * Orders of the admin process, see order.h: each is one transaction, its
 * idempotency record in it. Writer only.
 */
#include "base/attrs.h"
#include "billing/audit.h"
#include "billing/books.h"
#include "billing/group.h"
#include "billing/order.h"
#include "billing/post.h"
#include "billing/windows.h"
#include "shm/region.h"

struct orders {
	struct region *r;
	struct post *post;
	struct books *books;
	struct group *group;
	struct audit *audit;
	struct windows *windows;
};

/* Does what is asked; shared memory shows it when this returns. The result
 * is ORDER_NO_LEDGER and post->trouble is set when the store failed: whether
 * it was done is then not known. */
void orders_obey(struct orders *o, const struct order *in,
		 struct order_answer *out);
