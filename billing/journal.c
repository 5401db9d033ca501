/*
 * The ledger as a journal of hledger, one transaction an entry. It tells the
 * same story in another bookkeeper's words, with the balances that the
 * entries note as assertions, so that `hledger check` is an audit by a program
 * that knows nothing of ours.
 *
 *   liabilities:prepaid:ACCOUNT   what we owe the customer
 *   revenue:usage:ACCOUNT         requests
 *   revenue:fees                  plans
 *   assets:cash                   top-ups, refunds
 *   expenses:credits              what we gave
 *   equity:corrections
 *   equity:shared                 the other side of what also counts for a
 *                                 parent account
 *   expenses:upstream:CHANNEL     and liabilities:payable:CHANNEL
 *
 * Limits and windows are no money and not in it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "base/zone.h"
#include "billing/base.h"
#include "billing/names.h"
#include "billing/report.h"
#include "billing/report_base.h"
#include "shm/counters.h"

struct journal {
	struct report *r;
	struct buf *out;
	int64_t *balances; /* by account: what the entries add up to */
	bool opened;
	uint64_t last_ms; /* the journal's days never go back */
};

/* ---- words ---- */

/* A part of an account's name: what hledger might take for something else is
 * replaced, and then the number keeps two of them apart. */
static void
word(struct buf *b, struct str name, uint32_t id)
{
	bool changed = name.n == 0;

	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     (c >= '0' && c <= '9') || c == '.' || c == '-' ||
			     c == '_' || c == '@' || (unsigned char)c >= 0x80;

		changed |= !plain;
		buf_add_char(b, plain ? c : '_');
	}
	if (changed)
		buf_printf(b, "#%u", id);
}

static void
customer(struct journal *j, const char *of, uint32_t id)
{
	const struct account_record *a = catalog_account(j->r->catalog, id);

	buf_printf(j->out, "    %s:", of);
	word(j->out, str_of(a ? a->name : ""), id);
}

static void
channel(struct journal *j, const char *of, uint32_t id)
{
	buf_printf(j->out, "    %s:", of);
	word(j->out, str_of(catalog_name(j->r->catalog, id)), id);
}

static void
amount(struct journal *j, int64_t nano)
{
	char text[MONEY_TEXT];

	(void)money_text(money_nano(nano), text);
	buf_printf(j->out, "  %s USD", text);
}

static void
amount_line(struct journal *j, int64_t nano)
{
	amount(j, nano);
	buf_add_char(j->out, '\n');
}

static void
posting(struct journal *j, const char *account, int64_t nano)
{
	buf_printf(j->out, "    %s", account);
	amount_line(j, nano);
}

/* Date, status, and what it is. */
static void
begin(struct journal *j, uint64_t ms, const char *what)
{
	char day[ZONE_DATE];

	j->last_ms = MAX_OF(j->last_ms, ms);
	(void)zone_day_text(zone_day(j->last_ms), day);
	buf_printf(j->out, "\n%s * %s", day, what);
}

/* ---- entries ---- */

/* The other side of what the customer loses. */
static void
counterpart(struct journal *j, const struct entry *e)
{
	switch ((enum entry_kind)e->kind) {
	case KIND_TOPUP:
	case KIND_REFUND: posting(j, "assets:cash", -e->charge_nano); return;
	case KIND_CREDIT:
		posting(j, "expenses:credits", -e->charge_nano);
		return;
	case KIND_FEE: posting(j, "revenue:fees", -e->charge_nano); return;
	case KIND_CORRECTION:
		posting(j, "equity:corrections", -e->charge_nano);
		return;
	case KIND_REQUEST:
	case KIND_REVERSAL:
	case KIND_LIMIT:
	case KIND_ATTEMPT:
	case KIND_CAP:
	case KIND_ROLLOVER:
	case KIND_COUNT: break;
	}
	customer(j, "revenue:usage", e->account);
	amount_line(j, -e->charge_nano);
}

static void
customer_postings(struct journal *j, const struct entry *e)
{
	if (e->moves & MOVES_ACCOUNT) {
		customer(j, "liabilities:prepaid", e->account);
		amount(j, e->charge_nano);
		buf_add_cstr(j->out, " =");
		amount_line(j, -e->balance_nano);
		counterpart(j, e);
	}
	if (e->moves & MOVES_PARENT) {
		customer(j, "liabilities:prepaid", e->parent);
		amount_line(j, e->charge_nano);
		posting(j, "equity:shared", -e->charge_nano);
	}
}

static void
upstream_postings(struct journal *j, const struct entry *e)
{
	if (!e->upstream_nano)
		return;
	channel(j, "expenses:upstream", e->channel);
	amount_line(j, e->upstream_nano);
	channel(j, "liabilities:payable", e->channel);
	amount_line(j, -e->upstream_nano);
}

static void
transaction(struct journal *j, const struct entry *e)
{
	static const uint8_t none[16];
	char id[REQUEST_ID_TEXT];
	struct request_id rid;

	begin(j, e->commit_ms, "");
	buf_printf(j->out, "(%llu) %s", (unsigned long long)e->seq,
		   entry_kind_name(e->kind));
	if (memcmp(e->request_id, none, sizeof(none)) != 0) {
		memcpy(rid.b, e->request_id, sizeof(rid.b));
		request_id_text(rid, id);
		buf_printf(j->out, " %s", id);
	}
	buf_add_char(j->out, '\n');
	if (e->charge_nano && e->moves != MOVES_CAPS)
		customer_postings(j, e);
	upstream_postings(j, e);
	j->r->sheet.rows++;
}

/* A cap's entry repeats what its request's says. */
static bool
is_money(const struct entry *e)
{
	bool customers = e->moves & (MOVES_ACCOUNT | MOVES_PARENT);

	if (e->kind == KIND_CAP)
		return false;
	return (customers && e->charge_nano) || e->upstream_nano;
}

/* ---- the frame ---- */

static void
opening(struct journal *j, uint64_t ms)
{
	uint64_t from = MAX_OF(j->r->job->filter.from_ms, ms);
	int64_t all = 0;

	if (j->opened)
		return;
	j->opened = true;
	for (uint32_t id = 0; id < j->r->meta.n_accounts; id++) {
		if (!j->balances[id])
			continue;
		if (!all)
			begin(j, from, "opening balances\n");
		all++;
		customer(j, "liabilities:prepaid", id);
		amount_line(j, -j->balances[id]);
		posting(j, "equity:opening", j->balances[id]);
	}
	j->r->sheet.rows += all > 0;
}

/* Balances of the table, which is not made of these entries. */
static enum store
closing(struct journal *j)
{
	bool any = false;

	if (j->r->job->filter.to_ms)
		return STORE_OK;
	for (uint32_t id = 0; id < j->r->meta.n_accounts; id++) {
		int64_t balance;

		if (!report_balance(j->r, id, &balance))
			continue;
		if (!any)
			begin(j, j->last_ms, "closing balances\n");
		any = true;
		customer(j, "liabilities:prepaid", id);
		amount(j, 0);
		buf_add_cstr(j->out, " =");
		amount_line(j, -balance);
	}
	j->r->sheet.rows += any;
	return STORE_OK;
}

static enum store
add_entry(struct journal *j, const struct entry *e)
{
	if (!entry_accounts_fit(e))
		return STORE_DAMAGED;
	if (e->commit_ms >= j->r->job->filter.from_ms)
		opening(j, e->commit_ms);
	if (j->opened && is_money(e) && report_in_period(j->r, e->commit_ms)) {
		transaction(j, e);
		report_add(j->r, e, e->charge_nano);
	}
	if (e->moves & MOVES_ACCOUNT)
		j->balances[e->account] -= e->charge_nano;
	if (e->moves & MOVES_PARENT)
		j->balances[e->parent] -= e->charge_nano;
	return report_flush(j->r, REPORT_CHUNK);
}

/* What came of entries that were dropped. */
static enum store
open_at_base(struct journal *j)
{
	struct report *r = j->r;
	enum store s = STORE_OK;

	for (uint32_t id = 0; id < r->meta.n_accounts && s == STORE_OK; id++)
		s = base_balance(r->job->ledger, &r->meta,
				 counter_of_account(id), &j->balances[id]);
	return s;
}

static enum store
write_journal(struct journal *j)
{
	enum store s = open_at_base(j);
	struct entry e;

	if (s != STORE_OK)
		return s;

	buf_add_cstr(j->out, "; written by tollgate-ledger export journal\n"
			     "decimal-mark .\n"
			     "commodity 1000.000000000 USD\n");
	while ((s = scan_next(&j->r->scan, &e)) == STORE_OK) {
		s = add_entry(j, &e);
		if (s != STORE_OK)
			return s;
	}
	if (s != STORE_NONE)
		return s;
	opening(j, 0);
	return closing(j);
}

enum report_result
report_journal(const struct report_job *job, struct report_sum *sum,
	       struct buf *error)
{
	struct report r;
	struct journal j = {.r = &r, .out = &r.sheet.out};
	enum report_result result = report_open(&r, job, sum, error);

	j.balances = calloc(SHM_ACCOUNTS, sizeof(*j.balances));
	if (result == REPORT_DONE && !j.balances) {
		buf_add_cstr(error, "out of memory");
		result = REPORT_NO_WRITE;
	}
	if (result == REPORT_DONE) {
		sheet_begin(&r.sheet, SHEET_JSON, true, NULL, 0);
		result = report_finish(&r, write_journal(&j));
	}
	free(j.balances);
	report_close(&r);
	return result;
}
