/* The start: what is on the disk, and whose the shared segment is. */
#include "billing/recover.h"

#include <string.h>

#include "base/buf.h"
#include "billing/base.h"

static enum store
check_entry(const struct str *value, uint64_t seq, uint8_t chain[ENTRY_CHAIN],
	    struct buf *why)
{
	enum entry_fault fault = ENTRY_BAD_FIELD;
	struct entry e;

	if (value->n == sizeof(e)) {
		memcpy(&e, value->p, sizeof(e));
		fault = entry_check(&e, chain);
		if (fault == ENTRY_FINE && e.seq != seq)
			fault = ENTRY_BAD_FIELD;
	}
	if (fault != ENTRY_FINE) {
		buf_printf(why, "entry %llu: %s", (unsigned long long)seq,
			   entry_fault_text(fault));
		return STORE_DAMAGED;
	}
	memcpy(chain, e.chain, ENTRY_CHAIN);
	return STORE_OK;
}

/* The chain before entry `seq`. */
static enum store
chain_before(struct post *p, uint64_t seq, uint8_t chain[ENTRY_CHAIN])
{
	struct ledger *l = p->ledger;
	struct str value;
	enum store s;

	if (seq <= p->meta.first_seq)
		return base_chain(l, &p->meta, chain);
	memset(chain, 0, ENTRY_CHAIN);
	s = ledger_get(l, TABLE_ENTRY, seq - 1, &value);
	if (s == STORE_OK && value.n == sizeof(struct entry))
		memcpy(chain, value.p + offsetof(struct entry, chain),
		       ENTRY_CHAIN);
	return s;
}

static enum store
check_tail(struct post *p, struct buf *why)
{
	struct ledger *l = p->ledger;
	uint64_t end = p->meta.next_seq, found;
	uint64_t seq = MAX_OF(end > RECOVER_CHECK ? end - RECOVER_CHECK : 1,
			      p->meta.first_seq);
	uint8_t chain[ENTRY_CHAIN];
	enum store s = chain_before(p, seq, chain);
	struct str value;

	for (; s == STORE_OK && seq < end; seq++) {
		s = ledger_get(l, TABLE_ENTRY, seq, &value);
		if (s == STORE_OK)
			s = check_entry(&value, seq, chain, why);
	}
	if (s == STORE_NONE) {
		buf_printf(why, "entry %llu is missing",
			   (unsigned long long)seq - 1);
		return STORE_DAMAGED;
	}
	if (s != STORE_OK)
		return s;
	if (memcmp(chain, p->meta.chain, ENTRY_CHAIN) != 0) {
		buf_add_cstr(why, "the last entry is not the one noted");
		return STORE_DAMAGED;
	}
	s = ledger_last(l, TABLE_ENTRY, &found, &value);
	if (s == STORE_OK && found >= end) {
		buf_add_cstr(why, "there are entries beyond the last one");
		return STORE_DAMAGED;
	}
	return s == STORE_NONE ? STORE_OK : s;
}

enum store
recover_check_tail(struct post *p, struct buf *why)
{
	enum store s = ledger_begin(p->ledger);

	if (s == STORE_OK)
		s = check_tail(p, why);
	ledger_end(p->ledger);
	if (s != STORE_OK && why->n == 0)
		buf_add_cstr(why, ledger_trouble(p->ledger));
	return s;
}

enum store
recover_is_cold(const struct region *r, const struct post *p, bool *cold,
		struct buf *why)
{
	const struct shm_head *h = r->head;

	*cold = h->boot_epoch == 0;
	if (*cold)
		return STORE_OK;
	/* An older one, restored from a copy, does not know all of it. */
	if (memcmp(h->ledger_uuid, p->meta.uuid, LEDGER_UUID) == 0 &&
	    h->boot_epoch == p->meta.epoch &&
	    h->committed_seq < p->meta.next_seq)
		return STORE_OK;
	buf_add_cstr(why, "the shared memory in run_dir belongs to another "
			  "ledger or to another time of this one; stop "
			  "everything that uses it, remove state.shm, start "
			  "again");
	return STORE_DAMAGED;
}

enum store
recover_raise_epoch(struct post *p, struct buf *why)
{
	enum store s = post_begin(p);

	if (s == STORE_OK) {
		p->meta.epoch++;
		p->meta.clean = 0;
		s = post_commit(p);
		CRASH_POINT(CP_EPOCH);
	}
	if (s != STORE_OK)
		buf_printf(why, "the ledger takes no entries: %s",
			   ledger_trouble(p->ledger));
	return s;
}

void
recover_claim(struct region *r, const struct post *p)
{
	atomic_store(&r->head->committed_seq, p->meta.next_seq - 1);
	memcpy(r->head->ledger_uuid, p->meta.uuid, LEDGER_UUID);
	CRASH_POINT(CP_LOADED);
	/* Last: this is what recover_is_cold() looks at. */
	atomic_store(&r->head->boot_epoch, p->meta.epoch);
}
