#pragma once
/* Between play.c and play_stream.c. */
#include "tests/golden/play.h"

void play_sink(struct play *p, struct sink *s, struct buf *out);
/* What every answer is said to cost. */
struct money play_cost(void);
/* An error before an answer: status, fields, body. */
void play_complain(const struct play *p, struct buf *out, struct complaint *c);
/* Without the newline of the file's end. */
struct str play_body(struct str text);
