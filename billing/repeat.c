/* Idempotency keys of clients in the ledger. */
#include "billing/repeat.h"

#include <string.h>

#include "billing/post.h"
#include "billing/records.h"

/* Old rows looked at for each new one: the table stays of the size of a day
 * and a third. */
#define SWEEP 4u

static void
key_of(const uint64_t idem[2], uint8_t key[LEDGER_IDEM_KEY])
{
	static const char tail[17] = "tollgate/client/";

	memcpy(key, idem, 16);
	memcpy(key + 16, tail, 16);
}

/* An answer came, or money went: asking again must not do it twice. */
static bool
came_to_something(const struct entry *e)
{
	if (e->kind != KIND_REQUEST)
		return false;
	return e->charge_nano > 0 ||
	       (e->status < 400 && e->reason == REASON_NORMAL &&
		!(e->flags & NOTE_PARTIAL));
}

static bool
is_over(const uint8_t key[LEDGER_IDEM_KEY], struct str value, uint64_t now_ms)
{
	struct idem_record r;

	return idem_read(key, value, &r) && r.kind == REPEAT_KIND &&
	       now_ms > r.time_ms + REPEAT_KEPT_MS;
}

/* Goes round and round through the table. */
static enum store
sweep(struct post *p)
{
	enum store s = STORE_OK;
	struct str value;

	for (unsigned i = 0; i < SWEEP && s == STORE_OK; i++) {
		s = ledger_idem_seek(p->ledger, p->idem_at, &value);
		if (s == STORE_NONE) {
			memset(p->idem_at, 0, sizeof(p->idem_at));
			return STORE_OK;
		}
		if (s == STORE_OK && is_over(p->idem_at, value, p->now_ms))
			s = ledger_idem_drop(p->ledger, p->idem_at);
		/* The key behind this one. */
		for (unsigned at = LEDGER_IDEM_KEY; at-- > 0;)
			if (++p->idem_at[at] != 0)
				break;
	}
	return s;
}

enum store
repeat_post(struct post *p, const struct note *n, const struct entry *e)
{
	uint64_t idem[2] = {atomic_load(&n->idem[0]), atomic_load(&n->idem[1])};
	uint8_t key[LEDGER_IDEM_KEY];
	struct idem_record r;
	enum store s;

	if ((idem[0] | idem[1]) == 0 ||
	    (e->kind != KIND_REQUEST && e->kind != KIND_REVERSAL))
		return STORE_OK;
	memset(&r, 0, sizeof(r));
	memcpy(r.content, &n->idem_body, sizeof(n->idem_body));
	r.seq = e->seq;
	r.index = came_to_something(e);
	r.kind = REPEAT_KIND;
	r.balance_nano = e->charge_nano;
	r.time_ms = p->now_ms;
	key_of(idem, key);
	idem_seal(key, &r);
	s = ledger_idem_put(p->ledger, key,
			    str_make((const char *)&r, sizeof(r)));
	return s == STORE_OK ? sweep(p) : s;
}

enum store
repeat_look(struct ledger *l, const uint64_t idem[2], uint64_t body,
	    uint64_t now_ms, enum repeat *what, uint64_t *seq)
{
	uint8_t key[LEDGER_IDEM_KEY];
	struct idem_record r;
	struct str value;
	enum store s;

	*what = REPEAT_NEW;
	*seq = 0;
	key_of(idem, key);
	s = ledger_idem_get(l, key, &value);
	if (s == STORE_NONE)
		return STORE_OK;
	if (s != STORE_OK)
		return s;
	if (!idem_read(key, value, &r))
		return STORE_DAMAGED;
	if (!r.index || now_ms > r.time_ms + REPEAT_KEPT_MS)
		return STORE_OK;
	*seq = r.seq;
	*what = memcmp(r.content, &body, sizeof(body)) == 0 ? REPEAT_SETTLED
							    : REPEAT_OTHER;
	return STORE_OK;
}
