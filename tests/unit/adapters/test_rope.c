/* adapters/rope.c: whatever the pieces, the text is all of them. */
#include "adapters/rope.h"
#include "tests/tap.h"

static const char *
said(const struct rope *r, struct buf *out)
{
	struct json_out o;

	buf_reset(out);
	json_out_init(&o, out);
	put_rope(&o, r);
	buf_add_char(out, '\0');
	return out->p;
}

TEST(pieces_of_any_size_become_one_text)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT, want = BUF_INIT;
	struct rope r = {NULL, NULL}, more = {NULL, NULL};
	struct arena a;
	char piece[700];

	arena_init(&a);
	CHECK_STR(said(&r, &out), "\"\"");
	buf_add_char(&want, '"');
	for (size_t n = 0; n < sizeof(piece); n += 7) {
		memset(piece, 'a' + (int)(n % 26), n);
		buf_add(&want, piece, n);
		CHECK(rope_add(&a, &r, str_make(piece, n)));
	}
	CHECK(rope_add(&a, &more, STR("tail")));
	CHECK(rope_join(&a, &r, &more));
	buf_add(&want, "tail\"", sizeof("tail\""));
	CHECK_STR(said(&r, &out), want.p);
	arena_free(&a);
}

TEST(an_object_is_one_when_it_is_whole)
{
	struct rope r = {NULL, NULL};
	struct arena a;

	arena_init(&a);
	CHECK(!rope_is_object(&r));
	CHECK(rope_add(&a, &r, STR("{\\\"a\\\":")));
	CHECK(!rope_is_object(&r));
	CHECK(rope_add(&a, &r, STR("1}")));
	CHECK(rope_is_object(&r));
	arena_free(&a);
}

int
main(void)
{
	RUN(pieces_of_any_size_become_one_text);
	RUN(an_object_is_one_when_it_is_whole);
	return tap_done();
}
