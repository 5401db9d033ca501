/* Accounts, keys and prices in shared memory. */
#include "shm/books.h"
#include "tests/tap.h"
#include "tests/unit/billing/desk.h"

static void
fill(struct book *b, uint32_t n, int64_t pico)
{
	memset(b->rows, 0, sizeof(b->rows));
	for (uint32_t i = 0; i < n; i++) {
		(void)snprintf(b->rows[i].name, MODEL_NAME, "m%u", i);
		b->rows[i].input.pico = pico;
	}
	b->n = n;
	b->version = 0;
	b->state = BOOK_FILLED;
}

TEST(equal_prices_have_one_version)
{
	struct book_row *rows;
	struct desk d;
	uint32_t n;

	desk_open(&d);
	CHECK(!books_serve(&d.books));
	fill(&d.r->books[0], 2, 7);
	fill(&d.r->books[3], 2, 8);
	CHECK(books_serve(&d.books));
	CHECK_INT(d.r->books[0].state, BOOK_STORED);
	CHECK_INT(d.r->books[0].version, 1);
	CHECK_INT(d.r->books[3].version, 2);
	fill(&d.r->books[1], 2, 7);
	CHECK(books_serve(&d.books));
	CHECK_INT(d.r->books[1].version, 1);
	/* Also after a restart. */
	desk_stop(&d);
	desk_start(&d);
	fill(&d.r->books[2], 2, 8);
	CHECK(books_serve(&d.books));
	CHECK_INT(d.r->books[2].version, 2);
	CHECK_INT(ledger_begin(d.ledger), STORE_OK);
	CHECK_INT(price_get(d.ledger, 2, &rows, &n), STORE_OK);
	CHECK_INT(n, 2);
	CHECK_INT(rows[1].input.pico, 8);
	ledger_end(d.ledger);
	free(rows);
	desk_close(&d);
}

TEST(pinned_versions_are_shown_and_those_of_nobody_make_room)
{
	struct desk d;
	uint32_t version;

	desk_open(&d);
	for (version = 1; version <= SHM_BOOKS - BOOKS_LIVE + 1; version++) {
		fill(&d.r->books[0], 1, version);
		CHECK(books_serve(&d.books));
		CHECK_INT(d.r->books[0].version, version);
	}
	CHECK_INT(ledger_begin(d.ledger), STORE_OK);
	CHECK(books_pin(&d.books, 0));
	CHECK(!books_pin(&d.books, version)); /* there is none */
	for (uint32_t i = 1; i < version; i++) {
		d.r->accounts[1].price_pin = 2;
		CHECK(books_pin(&d.books, i));
		CHECK(book_pinned(d.r, i) != SHM_NONE);
	}
	ledger_end(d.ledger);
	CHECK_INT(d.r->books[book_pinned(d.r, 2)].rows[0].input.pico, 2);
	CHECK_INT(d.r->books[book_pinned(d.r, 2)].n, 1);
	CHECK_INT(book_pinned(d.r, 1), SHM_NONE); /* the last took its place */
	desk_close(&d);
}

TEST(an_empty_book_is_a_version_and_a_monstrous_one_is_refused)
{
	struct desk d;

	desk_open(&d);
	fill(&d.r->books[0], 0, 0);
	fill(&d.r->books[1], 1, 0);
	d.r->books[1].n = BOOK_MODELS + 1;
	CHECK(books_serve(&d.books));
	CHECK_INT(d.r->books[0].state, BOOK_STORED);
	CHECK_INT(d.r->books[1].state, BOOK_REFUSED);
	fill(&d.r->books[1], BOOK_MODELS, 5);
	CHECK(books_serve(&d.books));
	CHECK_INT(d.r->books[1].state, BOOK_STORED);
	desk_close(&d);
}

TEST(names_are_found_and_nothing_else)
{
	struct desk d;

	desk_open(&d);
	CHECK_INT(books_account_find(&d.books, STR("a0")), 0);
	CHECK_INT(books_account_find(&d.books, STR("a1")), 1);
	CHECK_INT(books_account_find(&d.books, STR("a")), SHM_NONE);
	CHECK_INT(books_account_find(&d.books, STR("a10")), SHM_NONE);
	CHECK_INT(books_account_find(&d.books, STR_NONE), SHM_NONE);
	desk_close(&d);
}

/* The writer died between its commit and showing the account. */
TEST(an_account_that_was_not_shown_yet_is_shown_at_the_start)
{
	struct desk d;

	desk_open(&d);
	d.r->head->n_accounts = 1;
	d.r->head->n_keys = 0;
	memset(&d.r->accounts[1], 0, sizeof(struct account_row));
	memset(&d.r->counters[1], 0, sizeof(struct counter));
	memset(&d.r->counters[counter_of_key(0)], 0, sizeof(struct counter));
	/* Money that is held of the first one stays held. */
	d.r->counters[0].available = 4 * USD;
	desk_stop(&d);
	desk_start(&d);
	CHECK_INT(d.r->head->n_accounts, 2);
	CHECK_INT(d.r->head->n_keys, 1);
	CHECK_STR(d.r->accounts[1].name, "a1");
	CHECK_INT(fix_available(&d.f, 0), 4 * USD);
	CHECK_INT(fix_available(&d.f, 1), 10 * USD);
	CHECK_INT(fix_available(&d.f, counter_of_key(0)), 3 * USD);
	desk_close(&d);
}

/* The writer died between its commit and what it shows of it. */
TEST(a_new_writer_shows_the_balances_of_the_ledger)
{
	struct desk d;

	desk_open(&d);
	d.r->counters[counter_of_account(0)].balance = 1;
	d.r->counters[counter_of_key(0)].balance = 2;
	desk_stop(&d);
	desk_start(&d);
	CHECK_INT(d.r->counters[counter_of_account(0)].balance, 10 * USD);
	CHECK_INT(d.r->counters[counter_of_key(0)].balance, 3 * USD);
	CHECK_INT(fix_available(&d.f, 0), 10 * USD);
	desk_close(&d);
}

TEST(a_gap_in_the_accounts_is_damage)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;
	struct desk d;

	desk_open(&d);
	CHECK_INT(post_begin(&d.post), STORE_OK);
	d.post.meta.n_accounts = 3;
	CHECK_INT(post_commit(&d.post), STORE_OK);
	books_free(&d.books);
	CHECK_INT(books_load(&d.books, d.r, &d.post, &d.f.conf, &why),
		  STORE_DAMAGED);
	desk_close(&d);
}

int
main(void)
{
	RUN(equal_prices_have_one_version);
	RUN(pinned_versions_are_shown_and_those_of_nobody_make_room);
	RUN(an_empty_book_is_a_version_and_a_monstrous_one_is_refused);
	RUN(names_are_found_and_nothing_else);
	RUN(an_account_that_was_not_shown_yet_is_shown_at_the_start);
	RUN(a_new_writer_shows_the_balances_of_the_ledger);
	RUN(a_gap_in_the_accounts_is_damage);
	return tap_done();
}
