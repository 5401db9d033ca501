#pragma once
/* Between the parts of an invoice: what stands in it, and how it is written.
 * Inside billing/invoice*.c only. */
#include "billing/report_base.h"
#include "billing/split.h"
#include "billing/tally.h"

/* One line: what was used of a model at a price. */
struct invoice_key {
	char model[MODEL_NAME];
	int64_t pico; /* the list price of one */
	uint32_t ppm;
	uint32_t class; /* split_name() */
};

struct invoice_line {
	struct invoice_key key;
	int64_t quantity;
	int64_t charge;
};

/* Money that moved besides usage; > 0: the customer has more of it. */
struct invoice_move {
	uint64_t ms;
	int64_t nano;
	uint32_t note; /* name id */
	uint8_t kind;  /* enum entry_kind */
};

struct invoice {
	struct report *r;
	uint32_t account;
	bool draft;
	struct tally lines;
	struct invoice_move *moves;
	size_t n, cap;
	uint64_t requests;
	int64_t opening, closing; /* balance */
	int64_t usage;
	int64_t by_kind[KIND_COUNT]; /* of the moves */
};

/* Of usage, fees, credits and corrections. */
int64_t invoice_total(const struct invoice *v);
/* What the customer owes at the end of the period. */
int64_t invoice_due(const struct invoice *v);
void invoice_json(struct invoice *v, struct buf *out);
void invoice_html(struct invoice *v, struct buf *out);
