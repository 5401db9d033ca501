/* Clocks and their texts; no locale, no time zone but UTC, no allocation. */
#include "base/clock.h"

#include <time.h>

#include "base/must.h"

#define SEC_PER_DAY 86400u

struct civil {
	unsigned year, month, day, hour, minute, second, weekday;
};

static uint64_t
read_clock(clockid_t id)
{
	struct timespec t;

	must(clock_gettime(id, &t) == 0);
	return (uint64_t)t.tv_sec * NS_PER_SEC + (uint64_t)t.tv_nsec;
}

uint64_t
clock_mono_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t
clock_wall_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}

/* Days since 1970-01-01, counted in years that begin in March: the leap day
 * is then the last of its year. */
uint64_t
civil_days(unsigned year, unsigned month, unsigned day)
{
	unsigned y = month <= 2 ? year - 1 : year;
	unsigned m = month <= 2 ? month + 9 : month - 3;

	return (uint64_t)365 * y + y / 4 - y / 100 + y / 400 +
	       (153 * m + 2) / 5 + day - 1 - 719468;
}

static struct civil
civil_of(uint64_t sec)
{
	uint64_t days = sec / SEC_PER_DAY + 719468;
	unsigned rest = (unsigned)(sec % SEC_PER_DAY);
	uint64_t era = days / 146097;
	unsigned doe = (unsigned)(days % 146097);
	unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	unsigned m = (5 * doy + 2) / 153;

	return (struct civil){
		.year = (unsigned)(era * 400) + yoe + (m >= 10),
		.month = m < 10 ? m + 3 : m - 9,
		.day = doy - (153 * m + 2) / 5 + 1,
		.hour = rest / 3600,
		.minute = rest / 60 % 60,
		.second = rest % 60,
		.weekday = (unsigned)((sec / SEC_PER_DAY + 4) % 7),
	};
}

static char *
put_digits(char *p, uint64_t v, int n)
{
	for (int i = n - 1; i >= 0; i--) {
		p[i] = (char)('0' + v % 10);
		v /= 10;
	}
	return p + n;
}

size_t
time_text(uint64_t wall_ns, int digits, char out[TIME_TEXT])
{
	struct civil c = civil_of(wall_ns / NS_PER_SEC);
	uint64_t part = wall_ns % NS_PER_SEC;
	char *p = put_digits(out, c.year, 4);

	*p++ = '-';
	p = put_digits(p, c.month, 2);
	*p++ = '-';
	p = put_digits(p, c.day, 2);
	*p++ = 'T';
	p = put_digits(p, c.hour, 2);
	*p++ = ':';
	p = put_digits(p, c.minute, 2);
	*p++ = ':';
	p = put_digits(p, c.second, 2);
	if (digits > 0) {
		must(digits <= 6);
		*p++ = '.';
		for (int i = 9; i > digits; i--)
			part /= 10;
		p = put_digits(p, part, digits);
	}
	*p++ = 'Z';
	*p = '\0';
	return (size_t)(p - out);
}

size_t
time_http(uint64_t wall_ns, char out[TIME_TEXT])
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct civil c = civil_of(wall_ns / NS_PER_SEC);
	char *p = out;

	memcpy(p, days + (size_t)3 * c.weekday, 3);
	memcpy(p + 3, ", ", 2);
	p = put_digits(p + 5, c.day, 2);
	*p++ = ' ';
	memcpy(p, months + (size_t)3 * (c.month - 1), 3);
	p[3] = ' ';
	p = put_digits(p + 4, c.year, 4);
	*p++ = ' ';
	p = put_digits(p, c.hour, 2);
	*p++ = ':';
	p = put_digits(p, c.minute, 2);
	*p++ = ':';
	p = put_digits(p, c.second, 2);
	memcpy(p, " GMT", 5);
	return (size_t)(p + 4 - out);
}

/* Exactly `n` digits, then the character `then` (0 = nothing). */
static bool
take(struct str *s, size_t n, char then, unsigned *out)
{
	uint64_t v;

	if (s->n < n + (then != 0) || !str_to_u64(str_make(s->p, n), &v))
		return false;
	if (then && s->p[n] != then)
		return false;
	*s = str_from(*s, n + (then != 0));
	*out = (unsigned)v;
	return true;
}

static bool
take_fraction(struct str *s, uint64_t *ns)
{
	uint64_t unit = NS_PER_SEC / 10;
	size_t i;

	*ns = 0;
	if (s->n == 0 || s->p[0] != '.')
		return true;
	for (i = 1; i < s->n && s->p[i] >= '0' && s->p[i] <= '9'; i++) {
		*ns += unit * (uint64_t)(s->p[i] - '0');
		unit /= 10;
	}
	*s = str_from(*s, i);
	return i > 1;
}

/* "Z" or "+hh:mm"; the whole rest of the text. */
static bool
take_zone(struct str s, int64_t *offset_sec)
{
	unsigned hour, minute;
	bool west;

	*offset_sec = 0;
	if (str_eq(s, STR("Z")) || str_eq(s, STR("z")))
		return true;
	if (s.n != 6 || (s.p[0] != '+' && s.p[0] != '-'))
		return false;
	west = s.p[0] == '-';
	s = str_from(s, 1);
	if (!take(&s, 2, ':', &hour) || !take(&s, 2, 0, &minute) || hour > 23 ||
	    minute > 59)
		return false;
	*offset_sec = (int64_t)(hour * 3600 + minute * 60) * (west ? -1 : 1);
	return true;
}

static bool
date_exists(const struct civil *c)
{
	static const unsigned char days[] = {31, 28, 31, 30, 31, 30,
					     31, 31, 30, 31, 30, 31};
	bool leap =
		(c->year % 4 == 0 && c->year % 100 != 0) || c->year % 400 == 0;

	if (c->year < 1970 || c->year > 2500 || c->month < 1 || c->month > 12)
		return false;
	return c->day >= 1 &&
	       c->day <= days[c->month - 1] + (unsigned)(leap && c->month == 2);
}

bool
time_parse(struct str text, uint64_t *wall_ns)
{
	struct civil c = {0};
	uint64_t ns = 0;
	int64_t offset = 0, sec;
	struct str s = text;

	if (!take(&s, 4, '-', &c.year) || !take(&s, 2, '-', &c.month) ||
	    !take(&s, 2, 0, &c.day) || !date_exists(&c))
		return false;
	if (s.n) {
		if (s.p[0] != 'T' && s.p[0] != 't' && s.p[0] != ' ')
			return false;
		s = str_from(s, 1);
		if (!take(&s, 2, ':', &c.hour) ||
		    !take(&s, 2, ':', &c.minute) ||
		    !take(&s, 2, 0, &c.second) || !take_fraction(&s, &ns) ||
		    !take_zone(s, &offset))
			return false;
	}
	/* :60 is a leap second; it counts as the next one. */
	if (c.hour > 23 || c.minute > 59 || c.second > 60)
		return false;
	sec = (int64_t)(civil_days(c.year, c.month, c.day) * SEC_PER_DAY +
			c.hour * 3600 + c.minute * 60 + c.second) -
	      offset;
	if (sec < 0)
		return false;
	*wall_ns = (uint64_t)sec * NS_PER_SEC + ns;
	return true;
}
