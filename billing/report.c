/* What the reports share. */
#include "billing/report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/zone.h"
#include "billing/base.h"
#include "billing/names.h"
#include "billing/price.h"
#include "billing/report_base.h"

static enum report_result
no_such(struct report *r, const char *what, struct str text)
{
	buf_printf(r->error, "there is no %s %.*s", what, STR_ARG(text));
	return REPORT_NO_SUCH;
}

static enum report_result
resolve(struct report *r)
{
	const struct report_filter *f = &r->job->filter;

	r->account = SHM_NONE;
	r->key = SHM_NONE;
	r->channel = NAME_NONE;
	if (f->account.n) {
		r->account = catalog_find_account(r->catalog, f->account);
		if (r->account == SHM_NONE)
			return no_such(r, "account", f->account);
	}
	if (f->key.n) {
		r->key = catalog_find_key(r->catalog, f->key);
		if (r->key == SHM_NONE)
			return no_such(r, "key", f->key);
	}
	if (f->channel.n) {
		r->channel = catalog_find_name(r->catalog, f->channel);
		if (r->channel == NAME_NONE)
			return no_such(r, "channel", f->channel);
	}
	return REPORT_DONE;
}

enum report_result
report_open(struct report *r, const struct report_job *job,
	    struct report_sum *sum, struct buf *error)
{
	*r = (struct report){.job = job, .sum = sum, .error = error};
	*sum = (struct report_sum){0};
	r->catalog = catalog_new(job->ledger);
	if (!r->catalog) {
		buf_add_cstr(error, "out of memory");
		return REPORT_NO_WRITE;
	}
	if (scan_begin(&r->scan, job->ledger, &r->meta) != STORE_OK) {
		buf_printf(error, "the ledger cannot be read: %s",
			   ledger_trouble(job->ledger));
		return REPORT_DAMAGED;
	}
	memcpy(sum->uuid, r->meta.uuid, sizeof(sum->uuid));
	if (r->meta.next_seq > r->meta.first_seq)
		sum->first_seq = r->meta.first_seq;
	sum->last_seq = r->meta.next_seq - 1;
	return resolve(r);
}

void
report_close(struct report *r)
{
	scan_end(&r->scan);
	catalog_free(r->catalog);
	sheet_free(&r->sheet);
}

enum store
report_flush(struct report *r, size_t keep)
{
	if (sheet_flush(&r->sheet, r->job->fd, keep))
		return STORE_OK;
	buf_printf(r->error, "cannot write: %s", strerror(errno));
	return STORE_FAILED;
}

enum report_result
report_finish(struct report *r, enum store s)
{
	if (s == STORE_NONE || s == STORE_OK)
		s = report_flush(r, 0);
	r->sum->rows = r->sheet.rows;
	if (s == STORE_OK)
		return REPORT_DONE;
	if (r->error->n)
		return REPORT_NO_WRITE;
	buf_printf(r->error, "entry %llu cannot be read",
		   (unsigned long long)r->scan.next);
	return REPORT_DAMAGED;
}

bool
report_wants(const struct report *r, const struct entry *e)
{
	return (r->account == SHM_NONE || e->account == r->account) &&
	       (r->key == SHM_NONE || e->key == r->key) &&
	       (r->channel == NAME_NONE || e->channel == r->channel);
}

bool
report_in_period(const struct report *r, uint64_t ms)
{
	const struct report_filter *f = &r->job->filter;

	return ms >= f->from_ms && (f->to_ms == 0 || ms < f->to_ms);
}

struct str
report_model(struct report *r, const struct entry *e)
{
	const struct book_row *row;

	if (e->served && !(e->flags & NOTE_FALLBACK))
		return str_of(catalog_name(r->catalog, e->served));
	row = catalog_price(r->catalog, e->price_version, e->model);
	return row ? str_make(row->name, strnlen(row->name, MODEL_NAME))
		   : STR_NONE;
}

struct book_tier
report_tier(const struct book_row *row, const struct entry *e)
{
	return price_tier(row, (uint64_t)e->tokens.input +
				       e->tokens.cache_read +
				       e->tokens.cache_write);
}

bool
report_is_leg(const struct entry *e)
{
	return (e->kind == KIND_REQUEST && e->channel != NAME_NONE) ||
	       e->kind == KIND_ATTEMPT;
}

bool
report_balance(struct report *r, uint32_t account, int64_t *out)
{
	struct balance_record b;
	struct str value;

	if (r->job->filter.to_ms)
		return false;
	if (ledger_get(r->job->ledger, TABLE_BALANCE, account, &value) !=
		    STORE_OK ||
	    value.n != sizeof(b))
		return false;
	memcpy(&b, value.p, sizeof(b));
	/* It has moved on since we began to read. */
	if (b.last_seq >= r->scan.end)
		return false;
	*out = b.balance;
	return true;
}

void
report_invoice_number(const struct report *r, uint32_t account, uint64_t ms,
		      char out[REPORT_INVOICE_TEXT])
{
	const uint8_t *u = r->meta.uuid;
	char month[ZONE_DATE];

	(void)zone_month_text(zone_month(ms), month);
	(void)snprintf(out, REPORT_INVOICE_TEXT, "%02x%02x%02x%02x-%s-%u", u[0],
		       u[1], u[2], u[3], month, account);
}

enum store
report_entry(struct report *r, uint64_t seq, struct entry *e)
{
	return seq < r->meta.first_seq ? base_entry(r->job->ledger, seq, e)
				       : scan_get(&r->scan, seq, e);
}

int64_t
report_plus(int64_t a, int64_t b)
{
	int64_t sum;

	if (__builtin_add_overflow(a, b, &sum))
		return b > 0 ? INT64_MAX : INT64_MIN;
	return sum;
}

void
report_add(struct report *r, const struct entry *e, int64_t charge)
{
	const struct token_counts *t = &e->tokens;

	/* Limits and windows are no money of a customer. */
	if (e->moves & (MOVES_ACCOUNT | MOVES_PARENT))
		r->sum->charge_nano += charge;
	/* That of a cap's entry stands in its request's. */
	if (e->kind != KIND_CAP)
		r->sum->upstream_nano += e->upstream_nano;
	if (e->kind != KIND_REQUEST)
		return;
	r->sum->input_tokens +=
		(uint64_t)t->input + t->cache_read + t->cache_write;
	r->sum->output_tokens += (uint64_t)t->output + t->reasoning;
}
