#pragma once
/*
 * multipart/form-data, reading: finds where the parts of a body lie, without
 * keeping or looking into their content. Strict where readers differ, because
 * another one behind us reads the same bytes: no preamble, no text behind the
 * end, CRLF only, one content-disposition a part. Resumable at any byte;
 * bounded: a part's head has at most MULTIPART_HEAD bytes, a body at most
 * MULTIPART_PARTS parts.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/errors.h"
#include "base/str.h"

#define MULTIPART_BOUNDARY 70
#define MULTIPART_NAME	   64
#define MULTIPART_HEAD	   4096
#define MULTIPART_PARTS	   256

/* A part that is complete: its content is [at, at + n) of the body. */
struct multipart_part {
	char name[MULTIPART_NAME];
	bool file; /* it has a file name */
	uint64_t at, n;
};

/* Return false to stop: multipart_feed() returns E_OK at once. */
typedef bool multipart_fn(void *user, const struct multipart_part *part);

struct multipart {
	/* CRLF, two hyphens, the boundary */
	char mark[4 + MULTIPART_BOUNDARY];
	unsigned mark_n;
	unsigned matched; /* of it */
	uint8_t state;
	bool named;
	unsigned parts;
	unsigned head_n; /* of all lines of this part's head */
	unsigned line_n;
	uint64_t at; /* bytes that were fed */
	struct multipart_part part;
	char line[MULTIPART_HEAD];
};

/* The boundary out of a content-type; false: it is no multipart/form-data, or
 * has none that can be used. Points into `type`. */
NODISCARD bool multipart_boundary(struct str type, struct str *boundary);
void multipart_init(struct multipart *m, struct str boundary);
/* E_BAD_FIELD: this is no form that every reader would understand alike. */
NODISCARD enum err multipart_feed(struct multipart *m, struct str piece,
				  multipart_fn *fn, void *user);
/* The end mark was seen. */
bool multipart_ended(const struct multipart *m);
