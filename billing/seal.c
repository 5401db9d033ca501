/* Seals: what makes a rewritten history show. */
#include "billing/seal.h"

#include <string.h>

#include "base/clock.h"

#define DAY_MS (24ull * 3600 * 1000)
#define ROOTED offsetof(struct seal_record, root)

uint32_t
seal_day(uint64_t wall_ms)
{
	return (uint32_t)(wall_ms / DAY_MS);
}

static bool
has_open_entries(const struct meta_record *m)
{
	return m->next_seq - 1 > m->sealed_seq;
}

bool
seal_is_due(const struct meta_record *m, uint64_t now_ms)
{
	uint32_t today = seal_day(now_ms);

	return has_open_entries(m) &&
	       (today > m->open_day || today + 1 < m->open_day);
}

void
seal_root(const struct seal_record *r, const uint8_t uuid[LEDGER_UUID],
	  uint8_t root[SHA256_BYTES])
{
	uint8_t text[LEDGER_UUID + ROOTED];

	memcpy(text, uuid, LEDGER_UUID);
	memcpy(text + LEDGER_UUID, r, ROOTED);
	sha256(text, sizeof(text), root);
}

void
seal_make(struct seal_record *out, const struct meta_record *m, uint64_t now_ms)
{
	*out = (struct seal_record){
		.day = m->open_day,
		.number = m->n_seals + 1,
		.first_seq = m->sealed_seq + 1,
		.last_seq = m->next_seq - 1,
		.sealed_ms = now_ms,
		.debits = m->debits,
		.credits = m->credits,
	};
	memcpy(out->chain, m->chain, sizeof(out->chain));
	memcpy(out->previous, m->seal_root, sizeof(out->previous));
	seal_root(out, m->uuid, out->root);
	record_seal(out, sizeof(*out));
}

enum store
seal_put(struct ledger *l, struct meta_record *m, uint64_t now_ms)
{
	struct seal_record r;
	enum store s;

	seal_make(&r, m, now_ms);
	s = ledger_put(l, TABLE_SEAL, r.number,
		       str_make((const char *)&r, sizeof(r)), PUT_APPEND);
	if (s != STORE_OK)
		return s;
	m->n_seals = r.number;
	m->sealed_seq = r.last_seq;
	memcpy(m->seal_root, r.root, sizeof(m->seal_root));
	return STORE_OK;
}

void
seal_open_day(struct meta_record *m, uint64_t now_ms)
{
	if (!has_open_entries(m))
		m->open_day = seal_day(now_ms);
}
