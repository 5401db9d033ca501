/* GET /internal/v1/idem: what came of a client's Idempotency-Key before. */
#include "billing/repeat.h"

#include <stdio.h>

#include "admin/history.h"
#include "admin/internal.h"
#include "admin/url.h"
#include "base/clock.h"
#include "base/digits.h"
#include "base/id.h"
#include "billing/usage.h"

/* 16 hex digits. */
static bool
hex64(const char *text, uint64_t *out)
{
	*out = 0;
	for (unsigned i = 0; i < 16; i++) {
		int d = hex_digit(text[i]);

		if (d < 0)
			return false;
		*out = *out << 4 | (uint64_t)d;
	}
	return true;
}

static bool
asked(const struct page *p, uint64_t idem[2], uint64_t *body)
{
	char key[33], content[17];
	struct str q = str_of(p->query);

	return url_query(q, "key", key, sizeof(key)) &&
	       url_query(q, "body", content, sizeof(content)) &&
	       hex64(key, &idem[0]) && hex64(key + 16, &idem[1]) &&
	       hex64(content, body);
}

/* "settled ENTRY TXN CHARGE REQUEST"; the entry must be the key's own. */
static bool
say_settled(const struct page *p, struct ledger *l, uint64_t seq, char *out,
	    size_t cap)
{
	char charge[MONEY_TEXT], id[REQUEST_ID_TEXT];
	struct request_id request;
	struct str value;
	struct entry e;

	if (ledger_get(l, TABLE_ENTRY, seq, &value) != STORE_OK ||
	    value.n != sizeof(e))
		return false;
	memcpy(&e, value.p, sizeof(e));
	if (e.key != p->client_key)
		return false;
	memcpy(request.b, e.request_id, sizeof(request.b));
	request_id_text(request, id);
	(void)money_text(money_nano(e.charge_nano), charge);
	(void)snprintf(out, cap, "settled %llu %u.%u.%u %s %s",
		       (unsigned long long)e.seq, e.epoch, e.slot, e.gen,
		       charge, id);
	return true;
}

static bool
look(const struct page *p, struct ledger *l, char *out, size_t cap)
{
	uint64_t idem[2], body, seq;
	enum repeat what;

	if (!asked(p, idem, &body) ||
	    repeat_look(l, idem, body, clock_wall_ns() / NS_PER_MS, &what,
			&seq) != STORE_OK)
		return false;
	if (what == REPEAT_SETTLED)
		return say_settled(p, l, seq, out, cap);
	(void)snprintf(out, cap, what == REPEAT_OTHER ? "other" : "new");
	return true;
}

void
internal_idem(struct page *p, struct str body)
{
	struct ledger *l = history_ledger(p->admin->history);
	char out[256];
	bool ok = false;

	(void)body;
	if (l && ledger_begin(l) == STORE_OK) {
		ok = look(p, l, out, sizeof(out));
		ledger_end(l);
	}
	if (ok)
		page_text(p, 200, "text/plain", str_of(out));
	else
		page_error(p, 503, "no_history", "The ledger cannot be read.");
}
