/* Channel rows. */
#include "base/clock.h"
#include "base/must.h"
#include "shm/channels.h"
#include "tests/tap.h"

TEST(a_channel_keeps_its_row_and_health_over_reloads)
{
	struct region r;
	uint32_t a, b;

	must(region_anonymous(&r, SLOT_PAGE, 1) == E_OK);
	a = channel_bind(&r, STR("main"));
	b = channel_bind(&r, STR("spare"));
	CHECK(a != b);
	CHECK_INT(r.channels[a].state, CHANNEL_UP);
	r.channels[a].state = CHANNEL_OPEN;
	CHECK_INT(channel_bind(&r, STR("main")), a);
	channel_unbind(&r, a);
	channel_unbind(&r, a);
	CHECK_INT(channel_bind(&r, STR("other")), 2);
	CHECK_INT(channel_bind(&r, STR("main")), a);
	CHECK_INT(r.channels[a].state, CHANNEL_OPEN);
	CHECK_INT(channel_rows(&r), 3);
	region_close(&r);
}

TEST(rows_of_channels_that_are_gone_are_used_again_last)
{
	struct region r;
	char name[CHANNEL_NAME];
	uint32_t row;

	must(region_anonymous(&r, SLOT_PAGE, 1) == E_OK);
	for (uint32_t i = 0; i < SHM_CHANNELS; i++) {
		(void)snprintf(name, sizeof(name), "c%" PRIu32, i);
		CHECK_INT(channel_rows(&r), i);
		CHECK_INT(channel_bind(&r, str_of(name)), i);
	}
	CHECK_INT(channel_bind(&r, STR("one too many")), SHM_NONE);
	r.channels[9].state = CHANNEL_OFF;
	r.channels[9].faults = 7;
	channel_unbind(&r, 9);
	row = channel_bind(&r, STR("one too many"));
	CHECK_INT(row, 9);
	CHECK_INT(r.channels[9].state, CHANNEL_UP);
	CHECK_INT(r.channels[9].faults, 0);
	CHECK_STR(r.channels[9].name, "one too many");
	CHECK_INT(channel_rows(&r), SHM_CHANNELS);
	region_close(&r);
}

TEST(addresses_are_read_whole)
{
	struct region r;
	struct channel_address in[CHANNEL_ADDRESSES + 2] = {
		{.len = 16, .sockaddr = {2}}, {.len = 28, .sockaddr = {10}}};
	struct channel_address out[CHANNEL_ADDRESSES];
	uint32_t row;
	uint64_t way;

	must(region_anonymous(&r, SLOT_PAGE, 1) == E_OK);
	row = channel_bind(&r, STR("main"));
	CHECK_INT(channel_addresses(&r, row, out, &way), 0);
	channel_set_addresses(&r, row, 7, in, 2);
	CHECK_INT(channel_addresses(&r, row, out, &way), 2);
	CHECK_INT(way, 7);
	CHECK(memcmp(in, out, 2 * sizeof(*in)) == 0);
	channel_set_addresses(&r, row, 7, in, ARRAY_LEN(in));
	CHECK_INT(channel_addresses(&r, row, out, &way), CHANNEL_ADDRESSES);
	region_close(&r);
}

TEST(a_master_that_died_while_writing_hangs_nobody)
{
	struct region r;
	struct channel_address one = {.len = 16}, out[CHANNEL_ADDRESSES];
	uint32_t row;
	uint64_t way;

	must(region_anonymous(&r, SLOT_PAGE, 1) == E_OK);
	row = channel_bind(&r, STR("main"));
	channel_set_addresses(&r, row, 7, &one, 1);
	r.channels[row].addr_seq++;
	CHECK_INT(channel_addresses(&r, row, out, &way), 0);
	channel_set_addresses(&r, row, 7, &one, 1);
	CHECK_INT(channel_addresses(&r, row, out, &way), 1);
	region_close(&r);
}

TEST(a_channel_is_used_while_it_is_up_and_had_no_fault)
{
	struct region r;
	struct channel_row *c;
	uint32_t row;

	must(region_anonymous(&r, SLOT_PAGE, 1) == E_OK);
	row = channel_bind(&r, STR("main"));
	c = &r.channels[row];
	CHECK(channel_usable(&r, row, 100));
	c->fault_until_ns = 101;
	CHECK(!channel_usable(&r, row, 100));
	CHECK(channel_usable(&r, row, 101));
	c->operator_state = CHANNEL_DRAIN;
	CHECK(!channel_usable(&r, row, 101));
	c->operator_state = 0;
	for (uint32_t s = CHANNEL_UNUSED; s <= CHANNEL_OFF; s++) {
		c->state = s;
		CHECK_INT(channel_usable(&r, row, 101),
			  s == CHANNEL_UP || s == CHANNEL_DEGRADED);
		CHECK(channel_state_name((enum channel_state)s)[0]);
	}
	region_close(&r);
}

TEST(a_refused_key_is_tried_by_one_request_after_longer_and_longer_times)
{
	struct region r;
	struct channel_row *c;
	uint64_t now = 1000 * NS_PER_SEC;

	must(region_anonymous(&r, SLOT_PAGE, 1) == E_OK);
	c = &r.channels[channel_bind(&r, STR("main"))];
	CHECK(channel_key_take(c, 3, now));
	CHECK(channel_key_take(c, 3, now));
	CHECK_INT(channel_keys_out(c), 0);
	CHECK(channel_key_refused(c, 3, now)); /* news */
	CHECK(!channel_key_refused(c, 3, now));
	CHECK_INT(channel_keys_out(c), 1);
	for (uint64_t s = 60; s < 7200; s *= 2) {
		now += MIN_OF(s, (uint64_t)3600) * NS_PER_SEC - 1;
		CHECK(!channel_key_take(c, 3, now));
		CHECK(channel_key_take(c, 3, now + 1));
		CHECK(!channel_key_take(c, 3, now + 1)); /* one tries */
		now += 1;
		CHECK(!channel_key_refused(c, 3, now)); /* no news */
		CHECK(!channel_key_refused(c, 3, now));
	}
	CHECK_INT(c->key_out_s[3], 3600);
	now += 3600 * NS_PER_SEC;
	CHECK(channel_key_take(c, 3, now));
	/* a trial without a verdict is repeated */
	CHECK(channel_key_take(c, 3, now + 30 * NS_PER_SEC));
	CHECK(channel_key_proved(c, 3));
	CHECK(!channel_key_proved(c, 3));
	CHECK(channel_key_take(c, 3, now));
	CHECK(channel_key_refused(c, 3, now));
	CHECK_INT(c->key_out_s[3], 60);
	channel_key_reset(c, 3);
	CHECK_INT(channel_keys_out(c), 0);
	CHECK(channel_key_take(c, 3, now));
	region_close(&r);
}

TEST(no_more_are_in_flight_than_may_be)
{
	static struct channel_row c;

	for (int i = 0; i < 3; i++)
		CHECK(channel_enter(&c, 3));
	CHECK(!channel_enter(&c, 3));
	CHECK(!channel_enter(&c, 2));
	CHECK(channel_enter(&c, 0));
	CHECK_INT(c.in_flight, 4);
	CHECK(channel_leave(&c, 3)); /* it was full */
	CHECK(channel_leave(&c, 3));
	CHECK(!channel_leave(&c, 3));
	CHECK(!channel_leave(&c, 0));
	CHECK_INT(c.in_flight, 0);
	CHECK(!channel_leave(&c, 3)); /* the writer was faster */
	CHECK_INT(c.in_flight, 0);
}

int
main(void)
{
	RUN(no_more_are_in_flight_than_may_be);
	RUN(a_channel_keeps_its_row_and_health_over_reloads);
	RUN(rows_of_channels_that_are_gone_are_used_again_last);
	RUN(addresses_are_read_whole);
	RUN(a_master_that_died_while_writing_hangs_nobody);
	RUN(a_channel_is_used_while_it_is_up_and_had_no_fault);
	RUN(a_refused_key_is_tried_by_one_request_after_longer_and_longer_times);
	return tap_done();
}
