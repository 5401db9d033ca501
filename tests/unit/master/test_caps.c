/* From a configuration to the rows of caps. */
#include "base/buf.h"
#include "base/must.h"
#include "conf/conf.h"
#include "master/caps.h"
#include "shm/caps.h"
#include "tests/tap.h"

struct bench {
	struct region r;
	struct conf_model models[3]; /* two prices of "m", and "n" */
	struct conf_credential keys[2];
	struct conf_channel channel;
	struct conf conf;
};

static void
bench_open(struct bench *b)
{
	memset(b, 0, sizeof(*b));
	must(region_anonymous(&b->r, SLOT_PAGE, 1) == E_OK);
	b->models[0].name = b->models[1].name = STR("m");
	b->models[2].name = STR("n");
	b->models[0].daily_budget = money_nano(1);
	b->models[1].daily_budget = money_nano(2);
	b->keys[0].label = STR("0");
	b->keys[1].label = STR("spare");
	b->keys[1].daily_budget = money_nano(4);
	b->channel.name = STR("c");
	b->channel.daily_budget = money_nano(3);
	b->channel.keys = b->keys;
	b->channel.n_keys = 2;
	b->conf.models = b->models;
	b->conf.n_models = 3;
	b->conf.channels = &b->channel;
	b->conf.n_channels = 1;
}

static bool
publish(struct bench *b)
{
	CLEANUP(buf_free) struct buf error = BUF_INIT;

	return caps_publish(&b->r, &b->conf, &error);
}

/* -1: no row. */
static int64_t
limit(const struct bench *b, enum cap_kind kind, const char *channel,
      const char *name)
{
	const struct cap_of of = {kind, str_of(channel), str_of(name)};
	const struct cap_row *row = cap_find(&b->r, &of);

	return row ? row->limit_nano : -1;
}

TEST(what_has_a_budget_has_a_cap)
{
	struct bench b;

	bench_open(&b);
	CHECK(publish(&b));
	CHECK_INT(cap_rows(&b.r), 3);
	CHECK_INT(limit(&b, CAP_CHANNEL, "c", ""), 3);
	CHECK_INT(limit(&b, CAP_CREDENTIAL, "c", "0"), -1);
	CHECK_INT(limit(&b, CAP_CREDENTIAL, "c", "spare"), 4);
	CHECK_INT(limit(&b, CAP_MODEL, "", "n"), -1);
	region_close(&b.r);
}

TEST(of_several_prices_of_a_model_the_first_says_it)
{
	struct bench b;

	bench_open(&b);
	CHECK(publish(&b));
	CHECK_INT(limit(&b, CAP_MODEL, "", "m"), 1);
	region_close(&b.r);
}

TEST(what_a_reload_leaves_out_is_not_wanted_any_more)
{
	struct bench b;

	bench_open(&b);
	CHECK(publish(&b));
	b.channel.daily_budget = money_nano(0);
	b.keys[1].label = STR("other");
	b.models[0].daily_budget = money_nano(5);
	CHECK(publish(&b));
	CHECK_INT(limit(&b, CAP_CHANNEL, "c", ""), 0);
	CHECK_INT(limit(&b, CAP_CREDENTIAL, "c", "spare"), 0);
	CHECK_INT(limit(&b, CAP_CREDENTIAL, "c", "other"), 4);
	CHECK_INT(limit(&b, CAP_MODEL, "", "m"), 5);
	CHECK_INT(cap_rows(&b.r), 4);
	region_close(&b.r);
}

TEST(without_room_the_line_is_named)
{
	CLEANUP(buf_free) struct buf error = BUF_INIT;
	struct bench b;

	bench_open(&b);
	b.channel.where = (struct conf_where){"f", 9};
	b.r.head->n_cap_rows = SHM_CAPS;
	CHECK(!caps_publish(&b.r, &b.conf, &error));
	buf_add_char(&error, '\0');
	CHECK(strstr(error.p, "f:9: daily_budget: no room") == error.p);
	region_close(&b.r);
}

int
main(void)
{
	RUN(what_has_a_budget_has_a_cap);
	RUN(of_several_prices_of_a_model_the_first_says_it);
	RUN(what_a_reload_leaves_out_is_not_wanted_any_more);
	RUN(without_room_the_line_is_named);
	return tap_done();
}
