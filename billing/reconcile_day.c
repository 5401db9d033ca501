/*
 * Bill and books joined by day and model; where the bill names no models, by
 * day. A request counts on the day on which it began.
 */
#include <string.h>

#include "base/zone.h"
#include "billing/names.h"
#include "billing/reconcile.h"

struct day_key {
	uint32_t day;
	char model[NAME_TEXT];
};

struct day_row {
	struct day_key key;
	uint32_t channel;
	bool several; /* channels */
	struct side ours, theirs;
};

static struct day_row *
row_for(struct tally *t, uint64_t ms, struct str model)
{
	struct day_key key;

	memset(&key, 0, sizeof(key));
	key.day = zone_day(ms);
	(void)str_copy(key.model, sizeof(key.model), model);
	return tally_row(t, &key);
}

static bool
add_entry(struct reconcile *c, struct tally *t, const struct entry *e)
{
	struct str model = STR_NONE;
	struct day_row *row;

	if (!report_is_leg(e) || !report_wants(c->r, e) ||
	    !report_in_period(c->r, e->start_ms))
		return true;
	/* Refused by the provider, or never there. */
	if (e->upstream_nano == 0 && e->tokens.input == 0 &&
	    e->tokens.output == 0 && e->tokens.cache_read == 0)
		return true;
	if (c->job.bill->has_models)
		model = report_model(c->r, e);
	row = row_for(t, e->start_ms, model);
	if (!row)
		return false;
	row->several |= row->channel && row->channel != e->channel;
	row->channel = e->channel;
	side_add_entry(&row->ours, e);
	return true;
}

static bool
add_bill(struct reconcile *c, struct tally *t)
{
	const struct bill *b = c->job.bill;

	for (size_t i = 0; i < b->n; i++) {
		const struct bill_line *line = &b->lines[i];
		struct day_row *row;

		if (!report_in_period(c->r, line->ms))
			continue;
		row = row_for(t, line->ms, line->model);
		if (!row)
			return false;
		side_add_line(&row->theirs, line);
	}
	return true;
}

static bool
judge(struct reconcile *c, const struct tally *t)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct day_row *row = tally_at(t, i);
		struct finding f = {
			.ms = zone_start_of_day(row->key.day),
			.channel = row->several ? NAME_NONE : row->channel,
			.ours = row->ours,
			.theirs = row->theirs,
		};

		(void)str_copy(f.model, sizeof(f.model),
			       str_of(row->key.model));
		if (!reconcile_judge(c, &f))
			return false;
	}
	return true;
}

enum store
reconcile_by_day(struct reconcile *c)
{
	enum store s = STORE_OK;
	struct entry e;
	struct tally t;
	bool ok = true;

	tally_init(&t, sizeof(struct day_key), sizeof(struct day_row));
	while (ok && (s = scan_next(&c->r->scan, &e)) == STORE_OK)
		ok = add_entry(c, &t, &e);
	if (s == STORE_NONE)
		s = STORE_OK;
	if (s == STORE_OK && !(ok && add_bill(c, &t) && judge(c, &t))) {
		buf_add_cstr(c->r->error, "out of memory");
		s = STORE_FAILED;
	}
	tally_free(&t);
	return s;
}
