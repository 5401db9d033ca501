#pragma once
/*
 * Calls of the system that fail on demand: the n-th one of a kind, once or
 * from then on, in one process. Linked into a test, or preloaded into a
 * program (LD_PRELOAD), which then finds its orders in the file that
 * TOLLGATE_FAULTS names; tests/faults/faults.py writes them there.
 *
 * A sync that fails loses what was written since the last one: that is what
 * a kernel may do with pages that it could not write.
 */
#include <stdatomic.h>
#include <stdint.h>

enum call {
	CALL_NONE,
	CALL_MALLOC, /* and calloc, realloc */
	CALL_PWRITE, /* and writev, of files */
	CALL_SHORT,  /* a pwrite that writes half */
	CALL_SYNC,   /* fdatasync, fsync */
	CALL_MMAP,
	CALL_ALLOCATE, /* fallocate */
	CALLS
};

/* The layout is known to faults.py. */
struct faults {
	_Atomic uint32_t call;	/* enum call */
	_Atomic uint32_t pid;	/* of the process that they fail in; 0 = in
				   all but `spared` */
	_Atomic uint32_t error; /* errno */
	_Atomic uint32_t for_ever;
	_Atomic uint64_t at;   /* 1 = the next one */
	_Atomic uint64_t seen; /* calls since it was ordered */
	_Atomic uint64_t hits; /* that failed */
	_Atomic uint32_t spared;
};
extern struct faults *faults;

/* Orders in memory that forked processes share; this one is spared. */
void faults_open(void);
/* `call` last: what was ordered before is over first. */
void faults_order(enum call call, int error, uint64_t at, uint32_t for_ever);
