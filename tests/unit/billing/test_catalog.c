/* What entries refer to. */
#include "billing/catalog.h"
#include "tests/tap.h"
#include "tests/unit/billing/sample.h"

TEST(rows_are_found_by_number_and_are_remembered)
{
	struct sample s;
	struct catalog *c;

	sample_open(&s);
	sample_read(&s);
	c = catalog_new(s.ledger);
	CHECK_INT(ledger_begin(s.ledger), STORE_OK);
	for (int i = 0; i < 2; i++) {
		CHECK_STR(catalog_account(c, 1)->name, "=cmd()");
		CHECK_STR(catalog_key(c, 0)->prefix, "tg_Ab3x");
		CHECK_STR(catalog_name(c, 2), "openai-main");
		CHECK_STR(catalog_price(c, 1, 0)->name, "gpt-4o");
	}
	CHECK(!catalog_account(c, 2));
	CHECK(!catalog_account(c, 1 + CATALOG_ROWS));
	CHECK_STR(catalog_account(c, 1)->name, "=cmd()");
	CHECK(!catalog_key(c, 1));
	CHECK(!catalog_price(c, 0, 0));
	CHECK(!catalog_price(c, 1, 1));
	CHECK(!catalog_price(c, 1 + CATALOG_BOOKS, 0));
	CHECK_STR(catalog_price(c, 1, 0)->name, "gpt-4o");
	CHECK_STR(catalog_name(c, 0), "");
	CHECK_STR(catalog_name(c, 1), "(other)");
	CHECK_STR(catalog_name(c, 4711), "");
	ledger_end(s.ledger);
	catalog_free(c);
	sample_close(&s);
}

TEST(names_go_before_numbers)
{
	struct sample s;
	struct catalog *c;

	sample_open(&s);
	must(post_begin(&s.post) == STORE_OK);
	sample_account(&s, 2, "0", SHM_NONE);
	must(post_commit(&s.post) == STORE_OK);
	sample_read(&s);
	c = catalog_new(s.ledger);
	CHECK_INT(ledger_begin(s.ledger), STORE_OK);
	CHECK_INT(catalog_find_account(c, STR("0")), 2);
	CHECK_INT(catalog_find_account(c, STR("1")), 1);
	CHECK_INT(catalog_find_account(c, STR("3")), SHM_NONE);
	CHECK_INT(catalog_find_account(c, STR("=cmd()")), 1);
	CHECK_INT(catalog_find_key(c, STR("laptop")), 0);
	CHECK_INT(catalog_find_key(c, STR("0")), 0);
	CHECK_INT(catalog_find_key(c, STR("1")), SHM_NONE);
	CHECK_INT(catalog_find_key(c, STR("99999999999999999999")), SHM_NONE);
	ledger_end(s.ledger);
	catalog_free(c);
	sample_close(&s);
}

int
main(void)
{
	RUN(rows_are_found_by_number_and_are_remembered);
	RUN(names_go_before_numbers);
	return tap_done();
}
