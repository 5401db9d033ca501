/*
 * The report of accounts. The opening balance is what the entries before the
 * period add up to; the closing one comes from elsewhere (the balance table,
 * or the balance that the last entry of the period notes), so that the check
 * column checks something.
 */
#include <string.h>
#include <sys/mman.h>

#include "base/buf.h"
#include "billing/base.h"
#include "billing/report.h"
#include "billing/report_base.h"
#include "shm/counters.h"
#include "shm/region.h"

static const char *const columns[] = {
	"period_start",
	"period_end",
	"account_id",
	"account_name",
	"plan",
	"currency",
	"opening_balance",
	"topups",
	"credits",
	"usage_charges",
	"refunds",
	"adjustments",
	"fees",
	"closing_balance",
	"check",
	"requests_ok",
	"requests_error",
	"input_tokens",
	"cached_input_tokens",
	"output_tokens",
	"open_holds",
	"last_request_ts",
};

struct tally {
	int64_t opening, topups, credits, usage, refunds, adjustments, fees;
	int64_t closing; /* from the entries' own balances */
	uint64_t ok, failed;
	uint64_t input, cached, output;
	uint64_t last_ms;
};

struct tallies {
	struct tally *of; /* by account */
	uint64_t first_ms, last_ms;
};

/* What one account has of the entry, inside the period. */
static void
add_money(struct tally *t, const struct entry *e)
{
	switch ((enum entry_kind)e->kind) {
	case KIND_TOPUP: t->topups -= e->charge_nano; return;
	case KIND_REFUND: t->refunds += e->charge_nano; return;
	case KIND_REQUEST:
	case KIND_REVERSAL: t->usage += e->charge_nano; return;
	case KIND_CREDIT: t->credits -= e->charge_nano; return;
	case KIND_FEE: t->fees += e->charge_nano; return;
	case KIND_CORRECTION: t->adjustments -= e->charge_nano; return;
	case KIND_LIMIT:
	case KIND_ATTEMPT:
	case KIND_CAP:
	case KIND_ROLLOVER:
	case KIND_COUNT: break; /* move no account */
	}
}

static void
add_request(struct tally *t, const struct entry *e)
{
	if (e->kind != KIND_REQUEST)
		return;
	if (e->status < 400)
		t->ok++;
	else
		t->failed++;
	t->input += (uint64_t)e->tokens.input + e->tokens.cache_write;
	t->cached += e->tokens.cache_read;
	t->output += (uint64_t)e->tokens.output + e->tokens.reasoning;
	t->last_ms = MAX_OF(t->last_ms, e->start_ms);
}

static void
add_to(struct report *r, struct tally *t, const struct entry *e, bool own)
{
	if (e->commit_ms < r->job->filter.from_ms) {
		t->opening -= e->charge_nano;
		t->closing -= e->charge_nano;
		return;
	}
	if (!report_in_period(r, e->commit_ms))
		return;
	add_money(t, e);
	t->closing = own ? e->balance_nano : t->closing - e->charge_nano;
}

static void
add_entry(struct report *r, struct tallies *all, const struct entry *e)
{
	struct tally *own;

	if (all->first_ms == 0)
		all->first_ms = e->commit_ms;
	all->last_ms = MAX_OF(all->last_ms, e->commit_ms);
	if (e->account == SHM_NONE)
		return; /* the limit of a channel's cap is nobody's */
	own = &all->of[e->account];
	if (report_in_period(r, e->commit_ms)) {
		add_request(own, e);
		report_add(r, e, e->charge_nano);
	}
	if (e->moves & MOVES_ACCOUNT)
		add_to(r, own, e, true);
	if (e->moves & MOVES_PARENT)
		add_to(r, &all->of[e->parent], e, false);
}

/* What came of entries that were dropped. */
static enum store
open_at_base(struct report *r, struct tallies *all)
{
	enum store s = STORE_OK;

	for (uint32_t id = 0; id < r->meta.n_accounts && s == STORE_OK; id++) {
		s = base_balance(r->job->ledger, &r->meta,
				 counter_of_account(id), &all->of[id].opening);
		all->of[id].closing = all->of[id].opening;
	}
	return s;
}

static enum store
collect(struct report *r, struct tallies *all)
{
	enum store s = open_at_base(r, all);
	struct entry e;

	if (s != STORE_OK)
		return s;
	while ((s = scan_next(&r->scan, &e)) == STORE_OK) {
		if (!entry_accounts_fit(&e))
			return STORE_DAMAGED;
		add_entry(r, all, &e);
	}
	return s;
}

static void
money_cells(struct report *r, uint32_t id, const struct tally *t)
{
	struct sheet *s = &r->sheet;
	int64_t closing = t->closing;

	(void)report_balance(r, id, &closing);
	sheet_money(s, t->opening);
	sheet_money(s, t->topups);
	sheet_money(s, t->credits);
	sheet_money(s, t->usage);
	sheet_money(s, t->refunds);
	sheet_money(s, t->adjustments);
	sheet_money(s, t->fees);
	sheet_money(s, closing);
	sheet_money(s, t->opening + t->topups + t->credits + t->adjustments -
			       t->usage - t->refunds - t->fees - closing);
}

/* Closing balance and credit less this is what can be spent now. Only of
 * the present, and of the very server that writes this ledger. */
static void
holds_cell(struct report *r, uint32_t id)
{
	const struct region *live = r->job->live;
	const struct counter *c;
	int64_t held;

	if (!live || r->job->filter.to_ms ||
	    memcmp(live->head->ledger_uuid, r->meta.uuid,
		   sizeof(r->meta.uuid)) != 0) {
		sheet_empty(&r->sheet);
		return;
	}
	c = &live->counters[counter_of_account(id)];
	held = atomic_load_explicit(&c->balance, memory_order_relaxed) +
	       atomic_load_explicit(&c->credit, memory_order_relaxed) -
	       atomic_load_explicit(&c->available, memory_order_relaxed);
	/* The three are not read at one instant. */
	sheet_money(&r->sheet, MAX_OF(held, 0));
}

static void
row_of(struct report *r, const struct tallies *all, uint32_t id,
       const struct account_record *a)
{
	const struct report_filter *f = &r->job->filter;
	const struct tally *t = &all->of[id];
	struct sheet *s = &r->sheet;

	sheet_time(s, f->from_ms ? f->from_ms : all->first_ms);
	sheet_time(s, f->to_ms ? f->to_ms : all->last_ms);
	sheet_u64(s, id);
	sheet_text(s, str_of(a->name));
	sheet_text(s, a->flags & ACCOUNT_POSTPAID ? STR("postpaid")
						  : STR("prepaid"));
	sheet_text(s, STR("USD"));
	money_cells(r, id, t);
	sheet_u64(s, t->ok);
	sheet_u64(s, t->failed);
	sheet_u64(s, t->input);
	sheet_u64(s, t->cached);
	sheet_u64(s, t->output);
	holds_cell(r, id);
	if (t->last_ms)
		sheet_time(s, t->last_ms);
	else
		sheet_empty(s);
	sheet_end_row(s);
}

static enum store
write_rows(struct report *r, const struct tallies *all)
{
	enum store s = STORE_OK;

	for (uint32_t id = 0; id < r->meta.n_accounts && s == STORE_OK; id++) {
		const struct account_record *a;

		if (r->account != SHM_NONE && r->account != id)
			continue;
		a = catalog_account(r->catalog, id);
		if (!a)
			return STORE_DAMAGED;
		row_of(r, all, id, a);
		s = report_flush(r, REPORT_CHUNK);
	}
	return s;
}

enum report_result
report_accounts(const struct report_job *job, struct report_sum *sum,
		struct buf *error)
{
	size_t bytes = sizeof(struct tally) * SHM_ACCOUNTS;
	struct tallies all = {0};
	struct report r;
	enum report_result result = report_open(&r, job, sum, error);
	enum store s;

	all.of = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (all.of == MAP_FAILED) {
		report_close(&r);
		buf_add_cstr(error, "out of memory");
		return REPORT_NO_WRITE;
	}
	if (result == REPORT_DONE) {
		sheet_begin(&r.sheet, job->format, job->raw, columns,
			    ARRAY_LEN(columns));
		s = collect(&r, &all);
		if (s == STORE_NONE)
			s = write_rows(&r, &all);
		result = report_finish(&r, s);
	}
	(void)munmap(all.of, bytes);
	report_close(&r);
	return result;
}
