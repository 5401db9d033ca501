/*
 * First the rule is chosen, by what happened; then it names its tokens; then
 * they are priced. Nothing else is looked at, so a table can say it all
 * (tests/unit/billing/test_rules.c).
 */
#include "billing/rules.h"

#include "base/attrs.h"
#include "billing/price.h"

/* What a rule charges. */
enum basis {
	BASIS_NOTHING,
	BASIS_USAGE,
	BASIS_DELIVERED,
	BASIS_OUTPUT, /* that was delivered, unless the operator waives it */
};

static const struct {
	const char *name;
	enum basis basis;
} rules[RULE_COUNT] = {
	[RULE_NONE] = {"", BASIS_NOTHING},
	[RULE_USAGE] = {"R1", BASIS_USAGE},
	[RULE_ZERO] = {"R2", BASIS_USAGE},
	[RULE_NO_USAGE] = {"R3", BASIS_DELIVERED},
	[RULE_NOTHING] = {"R4", BASIS_NOTHING},
	[RULE_FAILED] = {"R5", BASIS_OUTPUT},
	[RULE_LEFT] = {"R6", BASIS_DELIVERED},
	[RULE_LEFT_READ] = {"R7", BASIS_DELIVERED},
	[RULE_RETRIED] = {"R8", BASIS_USAGE},
	[RULE_REFUSED] = {"R9", BASIS_OUTPUT},
	[RULE_HEDGED] = {"R10", BASIS_USAGE},
	[RULE_CACHED] = {"R11", BASIS_NOTHING},
	[RULE_AT_HOLD] = {"R12", BASIS_DELIVERED},
	[RULE_REAPED] = {"R13", BASIS_DELIVERED},
	[RULE_OVER_HOLD] = {"R14", BASIS_USAGE},
};

const char *
rule_name(uint8_t rule)
{
	return rule < RULE_COUNT ? rules[rule].name : "";
}

static bool
none(const struct token_counts *t)
{
	return (t->input | t->cache_read | t->cache_write | t->output |
		t->reasoning | t->units) == 0;
}

static bool
is_whole(const struct facts *f)
{
	return f->ended && f->delivered_all;
}

static enum rule
choose_whole(const struct facts *f)
{
	if (!f->has_usage)
		return RULE_NO_USAGE;
	if (none(&f->usage))
		return RULE_ZERO;
	if (f->hedged)
		return RULE_HEDGED;
	return f->attempts > 1 ? RULE_RETRIED : RULE_USAGE;
}

static enum rule
choose(const struct facts *f)
{
	if (f->reaped)
		return RULE_REAPED;
	if (f->cached)
		return RULE_CACHED;
	if (!f->delivered_any)
		return RULE_NOTHING;
	if (is_whole(f))
		return choose_whole(f);
	if (f->at_hold)
		return RULE_AT_HOLD;
	if (f->failed)
		return RULE_FAILED;
	if (f->refused)
		return RULE_REFUSED;
	return f->reads_on ? RULE_LEFT_READ : RULE_LEFT;
}

static struct money
price(const struct book_row *prices, const struct token_counts *tokens,
      uint32_t ppm)
{
	struct money cost;

	return price_of(prices, tokens, ppm, &cost) ? cost
						    : money_nano(INT64_MAX);
}

struct money
rules_charge(const struct book_row *prices, const struct token_counts *tokens,
	     uint32_t multiplier_ppm, struct money hold)
{
	return money_min(price(prices, tokens, multiplier_ppm), hold);
}

static struct token_counts
output_of(const struct token_counts *t)
{
	bool pictures = units_kind(t->units) == UNIT_IMAGE;

	return (struct token_counts){.output = t->output,
				     .reasoning = t->reasoning,
				     .units = pictures ? t->units : 0};
}

/* Of what was delivered; never more than the provider's own figures, where it
 * gave some before the end. */
static void
judge_delivered(const struct facts *f, bool output_only, struct verdict *v)
{
	struct token_counts usage = f->usage;
	struct money known;

	v->source = USAGE_ESTIMATED;
	v->tokens = output_only ? output_of(&f->delivered) : f->delivered;
	v->price = price(f->prices, &v->tokens, f->multiplier_ppm);
	if (!f->has_usage)
		return;
	if (output_only)
		usage = output_of(&usage);
	known = price(f->prices, &usage, f->multiplier_ppm);
	if (known.nano >= v->price.nano)
		return;
	v->source = USAGE_UPSTREAM;
	v->tokens = usage;
	v->price = known;
}

static void
judge_tokens(const struct facts *f, struct verdict *v)
{
	switch (rules[v->rule].basis) {
	case BASIS_NOTHING: return;
	case BASIS_USAGE:
		v->source = USAGE_UPSTREAM;
		v->tokens = f->usage;
		v->price = price(f->prices, &f->usage, f->multiplier_ppm);
		if (v->price.nano > f->hold.nano)
			v->rule = RULE_OVER_HOLD;
		return;
	case BASIS_OUTPUT:
		if (f->failed_answer == FAILED_ANSWER_OUTPUT)
			judge_delivered(f, true, v);
		return;
	case BASIS_DELIVERED: judge_delivered(f, false, v); return;
	}
}

/* Of a leg that is read on the rest is not known yet. */
static struct money
upstream_of(const struct facts *f)
{
	if (!f->list || f->reads_on)
		return money_nano(0);
	return price(f->list, f->has_usage ? &f->usage : &f->arrived,
		     f->cost_ppm);
}

static uint8_t
flags_of(const struct facts *f, const struct verdict *v)
{
	uint8_t flags = 0;

	if (v->source == USAGE_ESTIMATED)
		flags |= NOTE_ESTIMATED;
	if (v->rule == RULE_OVER_HOLD)
		flags |= NOTE_OVER_HOLD;
	if (v->rule != RULE_CACHED && f->delivered_any && !is_whole(f))
		flags |= NOTE_PARTIAL;
	return flags;
}

struct verdict
rules_judge(const struct facts *f)
{
	struct verdict v = {.rule = choose(f), .source = USAGE_NONE};

	judge_tokens(f, &v);
	if (none(&v.tokens) && v.source == USAGE_ESTIMATED)
		v.source = USAGE_NONE;
	v.charge = money_min(v.price, f->hold);
	v.upstream = upstream_of(f);
	v.flags = flags_of(f, &v);
	return v;
}
