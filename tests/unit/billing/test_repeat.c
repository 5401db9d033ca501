/* What became of a client's Idempotency-Key. */
#include "billing/repeat.h"
#include "tests/tap.h"
#include "tests/unit/billing/sample.h"

#define DAY_MS (24ull * 3600 * 1000)

static struct note
note_of(uint64_t idem, uint64_t body)
{
	struct note n;

	memset(&n, 0, sizeof(n));
	atomic_store(&n.idem[0], idem);
	atomic_store(&n.idem[1], idem * 3);
	n.idem_body = body;
	return n;
}

/* An entry with its note, `ms` after the sample's beginning. */
static void
put(struct sample *s, struct entry *e, const struct note *n, uint64_t ms)
{
	must(post_begin(&s->post) == STORE_OK);
	s->post.now_ms = SAMPLE_T0 + ms;
	must(post_entry(&s->post, e) == STORE_OK);
	CHECK_INT(repeat_post(&s->post, n, e), STORE_OK);
	must(post_commit(&s->post) == STORE_OK);
}

static struct entry
request(struct sample *s)
{
	struct entry e = sample_request(s, 9, 1, 1);

	e.slot = SHM_NONE;
	e.flags = 0;
	e.moves = MOVES_ACCOUNT;
	return e;
}

static enum repeat
look(struct sample *s, uint64_t idem, uint64_t body, uint64_t ms, uint64_t *seq)
{
	uint64_t hash[2] = {idem, idem * 3};
	enum repeat what = REPEAT_NEW;

	must(ledger_begin(s->ledger) == STORE_OK);
	CHECK_INT(
		repeat_look(s->ledger, hash, body, SAMPLE_T0 + ms, &what, seq),
		STORE_OK);
	ledger_end(s->ledger);
	return what;
}

TEST(a_settled_key_is_known_for_a_day_and_only_for_its_request)
{
	struct note n = note_of(7, 70);
	struct sample s;
	struct entry e;
	uint64_t seq;

	sample_open(&s);
	CHECK_INT(look(&s, 7, 70, 1000, &seq), REPEAT_NEW);
	e = request(&s);
	put(&s, &e, &n, 200000);
	CHECK_INT(look(&s, 7, 70, 200000, &seq), REPEAT_SETTLED);
	CHECK_INT(seq, e.seq);
	CHECK_INT(look(&s, 7, 71, 200000, &seq), REPEAT_OTHER);
	CHECK_INT(look(&s, 8, 70, 200000, &seq), REPEAT_NEW);
	CHECK_INT(look(&s, 7, 70, 200000 + DAY_MS, &seq), REPEAT_SETTLED);
	CHECK_INT(look(&s, 7, 70, 200001 + DAY_MS, &seq), REPEAT_NEW);
	sample_close(&s);
}

TEST(what_came_to_nothing_may_be_tried_again)
{
	struct sample s;
	struct entry e;
	uint64_t seq;
	struct note n = note_of(7, 70);

	sample_open(&s);
	e = request(&s);
	e.status = 502;
	e.charge_nano = 0;
	put(&s, &e, &n, 200000);
	CHECK_INT(look(&s, 7, 70, 200000, &seq), REPEAT_NEW);
	/* Part of a stream that cost something is not nothing. */
	e = request(&s);
	e.flags = NOTE_PARTIAL;
	e.reason = REASON_CLIENT_GONE;
	put(&s, &e, &n, 200001);
	CHECK_INT(look(&s, 7, 70, 200001, &seq), REPEAT_SETTLED);
	/* A whole answer that is free is not nothing either. */
	e = request(&s);
	e.charge_nano = 0;
	put(&s, &e, &n, 200002);
	CHECK_INT(look(&s, 7, 70, 200002, &seq), REPEAT_SETTLED);
	e.kind = KIND_REVERSAL;
	e.ref = e.seq;
	put(&s, &e, &n, 200003);
	CHECK_INT(look(&s, 7, 70, 200003, &seq), REPEAT_NEW);
	sample_close(&s);
}

TEST(notes_without_a_key_and_other_entries_leave_no_row)
{
	struct sample s;
	struct entry e;
	struct str value;
	struct note n = note_of(0, 70);
	uint8_t row[LEDGER_IDEM_KEY];
	unsigned rows = 0;

	sample_open(&s);
	e = request(&s);
	put(&s, &e, &n, 200000);
	n = note_of(7, 70);
	e = sample_money(KIND_TOPUP, 0, -5);
	put(&s, &e, &n, 200001);
	must(ledger_begin(s.ledger) == STORE_OK);
	for (enum store st = ledger_idem_each(s.ledger, true, row, &value);
	     st == STORE_OK;
	     st = ledger_idem_each(s.ledger, false, row, &value))
		rows++;
	ledger_end(s.ledger);
	CHECK_INT(rows, 1); /* the sample's own, of an order */
	sample_close(&s);
}

TEST(old_rows_go_as_new_ones_come_and_orders_stay)
{
	struct sample s;
	struct entry e;
	struct str value;
	struct idem_record r;
	uint8_t row[LEDGER_IDEM_KEY];
	unsigned rows = 0, orders = 0;

	sample_open(&s);
	for (uint64_t i = 1; i <= 200; i++) {
		struct note n = note_of(i * 0x9e3779b97f4a7c15ull, i);

		e = request(&s);
		put(&s, &e, &n, 200000 + i * DAY_MS / 20);
	}
	must(ledger_begin(s.ledger) == STORE_OK);
	for (enum store st = ledger_idem_each(s.ledger, true, row, &value);
	     st == STORE_OK;
	     st = ledger_idem_each(s.ledger, false, row, &value)) {
		must(idem_read(row, value, &r));
		rows++;
		orders += r.kind != REPEAT_KIND;
	}
	ledger_end(s.ledger);
	CHECK(rows < 35);
	CHECK_INT(orders, 1);
	sample_close(&s);
}

int
main(void)
{
	RUN(a_settled_key_is_known_for_a_day_and_only_for_its_request);
	RUN(what_came_to_nothing_may_be_tried_again);
	RUN(notes_without_a_key_and_other_entries_leave_no_row);
	RUN(old_rows_go_as_new_ones_come_and_orders_stay);
	return tap_done();
}
