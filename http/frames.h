#pragma once
/*
 * An upstream's stream as events, whatever they are framed in: server-sent
 * events, one JSON text a line, or AWS's binary event stream. Fed with any
 * split of the byte stream; an event within one piece is given as a span of
 * it, without a copy.
 *
 * Names: of lines none. Of the event stream the event's type; of exceptions
 * "exception:" and theirs; of errors "error:" and the code, the data then is
 * {"message":"..."}.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/errors.h"
#include "base/str.h"
#include "http/sse.h"

enum frames_kind {
	FRAMES_SSE,
	FRAMES_LINES, /* NDJSON; ends are LF or CRLF */
	FRAMES_AWS,   /* application/vnd.amazon.eventstream */
};

struct frames {
	enum frames_kind kind;
	union {
		struct sse sse;
		struct {
			size_t limit;	 /* of one frame */
			size_t at;	 /* bytes of it that were looked at */
			struct buf held; /* a frame that is not complete */
		};
	};
};

void frames_init(struct frames *f, enum frames_kind kind, size_t limit);
/* A zeroed one may be freed as well. */
void frames_free(struct frames *f);
/* E_UP_BAD_RESPONSE: a frame over the limit, or one that is broken (its
 * checksums included); E_NO_MEMORY. E_OK at once when `fn` says stop. */
NODISCARD enum err frames_feed(struct frames *f, struct str piece, sse_fn *fn,
			       void *user);
/* The stream has ended: the last line, if it has no end; n == 0 = nothing. */
struct str frames_last(const struct frames *f);
/* Bytes of an unfinished event are held: the stream must not end here. */
/* Memory that it has. */
size_t frames_held(const struct frames *f);
bool frames_unfinished(const struct frames *f);
