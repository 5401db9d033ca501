#pragma once
/* Between the parts of the FOCUS export: what a row is, and how it is
 * written. Inside billing/focus*.c only. */
#include "billing/report_base.h"
#include "billing/split.h"
#include "billing/tally.h"

struct focus_key {
	uint64_t start, end; /* the charge period */
	uint32_t account;
	uint32_t key; /* SHM_NONE = none */
	/* The entry of what is a row of its own; 0 for usage, which is summed
	 * up over all below. */
	uint64_t seq;
	int64_t pico;	  /* the list price of one */
	uint64_t above;	  /* of its tier; 0 = none */
	uint32_t version; /* of the price */
	uint32_t model;	  /* its row */
	uint32_t ppm;
	uint32_t channel;
	uint32_t provider;
	uint8_t kind;	    /* enum entry_kind */
	uint8_t class;	    /* of tokens */
	uint8_t correction; /* of what was charged in an earlier month */
	uint8_t zero;
};

struct focus_row {
	struct focus_key key;
	int64_t quantity; /* tokens or requests */
	int64_t charge;	  /* nano-USD, as the account lost it */
	int64_t upstream;
	int64_t requests;
};

struct focus {
	struct report *r;
	struct tally rows;
	uint64_t from, to;	       /* of the last charge period */
	uint64_t month_from, month_to; /* of the last month */
};

extern const char *const focus_columns[];
extern const unsigned focus_n_columns;

/* The months of the zone, found once a month. */
void focus_month(struct focus *f, uint64_t ms);
void focus_write(struct focus *f, const struct focus_row *row);
