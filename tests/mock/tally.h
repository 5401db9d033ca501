#pragma once
/*
 * What the mock knows about itself: counters, the list of requests, the
 * script and the last request, in memory shared by its workers. A counter
 * table belongs to one worker and is summed by whoever is asked.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/mock/buf.h"
#include "tests/mock/json.h"

#define TALLY_COUNTERS(C)    \
	C(requests)          \
	C(answered)          \
	C(aborted)           \
	C(broken)            \
	C(errors)            \
	C(streams)           \
	C(usages)            \
	C(prompt_tokens)     \
	C(completion_tokens) \
	C(cached_tokens)     \
	C(reasoning_tokens)  \
	C(chunks)            \
	C(content_bytes)     \
	C(body_bytes)

#define TALLY_GAUGES(C) \
	C(accepted)     \
	C(closed)       \
	C(refused)      \
	C(reused)       \
	C(held)         \
	C(unheld)       \
	C(http_errors)  \
	C(tls_errors)

enum counter {
#define C(name) C_##name,
	TALLY_COUNTERS(C)
#undef C
		C_COUNT
};

enum gauge {
#define C(name) G_##name,
	TALLY_GAUGES(C)
#undef C
		G_COUNT
};

enum endpoint { EP_CHAT, EP_COMPLETIONS, EP_EMBEDDINGS, EP_MODELS, EP_OTHER };

enum {
	MAX_WORKERS = 8,
	ROWS = 96,
	NAME = 104,
	RECORDS = 1 << 15,
	RULES = 16,
	LAST_ROOM = 1 << 20
};

struct row {
	char name[NAME]; /* "endpoint chat", "model gpt-4o", "key k1" */
	_Atomic uint64_t n[C_COUNT];
};

struct worker_tally {
	_Atomic uint64_t g[G_COUNT];
	_Atomic uint32_t rows; /* published after the name is written */
	struct row row[ROWS];
};

enum end { END_RUNNING, END_ANSWERED, END_ABORTED, END_BROKEN };

/* One request; written by the worker that serves it. */
struct record {
	uint64_t seq; /* 0: empty */
	uint64_t conn;
	int64_t start_us, first_us, end_us; /* CLOCK_MONOTONIC */
	int64_t prompt, completion, cached, reasoning;
	uint64_t chunks, content_bytes, body_bytes, request_bytes;
	uint32_t worker;
	uint16_t status;
	uint8_t end, endpoint, stream, usage_sent;
	char tag[32];
	char model[NAME];
};

/* A rule of the script: which requests, and what they get. */
struct rule {
	bool on;
	bool reused; /* only requests that are not the first of theirs */
	char model[NAME];
	char endpoint[16];
	char key[96];
	int64_t count; /* left; negative: no end */
	int64_t every; /* each n-th match */
	int64_t seen;
	char directives[1024];
};

struct shared {
	struct worker_tally worker[MAX_WORKERS];
	_Atomic uint64_t seq;
	_Atomic int64_t running, most_running; /* requests at once */
	_Atomic uint32_t rule_count; /* 0: nobody looks at the rules */
	_Atomic uint64_t release_epoch;
	_Atomic int64_t permits; /* of a counted release */
	pthread_mutex_t lock;	 /* rules and last */
	struct rule rule[RULES];
	uint64_t last_len;
	struct record record[RECORDS];
	char last[LAST_ROOM];
};

/* Memory that survives fork; NULL when there is none. */
struct shared *shared_create(void);

struct row *tally_row(struct worker_tally *t, const char *kind,
		      const char *name);

static inline void
gauge_add(struct worker_tally *t, enum gauge g)
{
	atomic_fetch_add_explicit(&t->g[g], 1, memory_order_relaxed);
}

/* The next record, emptied. */
struct record *record_begin(struct shared *sh);
void record_end(struct shared *sh, struct record *r, enum end end);

void last_keep(struct shared *sh, struct span head, struct span body);

/* The first rule that takes this request puts its directives into `to`. */
bool script_take(struct shared *sh, const char *model, const char *endpoint,
		 const char *key, bool reused, char to[1024]);

/* Replaces the script from JSON; false with the reason. */
bool script_set(struct shared *sh, struct span body, char *why, size_t room);

/* Switches every `@@hold` of the script off. */
void script_unhold(struct shared *sh);

void tally_reset(struct shared *sh);

/* The tally as JSON with its `last` newest requests. */
void tally_print(struct shared *sh, struct buf *to, uint64_t last,
		 const char *tag);

extern const char *const endpoint_names[];
int64_t now_us(void);
