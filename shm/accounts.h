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

enum account_flag {
	ACCOUNT_LIVE = 1,
	ACCOUNT_FROZEN = 2, /* by an operator */
	ACCOUNT_POSTPAID = 4,
	ACCOUNT_AUDIT = 8,   /* frozen by the audit: books differ */
	ACCOUNT_PAUSED = 16, /* no new holds for 2 ms at most: the audit wants a
				look; come again in the next loop turn */
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
	char name[ACCOUNT_NAME];
	char group[GROUP_NAME]; /* "" = "default" */
	uint64_t created_ms;
	_Alignas(CACHE_LINE) struct limit_cells limits;
};
_Static_assert(sizeof(struct account_row) == 256, "account_row");
