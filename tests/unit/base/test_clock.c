#include <time.h>

#include "base/clock.h"
#include "tests/tap.h"

#define SEC(n) ((uint64_t)(n)*NS_PER_SEC)

TEST(the_monotonic_clock_does_not_go_back)
{
	uint64_t a = clock_mono_ns();

	CHECK(clock_mono_ns() >= a);
	CHECK(clock_wall_ns() > SEC(1600000000));
}

TEST(time_is_written_with_the_digits_asked_for)
{
	char out[TIME_TEXT];
	uint64_t t = SEC(1795178096) + 123456789;

	CHECK_INT(time_text(t, 0, out), 20);
	CHECK_STR(out, "2026-11-20T12:34:56Z");
	CHECK_INT(time_text(t, 3, out), 24);
	CHECK_STR(out, "2026-11-20T12:34:56.123Z");
	CHECK_INT(time_text(t, 6, out), 27);
	CHECK_STR(out, "2026-11-20T12:34:56.123456Z");
	(void)time_text(0, 0, out);
	CHECK_STR(out, "1970-01-01T00:00:00Z");
}

TEST(the_http_date_has_29_bytes)
{
	char out[TIME_TEXT];

	CHECK_INT(time_http(SEC(784111777), out), 29);
	CHECK_STR(out, "Sun, 06 Nov 1994 08:49:37 GMT");
	(void)time_http(SEC(1795178096), out);
	CHECK_STR(out, "Fri, 20 Nov 2026 12:34:56 GMT");
}

TEST(every_day_of_400_years_agrees_with_the_c_library)
{
	bool same = true;

	for (uint64_t day = 0; day < 146097 && same; day++) {
		time_t t = (time_t)(day * 86400 + day % 86400);
		char ours[TIME_TEXT], theirs[TIME_TEXT];
		uint64_t back = 0;
		struct tm tm;

		(void)gmtime_r(&t, &tm);
		(void)strftime(theirs, sizeof(theirs), "%Y-%m-%dT%H:%M:%SZ",
			       &tm);
		(void)time_text(SEC(t), 0, ours);
		same = strcmp(ours, theirs) == 0 &&
		       time_parse(str_of(ours), &back) && back == SEC(t);
		(void)strftime(theirs, sizeof(theirs),
			       "%a, %d %b %Y %H:%M:%S GMT", &tm);
		(void)time_http(SEC(t), ours);
		same = same && strcmp(ours, theirs) == 0;
	}
	CHECK(same);
}

static uint64_t
parsed(const char *text)
{
	uint64_t t = 0;

	return time_parse(str_of(text), &t) ? t : UINT64_MAX;
}

TEST(rfc_3339_is_read_with_zone_and_fraction)
{
	CHECK_INT(parsed("2026-11-20T12:34:56Z"), SEC(1795178096));
	CHECK_INT(parsed("2026-11-20t12:34:56z"), SEC(1795178096));
	CHECK_INT(parsed("2026-11-20T14:34:56+02:00"), SEC(1795178096));
	CHECK_INT(parsed("2026-11-20T04:04:56-08:30"), SEC(1795178096));
	CHECK_INT(parsed("2026-11-20T12:34:56.5Z"),
		  SEC(1795178096) + 500000000);
	CHECK_INT(parsed("2026-11-20T12:34:56.1234567899Z"),
		  SEC(1795178096) + 123456789);
	CHECK_INT(parsed("2026-11-20"), SEC(1795132800));
	CHECK_INT(parsed("2024-02-29"), SEC(1709164800));
}

TEST(what_is_no_time_is_refused)
{
	static const char *const bad[] = {
		"",
		"2026",
		"2026-11",
		"2026-11-2",
		"2026-13-01",
		"2026-00-01",
		"2026-02-29",
		"2026-11-31",
		"2026-11-00",
		"1969-12-31",
		"2026-11-20T",
		"2026-11-20T12:34Z",
		"2026-11-20T12:34:56",
		"2026-11-20T24:00:00Z",
		"2026-11-20T12:60:00Z",
		"2026-11-20T12:34:61Z",
		"2026-11-20T12:34:56.Z",
		"2026-11-20T12:34:56+2:00",
		"2026-11-20T12:34:56+24:00",
		"2026-11-20T12:34:56Zx",
		"+026-11-20",
		" 2026-11-20",
		"2026-11-20 ",
		"1970-01-01T00:00:00+01:00",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (parsed(bad[i]) != UINT64_MAX) {
			printf("# accepted: %s\n", bad[i]);
			CHECK(false);
		}
}

int
main(void)
{
	RUN(the_monotonic_clock_does_not_go_back);
	RUN(time_is_written_with_the_digits_asked_for);
	RUN(the_http_date_has_29_bytes);
	RUN(every_day_of_400_years_agrees_with_the_c_library);
	RUN(rfc_3339_is_read_with_zone_and_fraction);
	RUN(what_is_no_time_is_refused);
	return tap_done();
}
