#pragma once
/*
 * A table of text cells, as CSV (RFC 4180: CRLF, a header row, quotes only
 * where needed) or as one JSON object a line. In CSV a text that a
 * spreadsheet would run as a formula gets an apostrophe, unless `raw`.
 * Collected in a buffer that the caller empties with sheet_flush().
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/money.h"
#include "base/str.h"

/* Rows stand by time, so the text of a minute serves for many. */
struct sheet_minute {
	uint64_t minute1; /* since 1970, + 1; 0 = empty */
	char text[TIME_TEXT];
};

enum sheet_format { SHEET_CSV, SHEET_JSON };

struct sheet {
	struct buf out;
	enum sheet_format format;
	bool raw;
	const char *const *columns;
	uint32_t n_columns;
	uint32_t at; /* column of the next cell */
	uint64_t rows;
	struct sheet_minute minutes[2];
};

void sheet_begin(struct sheet *s, enum sheet_format format, bool raw,
		 const char *const *columns, uint32_t n_columns);
void sheet_free(struct sheet *s);

/* Cells in the order of the columns. */
void sheet_text(struct sheet *s, struct str text);
void sheet_u64(struct sheet *s, uint64_t v);
void sheet_bool(struct sheet *s, bool v);
/* USD, exact; quoted in JSON, so that no reader makes a float of it. */
void sheet_money(struct sheet *s, int64_t nano);
/* Our own text that needs no escaping; quoted in JSON. */
void sheet_exact(struct sheet *s, struct str text);
/* Milliseconds with three digits after the point. */
void sheet_us_as_ms(struct sheet *s, uint64_t us);
/* 2026-11-20T12:34:56.123Z */
void sheet_time(struct sheet *s, uint64_t wall_ms);
/* 2026-11-20T12:34:56Z */
void sheet_second(struct sheet *s, uint64_t wall_ms);
/* No value: nothing in CSV, null in JSON. */
void sheet_empty(struct sheet *s);
/* Every column must have its cell. */
void sheet_end_row(struct sheet *s);

/* Writes the buffer if it holds more than `keep` bytes; false: errno says
 * why not, or out of memory. */
NODISCARD bool sheet_flush(struct sheet *s, int fd, size_t keep);
