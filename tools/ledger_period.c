/*
 * The period of a report. Its dates and months are those of a time zone, so
 * they are read after the whole line, when the zone is known.
 */
#include "base/clock.h"
#include "base/zone.h"
#include "tools/ledger_tool.h"

static bool
set_zone(const struct options *o)
{
	const char *name = o->value[OPTION_ZONE];

	return zone_set(name ? str_of(name) : STR("UTC")) ||
	       options_complain("--zone is not known here", name);
}

/* A date is its first moment in the zone; a time says its own. */
static bool
set_time(const char *text, const char *complaint, uint64_t *ms)
{
	uint32_t day;
	uint64_t ns;

	if (!text)
		return true;
	if (zone_parse_day(str_of(text), &day)) {
		*ms = zone_start_of_day(day);
		return true;
	}
	if (!time_parse(str_of(text), &ns))
		return options_complain(complaint, text);
	*ms = ns / NS_PER_MS;
	return true;
}

static bool
set_month(struct options *o)
{
	const char *text = o->value[OPTION_MONTH];
	uint32_t month;

	if (o->value[OPTION_FROM] || o->value[OPTION_TO])
		return options_complain("--month is a period of its own: no "
					"--from, no --to",
					NULL);
	if (!zone_parse_month(str_of(text), &month))
		return options_complain("--month is not a month", text);
	o->filter.from_ms = zone_start_of_month(month);
	o->filter.to_ms = zone_start_of_month(month + 1);
	return true;
}

bool
options_period(struct options *o)
{
	struct report_filter *f = &o->filter;

	if (!set_zone(o))
		return false;
	if (o->value[OPTION_MONTH])
		return set_month(o);
	if (!set_time(o->value[OPTION_FROM], "--from is not a time",
		      &f->from_ms) ||
	    !set_time(o->value[OPTION_TO], "--to is not a time", &f->to_ms))
		return false;
	return !f->to_ms || f->to_ms > f->from_ms ||
	       options_complain("--to is not after --from", NULL);
}
