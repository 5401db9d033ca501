/* worker/array.c: a stream of events as one JSON array. */
#include "tests/tap.h"
#include "worker/array.h"

TEST(events_become_elements)
{
	struct buf out = BUF_INIT;
	bool begun = false;

	array_put(&out, STR("data: {\"a\":1}\n\n: a comment\n\n"), &begun);
	array_put(&out, STR("data: {\"b\":\"data: x\"}\n\ndata: {}\n\n"),
		  &begun);
	array_put(&out, STR(""), &begun);
	array_end(&out, &begun);
	CHECK(str_eq(buf_str(&out),
		     STR("[{\"a\":1},\r\n{\"b\":\"data: x\"},\r\n{}]")));
	buf_free(&out);
}

TEST(an_array_of_nothing_is_an_array)
{
	struct buf out = BUF_INIT;
	bool begun = false;

	array_put(&out, STR(": nothing\n\n"), &begun);
	CHECK(!begun);
	array_end(&out, &begun);
	CHECK(str_eq(buf_str(&out), STR("[]")));
	buf_free(&out);
}

int
main(void)
{
	RUN(events_become_elements);
	RUN(an_array_of_nothing_is_an_array);
	return tap_done();
}
