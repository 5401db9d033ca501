#pragma once
/*
 * The ledger writer: the only process that writes LMDB. Commits settled
 * slots in groups, gives money back, reaps the slots of dead workers, obeys
 * orders. Started by the master after the shared segment stands.
 */
#include <stdbool.h>

#include "base/attrs.h"
#include "shm/region.h"

struct conf;

struct writer_args {
	const struct conf *conf;
	struct region *region;
	int doorbell;		     /* eventfd: rung when writer_asleep */
	const int *worker_doorbells; /* eventfd per worker row */
	int master_doorbell; /* rung when a book is stored, rows are reaped */
	int orders;	     /* our end of the SOCK_SEQPACKET pair */
	bool cold;	     /* the shared segment was made anew */
	int alive;	     /* a pipe: EOF = the master is gone */
};

/* Runs until SIGTERM: then commits what is settled, once all worker rows are
 * UNUSED or DEAD and reaped. Exit code: 0, 1 (failed store), 5 (damaged). */
int writer_run(const struct writer_args *args);

/* Before any fork: makes state_dir, the pepper file and the ledger (decision:
 * side directory, sync, rename), refuses unsafe file systems. */
struct buf;
NODISCARD bool writer_prepare(const struct conf *conf, struct buf *error);
/* The pepper of key hashes, from state_dir/pepper. */
#define PEPPER_FILE  "pepper"
#define RECEIPT_FILE "receipt.key"
#define PEPPER_BYTES 32
NODISCARD bool pepper_load(const char *state_dir, uint8_t out[PEPPER_BYTES]);
/* The secret key that signs receipts (base/sign.h), from
 * state_dir/receipt.key: for the process that signs, no other. */
NODISCARD bool receipt_key_load(const char *state_dir, uint8_t out[32]);
