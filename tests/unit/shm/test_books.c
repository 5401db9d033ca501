/* Places for price books. */
#include "base/must.h"
#include "shm/books.h"
#include "tests/tap.h"

TEST(every_live_generation_has_a_book_of_its_own)
{
	struct region r;

	must(region_anonymous(&r, SLOT_PAGE, 1) == E_OK);
	for (uint32_t i = 0; i < SHM_BOOKS; i++)
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

int
main(void)
{
	RUN(every_live_generation_has_a_book_of_its_own);
	return tap_done();
}
