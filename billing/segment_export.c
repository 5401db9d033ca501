/* Writing a segment. The entries are checked on the way: what is wrong is not
 * kept as history. */
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "billing/base.h"
#include "billing/names.h"
#include "billing/report_base.h"
#include "billing/segment.h"

/* ---- what entries refer to ---- */

static void
put_text(struct json_out *j, const char *name, const char *text)
{
	json_name(j, name);
	json_put_str(j, str_of(text));
}

static void
put_number(struct json_out *j, const char *name, uint64_t v)
{
	json_name(j, name);
	json_put_u64(j, v);
}

static void
put_price(struct json_out *j, const char *name, struct price p)
{
	char text[MONEY_TEXT];

	json_name(j, name);
	json_put_str(j, str_make(text, price_text(p, text)));
}

/* A line: {"table":..,"id":.., and what `more` adds. */
static void
open_row(struct json_out *j, struct buf *b, const char *table, uint64_t id)
{
	json_out_init(j, b);
	json_open(j, '{');
	put_text(j, "table", table);
	put_number(j, "id", id);
}

static void
close_row(struct json_out *j, struct buf *b)
{
	json_close(j, '}');
	buf_add_char(b, '\n');
}

static bool
put_accounts(struct report *r, struct buf *b)
{
	struct json_out j;

	for (uint32_t i = 0; i < r->meta.n_accounts; i++) {
		const struct account_record *a = catalog_account(r->catalog, i);

		if (!a)
			return false;
		open_row(&j, b, "account", i);
		put_text(&j, "name", a->name);
		close_row(&j, b);
	}
	return true;
}

static bool
put_keys(struct report *r, struct buf *b)
{
	struct json_out j;

	for (uint32_t i = 0; i < r->meta.n_keys; i++) {
		const struct key_record *k = catalog_key(r->catalog, i);

		if (!k)
			return false;
		open_row(&j, b, "key", i);
		put_number(&j, "account", k->account);
		put_text(&j, "name", k->name);
		put_text(&j, "prefix", k->prefix);
		close_row(&j, b);
	}
	return true;
}

static bool
put_prices(struct report *r, struct buf *b)
{
	struct json_out j;

	for (uint32_t v = 1; v <= r->meta.n_prices; v++) {
		const struct book_row *row;

		for (uint32_t i = 0;
		     (row = catalog_price(r->catalog, v, i)) != NULL; i++) {
			char name[MODEL_NAME + 1];

			(void)str_copy(
				name, sizeof(name),
				str_make(row->name,
					 strnlen(row->name, MODEL_NAME)));
			open_row(&j, b, "price", v);
			put_number(&j, "row", i);
			put_text(&j, "model", name);
			put_price(&j, "input", row->input);
			put_price(&j, "cache_read", row->cache_read);
			put_price(&j, "cache_write", row->cache_write);
			put_price(&j, "output", row->output);
			put_price(&j, "reasoning", row->reasoning);
			close_row(&j, b);
		}
	}
	return true;
}

static bool
put_names(struct report *r, struct buf *b)
{
	struct json_out j;

	for (uint32_t i = NAME_FIRST; i < r->meta.n_names; i++) {
		open_row(&j, b, "name", i);
		put_text(&j, "text", catalog_name(r->catalog, i));
		close_row(&j, b);
	}
	return true;
}

/* Of all accounts, keys, prices and names; padded with blanks to a multiple
 * of an entry, so that the entries stand aligned. */
static bool
make_rows(struct report *r, struct buf *b)
{
	if (!put_accounts(r, b) || !put_keys(r, b) || !put_prices(r, b) ||
	    !put_names(r, b)) {
		buf_add_cstr(r->error, "a row that entries refer to cannot be "
				       "read");
		return false;
	}
	while (b->n % sizeof(struct entry) != sizeof(struct entry) - 1)
		buf_add_char(b, ' ');
	buf_add_char(b, '\n');
	if (b->failed)
		buf_add_cstr(r->error, "out of memory");
	return !b->failed;
}

/* ---- the file ---- */

static enum store
copy_entries(struct report *r, const struct segment_head *head)
{
	uint8_t chain[ENTRY_CHAIN];
	enum store s = STORE_OK;
	struct entry e;

	memcpy(chain, head->chain_before, sizeof(chain));
	r->scan.next = head->first_seq;
	r->scan.end = head->last_seq + 1;
	r->scan.astray = true;
	while (s == STORE_OK && (s = scan_next(&r->scan, &e)) == STORE_OK) {
		if (entry_check(&e, chain) != ENTRY_FINE)
			return STORE_DAMAGED;
		memcpy(chain, e.chain, sizeof(chain));
		buf_add(&r->sheet.out, &e, sizeof(e));
		r->sheet.rows++;
		report_add(r, &e, e.charge_nano);
		s = report_flush(r, REPORT_CHUNK);
	}
	if (s == STORE_NONE &&
	    memcmp(chain, head->chain_after, sizeof(chain)) != 0)
		return STORE_DAMAGED;
	return s;
}

static enum store
write_segment(struct report *r, struct segment_head *head)
{
	CLEANUP(buf_free) struct buf rows = BUF_INIT;

	if (!make_rows(r, &rows))
		return STORE_FAILED;
	head->rows_size = rows.n;
	sha256(rows.p, rows.n, head->rows_digest);
	record_seal(head, sizeof(*head));
	buf_add(&r->sheet.out, head, sizeof(*head));
	buf_add(&r->sheet.out, rows.p, rows.n);
	return copy_entries(r, head);
}

enum report_result
segment_export(const struct report_job *job, uint32_t month,
	       struct report_sum *sum, struct buf *error)
{
	struct segment_head head;
	struct report r;
	enum report_result result = report_open(&r, job, sum, error);

	if (result == REPORT_DONE &&
	    !segment_range(job->ledger, &r.meta, month, &head, error))
		result = REPORT_NO_SUCH;
	if (result == REPORT_DONE && head.first_seq < r.meta.first_seq) {
		buf_add_cstr(error, "these entries were dropped");
		result = REPORT_NO_SUCH;
	}
	if (result == REPORT_DONE) {
		sum->first_seq = head.first_seq;
		sum->last_seq = head.last_seq;
		result = report_finish(&r, write_segment(&r, &head));
	}
	report_close(&r);
	return result;
}
