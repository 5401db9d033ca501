#pragma once
/* Between the readers of a bill's shapes. Inside billing/bill*.c only. */
#include "billing/bill.h"

/* A new line, all zero; NULL when out of memory. */
struct bill_line *bill_add(struct bill *b);
/* Room for texts of `n` bytes in all. */
NODISCARD bool bill_room(struct bill *b, size_t n);
/* Takes the line that was added last: what it is about is counted. */
void bill_done(struct bill *b, const struct bill_line *line);
/* "2026-11-20", RFC 3339, or seconds from 1970. */
NODISCARD bool bill_time(struct str text, uint64_t *ms);

NODISCARD bool bill_read_json(struct bill *b, struct str text,
			      struct buf *error);
NODISCARD bool bill_read_csv(struct bill *b, struct str text,
			     struct buf *error);
