/* Numbers and times of bills, and which shape a text is. */
#include "base/buf.h"
#include "billing/bill.h"
#include "tests/tap.h"

static int64_t
nano_of(const char *text)
{
	int64_t nano;

	return bill_money(str_of(text), &nano) ? nano : -4711;
}

TEST(money_is_read_exactly_and_rounded_to_the_nano)
{
	CHECK_INT(nano_of("0"), 0);
	CHECK_INT(nano_of("12.5"), 12500000000);
	CHECK_INT(nano_of("0.06"), 60000000);
	CHECK_INT(nano_of("-0.000000001"), -1);
	CHECK_INT(nano_of("1e-9"), 1);
	CHECK_INT(nano_of("1.5E+2"), 150000000000);
	CHECK_INT(nano_of("0.00000000049999"), 0);
	CHECK_INT(nano_of("0.0000000005"), 1);
	CHECK_INT(nano_of("0.06000000000000000000000000000000000000000001"),
		  60000000);
	CHECK_INT(nano_of("9223372036.854775807"), INT64_MAX);
	CHECK_INT(nano_of("1e-99999999999"), 0);
	CHECK_INT(nano_of("0e99999999999"), 0);
	CHECK_INT(nano_of("000000000000000000000000000000000000000001"),
		  1000000000);
}

TEST(what_is_no_money_is_refused)
{
	static const char *const wrong[] = {
		"",	  "-",	 ".",	"1.",	 "1.e5",
		".5",	  "1e",	 "1e+", "1 ",	 " 1",
		"+1",	  "1,5", "0x1", "nan",	 "9223372036.854775808",
		"1e9999", "--1", "1-",	"1.2.3",
	};

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		CHECK_INT(nano_of(wrong[i]), -4711);
}

static const char *
fault_of(const char *text)
{
	static char said[256];
	CLEANUP(buf_free) struct buf why = BUF_INIT;
	struct bill b;

	said[0] = '\0';
	if (!bill_read(&b, str_of(text), &why))
		(void)str_copy(said, sizeof(said), buf_str(&why));
	bill_free(&b);
	return said;
}

TEST(the_shape_is_seen_by_the_first_byte)
{
	CHECK_STR(fault_of(""), "it is empty");
	CHECK_STR(fault_of("\xef\xbb\xbf \r\n"), "it is empty");
	CHECK_STR(fault_of(" {}"),
		  "it has no data: not a page of usage or costs");
	CHECK_STR(fault_of("hello"),
		  "row 1: no column request_id, time or day");
	CHECK_STR(fault_of("\xef\xbb\xbfrequest_id,cost\nabc,1\n"), "");
	CHECK_STR(fault_of("\xef\xbb\xbf{\"data\":[]}"), "");
}

int
main(void)
{
	RUN(money_is_read_exactly_and_rounded_to_the_nano);
	RUN(what_is_no_money_is_refused);
	RUN(the_shape_is_seen_by_the_first_byte);
	return tap_done();
}
