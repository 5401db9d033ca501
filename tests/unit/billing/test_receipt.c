/* Receipts: made of an entry, checked with nothing but the public key. */
#include "billing/receipt.h"
#include "tests/tap.h"
#include "tests/unit/billing/sample.h"

static const uint8_t secret[SIGN_SECRET] = {1, 2, 3};

struct made {
	struct buf payload, text;
	uint8_t public_key[SIGN_PUBLIC];
	char key_id[RECEIPT_KEY_ID];
};

static struct entry
some_entry(void)
{
	struct book_row row = sample_price();
	struct money price;
	struct entry e = {
		.seq = 4711,
		.kind = KIND_REQUEST,
		.epoch = 1,
		.slot = 5,
		.gen = 2,
		.account = 1,
		.key = 3,
		.price_version = 1,
		.multiplier_ppm = 600000,
		.status = 200,
		.rule = 1,
		.usage_source = USAGE_UPSTREAM,
		.tokens = {1000, 200, 0, 300, 7, 0},
		.hold_nano = 50000000,
		.commit_ms = SAMPLE_T0,
	};

	must(price_of(&row, &e.tokens, e.multiplier_ppm, &price));
	e.charge_nano = price.nano;
	memset(e.request_id, 0xab, sizeof(e.request_id));
	return e;
}

static void
make(struct made *m, const struct entry *e)
{
	static const uint8_t uuid[LEDGER_UUID] = {0xde, 0xad};
	struct book_row row = sample_price();

	*m = (struct made){.payload = BUF_INIT, .text = BUF_INIT};
	must(sign_public(secret, m->public_key));
	receipt_key_id(m->public_key, m->key_id);
	receipt_payload(&m->payload, e, uuid, &row, m->key_id);
	must(receipt_sign(&m->text, buf_str(&m->payload), secret));
}

static void
drop(struct made *m)
{
	buf_free(&m->payload);
	buf_free(&m->text);
}

TEST(a_receipt_says_what_was_charged_and_why)
{
	CLEANUP(buf_free) struct buf payload = BUF_INIT;
	struct entry e = some_entry();
	struct receipt r;
	struct made m;

	make(&m, &e);
	CHECK_INT(receipt_check(buf_str(&m.text), m.public_key, &payload, &r),
		  RECEIPT_FINE);
	CHECK(str_eq(buf_str(&payload), buf_str(&m.payload)));
	CHECK_INT(r.seq, 4711);
	CHECK_INT(r.uuid[1], 0xad);
	CHECK_STR(r.key_id, m.key_id);
	CHECK_INT(r.charge_nano, e.charge_nano);
	CHECK_INT(r.recomputed_nano, e.charge_nano);
	buf_add_char(&payload, '\0');
	CHECK(strstr(payload.p,
		     "\"entry\":4711,\"txn\":\"1.5.2\",\"request_id\":\"req_"));
	CHECK(strstr(payload.p, "\"rule\":\"R1\""));
	CHECK(strstr(payload.p,
		     "\"model\":\"gpt-4o\",\"tokens\":{\"input\":1000,"
		     "\"cache_read\":200,\"cache_write\":0,\"output\":300,"
		     "\"reasoning\":7},\"price_version\":1,"
		     "\"usd_per_million\":{\"input\":\"2.50\","
		     "\"cache_read\":\"1.25\","));
	CHECK(strstr(payload.p, "\"multiplier\":\"0.6\""));
	drop(&m);
}

TEST(a_receipt_with_one_changed_byte_is_none)
{
	CLEANUP(buf_free) struct buf payload = BUF_INIT;
	struct entry e = some_entry();
	struct receipt r;
	struct made m;

	make(&m, &e);
	for (size_t i = 0; i < m.text.n; i++) {
		char was = m.text.p[i];

		m.text.p[i] = was == 'A' ? 'B' : 'A';
		CHECK(receipt_check(buf_str(&m.text), m.public_key, &payload,
				    &r) != RECEIPT_FINE);
		m.text.p[i] = was;
	}
	for (size_t n = 0; n < m.text.n; n++)
		CHECK(receipt_check(str_make(m.text.p, n), m.public_key,
				    &payload, &r) != RECEIPT_FINE);
	m.public_key[0] ^= 1;
	CHECK_INT(receipt_check(buf_str(&m.text), m.public_key, &payload, &r),
		  RECEIPT_FORGED);
	CHECK_INT(payload.n, 0);
	drop(&m);
}

TEST(a_charge_that_the_tokens_do_not_make_is_wrong)
{
	CLEANUP(buf_free) struct buf payload = BUF_INIT;
	struct entry e = some_entry();
	struct receipt r;
	struct made m;

	e.charge_nano++;
	make(&m, &e);
	CHECK_INT(receipt_check(buf_str(&m.text), m.public_key, &payload, &r),
		  RECEIPT_WRONG);
	CHECK_INT(r.recomputed_nano + 1, r.charge_nano);
	drop(&m);
	/* The hold bounds the charge. */
	e = some_entry();
	e.hold_nano = 1000;
	e.charge_nano = 1000;
	make(&m, &e);
	CHECK_INT(receipt_check(buf_str(&m.text), m.public_key, &payload, &r),
		  RECEIPT_FINE);
	drop(&m);
}

TEST(what_is_signed_and_is_no_receipt_is_unreadable)
{
	static const char *const texts[] = {
		"{}", "[]", "nonsense", "{\"tollgate_receipt\":2}",
		"{\"tollgate_receipt\":1,\"ledger\":7}"};
	CLEANUP(buf_free) struct buf payload = BUF_INIT;
	uint8_t public_key[SIGN_PUBLIC];
	struct receipt r;

	must(sign_public(secret, public_key));
	for (unsigned i = 0; i < ARRAY_LEN(texts); i++) {
		CLEANUP(buf_free) struct buf text = BUF_INIT;

		must(receipt_sign(&text, str_of(texts[i]), secret));
		CHECK_INT(
			receipt_check(buf_str(&text), public_key, &payload, &r),
			RECEIPT_UNREADABLE);
	}
	CHECK_INT(receipt_check(STR(""), public_key, &payload, &r),
		  RECEIPT_MALFORMED);
	CHECK_INT(receipt_check(STR("e30"), public_key, &payload, &r),
		  RECEIPT_MALFORMED);
}

int
main(void)
{
	RUN(a_receipt_says_what_was_charged_and_why);
	RUN(a_receipt_with_one_changed_byte_is_none);
	RUN(a_charge_that_the_tokens_do_not_make_is_wrong);
	RUN(what_is_signed_and_is_no_receipt_is_unreadable);
	return tap_done();
}
