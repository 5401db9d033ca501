/*
 * Time zones, by the C library. What is hard: a day may begin at another time
 * than 00:00 (the hour is skipped) and a wall clock may show a day twice, so
 * the start of a day is searched for and not computed.
 */
#include "base/zone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"

#define TABLE "/usr/share/zoneinfo/"
#define DATE  10 /* bytes of 2026-11-20 */
#define DAY_S 86400ll
/* No zone is farther from UTC. */
#define OFFSET_S (26ll * 3600)

static bool
is_utc(struct str name)
{
	return str_eq(name, STR("UTC"));
}

/* Nothing that leaves the table. */
static bool
is_plain(struct str name)
{
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];
		bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     (c >= '0' && c <= '9');

		if (!alnum && c != '/' && c != '_' && c != '-' && c != '+')
			return false;
	}
	return name.n > 0 && name.n < ZONE_NAME && name.p[0] != '/';
}

bool
zone_known(struct str name)
{
	char path[sizeof(TABLE) + ZONE_NAME];
	struct stat st;

	if (is_utc(name))
		return true;
	if (!is_plain(name))
		return false;
	(void)snprintf(path, sizeof(path), TABLE "%.*s", STR_ARG(name));
	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

bool
zone_set(struct str name)
{
	char text[ZONE_NAME + 1];

	if (!zone_known(name))
		return false;
	(void)snprintf(text, sizeof(text), is_utc(name) ? "UTC0" : ":%.*s",
		       STR_ARG(name));
	if (setenv("TZ", text, 1) != 0)
		return false;
	tzset();
	return true;
}

static bool
wall(int64_t second, struct tm *out)
{
	time_t t = (time_t)second;

	return localtime_r(&t, out) != NULL;
}

static int64_t
day_at(int64_t second)
{
	struct tm tm;

	if (!wall(second, &tm))
		return 0;
	return (int64_t)civil_days((unsigned)tm.tm_year + 1900,
				   (unsigned)tm.tm_mon + 1,
				   (unsigned)tm.tm_mday);
}

void
zone_clock(uint64_t ms, uint32_t *weekday, uint32_t *minute)
{
	struct tm tm;

	*weekday = *minute = 0;
	if (!wall((int64_t)(ms / 1000), &tm))
		return;
	*weekday = (uint32_t)tm.tm_wday;
	*minute = (uint32_t)(tm.tm_hour * 60 + tm.tm_min);
}

uint32_t
zone_day(uint64_t ms)
{
	return (uint32_t)day_at((int64_t)(ms / 1000));
}

uint32_t
zone_month(uint64_t ms)
{
	struct tm tm;

	if (!wall((int64_t)(ms / 1000), &tm))
		return 0;
	return (uint32_t)((tm.tm_year + 1900) * 12 + tm.tm_mon);
}

/* The first second whose day is `day` or later; 0 for what was before the
 * first second of all. */
uint64_t
zone_start_of_day(uint32_t day)
{
	int64_t low = day * DAY_S - OFFSET_S, high = day * DAY_S + OFFSET_S;

	while (high - low > 1) {
		int64_t middle = low + (high - low) / 2;

		if (day_at(middle) >= day)
			high = middle;
		else
			low = middle;
	}
	return high > 0 ? (uint64_t)high * 1000 : 0;
}

uint64_t
zone_start_of_month(uint32_t month)
{
	return zone_start_of_day(
		(uint32_t)civil_days(month / 12, month % 12 + 1, 1));
}

/* ---- texts ---- */

bool
zone_parse_day(struct str text, uint32_t *day)
{
	uint64_t ns;

	if (text.n != DATE || !time_parse(text, &ns))
		return false;
	*day = (uint32_t)(ns / NS_PER_SEC / DAY_S);
	return true;
}

bool
zone_parse_month(struct str text, uint32_t *month)
{
	char first[DATE + 1];
	uint64_t ns;

	if (text.n != DATE - 3)
		return false;
	(void)snprintf(first, sizeof(first), "%.*s-01", STR_ARG(text));
	if (!time_parse(str_of(first), &ns))
		return false;
	*month = (uint32_t)(text.p[0] - '0') * 12000 +
		 (uint32_t)(text.p[1] - '0') * 1200 +
		 (uint32_t)(text.p[2] - '0') * 120 +
		 (uint32_t)(text.p[3] - '0') * 12 +
		 (uint32_t)(text.p[5] - '0') * 10 +
		 (uint32_t)(text.p[6] - '0') - 1;
	return true;
}

size_t
zone_day_text(uint32_t day, char out[ZONE_DATE])
{
	char text[TIME_TEXT];

	(void)time_text((uint64_t)day * DAY_S * NS_PER_SEC, 0, text);
	memcpy(out, text, DATE);
	out[DATE] = '\0';
	return DATE;
}

size_t
zone_month_text(uint32_t month, char out[ZONE_DATE])
{
	size_t n = zone_day_text(
		(uint32_t)civil_days(month / 12, month % 12 + 1, 1), out);

	out[n - 3] = '\0';
	return n - 3;
}
