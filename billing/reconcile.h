#pragma once
/* Between the parts of the reconciliation: what is compared, and what came of
 * it. Inside billing/reconcile*.c only. */
#include "billing/bill.h"
#include "billing/report_base.h"
#include "billing/tally.h"

#define RECONCILE_ID sizeof(((struct entry *)0)->upstream_id)

enum reconcile_status {
	RECONCILE_MATCH,
	RECONCILE_MISSING,     /* we have it, they have not */
	RECONCILE_EXTRA,       /* they have it, we have not */
	RECONCILE_WRONG_CLASS, /* the tokens of a class differ */
	RECONCILE_WRONG_PRICE, /* the cost differs, the tokens do not */
	RECONCILE_STATUSES
};

/* What one of the two sides says of one request, or of a day and model. */
struct side {
	uint64_t requests;
	uint64_t tokens[BILL_CLASSES];
	int64_t cost_nano;
	uint8_t has;	  /* as bill_line.has */
	uint64_t present; /* legs or lines; 0 = it has nothing */
	/* Of ours: legs whose tokens at the provider are not known, because
	 * its answer did not come to its end. */
	uint64_t blind;
};

struct finding {
	enum reconcile_status status;
	bool by_id;
	uint64_t ms;   /* 0 = not known */
	struct str id; /* theirs */
	char our_id[RECONCILE_ID + 1];
	bool has_request;
	uint8_t request_id[16];
	uint32_t channel; /* name id */
	char model[NAME_TEXT];
	struct side ours, theirs;
};

struct reconcile {
	struct report *r;
	struct report_job job; /* with the period of the bill */
	struct finding *found;
	size_t n, cap;
	uint64_t count[RECONCILE_STATUSES];
	int64_t ours_nano, theirs_nano; /* of all that was compared */
};

void side_add_entry(struct side *s, const struct entry *e);
void side_add_line(struct side *s, const struct bill_line *line);
/* Takes the finding into account and, unless it is a match, keeps it; sets
 * its status. False: out of memory. */
NODISCARD bool reconcile_judge(struct reconcile *c, struct finding *f);

/* reconcile_id.c: joined by upstream request id. */
NODISCARD enum store reconcile_by_id(struct reconcile *c);
/* reconcile_day.c: joined by day and model. */
NODISCARD enum store reconcile_by_day(struct reconcile *c);
