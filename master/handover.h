#pragma once
/*
 * What a master tells the program that takes its place (upgrade.h), as text:
 * descriptors, processes, generations. Numbers and names, no secret.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attrs.h"
#include "base/buf.h"
#include "base/str.h"

/* Raised whenever a program of before cannot make sense of it. */
#define HANDOVER_VERSION     1u
#define HANDOVER_LISTENS     64u
#define HANDOVER_GENERATIONS 32u
#define HANDOVER_WORKERS     64u
/* Of one list. */
#define HANDOVER_NUMBERS 4096u

/* Single numbers: a descriptor that is not there is HANDOVER_NONE. */
#define HANDOVER_FIELDS(X)                                          \
	X(pid)	     /* of the master: before and after */          \
	X(n_workers) /* per generation */                           \
	X(pid_lock)                                                 \
	X(region)                                                   \
	X(tickets)                                                  \
	X(ticket_bytes)                                             \
	X(tickets_next) /* ns: when they are rotated */             \
	X(writer_bell)                                              \
	X(master_bell)                                              \
	X(alive_0)                                                  \
	X(alive_1)                                                  \
	X(orders_0)                                                 \
	X(orders_1)                                                 \
	X(control_0)                                                \
	X(control_1)                                                \
	X(admin_listen)                                             \
	X(admin_socket)                                             \
	X(program)   /* of before: to go back to */                 \
	X(went_back) /* 1: this is the program of before */         \
	X(writer_pid)                                               \
	X(writer_since) /* ns */                                    \
	X(admin_pid)                                                \
	X(admin_since)                                              \
	X(serving) /* number of the generation */                   \
	X(asked)   /* by the admin process: its id, 0 = a signal */ \
	X(reload_asked)

#define HANDOVER_NONE UINT64_MAX

struct numbers {
	uint32_t n;
	uint64_t *v;
};

enum {
	WORKER_NUMBER,
	WORKER_ROW,
	WORKER_EPOCH,
	WORKER_PID,
	WORKER_SINCE,
	WORKER_FIELDS
};
enum {
	GENERATION_NUMBER,
	GENERATION_BOOK,
	GENERATION_DRAINING,
	GENERATION_HURRIED,
	GENERATION_UNTIL,
	GENERATION_FIELDS
};

struct handover_generation {
	uint64_t field[GENERATION_FIELDS];
	struct numbers rows; /* of its channels */
	uint32_t n_workers;  /* that live or are not reaped */
	uint64_t worker[HANDOVER_WORKERS][WORKER_FIELDS];
};

struct handover {
#define FIELD(name) uint64_t name;
	HANDOVER_FIELDS(FIELD)
#undef FIELD
	struct numbers bells; /* one per worker row */
	uint32_t n_listens;
	struct numbers listens[HANDOVER_LISTENS];
	uint32_t n_generations; /* newest first */
	struct handover_generation *generations[HANDOVER_GENERATIONS];
	struct str version; /* of the program that wrote it */
	struct str fixed;   /* conf/fixed.h */
	struct str reason;  /* why it went back */
};

void handover_write(const struct handover *h, struct buf *out);
/* Lists and texts lie in `arena`. False with a reason for what nobody can
 * have written. */
NODISCARD bool handover_read(struct str text, struct arena *arena,
			     struct handover *h, const char **why);
