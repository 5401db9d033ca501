/*
 * Slot and note become an entry. Everything is copied first and checked on
 * the copy, because the other side is memory that others can write.
 */
#include "billing/slot_entry.h"

#include <string.h>

#include "billing/rules.h"
#include "shm/channels.h"
#include "shm/counters.h"
#include "shm/slots.h"

static int64_t
load(const _Atomic int64_t *cell)
{
	return atomic_load_explicit(cell, memory_order_relaxed);
}

static bool
counter_known(const struct region *r, uint32_t counter)
{
	if (counter < SHM_ACCOUNTS)
		return counter < r->head->n_accounts;
	if (counter < SHM_ACCOUNTS + SHM_KEYS)
		return counter - SHM_ACCOUNTS < r->head->n_keys;
	return counter < SHM_COUNTERS;
}

static bool
counters_sane(const struct region *r, const struct slot *s, uint32_t k)
{
	for (uint32_t i = 0; i < k; i++) {
		if (!counter_known(r, s->ctr[i]))
			return false;
		for (uint32_t j = 0; j < i; j++)
			if (s->ctr[i] == s->ctr[j])
				return false;
	}
	return true;
}

/* Of a request: 0 <= cost <= held, on every counter. */
static bool
cost_sane(const struct slot *s, uint64_t w)
{
	int64_t cost = load(&s->cost), up_cost = load(&s->up_cost);

	if (cost < 0 || up_cost < 0)
		return false;
	for (uint32_t i = 0; i < word_k(w); i++) {
		uint32_t cell = word_cur(w) ^ (word_ext(w) >> i & 1);
		bool up = s->ctr[i] >= SHM_ACCOUNTS + SHM_KEYS;

		if (up ? up_cost > load(&s->held_up[cell])
		       : cost > load(&s->held[cell]))
			return false;
	}
	return true;
}

bool
slot_sane(const struct region *r, uint32_t slot, uint64_t w)
{
	const struct slot *s = &r->slots[slot];
	uint32_t k = word_k(w), extra = ~((1u << k) - 1u) & 15u;

	if (word_state(w) > SLOT_REVERSED || k > SLOT_COUNTERS)
		return false;
	if ((word_mask(w) & extra) || (word_ext(w) & extra))
		return false;
	if (!counters_sane(r, s, k))
		return false;
	return word_state(w) < SLOT_SETTLED || slot >= r->head->n_slots ||
	       cost_sane(s, w);
}

/* Which counters of the customer the slot holds; false: a foreign one. */
static bool
moves_of(const struct slot *s, uint64_t w, const struct note *n, uint8_t *moves)
{
	*moves = 0;
	for (uint32_t i = 0; i < word_k(w); i++) {
		uint32_t c = s->ctr[i];

		if (c >= SHM_ACCOUNTS + SHM_KEYS)
			continue; /* a cap is not the customer's */
		if (c == counter_of_account(n->account))
			*moves |= MOVES_ACCOUNT;
		else if (n->parent < SHM_ACCOUNTS &&
			 c == counter_of_account(n->parent))
			*moves |= MOVES_PARENT;
		else if (n->key < SHM_KEYS && c == counter_of_key(n->key))
			*moves |= MOVES_KEY;
		else
			return false;
	}
	return true;
}

static bool
note_sane(const struct region *r, const struct note *n)
{
	return n->account < r->head->n_accounts &&
	       (n->parent == SHM_NONE || n->parent < r->head->n_accounts) &&
	       (n->key == SHM_NONE || n->key < r->head->n_keys) &&
	       n->served_len <= sizeof(n->served) &&
	       n->upstream_id_len <= sizeof(n->upstream_id) &&
	       n->upstream_nano >= 0;
}

static void
copy_note(struct entry *e, const struct note *n)
{
	e->account = n->account;
	e->parent = n->parent;
	e->key = n->key;
	e->multiplier_ppm = n->multiplier_ppm;
	e->status = n->status;
	e->error_type = n->error_type;
	e->attempts = n->attempts;
	e->flags = n->flags;
	e->usage_source = n->usage_source;
	e->endpoint = n->endpoint;
	e->tokens = n->tokens;
	e->upstream_nano = n->upstream_nano;
	e->start_ms = n->start_ms;
	e->first_byte_us = n->first_byte_us;
	e->duration_us = n->duration_us;
	memcpy(e->request_id, n->request_id, sizeof(e->request_id));
	e->upstream_id_hash = n->upstream_id_hash;
	e->rule = n->rule;
	memcpy(e->upstream_id, n->upstream_id, n->upstream_id_len);
}

static enum store
intern_texts(const struct region *r, struct post *p, const struct note *n,
	     struct entry *e)
{
	struct str served = {n->served, n->served_len};
	enum store s = post_name(p, served, &e->served);
	char name[CHANNEL_NAME];

	if (s != STORE_OK || n->channel >= SHM_CHANNELS)
		return s;
	memcpy(name, r->channels[n->channel].name, sizeof(name));
	s = post_name(p, str_make(name, sizeof(name)), &e->channel);
	if (s != STORE_OK)
		return s;
	return post_name(p, str_make(n->provider, sizeof(n->provider)),
			 &e->provider);
}

/* The worker died: of its note stands what it wrote as it went, and the rule
 * is R13 (reap.c has priced these tokens). */
static void
reaped_entry(const struct note *n, struct entry *e)
{
	e->rule = RULE_REAPED;
	e->flags &= NOTE_STREAM;
	e->tokens = note_delivered(n);
	e->usage_source = USAGE_NONE;
	if (e->tokens.input + (uint64_t)e->tokens.output == 0)
		return;
	e->usage_source = USAGE_ESTIMATED;
	e->flags |= NOTE_PARTIAL | NOTE_ESTIMATED;
}

/* A leg of a request at one channel: no customer pays it. False: it holds
 * something else than caps. */
static bool
attempt_entry(const struct post *p, const struct slot *s, uint64_t w,
	      struct entry *e)
{
	bool lost = e->flags & NOTE_LOST;
	uint32_t caps[ENTRY_MOVES], k = word_k(w);

	e->kind = lost ? KIND_ATTEMPT : KIND_CAP;
	e->charge_nano = 0;
	e->absorbed_nano = 0;
	if (k == 0)
		return lost;
	if (k > ENTRY_MOVES)
		return false;
	for (uint32_t i = 0; i < k; i++) {
		if (s->ctr[i] < counter_of_cap(0))
			return false;
		caps[i] = s->ctr[i] - counter_of_cap(0);
	}
	e->moves = MOVES_CAPS;
	e->hold_nano = load(&s->held_up[word_cur(w)]);
	e->upstream_nano = load(&s->up_cost);
	e->ref = entry_caps_ref(caps, k, post_window(p, s->ctr[0]));
	return true;
}

bool
slot_entry(const struct region *r, struct post *p, uint32_t slot,
	   struct entry *e, enum store *state)
{
	const struct slot *s = &r->slots[slot];
	uint64_t w = atomic_load_explicit(&s->word, memory_order_acquire);
	struct note n;

	memcpy(&n, &r->notes[slot], sizeof(n));
	*e = (struct entry){.kind = KIND_REQUEST};
	*state = STORE_OK;
	if ((s->kind != SLOT_REQUEST && s->kind != SLOT_ATTEMPT) ||
	    !note_sane(r, &n))
		return false;
	if (s->kind == SLOT_REQUEST && !moves_of(s, w, &n, &e->moves))
		return false;
	copy_note(e, &n);
	e->epoch = p->meta.epoch;
	e->slot = slot;
	e->gen = word_gen(w);
	e->price_version = s->price_version;
	e->model = s->model;
	e->reason = (uint8_t)s->reason;
	e->hold_nano = load(&s->held[word_cur(w)]);
	e->charge_nano = load(&s->cost);
	e->absorbed_nano = entry_absorbed(e->upstream_nano, e->charge_nano);
	if (s->kind == SLOT_ATTEMPT && !attempt_entry(p, s, w, e))
		return false;
	if (s->kind == SLOT_REQUEST && s->reason == REASON_REAPED)
		reaped_entry(&n, e);
	*state = intern_texts(r, p, &n, e);
	return true;
}

struct entry
reversal_entry(const struct entry *original)
{
	struct entry e = *original;

	e.kind = KIND_REVERSAL;
	e.ref = original->seq;
	e.charge_nano = -original->charge_nano;
	e.reason = REASON_NOT_SENT;
	e.rule = RULE_NONE;
	e.hold_nano = 0;
	/* What the operator owes is booked once; now all of it is his. */
	e.upstream_nano = 0;
	e.absorbed_nano = original->upstream_nano - original->absorbed_nano;
	e.tokens = (struct token_counts){0};
	return e;
}
