#pragma once
/*
 * What passes between a client dialect and an upstream adapter: the fields of
 * a request the gateway acts on, and what it learns from answers. Spans point
 * into the client's body or the upstream's bytes; nothing is re-serialised.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/arena.h"
#include "base/attrs.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/str.h"

enum ask_kind {
	ASK_CHAT, /* a conversation, in whatever dialect */
	ASK_COMPLETIONS,
	ASK_EMBEDDINGS,
	ASK_COUNT,   /* count the tokens of a conversation */
	ASK_SERVICE, /* passed through: service.h */
	ASK_KINDS
};

/* Header fields of a client that belong to its dialect; "" = not sent. */
struct ask_fields {
	struct str version; /* anthropic-version */
	struct str beta;    /* anthropic-beta */
};

struct conversation;
struct service;

/* A client's request. */
struct ask {
	/* set by the caller before parse() */
	enum ask_kind kind;
	struct str body;  /* as it came */
	struct str path;  /* what `*` of the endpoint's path stands for */
	struct str query; /* behind the '?' */
	struct ask_fields fields;
	/* filled by parse() */
	struct str model; /* unescaped, in the arena */
	struct json_value model_value;
	struct json_value stream_options; /* JSON_ABSENT when there is none */
	struct json_value include_usage_value;
	struct json_value input; /* messages, prompt or input */
	/* What counts as input beside it: system text, tools. */
	struct json_value more[2];
	/* What the client says of the request: `metadata`, Gemini's `labels`;
	 * of any type. */
	struct json_value metadata;
	/* Bytes of text in them, where the dialect has counted them; 0 = not:
	 * estimated from all of their JSON. */
	uint64_t text_bytes;
	bool stream;
	bool array;	    /* the stream is one JSON array (Gemini) */
	bool include_usage; /* the client asked for the usage event */
	bool has_max;
	uint64_t max_output; /* per choice; valid with has_max */
	uint32_t choices;    /* n (x best_of of completions), at least 1 */
	/* Set by the caller once the request was read for another dialect, so
	 * that names in answers are found again; NULL: it was not. */
	const struct conversation *talk;
	bool legacy_calls; /* asked with `functions`: answered so */
	/* ASK_SERVICE */
	const struct service *service;
	struct str type; /* content-type of the body */
	bool form;	 /* it is no JSON: model_value is its bare text */
	bool events;	 /* the answer was asked for as events */
	bool plain;	 /* it was asked for as text, no JSON */
	/* What is counted in units_kind(): at most; and if nobody says it. */
	uint32_t units_most, units_likely;
	uint32_t files;	     /* of a form */
	uint64_t form_bytes; /* of its texts */
	uint8_t quality;     /* of pictures: service.c */
	uint8_t seen;	     /* fields of a form */
};

/* Disjoint token classes (the sum is what was processed). */
struct usage {
	bool present; /* and it made sense */
	uint64_t input;
	uint64_t cache_read;
	uint64_t cache_write;
	uint64_t output;
	uint64_t reasoning;
	uint32_t units; /* base/units.h */
};

/* A whole answer of an upstream. */
struct answer {
	struct usage usage;
	struct json_value usage_value; /* span in the body */
	struct json_value cost_value;  /* a "cost" the upstream put there */
	struct str model; /* raw text between the quotes; n == 0 = not said */
	uint64_t content_bytes; /* counted only if usage is not present,
				   else 1 */
};

/* An event of a streamed answer. */
struct delta {
	bool done;    /* the dialect's end mark */
	bool error;   /* an error inside a 200: read it with parse_error() */
	bool choices; /* carries at least one choice */
	/* One of the last events of a good answer: kept back, with all that
	 * follow, until the books are closed. */
	bool last;
	/* All was said: the answer is good though no end mark follow. */
	bool whole;
	uint64_t content_bytes; /* billable text in it */
	struct usage usage;
	struct json_value usage_value;
	struct json_value cost_value;
	struct str model;
};

/* An error of an upstream, in its own words; spans into its body. */
struct upstream_error {
	enum err err;
	struct str message; /* raw JSON string content, still escaped */
	struct str type;
	struct str code;
	struct str param;
	uint64_t retry_after_ms; /* said in the body; 0 = not */
};

/* Pieces of a message; at most what one sendmsg takes. */
#define PIECES_MAX 24
struct pieces {
	struct iovec iov[PIECES_MAX];
	unsigned n;
	size_t bytes;
};

static inline void
pieces_add(struct pieces *p, struct str s)
{
	if (s.n == 0 || p->n == PIECES_MAX)
		return;
	p->iov[p->n].iov_base = (void *)(uintptr_t)s.p;
	p->iov[p->n].iov_len = s.n;
	p->n++;
	p->bytes += s.n;
}
