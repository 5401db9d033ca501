#pragma once
/*
 * Server-sent events, reading. Fed with any split of the byte stream; gives
 * each event once, as soon as its blank line has arrived. LF, CRLF and CR
 * ends, comments, multi-line data (joined by LF), a BOM at the start.
 * An event within one piece is given as a span of it, without a copy.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/attrs.h"
#include "base/buf.h"
#include "base/errors.h"
#include "base/str.h"

struct sse_event {
	struct str name; /* "event:" field, n == 0 when there was none */
	struct str data;
};

/* Return false to stop: sse_feed() returns E_OK at once. */
typedef bool sse_fn(void *user, const struct sse_event *event);

struct sse {
	size_t limit;	 /* of one event */
	struct buf line; /* the event that is not complete yet */
	struct buf data; /* joined lines */
	size_t at;	 /* bytes of `line` that were looked at */
	size_t start;	 /* where its last line begins */
	bool started;
	bool after_cr;
};

void sse_init(struct sse *s, size_t limit);
void sse_free(struct sse *s);
/* E_UP_BAD_RESPONSE: an event over the limit; E_NO_MEMORY. */
NODISCARD enum err sse_feed(struct sse *s, struct str piece, sse_fn *fn,
			    void *user);
/* Bytes of an unfinished event are held: the stream must not end here. */
bool sse_unfinished(const struct sse *s);
