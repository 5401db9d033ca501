#pragma once
/*
 * Providers and dialects as tables of pure functions over bytes: no sockets,
 * no shared memory, no configuration. struct adapter is the upstream side,
 * struct dialect the client side. A new provider is a row in registry.c, and
 * a file if it does not speak a dialect that is here.
 */
#include <stdbool.h>
#include <stdint.h>

#include "adapters/chat.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/errors.h"
#include "base/money.h"
#include "base/str.h"

/* Where a request goes; made by the caller from its configuration. */
struct target {
	struct str host;       /* for the Host field, with a port if unusual */
	struct str path;       /* prefix, "" or "/x" */
	struct str model;      /* the upstream's name for it */
	struct str model_json; /* the same as a JSON string */
	struct str credential; /* not copied: pieces point to it */
	struct str organization; /* "" = none */
	struct str project;	 /* "" = none */
};

enum adapter_flag {
	ADAPTER_EMBEDDED = 1, /* answered inside the worker (demo) */
};

struct adapter {
	const char *name; /* provider = "..." */
	unsigned flags;
	/* The whole HTTP request; the pieces live as long as arena, ask body
	 * and target. */
	enum err (*build)(struct arena *a, const struct ask *ask,
			  const struct target *t, struct pieces *out);
	/* E_UP_BAD_RESPONSE: not an answer of this dialect. */
	enum err (*parse_answer)(const struct ask *ask, struct str body,
				 struct answer *out);
	enum err (*parse_event)(const struct ask *ask, struct str data,
				struct delta *out);
	/* Never fails: what cannot be read is judged by the status alone.
	 * Status 200 = an error inside a stream. */
	void (*parse_error)(int status, struct str body,
			    struct upstream_error *out);
};

/* What an error says to a client. Upstream words win where given. */
struct complaint {
	enum err err;
	int status;	    /* 0 = the row's */
	const char *detail; /* for the %s of the row's text; NULL = "" */
	const char *param;  /* field name; NULL = null */
	const struct upstream_error *upstream; /* NULL = ours */
};

struct dialect {
	const char *name;
	struct str stream_end; /* the last event of a good stream */
	/* Reads the fields the gateway acts on. On an error *detail names the
	 * field or the place (lives in the arena or for ever). */
	enum err (*parse)(struct arena *a, enum ask_kind kind, struct str body,
			  struct ask *out, const char **detail);
	/* The error body. */
	void (*error)(struct buf *out, const struct complaint *c);
	/* The same as an event of a running stream, framing included. */
	void (*error_event)(struct buf *out, const struct complaint *c);
	/* A whole answer with usage.cost put in (or the upstream's replaced);
	 * `estimate` stands for a missing usage. */
	enum err (*put_cost)(struct arena *a, const struct answer *answer,
			     struct str body, const struct usage *estimate,
			     struct money cost, struct pieces *out);
	/* The same for the data of a usage event (answer.content_bytes and
	 * model are not used); n == 0: an event is made of `estimate`, which
	 * then holds what is known. */
	enum err (*usage_event)(struct arena *a, const struct ask *ask,
				const struct answer *answer, struct str data,
				const struct usage *estimate, struct money cost,
				struct pieces *out);
};

const struct adapter *adapter_find(struct str provider);
const struct adapter *adapter_at(unsigned i); /* NULL beyond the end */

extern const struct dialect dialect_openai;
