/* Rows besides the entries: checksums, keys, price books, names. */
#include "billing/records.h"
#include "tests/tap.h"
#include "tests/unit/billing/sample.h"

TEST(a_record_with_any_flipped_byte_is_refused)
{
	struct account_record a = {.flags = 1, .name = "alice"}, b;
	unsigned missed = 0;

	record_seal(&a, sizeof(a));
	CHECK(record_read(str_make((const char *)&a, sizeof(a)), &b,
			  sizeof(b)));
	CHECK(memcmp(&a, &b, sizeof(a)) == 0);
	CHECK(!record_read(str_make((const char *)&a, sizeof(a) - 1), &b,
			   sizeof(b)));
	for (size_t i = 0; i < sizeof(a); i++) {
		((char *)&a)[i] ^= 1;
		missed += record_read(str_make((const char *)&a, sizeof(a)), &b,
				      sizeof(b));
		((char *)&a)[i] ^= 1;
	}
	CHECK_INT(missed, 0);
}

/* As all keys were stored before there were tags. */
TEST(a_key_without_tags_is_a_shorter_row)
{
	struct key_record k = {.flags = KEY_LIVE, .name = "ci"}, back;
	struct sample s;
	struct str value;

	sample_open(&s);
	CHECK_INT(ledger_begin(s.ledger), STORE_OK);
	CHECK_INT(key_put(s.ledger, 7, &k), STORE_OK);
	CHECK_INT(ledger_get(s.ledger, TABLE_KEY, 7, &value), STORE_OK);
	CHECK_INT(value.n, KEY_RECORD_PLAIN);
	CHECK_INT(key_get(s.ledger, 7, &back), STORE_OK);
	CHECK(memcmp(&k, &back, sizeof(k)) == 0);
	(void)strcpy(k.tags, "prod,ci-7");
	CHECK_INT(key_put(s.ledger, 7, &k), STORE_OK);
	CHECK_INT(ledger_get(s.ledger, TABLE_KEY, 7, &value), STORE_OK);
	CHECK_INT(value.n, sizeof(k));
	CHECK_INT(key_get(s.ledger, 7, &back), STORE_OK);
	CHECK_STR(back.tags, "prod,ci-7");
	CHECK_STR(back.name, "ci");
	CHECK(!key_read(str_make(value.p, KEY_RECORD_PLAIN), &back));
	CHECK_INT(ledger_put(s.ledger, TABLE_KEY, 7, STR("short"), PUT_ANY),
		  STORE_OK);
	CHECK_INT(key_get(s.ledger, 7, &back), STORE_DAMAGED);
	CHECK_INT(key_get(s.ledger, 8, &back), STORE_NONE);
	ledger_end(s.ledger);
	sample_close(&s);
}

TEST(a_key_with_any_flipped_byte_is_refused)
{
	struct key_record k = {.name = "ci", .tags = "prod"}, back;
	unsigned missed = 0;

	record_seal(&k, sizeof(k));
	for (size_t i = 0; i < sizeof(k); i++) {
		((char *)&k)[i] ^= 1;
		missed +=
			key_read(str_make((const char *)&k, sizeof(k)), &back);
		((char *)&k)[i] ^= 1;
	}
	CHECK(key_read(str_make((const char *)&k, sizeof(k)), &back));
	CHECK_INT(missed, 0);
}

TEST(balance_keys_and_counters_are_one_to_one)
{
	const uint32_t some[] = {
		0,
		SHM_ACCOUNTS - 1,
		counter_of_key(0),
		counter_of_key(SHM_KEYS - 1),
		counter_of_cap(0),
		counter_of_cap(SHM_CHANNELS - 1),
	};

	for (size_t i = 0; i < ARRAY_LEN(some); i++) {
		CHECK_INT(balance_counter(balance_key(some[i])), some[i]);
		CHECK(i == 0 ||
		      balance_key(some[i]) > balance_key(some[i - 1]));
	}
	CHECK_INT(balance_counter(SHM_ACCOUNTS), SHM_NONE);
	CHECK_INT(balance_counter(1ull << 32 | SHM_KEYS), SHM_NONE);
	CHECK_INT(balance_counter(3ull << 32), SHM_NONE);
}

TEST(a_price_book_comes_back_as_it_was)
{
	struct book_row rows[3], *back;
	struct price_record head;
	struct sample s;
	uint32_t n;

	sample_open(&s);
	for (unsigned i = 0; i < 3; i++) {
		rows[i] = sample_price();
		rows[i].output.pico += i;
	}
	CHECK_INT(ledger_begin(s.ledger), STORE_OK);
	CHECK_INT(price_put(s.ledger, 2, rows, 3, 7), STORE_OK);
	CHECK_INT(price_get(s.ledger, 2, &back, &n), STORE_OK);
	CHECK_INT(n, 3);
	CHECK(memcmp(rows, back, sizeof(rows)) == 0);
	free(back);
	CHECK_INT(price_head(s.ledger, 2, &head), STORE_OK);
	CHECK_INT(head.created_ms, 7);
	CHECK_INT(price_get(s.ledger, 3, &back, &n), STORE_NONE);
	CHECK_INT(ledger_put(s.ledger, TABLE_PRICE, 3, STR("short"), PUT_ANY),
		  STORE_OK);
	CHECK_INT(price_get(s.ledger, 3, &back, &n), STORE_DAMAGED);
	ledger_end(s.ledger);
	sample_close(&s);
}

/* As it was stored before rows had prices of units. */
TEST(a_price_book_with_shorter_rows_is_read_as_well)
{
	struct {
		struct price_record head;
		char rows[2][BOOK_ROW_BEFORE_UNITS];
	} old = {.head = {.row_size = BOOK_ROW_BEFORE_UNITS, .n = 2}};
	struct book_row row = sample_price(), *back;
	struct sample s;
	uint32_t n, crc;

	row.per_image = money_nano(7); /* beyond what was there */
	memcpy(old.rows[0], &row, sizeof(old.rows[0]));
	row.output.pico++;
	memcpy(old.rows[1], &row, sizeof(old.rows[1]));
	crc = crc32c(0, &old.head, offsetof(struct price_record, crc));
	old.head.crc = crc32c(crc, old.rows, sizeof(old.rows));
	sample_open(&s);
	CHECK_INT(ledger_begin(s.ledger), STORE_OK);
	CHECK_INT(ledger_put(s.ledger, TABLE_PRICE, 2,
			     str_make((const char *)&old, sizeof(old)),
			     PUT_ANY),
		  STORE_OK);
	CHECK_INT(price_get(s.ledger, 2, &back, &n), STORE_OK);
	CHECK_INT(n, 2);
	CHECK(memcmp(&back[1], old.rows[1], sizeof(old.rows[1])) == 0);
	CHECK_INT(back[0].per_image.nano, 0);
	CHECK_INT(back[1].output.pico, sample_price().output.pico + 1);
	free(back);
	ledger_end(s.ledger);
	sample_close(&s);
}

TEST(a_name_is_bound_to_its_number)
{
	char text[NAME_TEXT];
	struct sample s;
	struct str v;
	char copy[64];

	sample_open(&s);
	CHECK_INT(ledger_begin(s.ledger), STORE_OK);
	CHECK_INT(name_put(s.ledger, 50, STR("fifty")), STORE_OK);
	CHECK_INT(name_get(s.ledger, 50, text), STORE_OK);
	CHECK_STR(text, "fifty");
	CHECK_INT(ledger_get(s.ledger, TABLE_NAME, 50, &v), STORE_OK);
	memcpy(copy, v.p, v.n);
	CHECK_INT(ledger_put(s.ledger, TABLE_NAME, 51, str_make(copy, v.n),
			     PUT_ANY),
		  STORE_OK);
	CHECK_INT(name_get(s.ledger, 51, text), STORE_DAMAGED);
	CHECK_INT(name_get(s.ledger, 52, text), STORE_NONE);
	ledger_end(s.ledger);
	sample_close(&s);
}

int
main(void)
{
	RUN(a_record_with_any_flipped_byte_is_refused);
	RUN(a_key_without_tags_is_a_shorter_row);
	RUN(a_key_with_any_flipped_byte_is_refused);
	RUN(balance_keys_and_counters_are_one_to_one);
	RUN(a_price_book_comes_back_as_it_was);
	RUN(a_price_book_with_shorter_rows_is_read_as_well);
	RUN(a_name_is_bound_to_its_number);
	return tap_done();
}
