#pragma once
/*
 * A recorder of what a program does to the files below one folder: it stands
 * between the program and the C library (the functions of the same names are
 * defined here and call the kernel), in all processes forked after
 * disk_open(). A write stands in the log before the kernel gets it, a sync
 * after the kernel is done with it, so that every prefix of the log is a
 * moment at which the power may go.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISK_NAME  24
#define DISK_NODES 32u
#define DISK_OPS   (1u << 17)
#define DISK_DATA  (512ull << 20)
#define DISK_NONE  UINT32_MAX

enum disk_kind {
	DISK_WRITE,  /* of `len` bytes at `off` of `node` */
	DISK_SIZE,   /* `off` is the size from now on */
	DISK_GROW,   /* `off` is the size, if it was smaller */
	DISK_SYNC,   /* what was done to `node` before is safe */
	DISK_SYNCED, /* the write `other` is safe (O_DSYNC) */
	DISK_LINK,   /* folder `node` has `name`, which is `other` */
	DISK_UNLINK, /* it has no `name` any more */
	DISK_RENAME, /* `name` of it is called `name2` */
	DISK_MARK,   /* of the test: `off`, `len` */
};

struct disk_op {
	uint8_t kind; /* enum disk_kind */
	uint32_t node;
	uint32_t other;
	uint64_t off, len;
	uint64_t at; /* in `data` */
	uint64_t time_ns;
	uint64_t committed; /* *disk->committed at that time */
	char name[DISK_NAME], name2[DISK_NAME];
};

struct disk_node {
	uint64_t inode;
	bool folder;
};

/* In shared memory. Node 0 is the folder itself, which is safe. */
struct disk {
	_Atomic uint32_t recording;
	/* Nothing is recorded, syncs and allocations do nothing: for looking
	 * at a disk that nobody needs any more. */
	_Atomic uint32_t careless;
	/* The process dies at the n-th record from now; 0 = never. */
	_Atomic uint32_t die_at;
	const _Atomic uint64_t *committed;
	_Atomic uint32_t n_ops;
	_Atomic uint64_t n_data;
	uint32_t n_nodes;
	struct disk_node node[DISK_NODES];
	char root[128];
	struct disk_op op[DISK_OPS];
	uint8_t data[DISK_DATA];
};
extern struct disk *disk;

/* Records what happens below `root`, a folder without anything in it. */
void disk_open(const char *root);
/* Forgets the log; the folder must be empty again. */
void disk_reset(void);
/* Something the test wants to find at its place in the log. */
void disk_mark(uint64_t what, uint64_t value);
