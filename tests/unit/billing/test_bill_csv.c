/* Bills as tables. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "billing/bill.h"
#include "tests/tap.h"

#define TABLE                                                        \
	"Day,model,\"request_id\",input_tokens,cached_input_tokens," \
	"output_tokens,cost,remark\r\n"                              \
	"2026-11-20,gpt-4o,\"re\"\"q,1\",10,2,3,0.5,x\r\n"           \
	"\r\n"                                                       \
	"2026-11-20T12:00:00Z, gpt-4o ,req2,,,,-1e-3,\"a\nb\"\n"     \
	"1763640000,,req3,0,0,0,,"

static bool
fails(const char *text, const char *why)
{
	CLEANUP(buf_free) struct buf error = BUF_INIT;
	struct bill b;
	bool read = bill_read(&b, str_of(text), &error);

	bill_free(&b);
	buf_add_char(&error, '\0');
	if (read || strcmp(error.p, why) != 0)
		printf("# %s\n", error.p);
	return !read && strcmp(error.p, why) == 0;
}

static bool
is(struct str a, const char *b)
{
	return str_eq(a, str_of(b));
}

TEST(columns_are_found_by_name_and_cells_may_be_quoted)
{
	CLEANUP(buf_free) struct buf error = BUF_INIT;
	struct bill b;

	CHECK(bill_read(&b, STR(TABLE), &error));
	CHECK_INT(b.n, 3);
	CHECK(b.has_ids && b.has_models);
	CHECK_INT(b.lines[0].ms, 1763596800000 + 365ll * 86400000);
	CHECK(is(b.lines[0].id, "re\"q,1"));
	CHECK(is(b.lines[0].model, "gpt-4o"));
	CHECK_INT(b.lines[0].tokens[BILL_CACHED], 2);
	CHECK_INT(b.lines[0].cost_nano, 500000000);
	CHECK_INT(b.lines[0].requests, 1);
	CHECK_INT(b.lines[0].has, BILL_HAS_COST | 1u << BILL_INPUT |
					  1u << BILL_CACHED |
					  1u << BILL_OUTPUT);
	CHECK(is(b.lines[1].model, "gpt-4o"));
	CHECK_INT(b.lines[1].has, BILL_HAS_COST);
	CHECK_INT(b.lines[1].cost_nano, -1000000);
	CHECK_INT(b.lines[2].ms, 1763640000000);
	CHECK_INT(b.lines[2].has,
		  1u << BILL_INPUT | 1u << BILL_CACHED | 1u << BILL_OUTPUT);
	bill_free(&b);
}

TEST(what_is_wrong_is_said_with_its_row)
{
	CHECK(fails("day,cost\n2026-11-20\n",
		    "row 2: fewer cells than the header has"));
	CHECK(fails("day,cost\n2026-11-20,1,2\n",
		    "row 2: more cells than the header has"));
	CHECK(fails("day,cost\n2026-11-20,1\nyesterday,1\n",
		    "row 3: not a time"));
	CHECK(fails("day,cost\n2026-11-20,many\n",
		    "row 2: a cost is not a number"));
	CHECK(fails("day,input_tokens\n2026-11-20,-1\n",
		    "row 2: not a number of tokens"));
	CHECK(fails("day,requests,cost\n2026-11-20,x,1\n",
		    "row 2: not a number of requests"));
	CHECK(fails("day,cost\n,1\n",
		    "row 2: neither a request_id nor a time"));
	CHECK(fails("day,date,cost\n", "row 1: a column stands there twice"));
	CHECK(fails("day,model\n", "row 1: no column of tokens, no cost"));
	CHECK(fails("day,cost\n\"2026", "row 2: a quote is not closed"));
	CHECK(fails("day,cost\n\"2026-11-20\"x,1\n",
		    "row 2: text behind a quote"));
}

/* Cut anywhere it is read or refused, and never read beyond: each piece is
 * an allocation of its own. */
TEST(a_table_may_end_anywhere)
{
	for (size_t n = 0; n <= sizeof(TABLE) - 1; n++) {
		CLEANUP(buf_free) struct buf error = BUF_INIT;
		char *piece = malloc(n + 1);
		struct bill b;

		CHECK(piece);
		memcpy(piece, TABLE, n);
		if (bill_read(&b, str_make(piece, n), &error))
			CHECK(b.n <= 3);
		else
			CHECK(error.n > 0);
		bill_free(&b);
		free(piece);
	}
}

TEST(there_are_not_too_many_columns)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;

	buf_add_cstr(&text, "day");
	for (int i = 0; i < 300; i++)
		buf_add_cstr(&text, ",c");
	buf_add_char(&text, '\0');
	CHECK(fails(text.p, "row 1: too many columns"));
}

int
main(void)
{
	RUN(columns_are_found_by_name_and_cells_may_be_quoted);
	RUN(what_is_wrong_is_said_with_its_row);
	RUN(a_table_may_end_anywhere);
	RUN(there_are_not_too_many_columns);
	return tap_done();
}
