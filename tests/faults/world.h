#pragma once
/*
 * What may be on a disk after a power cut, out of a log of tests/faults/disk.h:
 * all that was synced, and of the rest any part: each write there, not there,
 * or some of its sectors; each size and each name there or not.
 */
#include "tests/faults/disk.h"

#define WORLD_NAMES   16u
#define WORLD_PENDING 8192u

struct world_file {
	uint8_t *data;
	uint64_t cap, end, size; /* bytes written; of the file */
};

struct world_folder {
	uint32_t n;
	struct {
		char name[DISK_NAME];
		uint32_t node;
	} at[WORLD_NAMES];
};

enum fate { FATE_LOST, FATE_THERE, FATE_TORN };

/* Of what was not synced. */
struct world_choice {
	uint8_t fate;	/* enum fate */
	uint32_t grain; /* torn: 512 or 4096 bytes */
	uint64_t dice;	/* which of them; 0: the first `parts` */
	uint32_t parts;
};

struct world {
	struct world_file file[DISK_NODES];
	struct world_folder folder[DISK_NODES];
	uint32_t n_pending;
	uint32_t pending[WORLD_PENDING]; /* ops that are not safe */
	struct world_choice choice[WORLD_PENDING];
	uint64_t version; /* of what is safe */
};

void world_clear(struct world *w);
/* What the log says at `op` has happened. */
void world_step(struct world *w, uint32_t op);
/* One of the states that are possible now, by `round`: 0 all is lost, 1 all
 * is there, 2 the newest only is torn, then by dice. Returns what is
 * different for different states. */
uint64_t world_choose(struct world *w, uint32_t round, uint64_t seed);
/* Makes it below `path`, an empty folder. */
void world_build(const struct world *w, const char *path);
/* Nothing that is safe has anything in it that is not: what is left over
 * concerns files that have no name any more. */
bool world_is_safe(const struct world *w);
/* What became of each thing that was not synced; for people. */
void world_print(const struct world *w);
