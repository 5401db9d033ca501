#pragma once
/*
 * The shared segment: one named file in run_dir (mode 0600), mapped whole and
 * shared by every process; sparse, so what is not used costs nothing. It
 * outlives all processes (warm start), so it holds no pointer, no size_t, no
 * bool: fixed-width types and indexes. Every index read from it is checked.
 *
 * The master creates or adopts it before the first fork; tools map it
 * read-only. Areas and their writers are listed in shm/layout.def.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/errors.h"

#define SHM_ACCOUNTS (1u << 20)
#define SHM_KEYS     (1u << 21)
#define SHM_CHANNELS 1024u
#define SHM_CAPS     4096u
/* Counters: accounts first, then key budgets, then caps. */
#define SHM_COUNTERS (SHM_ACCOUNTS + SHM_KEYS + SHM_CAPS)
/* Own slots of the ledger writer stand behind the requests' slots. */
#define SHM_OWN_SLOTS 64u
#define SHM_SLOTS_MAX ((1u << 20) - SHM_OWN_SLOTS)
#define SLOT_PAGE     256u /* slots are claimed by workers in pages */
#define SHM_WORKERS   1024u
#define SHM_BOOKS     64u
#define SHM_NONE      UINT32_MAX

#define UPGRADE_WHY 256u

struct counter;
struct slot;
struct note;
struct slot_page;
struct account_row;
struct key_row;
struct worker_row;
struct channel_row;
struct cap_row;
struct token_row;
struct queue;
struct book;
struct hint_ring;
struct metrics_block;
struct hedge_bucket;
struct retry_bucket;

enum ledger_state {
	LEDGER_RECOVERING, /* the writer has not opened for traffic yet */
	LEDGER_OK,
	LEDGER_READONLY, /* no room: no new holds, heals by itself */
	LEDGER_FAILED,	 /* failed sync: only a restart heals */
};

/* 4096 bytes at offset 0. */
struct shm_head {
	uint8_t magic[8]; /* "TGSHM\0\0" and the layout version */
	uint64_t layout_hash;
	uint8_t boot_id[16];	     /* of the kernel */
	uint8_t ledger_uuid[16];     /* writer; all zero before it has opened */
	_Atomic uint32_t boot_epoch; /* writer; +1 at every cold start */
	uint32_t n_slots;	     /* of requests; own slots come on top */
	uint32_t n_workers;	     /* rows in use: 8 x workers + 16 */
	_Atomic uint32_t n_accounts; /* writer */
	_Atomic uint32_t n_keys;     /* writer */
	_Atomic uint32_t n_caps;     /* writer: numbers of caps */
	_Atomic uint32_t n_cap_rows; /* master: caps.h */
	_Atomic uint32_t ledger_state;	   /* writer, enum ledger_state */
	_Atomic uint32_t writer_asleep;	   /* writer: ring its doorbell */
	_Atomic uint32_t next_spawn_epoch; /* master: 1, 2, ... never reused */
	_Atomic uint64_t writer_heartbeat_ns;
	_Atomic uint32_t writer_pid;
	_Atomic uint32_t master_pid;
	_Atomic uint64_t committed_seq;
	_Atomic uint64_t commit_time_ns;     /* monotonic */
	_Atomic uint64_t commit_duration_ns; /* of the last commit */
	_Atomic uint32_t generation;	     /* master: the one that serves */
	_Atomic uint32_t draining; /* master: the whole server stops */
	_Atomic uint64_t started_wall_ns;
	_Atomic uint64_t audit_time_ns; /* writer: last good audit, wall */
	_Atomic uint64_t audit_frozen;	/* writer: accounts frozen by it */
	_Atomic uint64_t map_used_bytes, map_size_bytes; /* writer */
	_Atomic uint32_t store_failures;    /* writer: failed syncs; the second
					    one keeps the ledger FAILED */
	_Atomic uint32_t store_failures_of; /* writer: under which master */
	/* Key hashing (keys.h): secret of this segment's tables. */
	uint64_t table_secret[2];
	/* Admin: the public key of receipts. */
	uint8_t receipt_key[32];
	_Atomic uint32_t has_receipt_key;
	_Atomic uint64_t admin_heartbeat_ns;
	_Atomic uint32_t models_out; /* master: that no channel can answer */
	/* Master: the last upgrade (USR2): when (wall, 0 = none), did the new
	 * program take over, why not. For display: a reader may see the text
	 * change; it ends with 0 at all times. */
	_Atomic uint64_t upgrade_ms;
	_Atomic uint32_t upgraded;
	char upgrade_why[UPGRADE_WHY];
};

/* One mapping of a process. Addresses differ between processes. */
struct region {
	int fd;
	bool writable;
	uint64_t bytes;
	struct shm_head *head;
	struct counter *counters;
	struct slot *slots;	  /* n_slots + SHM_OWN_SLOTS */
	struct note *notes;	  /* one per slot */
	struct slot_page *pages;  /* n_slots / SLOT_PAGE */
	_Atomic uint64_t *claims; /* claims.h */
	struct account_row *accounts;
	struct key_row *keys;
	_Atomic uint32_t *key_table; /* open addressing, index + 1 */
	struct worker_row *workers;
	struct channel_row *channels;
	struct cap_row *caps;
	struct token_row *tokens;     /* one per channel row */
	struct queue *queues;	      /* one per channel row: queue.h */
	struct retry_bucket *retries; /* one */
	struct hedge_bucket *hedges;  /* one */
	_Atomic uint64_t *affinity;   /* affinity.h */
	struct book *books;
	struct hint_ring *rings;       /* one per worker row */
	struct metrics_block *metrics; /* one per worker row, and one of
					  the writer, and one of the master */
};

enum region_verdict {
	REGION_NEW,	/* made anew: cold start */
	REGION_ADOPTED, /* all checks hold: warm start */
};

/* Master. Opens run_dir/state.shm and checks magic, layout, sizes and boot
 * id; whatever does not match is replaced by a fresh file (`why` says so).
 * `cold` forces a fresh one. */
NODISCARD enum err region_open(struct region *r, const char *run_dir,
			       uint32_t n_slots, uint32_t n_workers, bool cold,
			       enum region_verdict *verdict, const char **why);
/* Tools, admin: read-only. E_INTERNAL when there is none or it is foreign. */
NODISCARD enum err region_view(struct region *r, const char *run_dir);
/* The segment of a running server by its descriptor, which is the region's
 * from then on. E_INTERNAL with `why` when it is not laid out as this program
 * lays it out. */
NODISCARD enum err region_inherit(struct region *r, int fd, bool writable,
				  const char **why);
/* The layout as a short text: equal where two programs can share a segment. */
#define REGION_LAYOUT 32
void region_layout(const struct region *r, char out[REGION_LAYOUT]);
/* Tests: an anonymous shared mapping. */
NODISCARD enum err region_anonymous(struct region *r, uint32_t n_slots,
				    uint32_t n_workers);
void region_close(struct region *r);
/* Takes disk space for a part of the segment before it is touched for the
 * first time; E_OVERLOAD: run_dir is full. Slots, channels, the tables of
 * keys and workers have theirs from the start; the writer calls it for the
 * account_row and counter, or key_row and counter, of a new index. */
NODISCARD enum err region_reserve(struct region *r, const void *p,
				  uint64_t bytes);
