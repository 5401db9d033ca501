#pragma once
/*
 * Time. Money and deadlines use the monotonic clock; the wall clock is for
 * people (logs, entries) only.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/str.h"

#define NS_PER_MS  1000000ull
#define NS_PER_SEC 1000000000ull
/* Longest text with its NUL: 2026-11-20T12:34:56.123456Z */
#define TIME_TEXT 32

uint64_t clock_mono_ns(void);
uint64_t clock_wall_ns(void);
/* RFC 3339 in UTC; `digits` (0, 3 or 6) after the second. */
size_t time_text(uint64_t wall_ns, int digits, char out[TIME_TEXT]);
/* RFC 3339 "2026-11-20T00:00:00Z" (or an offset), or a date
 * "2026-11-20" (its first instant in UTC). */
NODISCARD bool time_parse(struct str text, uint64_t *wall_ns);
/* Days from 1970-01-01 to a date of the calendar. */
uint64_t civil_days(unsigned year, unsigned month, unsigned day);
/* "Thu, 20 Nov 2026 12:34:56 GMT", for the Date header; 29 bytes. */
size_t time_http(uint64_t wall_ns, char out[TIME_TEXT]);
