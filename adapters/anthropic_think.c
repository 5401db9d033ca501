/*
 * How much Claude is to think. Models up to 4.5 have a budget of tokens below
 * max_tokens, later ones an effort. Where thinking would make a request
 * illegal it is left out, which is named like any other loss.
 */
#include "adapters/anthropic_write.h"

#define MAX_TOKENS   4096u /* where nobody says anything */
#define BUDGET_LEAST 1024u
/* Left for the answer behind the thoughts. */
#define ANSWER_TOKENS 4096u
/* 4.6 */
#define EFFORT_SINCE 406u

/* ---- which model ---- */

static bool
is_version_part(struct str part)
{
	uint64_t n;

	return part.n <= 2 && str_to_u64(part, &n);
}

static struct str
cut_part(struct str *rest)
{
	size_t n = 0;
	struct str part;

	while (n < rest->n && !strchr("-.@:/", rest->p[n]))
		n++;
	part = str_make(rest->p, n);
	*rest = str_from(*rest, n + 1);
	return part;
}

/* 405 of "claude-opus-4-5-20251101" and "anthropic.claude-opus-4-5-v1:0", 0
 * when the name says none. */
static unsigned
version_of(struct str model)
{
	ptrdiff_t at = str_search(model, STR("claude"));
	struct str rest = str_from(model, at < 0 ? model.n : (size_t)at);
	uint64_t major = 0, minor = 0;

	while (rest.n > 0) {
		struct str part = cut_part(&rest);

		if (!is_version_part(part) || !str_to_u64(part, &major))
			continue;
		part = cut_part(&rest);
		if (is_version_part(part) && !str_to_u64(part, &minor))
			minor = 0;
		break;
	}
	return (unsigned)(major * 100 + minor);
}

/* ---- efforts and budgets ---- */

static const struct effort {
	const char *word;
	uint64_t budget;
	const char *own; /* the model's word */
} efforts[] = {
	{"minimal", 1024, "low"},   {"low", 1024, "low"},
	{"medium", 4096, "medium"}, {"high", 16384, "high"},
	{"xhigh", 24576, "max"},    {"max", 32768, "max"},
};

static const struct effort *
effort_of(const struct conversation *c)
{
	for (unsigned i = 0; i < ARRAY_LEN(efforts); i++)
		if (str_eq(c->effort, str_of(efforts[i].word)))
			return &efforts[i];
	return NULL;
}

/* The word for a budget: the first that has as much. */
static struct str
effort_of_budget(uint64_t budget)
{
	for (unsigned i = 1; i < ARRAY_LEN(efforts); i++)
		if (budget <= efforts[i].budget)
			return str_of(efforts[i].own);
	return STR("max");
}

static uint64_t
budget_of(const struct conversation *c)
{
	const struct effort *e = effort_of(c);

	if (c->budget > 0)
		return c->budget;
	return e ? e->budget : efforts[2].budget;
}

/* ---- what is legal ---- */

static bool
is_thought(const struct part *p)
{
	return p && (p->kind == PART_REDACTED ||
		     (p->kind == PART_THINKING && p->signature.n > 0));
}

/* In the middle of a tool loop a budget is legal only if the assistant's last
 * turn begins with what it thought. */
static bool
thoughts_are_lost(const struct conversation *c)
{
	const struct turn *last = NULL;
	const struct part *result = NULL;

	for (const struct turn *t = c->turns; t; t = t->next) {
		if (t->speaker == SPEAKER_ASSISTANT) {
			last = t;
			result = NULL;
		} else if (t->speaker == SPEAKER_USER) {
			for (const struct part *p = t->parts; p; p = p->next)
				if (p->kind == PART_RESULT)
					result = p;
		}
	}
	return last && result && !is_thought(last->parts);
}

static bool
is_forced(const struct conversation *c)
{
	return c->traits[TRAIT_TOOL_CHOICE].field &&
	       (c->choice == CHOICE_REQUIRED || c->choice == CHOICE_NAMED);
}

/* ---- the whole ---- */

static uint64_t
max_tokens(const struct writing *w)
{
	if (w->talk->traits[TRAIT_MAX].field && w->ask->has_max)
		return w->ask->max_output;
	return w->target->max_output > 0 ? w->target->max_output : MAX_TOKENS;
}

/* The client's maximum stands; ours grows with the budget. False: there is no
 * room to think. */
static bool
fit_budget(const struct writing *w, struct thinking *t, uint64_t budget)
{
	uint64_t most = w->target->max_output;

	t->budget = MAX_OF(budget, (uint64_t)BUDGET_LEAST);
	if (!w->ask->has_max && t->max_tokens < t->budget + ANSWER_TOKENS) {
		t->max_tokens = t->budget + ANSWER_TOKENS;
		if (most > 0)
			t->max_tokens = MIN_OF(t->max_tokens, most);
	}
	if (t->budget >= t->max_tokens) { /* a fourth is for the answer */
		t->budget = t->max_tokens - t->max_tokens / 4;
		t->budget = MAX_OF(t->budget, (uint64_t)BUDGET_LEAST);
	}
	return t->budget < t->max_tokens;
}

static bool
think_by_budget(const struct writing *w, struct thinking *t)
{
	const struct conversation *c = w->talk;

	if (thoughts_are_lost(c) || !fit_budget(w, t, budget_of(c)))
		return false;
	t->type = "enabled";
	return true;
}

static void
think_by_effort(const struct conversation *c, struct thinking *t)
{
	const struct effort *e = effort_of(c);

	if (e)
		t->effort = str_of(e->own);
	else if (c->budget > 0)
		t->effort = effort_of_budget(c->budget);
	t->type = "adaptive";
	t->summarized = c->show_thoughts;
}

/* Is it legal; if so, how. */
static bool
think(const struct writing *w, struct thinking *t)
{
	const struct conversation *c = w->talk;

	if (c->think == THINK_OFF || str_eq(c->effort, STR("none"))) {
		t->type = "disabled";
		return true;
	}
	if (c->effort.n > 0 && !effort_of(c))
		return false;
	if (is_forced(c))
		return false;
	if (version_of(w->target->model) < EFFORT_SINCE)
		return think_by_budget(w, t);
	think_by_effort(c, t);
	return true;
}

void
anthropic_think(struct writing *w, struct thinking *out)
{
	(void)trait_take(w, TRAIT_MAX);
	*out = (struct thinking){.max_tokens = max_tokens(w)};
	if (w->talk->traits[TRAIT_THINKING].field && think(w, out))
		(void)trait_take(w, TRAIT_THINKING);
}

void
anthropic_put_thinking(struct json_out *o, const struct thinking *t)
{
	if (!t->type)
		return;
	json_name(o, "thinking");
	json_open(o, '{');
	json_name(o, "type");
	json_put_str(o, str_of(t->type));
	if (t->budget > 0) {
		json_name(o, "budget_tokens");
		json_put_u64(o, t->budget);
	}
	if (t->summarized) {
		json_name(o, "display");
		json_put_str(o, STR("summarized"));
	}
	json_close(o, '}');
}
