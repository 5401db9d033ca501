/* Collected bytes: what is kept, and that the pool gets it all back. */
#include "tests/tap.h"
#include "worker/request.h"

static struct worker w;
static struct request req;

static void
begin(uint64_t cap)
{
	w = (struct worker){.pool = pool_new(cap)};
	req = (struct request){.w = &w, .leg = &req.first};
}

static void
end(void)
{
	gather_free(&req);
	CHECK_INT(pool_used(w.pool), 0);
	pool_destroy(w.pool);
}

TEST(bytes_are_kept_in_order_at_any_size)
{
	uint64_t total = 100000;

	begin(1 << 20);
	for (uint64_t i = 0; i < total; i++) {
		char c = (char)('a' + i % 26);

		CHECK_INT(gather_add(&req, str_make(&c, 1), total), E_OK);
	}
	CHECK_INT(gather_str(&req).n, total);
	for (uint64_t i = 0; i < total; i++)
		if (gather_str(&req).p[i] != (char)('a' + i % 26))
			CHECK(false);
	CHECK(pool_used(w.pool) < 3 * total);
	end();
}

TEST(the_limit_is_exact)
{
	static char text[70000];

	begin(1 << 20);
	CHECK_INT(gather_add(&req, str_make(text, 65536), 65536), E_OK);
	CHECK_INT(gather_add(&req, str_make(text, 0), 65536), E_OK);
	CHECK_INT(gather_add(&req, str_make(text, 1), 65536),
		  E_UP_BAD_RESPONSE);
	CHECK_INT(gather_str(&req).n, 65536);
	end();
	begin(1 << 20);
	CHECK_INT(gather_add(&req, str_make(text, 65537), 65536),
		  E_UP_BAD_RESPONSE);
	CHECK_INT(pool_used(w.pool), 0);
	end();
}

TEST(a_full_pool_is_an_error_and_keeps_what_is_there)
{
	static char text[POOL_BLOCK];

	begin(POOL_BLOCK);
	CHECK_INT(gather_add(&req, str_make(text, POOL_BLOCK), 1 << 20), E_OK);
	CHECK_INT(gather_add(&req, str_make(text, 1), 1 << 20), E_NO_MEMORY);
	CHECK_INT(gather_str(&req).n, POOL_BLOCK);
	end();
}

TEST(freeing_nothing_is_fine)
{
	begin(1 << 20);
	gather_free(&req);
	CHECK_INT(gather_str(&req).n, 0);
	end();
}

int
main(void)
{
	RUN(bytes_are_kept_in_order_at_any_size);
	RUN(the_limit_is_exact);
	RUN(a_full_pool_is_an_error_and_keeps_what_is_there);
	RUN(freeing_nothing_is_fine);
	return tap_done();
}
