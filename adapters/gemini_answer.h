#pragma once
/* An answer of Gemini as an upstream. Private to gemini.c and
 * gemini_answer.c. */
#include "adapters/gemini.h"

/* Members of an answer, of a part, of a call. */
enum {
	M_CANDIDATES,
	M_FEEDBACK,
	M_USAGE,
	M_MODEL,
	M_ID,
	M_ERROR,
	M_COUNT,
	MEMBERS
};
extern const char *const gemini_members[MEMBERS];
enum { P_TEXT, P_THOUGHT, P_SIGNATURE, P_CALL, P_INLINE, PARTS };
extern const char *const gemini_part_names[PARTS];
enum { C_ID, C_NAME, C_ARGS, CALL };
extern const char *const gemini_call_names[CALL];

#define CANDIDATES_MAX 8u

struct gemini_source {
	bool begun;
	bool finished;			/* some candidate is */
	bool ended[CANDIDATES_MAX];	/* and which */
	uint32_t calls[CANDIDATES_MAX]; /* so far, of each */
};

/* The parts of a candidate. */
struct gemini_list gemini_parts(struct json_value candidate);
/* A finish reason that says something. */
bool gemini_said(struct json_value reason);
struct str gemini_model(struct json_value version);
/* wire.read_answer(). */
enum err gemini_read_answer(struct arena *a, const struct ask *ask,
			    struct str body, struct reply *out);
/* The members of an event, as pieces; `refused`: the prompt was. */
void gemini_pieces(struct source *s, const struct json_value *v, bool refused);
