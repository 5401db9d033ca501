#pragma once
/*
 * A request as the mock sees it: the framing, strict, and the few facts of
 * the body that decide the answer. Nothing points into the input afterwards
 * but the spans, which live until the bytes are eaten.
 */
#include "tests/mock/plan.h"
#include "tests/mock/tally.h"

enum parse { PARSE_MORE, PARSE_DONE, PARSE_BAD };

struct request {
	struct span head; /* with its empty line */
	struct span body; /* as sent, in its framing */
	struct span text; /* without the framing */
	struct span method, target;
	struct span host, authorization;
	int64_t length; /* content-length, -1: none */
	bool chunked;
	bool expects;
	bool keep_alive;
	bool http10;
	const char *why; /* of PARSE_BAD */
};

/* What the body asks for. */
struct facts {
	enum endpoint endpoint;
	bool stream, include_usage, json_mode, wants_tool, base64;
	int64_t n, max_tokens, dimensions;
	int64_t inputs;	     /* of embeddings */
	int64_t prompt_span; /* bytes of messages, prompt or input */
	char model[NAME];
	char tool[72];
	struct span user; /* text of the last user message */
};

/*
 * Reads one request from the front of `in`; a chunked body is unwrapped into
 * `unwrapped`. PARSE_MORE also when only the head is there: `r->head.n` is
 * set then.
 */
enum parse request_parse(struct request *r, const struct buf *in,
			 struct buf *unwrapped);

/* NULL, or why this body is not a request of its endpoint. */
const char *request_facts(const struct request *r, struct facts *f);

/* The endpoint of a path, EP_OTHER when it is none. */
enum endpoint request_endpoint(const struct request *r);
