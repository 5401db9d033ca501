#pragma once
/*
 * The master: reads the configuration, binds, maps shared memory, forks and
 * replaces the others, watches upstreams, obeys signals. One event loop;
 * every step is taken in master_advance(), after anything that happened.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attrs.h"
#include "base/buf.h"
#include "billing/writer.h"
#include "master/listen.h"
#include "master/options.h"
#include "master/secrets.h"
#include "shm/region.h"

struct conf;
struct event;
struct event_base;
struct generation;
struct grants;
struct master;
struct probes;

enum role { ROLE_WORKER, ROLE_WRITER, ROLE_ADMIN };

/* A place for a process: whoever dies in it is replaced while `wanted`. */
struct child {
	struct master *m;
	struct generation *gen; /* workers */
	enum role role;
	unsigned number; /* workers: which sockets */
	pid_t pid;	 /* 0 = none */
	uint32_t row;	 /* workers: of the worker table */
	uint32_t spawn_epoch;
	bool wanted;
	bool told; /* SIGTERM was sent */
	uint64_t started_ns;
	uint64_t killed_ns; /* for its silence */
	uint64_t disk_ns;   /* when it was seen to wait for the disk */
	uint32_t pause_ms;  /* before the next start */
	struct event *retry;
};

/* A configuration and the workers that live by it. */
struct generation {
	struct generation *next; /* older */
	struct master *m;
	uint32_t number;
	const struct conf *conf; /* NULL = of the program before this one */
	uint32_t book;
	uint32_t *channel_rows; /* one per conf->channels */
	uint32_t n_rows;
	unsigned n_workers;
	struct child *workers;
	bool draining;
	bool hurried;		 /* SIGINT was sent */
	uint64_t drain_until_ns; /* 0 = no limit */
};

enum reload_step {
	RELOAD_IDLE,
	RELOAD_BOOK,
	RELOAD_WORKERS,
	RELOAD_LEAVING, /* it serves; the old workers still take clients */
};

struct reload {
	enum reload_step step;
	bool again;	      /* asked for meanwhile */
	uint64_t asked_id;    /* answer the admin process up to this id */
	uint64_t again_id;    /* those that came meanwhile */
	uint64_t deadline_ns; /* 0 = none */
	struct generation *next;
};

/* In the program that is to be replaced. */
struct upgrade {
	bool asked;
	uint64_t asked_id; /* by the admin process; 0 = a signal */
	pid_t checker;	   /* the new program on trial; 0 = none */
	int said_fd;
	struct event *heard;
	struct buf said;
	uint64_t deadline_ns;
	bool late;
};

enum takeover_step {
	TAKEOVER_NONE,
	TAKEOVER_WRITER,  /* the old ledger writer makes room */
	TAKEOVER_WORKERS, /* a reload */
	TAKEOVER_WAIT,	  /* failed, and no way back */
};

/* In the program that took its place. */
struct takeover {
	enum takeover_step step;
	uint64_t asked_id;
	bool went_back;	       /* this is the program of before */
	int program;	       /* of before, -1 = none */
	uint64_t writer_since; /* of the old one */
	uint64_t next_ns;      /* deadline of the step, or the next try */
	char reason[256];      /* why it went back */
	char version[64];      /* of before */
};

enum stop_step { STOP_NONE, STOP_DRAIN, STOP_FAST, STOP_WRITER };

struct stop {
	enum stop_step step;
	uint64_t deadline_ns; /* of the step; 0 = none */
	unsigned writer_failures;
};

/* What was started in this order is ended in reverse. */
struct master {
	const struct options *options;
	const struct conf *conf; /* in force */
	unsigned n_workers;	 /* per generation */
	int pid_lock;
	struct listeners listeners;
	struct region region;
	enum region_verdict verdict;
	uint8_t pepper[PEPPER_BYTES];
	struct tls_tickets *tickets; /* shared memory; http/tls.h */
	int tickets_fd;
	uint64_t tickets_next_ns; /* when they are rotated */
	int *worker_bells;	  /* one per worker row */
	int writer_bell;
	int master_bell;
	int alive[2];
	int orders[2];	/* 0 = writer, 1 = admin */
	int control[2]; /* 0 = master, 1 = admin */
	int signals;
	struct event_base *base;
	struct event *on_signal, *on_bell, *on_control, *on_tick;
	struct probes *probes;
	struct grants *grants;
	struct child writer, admin;
	struct generation *generations; /* newest first */
	struct generation *serving;
	bool full_said; /* that so many have not ended */
	struct reload reload;
	struct stop stop;
	struct upgrade upgrade;
	struct takeover takeover;
	struct secrets secrets;
	uint64_t last_tick_ns;
	uint64_t watch_from_ns; /* silence counts from here on */
	uint64_t watchdog_next_ns;
	int exit_code;
};

/* Runs the server; returns the exit code. Owns `conf` from here on.
 * `handover`: in place of a program before this one, else NULL. */
struct handover;
int master_run(const struct options *options, const struct conf *conf,
	       const struct handover *handover);
/* Takes whatever step is due. */
void master_advance(struct master *m);
/* Ends the loop once all children are gone. */
void master_fail(struct master *m, int exit_code);
