#pragma once
/*
 * Accounts as workers see them: rows written by the ledger writer only (each
 * change: LMDB commit first, then here), read by everybody. The money itself
 * is in the counter of the same index.
 */
#include <stdatomic.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/str.h"
#include "shm/region.h"

#define ACCOUNT_NAME 64
#define GROUP_NAME   64
#define PLAN_NAME    32

enum account_flag {
	ACCOUNT_LIVE = 1,
	ACCOUNT_FROZEN = 2, /* by an operator */
	ACCOUNT_POSTPAID = 4,
	ACCOUNT_AUDIT = 8,   /* frozen by the audit: books differ */
	ACCOUNT_PAUSED = 16, /* no new holds for 2 ms at most: the audit wants a
				look; come again in the next loop turn */
	ACCOUNT_LOW = 32,    /* low_nano is set */
	ACCOUNT_PLAN_UNPAID = 64, /* the plan's fee found no money: no allowance
				     until there is some */
	ACCOUNT_PLAN_DUE = 128,	  /* the plan was set: it begins at once */
};

/* Limits and their cells; the same on accounts and keys. 0 = no limit. */
struct limit_cells {
	_Atomic uint32_t rpm;
	_Atomic uint32_t tpm;
	_Atomic uint32_t concurrency;
	_Atomic int32_t running;     /* requests now */
	_Atomic uint64_t rpm_tat_ns; /* GCRA: theoretical arrival time */
	_Atomic uint64_t tpm_tat_ns;
};

struct account_row {
	_Alignas(CACHE_LINE) _Atomic uint32_t flags;
	_Atomic uint32_t parent; /* account index or SHM_NONE */
	_Atomic uint32_t discount_ppm;
	_Atomic uint32_t price_pin; /* price version; 0 = the current one */
	_Atomic int64_t low_nano; /* a balance below is told, see ACCOUNT_LOW */
	_Atomic uint32_t low_told;   /* admin process: it was, since it fell */
	_Atomic uint32_t text_at;    /* which of the texts counts */
	_Atomic uint32_t plan_month; /* zone_month() that the plan has begun */
	uint32_t spare;
	uint64_t created_ms;
	char name[ACCOUNT_NAME];
	struct account_texts {
		/* Of the account, else of its plan; "" = "default". */
		char group[GROUP_NAME];
		char plan[PLAN_NAME]; /* "" = none */
	} texts[2];
	/* Of the account, else of its plan. */
	_Alignas(CACHE_LINE) struct limit_cells limits;
};
_Static_assert(sizeof(struct account_row) == 384, "account_row");

/* The texts now. Changed ones are written beside them and then made valid, so
 * they stay whole for whoever reads them meanwhile. */
static inline const struct account_texts *
account_texts(const struct account_row *a)
{
	return &a->texts[atomic_load_explicit(&a->text_at,
					      memory_order_acquire) &
			 1];
}
