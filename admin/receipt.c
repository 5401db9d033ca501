/*
 * Receipts on demand. The worker names the slot and the generation of a
 * request that it has seen committed; what is signed is the ledger's entry
 * and nothing that the worker says.
 */
#include "admin/receipt.h"

#include <stdlib.h>
#include <string.h>

#include "admin/history.h"
#include "admin/internal.h"
#include "admin/pages.h"
#include "admin/url.h"
#include "base/hash.h"
#include "base/log.h"
#include "billing/receipt.h"
#include "billing/writer.h"
#include "conf/conf.h"

/* Entries that may have been committed between the worker's look and ours. */
#define ENTRIES_MAX 16384u

struct signer {
	uint8_t secret[SIGN_SECRET];
	char key_id[RECEIPT_KEY_ID];
};

struct signer *
signer_new(const struct conf *conf, struct region *r)
{
	struct signer *s = calloc(1, sizeof(*s));
	uint8_t public_key[SIGN_PUBLIC];

	if (s && receipt_key_load(conf->state_dir.p, s->secret) &&
	    sign_public(s->secret, public_key)) {
		receipt_key_id(public_key, s->key_id);
		memcpy(r->head->receipt_key, public_key, sizeof(public_key));
		atomic_store(&r->head->has_receipt_key, 1);
		return s;
	}
	LOG_ERROR("the key of receipts cannot be read: there are none",
		  F_STR("state_dir", conf->state_dir));
	signer_free(s);
	return NULL;
}

void
signer_free(struct signer *s)
{
	if (!s)
		return;
	bytes_wipe(s, sizeof(*s));
	free(s);
}

/* ---- which entry ---- */

struct asked {
	uint64_t slot, gen, after;
	uint32_t epoch, key;
};

static bool
number(const struct page *p, const char *name, uint64_t *out)
{
	char text[24];

	return url_query(str_of(p->query), name, text, sizeof(text)) &&
	       str_to_u64(str_of(text), out);
}

static bool
fits(const struct asked *a, struct str value, struct entry *e)
{
	if (value.n != sizeof(*e))
		return false;
	memcpy(e, value.p, sizeof(*e));
	return e->kind == KIND_REQUEST && e->epoch == a->epoch &&
	       e->slot == a->slot && e->gen == a->gen && e->key == a->key;
}

/* The slot's last settlement: it is this one, unless the slot has been used
 * again since. */
static bool
find_by_slot(struct ledger *l, const struct asked *a, struct entry *e)
{
	struct slotgen_record g;
	struct str value;

	if (ledger_get(l, TABLE_SLOTGEN, a->slot, &value) != STORE_OK ||
	    value.n != sizeof(g))
		return false;
	memcpy(&g, value.p, sizeof(g));
	return g.epoch == a->epoch && g.gen == a->gen &&
	       ledger_get(l, TABLE_ENTRY, g.seq, &value) == STORE_OK &&
	       fits(a, value, e);
}

static bool
find(struct ledger *l, const struct asked *a, struct entry *e)
{
	uint64_t seq = a->after + 1;
	struct str value;
	enum store s;

	if (find_by_slot(l, a, e))
		return true;
	s = ledger_seek(l, TABLE_ENTRY, &seq, &value);
	for (unsigned i = 0; i < ENTRIES_MAX && s == STORE_OK; i++) {
		if (fits(a, value, e))
			return true;
		s = ledger_next(l, TABLE_ENTRY, &seq, &value);
	}
	return false;
}

/* ---- the receipt ---- */

static bool
write_payload(struct ledger *l, const struct asked *a, const struct signer *s,
	      struct buf *out)
{
	struct meta_record meta;
	struct book_row *rows = NULL;
	struct entry e;
	uint32_t n;
	bool ok;

	if (record_get(l, TABLE_META, 1, &meta, sizeof(meta)) != STORE_OK ||
	    !find(l, a, &e) ||
	    price_get(l, e.price_version, &rows, &n) != STORE_OK)
		return false;
	ok = e.model < n;
	if (ok)
		receipt_payload(out, &e, meta.uuid, &rows[e.model], s->key_id);
	free(rows);
	return ok && !out->failed;
}

void
internal_receipt(struct page *p, struct str body)
{
	CLEANUP(buf_free) struct buf payload = BUF_INIT, out = BUF_INIT;
	struct ledger *l = history_ledger(p->admin->history);
	const struct signer *s = p->admin->signer;
	struct asked a = {
		.epoch = atomic_load(&p->admin->args->region->head->boot_epoch),
		.key = p->client_key,
	};
	bool ok = false;

	(void)body;
	if (s && number(p, "slot", &a.slot) && number(p, "gen", &a.gen) &&
	    number(p, "after", &a.after) && l && ledger_begin(l) == STORE_OK) {
		ok = write_payload(l, &a, s, &payload);
		ledger_end(l);
	}
	if (ok && receipt_sign(&out, buf_str(&payload), s->secret))
		page_text(p, 200, "text/plain", buf_str(&out));
	else
		page_error(p, 503, "no_receipt", "There is no receipt.");
}

void
admin_page_receipt_key(struct page *p, struct str body)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;
	const struct shm_head *h = p->admin->args->region->head;

	(void)body;
	if (!atomic_load(&h->has_receipt_key)) {
		page_error(p, 503, "no_receipts",
			   "The key of receipts cannot be read. See the log.");
		return;
	}
	receipt_key_page(&out, h->receipt_key);
	page_json(p, 200, &out);
}
