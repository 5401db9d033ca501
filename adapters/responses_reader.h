#pragma once
/* A Responses request as it is read: dialect_responses_read.c and
 * dialect_responses_items.c. */
#include "adapters/talk.h"

/* What is read, and where: names of a refusal are made of it. */
struct reader {
	struct conversation *c;
	const char *list; /* "input", "tools" */
	unsigned at;
	const char **detail;
	struct part *recent[32]; /* calls, for the seals behind them */
	unsigned calls;
};

/* "input[3].content" of the element that is read. */
const char *reader_place(const struct reader *r, const char *member);
enum err reader_bad(struct reader *r, const char *member);
/* Names come from the client: only what is short and plain is repeated. */
enum err reader_refuse(struct reader *r, struct str name);
/* Each element of an array; absent is empty. */
enum err reader_list(struct reader *r, const char *list, struct json_value v,
		     enum err (*read)(struct reader *r,
				      struct json_value item));
/* An element of `input`. */
enum err responses_read_item(struct reader *r, struct json_value item);
