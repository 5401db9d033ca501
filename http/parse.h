#pragma once
/*
 * The strict HTTP/1.1 head parser, one for requests and for answers. It is
 * given all bytes of a head that have arrived so far, any number at a time;
 * it remembers how far it has looked, so that a head sent byte by byte costs
 * no more than one sent whole. The parsed head points into those bytes.
 *
 * What is in doubt is refused: both ends of a proxy must see the same
 * message. Bare LF or CR, folded lines, a space before the colon, control
 * bytes, two lengths, a length beside Transfer-Encoding, any coding but
 * "chunked", no Host or two of them, any version but 1.0 and 1.1.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/errors.h"
#include "base/str.h"
#include "http/msg.h"

enum head_kind { HEAD_REQUEST, HEAD_ANSWER };

struct head_rules {
	enum head_kind kind;
	uint32_t size;	 /* bytes of a head, its blank line included */
	uint32_t fields; /* <= HTTP_FIELDS_MAX */
	bool no_body;	 /* the answer to a HEAD request */
};

/* Zeroed = before the first byte. */
struct head_scan {
	uint32_t start; /* where the first line begins */
	uint32_t line;	/* where the line that is not complete begins */
	uint32_t seen;	/* bytes looked at */
	uint32_t size;	/* after HEAD_DONE: bytes the head took */
};

struct head_fault {
	enum err err;
	const char *detail; /* for people; of static life */
};

enum head_state { HEAD_MORE, HEAD_DONE, HEAD_BAD };

/* `bytes`: everything from the first byte of the head on, possibly more than
 * the head; may have moved since the last call, but never shrunk. `head` is
 * set at HEAD_DONE, `fault` at HEAD_BAD. */
NODISCARD enum head_state head_parse(struct head_scan *scan,
				     const struct head_rules *rules,
				     struct str bytes, struct http_head *head,
				     struct head_fault *fault);
