/* conf/ini.c */
#include "conf/ini.h"
#include "tests/tap.h"

static const char text[] = "# a comment = 1\n"
			   "orphan = none\n"
			   "[default]\n"
			   "aws_access_key_id = AKIA1\n"
			   "  aws_secret_access_key=s/e=c+r \t\r\n"
			   "; x = y\n"
			   "\n"
			   "[ work ]\r\n"
			   "aws_access_key_id = AKIA2\r\n"
			   "empty =\n"
			   "no equals sign\n"
			   "[default]\n"
			   "late = 1";

static const char *
find(const char *section, const char *key)
{
	static char out[64];
	struct str value;

	if (!ini_find(str_of(text), str_of(section), str_of(key), &value))
		return "(none)";
	(void)str_copy(out, sizeof(out), value);
	return out;
}

TEST(values_are_found_in_their_section)
{
	CHECK_STR(find("default", "aws_access_key_id"), "AKIA1");
	CHECK_STR(find("work", "aws_access_key_id"), "AKIA2");
	CHECK_STR(find("default", "aws_secret_access_key"), "s/e=c+r");
	CHECK_STR(find("work", "empty"), "");
	CHECK_STR(find("default", "late"), "1");
}

TEST(what_is_not_there_is_not_found)
{
	CHECK_STR(find("default", "orphan"), "(none)");
	CHECK_STR(find("default", "x"), "(none)");
	CHECK_STR(find("work", "late"), "(none)");
	CHECK_STR(find("other", "late"), "(none)");
	CHECK_STR(find("", "orphan"), "(none)");
	CHECK_STR(find("work", "no equals sign"), "(none)");
}

TEST(a_text_that_is_cut_anywhere_is_read_as_far_as_it_goes)
{
	struct str value;
	unsigned found = 0;

	for (size_t n = 0; n < sizeof(text); n++)
		found += ini_find(str_make(text, n), STR("default"),
				  STR("late"), &value);
	/* "late =", its blank and the value */
	CHECK_INT(found, 3);
	CHECK(!ini_find(STR_NONE, STR("a"), STR("b"), &value));
}

int
main(void)
{
	RUN(values_are_found_in_their_section);
	RUN(what_is_not_there_is_not_found);
	RUN(a_text_that_is_cut_anywhere_is_read_as_far_as_it_goes);
	return tap_done();
}
