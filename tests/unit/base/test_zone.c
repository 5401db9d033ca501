/* Days and months where clocks jump. */
#include <string.h>

#include "base/clock.h"
#include "base/zone.h"
#include "tests/tap.h"

static uint64_t
ms(const char *text)
{
	uint64_t ns;

	CHECK(time_parse(str_of(text), &ns));
	return ns / NS_PER_MS;
}

static uint32_t
day(const char *text)
{
	uint32_t d = 0;

	CHECK(zone_parse_day(str_of(text), &d));
	return d;
}

TEST(utc_days_begin_at_midnight)
{
	CHECK(zone_set(STR("UTC")));
	CHECK_INT(zone_day(0), 0);
	CHECK_INT(zone_day(ms("2026-11-20T23:59:59Z")), day("2026-11-20"));
	CHECK_INT(zone_day(ms("2026-11-21T00:00:00Z")), day("2026-11-21"));
	CHECK_INT(zone_start_of_day(day("2026-11-21")),
		  ms("2026-11-21T00:00:00Z"));
	CHECK_INT(zone_month(ms("2026-11-30T23:59:59Z")), 2026 * 12 + 10);
	CHECK_INT(zone_start_of_month(2026 * 12 + 11),
		  ms("2026-12-01T00:00:00Z"));
	CHECK_INT(zone_start_of_month(2027 * 12), ms("2027-01-01T00:00:00Z"));
}

TEST(a_zone_has_its_own_midnight_summer_and_winter)
{
	CHECK(zone_set(STR("Europe/Berlin")));
	CHECK_INT(zone_start_of_day(day("2026-11-21")),
		  ms("2026-11-20T23:00:00Z"));
	CHECK_INT(zone_start_of_day(day("2026-07-01")),
		  ms("2026-06-30T22:00:00Z"));
	CHECK_INT(zone_start_of_month(2026 * 12 + 3),
		  ms("2026-03-31T22:00:00Z"));
	CHECK_INT(zone_day(ms("2026-11-20T23:30:00Z")), day("2026-11-21"));
}

TEST(a_day_without_its_first_hour_begins_after_it)
{
	CHECK(zone_set(STR("America/Santiago")));
	/* 2026-09-06 00:00 does not exist: the clock goes to 01:00. */
	CHECK_INT(zone_start_of_day(day("2026-09-06")),
		  ms("2026-09-06T04:00:00Z"));
	CHECK_INT(zone_day(ms("2026-09-06T03:59:59Z")), day("2026-09-05"));
}

TEST(every_day_starts_where_the_one_before_ends)
{
	static const char *const zones[] = {
		"UTC", "Europe/Berlin", "America/Santiago",
		"Pacific/Kiritimati", "Pacific/Pago_Pago"};

	for (size_t z = 0; z < ARRAY_LEN(zones); z++) {
		CHECK(zone_set(str_of(zones[z])));
		for (uint32_t d = 20000; d < 20800; d++) {
			uint64_t start = zone_start_of_day(d);

			CHECK_INT(zone_day(start), d);
			CHECK_INT(zone_day(start - 1), d - 1);
		}
	}
}

TEST(names_outside_of_the_table_are_refused)
{
	CHECK(zone_set(STR("UTC")));
	CHECK(!zone_set(STR("")));
	CHECK(!zone_set(STR("Europe/Berlinn")));
	CHECK(!zone_set(STR("../../etc/passwd")));
	CHECK(!zone_set(STR("/etc/localtime")));
	CHECK(!zone_set(STR("Europe")));
	CHECK_INT(zone_day(ms("2026-11-20T23:59:59Z")), day("2026-11-20"));
}

TEST(dates_are_read_strictly_and_written_back)
{
	char text[ZONE_DATE];
	uint32_t v;

	CHECK(zone_parse_month(STR("2026-11"), &v));
	CHECK_INT(zone_month_text(v, text), 7);
	CHECK_STR(text, "2026-11");
	CHECK_INT(zone_day_text(day("2028-02-29"), text), 10);
	CHECK_STR(text, "2028-02-29");
	CHECK(!zone_parse_day(STR("2026-02-29"), &v));
	CHECK(!zone_parse_day(STR("2026-13-01"), &v));
	CHECK(!zone_parse_day(STR("2026-1-01"), &v));
	CHECK(!zone_parse_day(STR("2026-01-01x"), &v));
	CHECK(!zone_parse_day(STR("1969-12-31"), &v));
	CHECK(!zone_parse_month(STR("2026-00"), &v));
	CHECK(!zone_parse_month(STR("2026-11-20"), &v));
}

TEST(a_clock_shows_the_day_of_the_week_and_the_minute)
{
	uint32_t day_of_week, minute;

	CHECK(zone_set(STR("Europe/Berlin")));
	zone_clock(ms("2026-11-21T23:30:00Z"), &day_of_week, &minute);
	CHECK_INT(day_of_week, 0); /* Sunday, 00:30 there */
	CHECK_INT(minute, 30);
	CHECK(zone_set(STR("UTC")));
	zone_clock(ms("2026-11-21T23:30:59Z"), &day_of_week, &minute);
	CHECK_INT(day_of_week, 6);
	CHECK_INT(minute, 23 * 60 + 30);
}

int
main(void)
{
	RUN(utc_days_begin_at_midnight);
	RUN(a_zone_has_its_own_midnight_summer_and_winter);
	RUN(a_day_without_its_first_hour_begins_after_it);
	RUN(every_day_starts_where_the_one_before_ends);
	RUN(names_outside_of_the_table_are_refused);
	RUN(dates_are_read_strictly_and_written_back);
	RUN(a_clock_shows_the_day_of_the_week_and_the_minute);
	return tap_done();
}
