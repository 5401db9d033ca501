/* The audit of the directed-kill test: nothing runs any more; is every entry
 * what its plan and the words of its owner allow, and is there one for each? */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "shm/counters.h"
#include "tests/crash/kill.h"

enum { WAS_CHARGED = 1, WAS_REVERSED = 2, WAS_STREAM = 4, WAS_REAPED = 8 };

static bool
fault(const char *what, uint32_t slot, uint32_t gen)
{
	printf("# %s: slot %" PRIu32 " generation %" PRIu32 "\n", what, slot,
	       gen);
	return false;
}

static bool
has_upstream(const struct plan *p)
{
	for (uint32_t i = 0; i < p->k; i++) {
		if (p->ctr[i] >= SHM_ACCOUNTS + SHM_KEYS)
			return true;
	}
	return false;
}

static bool
amount_is_right(const struct mini_entry *e, const struct plan *p)
{
	switch ((enum slot_reason)e->reason) {
	case REASON_NORMAL:
		return e->cost == p->full &&
		       e->up_cost == plan_upstream(e->cost);
	case REASON_AT_HOLD:
		return e->cost == FIRST_TOTAL && p->full > FIRST_TOTAL &&
		       e->up_cost == plan_upstream(e->cost);
	case REASON_REAPED:
		/* Killed between its cost and SETTLED: the owner's word on
		 * what the answer cost the operator stays. */
		return e->cost >= 0 && e->cost <= p->full &&
		       (e->up_cost == 0 || e->up_cost == e->cost ||
			(!has_upstream(p) && e->up_cost <= p->full));
	case REASON_UPSTREAM: /* no channel took it */
		return p->capped && e->cost == 0 && e->up_cost == 0;
	case REASON_CLIENT_GONE:
	case REASON_NOT_SENT: break;
	}
	return false;
}

static bool
caps_are_right(const struct mini_entry *e, const struct leg *l)
{
	for (uint32_t i = 0; i < l->k; i++)
		if (e->ctr[i] != counter_of_cap(l->cap[i]))
			return false;
	return e->k == l->k;
}

/* An attempt moves its caps and nothing else. */
static bool
attempt_is_right(const struct mini_entry *e, uint8_t *posted)
{
	struct leg l = leg_of(e->slot, e->gen);
	bool reaped = e->reason == REASON_REAPED;
	int64_t most = MIN_OF(l.cost, FIRST_TOTAL);

	if (*posted & WAS_CHARGED)
		return fault("attempt posted twice", e->slot, e->gen);
	*posted |= WAS_CHARGED | WAS_STREAM | (reaped ? WAS_REAPED : 0);
	if (!caps_are_right(e, &l))
		return fault("not the attempt's caps", e->slot, e->gen);
	if (e->reason == (l.lost ? REASON_UPSTREAM : REASON_NORMAL))
		return e->up_cost == l.cost || e->up_cost == most ||
		       fault("wrong cost of an attempt", e->slot, e->gen);
	/* What was metered, and it is the owner's word that it was lost. */
	return (reaped && e->up_cost >= 0 && e->up_cost <= most) ||
	       fault("wrong end of an attempt", e->slot, e->gen);
}

static bool
charge_is_right(const struct mini_entry *e, uint8_t *posted, bool caps)
{
	struct plan p = plan_of(e->slot, e->gen, caps);
	bool reaped = e->reason == REASON_REAPED;
	bool failed = e->reason == REASON_UPSTREAM;

	if (*posted & WAS_CHARGED)
		return fault("charged twice", e->slot, e->gen);
	*posted |= WAS_CHARGED | (p.stream || failed ? WAS_STREAM : 0) |
		   (reaped ? WAS_REAPED : 0);
	if (e->k != p.k || memcmp(e->ctr, p.ctr, p.k * sizeof(*p.ctr)) != 0)
		return fault("wrong counters", e->slot, e->gen);
	if (!amount_is_right(e, &p))
		return fault("wrong amount", e->slot, e->gen);
	if (e->sent != (p.stream || failed || reaped))
		return fault("sent bit is wrong", e->slot, e->gen);
	return true;
}

static bool
reversal_is_right(const struct mini_entry *e, uint8_t *posted)
{
	if (!(*posted & WAS_CHARGED))
		return fault("reversed, never charged", e->slot, e->gen);
	if (*posted & WAS_REVERSED)
		return fault("reversed twice", e->slot, e->gen);
	if (*posted & (WAS_STREAM | WAS_REAPED))
		return fault("reversed, was delivered", e->slot, e->gen);
	*posted |= WAS_REVERSED;
	return true;
}

static bool
entries_are_right(struct kill_shared *k, const struct mini_entry *entry,
		  uint64_t n)
{
	bool good = true;

	for (uint64_t i = 0; i < n; i++) {
		const struct mini_entry *e = &entry[i];
		uint32_t at = e->gen - k->first_gen[e->slot % KILL_SLOTS];
		uint8_t *posted =
			&k->posted[e->slot % KILL_SLOTS][at % KILL_GENS];

		if (e->kind != SLOT_REQUEST && e->kind != SLOT_ATTEMPT)
			continue;
		if (e->slot >= KILL_SLOTS || at >= KILL_GENS)
			good = fault("of no generation", e->slot, e->gen);
		else if (e->kind == SLOT_ATTEMPT && e->reversal)
			good = fault("attempt reversed", e->slot, e->gen);
		else if (e->kind == SLOT_ATTEMPT)
			good = attempt_is_right(e, posted) && good;
		else if (e->reversal)
			good = reversal_is_right(e, posted) && good;
		else
			good = charge_is_right(e, posted, k->caps) && good;
	}
	return good;
}

static bool
word_was_kept(uint32_t slot, uint32_t gen, enum said said, uint8_t posted)
{
	bool reversed = posted & WAS_REVERSED;
	bool whole =
		(posted & WAS_CHARGED) && !(posted & (WAS_STREAM | WAS_REAPED));

	if (said != SAID_NOTHING && !(posted & WAS_CHARGED))
		return fault("held, no entry", slot, gen);
	if (said == SAID_SENT && reversed)
		return fault("sent and reversed", slot, gen);
	if (said >= SAID_STREAMED && (posted & WAS_REAPED))
		return fault("settled and reaped", slot, gen);
	/* An answer in one piece that nobody has sent costs nothing. */
	if (whole && !reversed && said != SAID_SENT && said != SAID_SENDING)
		return fault("not sent, not reversed", slot, gen);
	return true;
}

bool
kill_audit(struct kill_shared *k, const struct region *r,
	   const struct mini_entry *entry, uint64_t n)
{
	bool good = entries_are_right(k, entry, n);

	for (uint32_t s = 0; s < KILL_SLOTS; s++) {
		uint32_t gens = word_gen(r->slots[s].word) - k->first_gen[s];

		for (uint32_t g = 0; g < gens; g++)
			good = word_was_kept(s, k->first_gen[s] + g,
					     (enum said)k->said[s][g],
					     k->posted[s][g]) &&
			       good;
	}
	return good;
}
