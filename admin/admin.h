#pragma once
/*
 * The admin process: admin API and metrics on its TCP listener and on
 * run_dir/admin.sock. Reads shared memory, opens LMDB read-only in short
 * transactions, hands changes to the writer. If it dies no client notices.
 */
#include <stdint.h>

#include "base/attrs.h"
#include "shm/region.h"

struct conf;

struct admin_args {
	const struct conf *conf;
	struct region *region;
	int listen;  /* TCP, -1 = none */
	int socket;  /* admin.sock */
	int orders;  /* our end of the SOCK_SEQPACKET pair */
	int alive;   /* a pipe: EOF = the master is gone */
	int control; /* SOCK_SEQPACKET pair to the master */
	const uint8_t *pepper;
	uint32_t n_channels;
	const uint32_t *channel_rows; /* one per conf->channels */
};

/* A request to the master, and its answer (text: why not). That of a reload
 * is also for those asked before. */
enum control_kind { CONTROL_RELOAD, CONTROL_STOP, CONTROL_UPGRADE };
struct control {
	uint64_t id;
	uint32_t kind;
	uint32_t ok; /* answer */
	char text[488];
};

int admin_run(const struct admin_args *args);
