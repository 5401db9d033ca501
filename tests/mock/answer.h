#pragma once
/*
 * One answer: its figures (deterministic, see README.md), its head, its body
 * or its events. Pure: bytes into buffers, no sockets.
 */
#include "tests/mock/request.h"

struct figures {
	int64_t prompt, completion, cached, reasoning; /* for the tally */
	char text_prompt[24], text_completion[24];     /* as reported */
	char text_cached[24], text_reasoning[24], text_total[24];
};

struct answer {
	struct plan plan;
	struct facts facts;
	struct figures figures;
	uint64_t seq;
	int64_t created;
	/* The shape of a stream, per choice. */
	int64_t think, content, fragments; /* deltas of each kind */
	int64_t deltas;			   /* their sum */
	const char *finish;
	bool chunked; /* framing of the body */
	bool keep_alive;
	int64_t unit;	/* next event */
	int64_t marks;	/* deltas begun over all choices */
	int64_t ended;	/* nothing more to make */
	int64_t usages; /* usage events made */
};

/* What an event was, for the tally once it is sent. */
struct unit {
	int64_t content; /* bytes of content, reasoning or arguments */
	bool delta;	 /* one of the counted chunks */
	bool usage;
	bool last;
};

enum { TOOL_UNITS = 4 }; /* events of one tool call: name, three arguments */

/* From plan and facts; NULL, or why this cannot be answered. */
const char *answer_prepare(struct answer *a);

/* Whether the answer is a stream of events. */
bool answer_streams(const struct answer *a);

/* The whole body of a plain answer; how many bytes of it are content. */
int64_t answer_body(const struct answer *a, struct buf *to);

/* The envelope of an error. */
void answer_error(const struct answer *a, const char *message, struct buf *to);

/* The head; `length` < 0 for a body of unknown length. */
void answer_head(const struct answer *a, int64_t length, struct buf *to);

/* The next event, without the framing of the body. */
struct unit answer_event(struct answer *a, struct buf *to);

/* Whether the next event is a delta. */
bool answer_next_is_delta(const struct answer *a);

/* Wraps a piece of the body as the framing and its faults ask. */
void answer_frame(const struct answer *a, const char *p, size_t n,
		  struct buf *to);
void answer_frame_end(const struct answer *a, struct buf *to);

/* An error inside the stream. */
void answer_stream_error(const struct answer *a, struct buf *to);

void answer_models(struct buf *to, struct span id);

/* Parts used by body and events alike (content.c). */
int64_t content_piece(const struct answer *a, int64_t i, struct buf *to);
int64_t think_piece(int64_t i, struct buf *to);
int64_t tool_piece(int64_t part, struct buf *to);
void usage_member(const struct answer *a, int64_t nth, struct buf *to);
void embeddings_list(const struct answer *a, struct buf *to);
