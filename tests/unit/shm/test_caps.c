/* Rows of caps: found by what they are on. */
#include "base/must.h"
#include "shm/caps.h"
#include "shm/counters.h"
#include "tests/tap.h"

static const struct cap_of some[] = {
	{CAP_CHANNEL, {"a", 1}, {"", 0}},
	{CAP_MODEL, {"", 0}, {"a", 1}},
	{CAP_CREDENTIAL, {"a", 1}, {"0", 1}},
	{CAP_CREDENTIAL, {"a", 1}, {"1", 1}},
	{CAP_CREDENTIAL, {"0", 1}, {"a", 1}},
};

static struct region
region(void)
{
	struct region r;

	must(region_anonymous(&r, SLOT_PAGE, 4) == E_OK);
	return r;
}

TEST(each_thing_has_a_row_of_its_own)
{
	struct region r = region();

	for (uint32_t i = 0; i < ARRAY_LEN(some); i++) {
		CHECK(cap_find(&r, &some[i]) == NULL);
		CHECK_INT(cap_want(&r, &some[i], 10 + i), i);
	}
	CHECK_INT(cap_rows(&r), ARRAY_LEN(some));
	for (uint32_t i = 0; i < ARRAY_LEN(some); i++) {
		const struct cap_row *c = cap_find(&r, &some[i]);
		struct cap_of of = cap_row_of(c);

		CHECK(c == &r.caps[i]);
		CHECK(cap_same(&of, &some[i]));
		CHECK_INT(c->limit_nano, 10 + i);
	}
	region_close(&r);
}

TEST(a_row_that_is_wanted_again_is_the_same)
{
	struct region r = region();

	CHECK_INT(cap_want(&r, &some[0], 1), 0);
	r.caps[0].number = 7;
	CHECK_INT(cap_want(&r, &some[0], 2), 0);
	CHECK_INT(r.caps[0].limit_nano, 2);
	CHECK_INT(cap_counter(&r.caps[0]), counter_of_cap(6));
	CHECK_INT(cap_rows(&r), 1);
	region_close(&r);
}

TEST(what_is_not_set_up_has_nothing_left)
{
	struct region r = region();

	CHECK_INT(cap_want(&r, &some[0], 1), 0);
	r.counters[counter_of_cap(0)].available = 5;
	CHECK_INT(cap_counter(&r.caps[0]), SHM_NONE);
	CHECK_INT(cap_left(&r, &r.caps[0]), 0);
	r.caps[0].number = SHM_CAPS + 1;
	CHECK_INT(cap_counter(&r.caps[0]), SHM_NONE);
	r.caps[0].number = 1;
	CHECK_INT(cap_left(&r, &r.caps[0]), 5);
	region_close(&r);
}

TEST(when_all_rows_are_used_there_is_no_room)
{
	struct region r = region();
	char name[16];

	for (uint32_t i = 0; i < SHM_CAPS; i++) {
		struct cap_of of = {CAP_MODEL, STR_NONE, {name, 0}};

		of.name.n = (size_t)snprintf(name, sizeof(name), "m%u", i);
		must(cap_want(&r, &of, 1) == i);
	}
	CHECK_INT(cap_want(&r, &some[0], 1), SHM_NONE);
	CHECK_INT(cap_rows(&r), SHM_CAPS);
	region_close(&r);
}

TEST(a_name_that_does_not_fit_has_no_row)
{
	struct region r = region();
	char name[CAP_NAME + 1];
	struct cap_of of = {CAP_MODEL, STR_NONE, {name, CAP_NAME}};

	memset(name, 'x', sizeof(name));
	CHECK_INT(cap_want(&r, &of, 1), SHM_NONE);
	of.name.n--;
	CHECK_INT(cap_want(&r, &of, 1), 0);
	CHECK(cap_find(&r, &of) == &r.caps[0]);
	region_close(&r);
}

int
main(void)
{
	RUN(each_thing_has_a_row_of_its_own);
	RUN(a_row_that_is_wanted_again_is_the_same);
	RUN(what_is_not_set_up_has_nothing_left);
	RUN(when_all_rows_are_used_there_is_no_room);
	RUN(a_name_that_does_not_fit_has_no_row);
	return tap_done();
}
