/* Places for price books. */
#include "base/must.h"
#include "shm/books.h"
#include "tests/tap.h"

TEST(every_live_generation_has_a_book_of_its_own)
{
	struct region r;

	must(region_anonymous(&r, SLOT_PAGE, 1) == E_OK);
	for (uint32_t i = 0; i < BOOKS_LIVE; i++)
		CHECK_INT(book_new(&r, 10 + i), i);
	CHECK_INT(book_new(&r, 99), SHM_NONE);
	r.books[3].state = BOOK_STORED;
	r.books[3].version = 5;
	r.books[3].n = 2;
	book_release(&r, 3);
	CHECK_INT(r.books[3].state, BOOK_UNUSED);
	CHECK_INT(book_new(&r, 99), 3);
	CHECK_INT(r.books[3].version, 0);
	CHECK_INT(r.books[3].n, 0);
	CHECK_INT(r.books[3].generation, 99);
	region_close(&r);
}

TEST(of_several_prices_the_last_effective_one_counts)
{
	struct region r;
	struct book *b;

	must(region_anonymous(&r, SLOT_PAGE, 1) == E_OK);
	b = &r.books[0];
	b->n = 4;
	(void)strcpy(b->rows[0].name, "m");
	(void)strcpy(b->rows[1].name, "mm");
	b->rows[0].next = 3; /* row 2, then row 3 */
	b->rows[2].effective_ms = 2000;
	b->rows[2].next = 4;
	b->rows[3].effective_ms = 1000;
	CHECK_INT(book_find(b, STR("m")), 0);
	CHECK_INT(book_find(b, STR("mm")), 1);
	CHECK_INT(book_find(b, STR("mmm")), SHM_NONE);
	CHECK_INT(book_find(b, STR("")), SHM_NONE);
	CHECK_INT(book_effective(b, 0, 999), 0);
	CHECK_INT(book_effective(b, 0, 1000), 3);
	CHECK_INT(book_effective(b, 0, 1999), 3);
	CHECK_INT(book_effective(b, 0, 2000), 2);
	b->rows[0].effective_ms = 500;
	CHECK_INT(book_effective(b, 0, 499), SHM_NONE);
	CHECK_INT(book_effective(b, 4, 5000), SHM_NONE);
	/* A chain that goes back, or nowhere. */
	b->rows[3].next = 1;
	CHECK_INT(book_effective(b, 0, 5000), 2);
	b->rows[3].next = UINT16_MAX;
	CHECK_INT(book_effective(b, 0, 5000), 2);
	region_close(&r);
}

TEST(a_pinned_version_is_found_behind_the_generations)
{
	struct region r;

	must(region_anonymous(&r, SLOT_PAGE, 1) == E_OK);
	r.books[2].version = 5;
	r.books[BOOKS_LIVE + 7].version = 6;
	CHECK_INT(book_pinned(&r, 5), SHM_NONE);
	CHECK_INT(book_pinned(&r, 6), BOOKS_LIVE + 7);
	CHECK_INT(book_pinned(&r, 0), SHM_NONE);
	region_close(&r);
}

int
main(void)
{
	RUN(every_live_generation_has_a_book_of_its_own);
	RUN(of_several_prices_the_last_effective_one_counts);
	RUN(a_pinned_version_is_found_behind_the_generations);
	return tap_done();
}
