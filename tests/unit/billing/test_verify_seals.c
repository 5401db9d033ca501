/* A seal that differs from the entries, or is not there, is named. */
#include "billing/seal.h"
#include "tests/tap.h"
#include "tests/unit/billing/sample.h"

#define DAY_MS (24ull * 3600 * 1000)

/* Two sealed days and an open one; `spoil` changes rows of the table. */
static void
expect(void (*spoil)(struct sample *s), const char *text)
{
	CLEANUP(buf_free) struct buf line = BUF_INIT;
	struct entry e = sample_money(KIND_TOPUP, 1, -1000);
	struct sample s;

	sample_open(&s);
	sample_put(&s, &e, DAY_MS);
	sample_put(&s, &e, 2 * DAY_MS);
	must(post_begin(&s.post) == STORE_OK);
	spoil(&s);
	must(post_commit(&s.post) == STORE_OK);
	sample_read(&s);
	CHECK_INT(verify_ledger(s.ledger, false, &line), VERIFY_DIFFERS);
	buf_add_char(&line, '\0');
	CHECK_STR(line.p, text);
	sample_close(&s);
}

static struct seal_record
seal_of(struct sample *s, uint32_t number)
{
	struct seal_record r;

	must(record_get(s->ledger, TABLE_SEAL, number, &r, sizeof(r)) ==
	     STORE_OK);
	return r;
}

/* With a root and a checksum that fit: somebody wrote history anew. */
static void
put(struct sample *s, uint32_t number, struct seal_record r)
{
	seal_root(&r, s->post.meta.uuid, r.root);
	must(record_put(s->ledger, TABLE_SEAL, number, &r, sizeof(r)) ==
	     STORE_OK);
}

static void
change_a_sum(struct sample *s)
{
	struct seal_record r = seal_of(s, 1);

	r.debits++;
	put(s, 1, r);
}

static void
move_an_end(struct sample *s)
{
	struct seal_record r = seal_of(s, 1);

	r.last_seq--;
	put(s, 1, r);
}

static void
change_a_root(struct sample *s)
{
	struct seal_record r = seal_of(s, 1);

	r.root[7] ^= 1;
	must(record_put(s->ledger, TABLE_SEAL, 1, &r, sizeof(r)) == STORE_OK);
}

static void
forget_the_last(struct sample *s)
{
	s->post.meta.n_seals--;
}

static void
forget_its_root(struct sample *s)
{
	s->post.meta.seal_root[0] ^= 1;
}

static void
name_another_day(struct sample *s)
{
	s->post.meta.open_day--;
}

TEST(what_differs_is_named)
{
	expect(change_a_sum, "seal 1: differs from the entries");
	expect(move_an_end, "entry 10: the day before is not sealed");
	expect(change_a_root, "seal 1: differs from the entries");
	expect(forget_the_last, "seal 1: is not the last one of the totals");
	expect(forget_its_root, "seal 2: is not the last one of the totals");
	expect(name_another_day, "totals 1: name another open day");
}

int
main(void)
{
	RUN(what_differs_is_named);
	return tap_done();
}
