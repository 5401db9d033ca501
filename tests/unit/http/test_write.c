/* Heads that leave the server. */
#include "http/write.h"
#include "tests/tap.h"

static struct str
write_answer(struct answer a, char out[ANSWER_MAX])
{
	struct date_line date = {0};
	size_t n = answer_write(out, &a, &date);

	return str_make(out, n);
}

/* `text` with its date line taken out. */
static struct str
without_date(struct str text, char out[ANSWER_MAX])
{
	const char *at = memmem(text.p, text.n, "date: ", 6);
	const char *end;
	size_t n;

	if (!at)
		return text;
	CHECK((size_t)(at - text.p) + 37 <= text.n);
	end = at + 6 + 29 + 2;
	n = (size_t)(at - text.p);
	memcpy(out, text.p, n);
	memcpy(out + n, end, text.n - n - 37);
	return str_make(out, text.n - 37);
}

TEST(an_answer_with_a_length)
{
	char out[ANSWER_MAX], bare[ANSWER_MAX];
	struct str text = write_answer(
		(struct answer){.status = 200, .length = 1234567890123}, out);

	CHECK(str_eq(without_date(text, bare),
		     STR("HTTP/1.1 200 OK\r\n"
			 "content-length: 1234567890123\r\n")));
	CHECK(memmem(text.p, text.n, " GMT\r\n", 6) != NULL);
}

TEST(an_answer_in_chunks_that_closes)
{
	char out[ANSWER_MAX], bare[ANSWER_MAX];
	struct str text =
		write_answer((struct answer){.status = 503,
					     .body = ANSWER_CHUNKED,
					     .connection = ANSWER_SAYS_CLOSE},
			     out);

	CHECK(str_eq(without_date(text, bare),
		     STR("HTTP/1.1 503 Service Unavailable\r\n"
			 "transfer-encoding: chunked\r\n"
			 "connection: close\r\n")));
}

TEST(an_answer_without_a_body_has_no_length)
{
	char out[ANSWER_MAX], bare[ANSWER_MAX];
	struct str text = write_answer(
		(struct answer){.status = 204,
				.body = ANSWER_NONE,
				.connection = ANSWER_SAYS_KEEP_ALIVE},
		out);

	CHECK(str_eq(without_date(text, bare),
		     STR("HTTP/1.1 204 No Content\r\n"
			 "connection: keep-alive\r\n")));
	CHECK(!status_has_body(100) && !status_has_body(204) &&
	      !status_has_body(304) && status_has_body(200) &&
	      status_has_body(404));
}

TEST(the_longest_head_fits)
{
	char out[ANSWER_MAX];

	for (int status = 100; status < 1000; status++)
		CHECK(write_answer(
			      (struct answer){.status = status,
					      .connection =
						      ANSWER_SAYS_KEEP_ALIVE,
					      .length = UINT64_MAX},
			      out)
			      .n <= ANSWER_MAX);
}

TEST(chunk_sizes_are_hexadecimal)
{
	char out[CHUNK_MAX];

	CHECK(str_eq(str_make(out, chunk_write(out, 0)), STR("0\r\n")));
	CHECK(str_eq(str_make(out, chunk_write(out, 0x1af)), STR("1af\r\n")));
	CHECK(str_eq(str_make(out, chunk_write(out, UINT64_MAX)),
		     STR("ffffffffffffffff\r\n")));
}

int
main(void)
{
	RUN(an_answer_with_a_length);
	RUN(an_answer_in_chunks_that_closes);
	RUN(an_answer_without_a_body_has_no_length);
	RUN(the_longest_head_fits);
	RUN(chunk_sizes_are_hexadecimal);
	return tap_done();
}
