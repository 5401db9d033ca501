/*
 * The offline check of one entry: it refers to what there is, and says
 * nothing that its kind cannot say. Its money is followed by the replay.
 */
#include "billing/rules.h"
#include "billing/verify_base.h"
#include "shm/counters.h"

static bool
check_refs(struct verify *v, const struct entry *e)
{
	if (e->account >= v->meta.n_accounts && e->account != SHM_NONE)
		return verify_wrong(v, e->seq, "there is no such account");
	if (e->parent != SHM_NONE && e->parent >= v->meta.n_accounts)
		return verify_wrong(v, e->seq,
				    "there is no such parent account");
	if (e->key != SHM_NONE && e->key >= v->meta.n_keys)
		return verify_wrong(v, e->seq, "there is no such key");
	if (e->channel >= v->meta.n_names || e->served >= v->meta.n_names ||
	    entry_note(e) >= v->meta.n_names)
		return verify_wrong(v, e->seq, "there is no such name");
	if (e->price_version > v->meta.n_prices)
		return verify_wrong(v, e->seq,
				    "there is no such price version");
	return true;
}

static bool
check_price(struct verify *v, const struct entry *e)
{
	const struct book_row *row;
	struct money hold = {e->hold_nano};

	if (!v->recompute || !e->price_version)
		return true;
	row = catalog_price(v->catalog, e->price_version, e->model);
	if (!row)
		return verify_wrong(v, e->seq, "its price row is missing");
	if (rules_charge(row, &e->tokens, e->multiplier_ppm, hold).nano !=
	    e->charge_nano)
		return verify_wrong(
			v, e->seq, "its charge is not the price of its tokens");
	return (e->rule != RULE_NONE && e->rule < RULE_COUNT) ||
	       verify_wrong(v, e->seq, "no rule says who pays it");
}

static bool
check_request(struct verify *v, const struct entry *e)
{
	if (e->charge_nano < 0 || e->hold_nano < 0 || e->upstream_nano < 0)
		return verify_wrong(v, e->seq, "an amount is negative");
	if (e->charge_nano > e->hold_nano && e->moves)
		return verify_wrong(v, e->seq, "more is charged than was held");
	if (e->absorbed_nano !=
	    entry_absorbed(e->upstream_nano, e->charge_nano))
		return verify_wrong(v, e->seq,
				    "absorbed is not upstream - charge");
	return check_price(v, e);
}

static bool
same_settlement(const struct entry *a, const struct entry *b)
{
	return a->epoch == b->epoch && a->slot == b->slot && a->gen == b->gen;
}

/* All that the charge moved, but for a budget whose window is over. */
static uint8_t
reversible_moves(const struct verify *v, const struct entry *original)
{
	uint32_t budget = counter_of_key(original->key);

	if ((original->moves & MOVES_KEY) &&
	    v->books.slotgen[original->slot].window !=
		    v->books.balance[budget].window)
		return original->moves & (uint8_t)~MOVES_KEY;
	return original->moves;
}

static bool
check_reversal(struct verify *v, const struct entry *e)
{
	struct entry original;

	if (e->ref == 0 || e->ref >= e->seq)
		return verify_wrong(v, e->seq, "it reverses no earlier entry");
	if (verify_original(v, e->ref, &original) != STORE_OK)
		return verify_wrong(v, e->seq,
				    "what it reverses cannot be read");
	if (original.kind != KIND_REQUEST || !same_settlement(e, &original) ||
	    original.charge_nano != -e->charge_nano ||
	    original.account != e->account || original.key != e->key)
		return verify_wrong(v, e->seq, "it is not what it reverses");
	if (e->moves != reversible_moves(v, &original))
		return verify_wrong(v, e->seq,
				    "it moves other counters than it reverses");
	return true;
}

/* A new window holds its limit, whatever is held in it. */
static bool
check_rollover(struct verify *v, const struct entry *e)
{
	uint32_t counters[ENTRY_MOVES];
	unsigned n = entry_counters(e, counters);

	if (n != 1 || e->moves == MOVES_ACCOUNT)
		return verify_wrong(v, e->seq,
				    "no window of a budget or a cap");
	if (v->books.balance[counters[0]].balance - e->charge_nano !=
	    e->hold_nano)
		return verify_wrong(v, e->seq,
				    "the new window is not at its limit");
	return true;
}

/* A leg: the operator's money only. */
static bool
check_attempt(struct verify *v, const struct entry *e)
{
	if (e->upstream_nano < 0 || e->charge_nano != 0)
		return verify_wrong(v, e->seq,
				    "an attempt that charges a customer");
	if (e->kind == KIND_CAP && e->moves != MOVES_CAPS)
		return verify_wrong(v, e->seq, "a cap that moves no cap");
	return (e->moves & ~MOVES_CAPS) == 0 ||
	       verify_wrong(v, e->seq,
			    "an attempt that moves a customer's counter");
}

static bool
check_kind(struct verify *v, const struct entry *e)
{
	switch ((enum entry_kind)e->kind) {
	case KIND_REQUEST: return check_request(v, e);
	case KIND_REVERSAL: return check_reversal(v, e);
	case KIND_TOPUP:
		return e->charge_nano < 0 ||
		       verify_wrong(v, e->seq, "a top-up that takes money");
	case KIND_REFUND:
		return e->charge_nano > 0 ||
		       verify_wrong(v, e->seq, "a refund that brings money");
	case KIND_LIMIT:
		return e->moves == MOVES_KEY || e->moves == MOVES_CAPS ||
		       (e->moves == 0 && e->charge_nano == 0) ||
		       verify_wrong(v, e->seq, "a limit that moves an account");
	case KIND_ROLLOVER: return check_rollover(v, e);
	case KIND_ATTEMPT:
	case KIND_CAP: return check_attempt(v, e);
	case KIND_FEE:
		return e->charge_nano >= 0 ||
		       verify_wrong(v, e->seq, "a fee that brings money");
	case KIND_CREDIT:
	case KIND_CORRECTION:
	case KIND_COUNT: break;
	}
	return true;
}

bool
verify_entry(struct verify *v, const struct entry *e)
{
	const char *fault = "";

	if (!check_refs(v, e) || !check_kind(v, e))
		return false;
	return replay_entry(&v->books, e, &fault) ||
	       verify_wrong(v, e->seq, fault);
}
