#pragma once
/*
 * Calendar days and months of one time zone, which is the process's own: set
 * once, early. Days are counted from 1970-01-01, months are year x 12 + month
 * - 1, both as a clock on the wall of the zone shows them. All instants are
 * milliseconds of UTC.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/str.h"

#define ZONE_NAME 64
/* A date and its NUL, and some. */
#define ZONE_DATE 16

/* A name of the system's time zone table: "UTC", "Europe/Berlin". False:
 * there is none; the zone stays what it was. */
NODISCARD bool zone_set(struct str name);
bool zone_known(struct str name);

/* On a clock on the wall: 0 = Sunday, and the minute of the day. */
void zone_clock(uint64_t ms, uint32_t *weekday, uint32_t *minute);
uint32_t zone_day(uint64_t ms);
uint32_t zone_month(uint64_t ms);
/* The first instant of it. */
uint64_t zone_start_of_day(uint32_t day);
uint64_t zone_start_of_month(uint32_t month);
/* The day of "2026-11-20", the month of "2026-11"; false: not one. */
NODISCARD bool zone_parse_day(struct str text, uint32_t *day);
NODISCARD bool zone_parse_month(struct str text, uint32_t *month);
/* "2026-11-20", "2026-11"; returns the length. */
size_t zone_day_text(uint32_t day, char out[ZONE_DATE]);
size_t zone_month_text(uint32_t month, char out[ZONE_DATE]);
