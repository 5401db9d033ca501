#pragma once
/*
 * Processes: fork, reap, replacement with a growing pause, heartbeats, and
 * the generations of workers.
 */
#include "master/master.h"

void child_init(struct child *c, struct master *m, enum role role);
/* Forks now, or later if it cannot. */
void child_start(struct child *c);
void child_signal(const struct child *c, int sig);
/* No replacement from now on. */
void child_unwant(struct child *c);
void child_destroy(struct child *c);
const char *role_name(enum role r);

/* After SIGCHLD. */
void children_reap(struct master *m);
/* Kills whoever has been silent for too long. */
void children_watch(struct master *m, uint64_t now_ns);
/* All of them: USR1. */
void children_signal(struct master *m, int sig);

/* Binds the channels' rows; takes `conf` only on success. NULL with a
 * reason. */
struct generation *generation_new(struct master *m, const struct conf *conf,
				  struct buf *error);
/* One of the program before this one, behind all others: its workers live on,
 * and are not replaced. */
struct handover_generation;
struct generation *generation_adopt(struct master *m,
				    const struct handover_generation *of);
void generation_start(struct generation *g);
bool generation_ready(const struct generation *g);
/* SIGTERM; after drain_until_ns (0 = never) SIGINT, then SIGKILL. */
void generation_drain(struct generation *g, uint64_t drain_until_ns);
void generation_signal(const struct generation *g, int sig);
/* No process is left. */
bool generation_ended(const struct generation *g);
/* Pushes late ones, frees what has ended and is reaped. */
void generations_sweep(struct master *m, uint64_t now_ns);
unsigned generations_alive(const struct master *m);
/* Does a worker that is to go still take clients. */
bool generations_accept(const struct master *m);
/* So many at most: what comes next waits, and says so once. */
#define GENERATIONS_MAX 8u
bool generations_full(struct master *m);
