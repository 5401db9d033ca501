/* Models that nobody can answer. */
#include "base/must.h"
#include "conf/conf.h"
#include "master/models.h"
#include "shm/channels.h"
#include "tests/tap.h"

struct bench {
	struct region r;
	struct conf_model models[3];
	struct conf_channel_model both[2];
	struct conf_channel channels[2];
	struct conf conf;
	uint32_t rows[2];
	struct models m;
};

/* The first channel has both models, the second one the second; nobody the
 * third. */
static void
bench_open(struct bench *b)
{
	memset(b, 0, sizeof(*b));
	must(region_anonymous(&b->r, SLOT_PAGE, 1) == E_OK);
	b->models[0].name = STR("first");
	b->models[1].name = STR("second");
	b->models[2].name = STR("idle");
	b->both[1].model = 1;
	b->channels[0].n_models = 2;
	b->channels[0].models = b->both;
	b->channels[0].n_keys = 2;
	b->channels[1].n_models = 1;
	b->channels[1].models = &b->both[1];
	b->conf.models = b->models;
	b->conf.n_models = 3;
	b->conf.channels = b->channels;
	b->conf.n_channels = 2;
	b->rows[0] = channel_bind(&b->r, STR("a"));
	b->rows[1] = channel_bind(&b->r, STR("b"));
}

static uint32_t
out(struct bench *b)
{
	models_look(&b->m, &b->r, &b->conf, b->rows);
	return b->r.head->models_out;
}

static void
bench_close(struct bench *b)
{
	models_free(&b->m);
	region_close(&b->r);
}

TEST(a_model_is_out_when_its_last_channel_is)
{
	struct bench b;

	bench_open(&b);
	CHECK_INT(out(&b), 0);
	b.r.channels[b.rows[0]].state = CHANNEL_OPEN;
	CHECK_INT(out(&b), 1);
	b.r.channels[b.rows[1]].operator_state = CHANNEL_OFF;
	CHECK_INT(out(&b), 2);
	CHECK_INT(out(&b), 2);
	b.r.channels[b.rows[0]].state = CHANNEL_DEGRADED;
	CHECK_INT(out(&b), 0);
	bench_close(&b);
}

TEST(a_pause_after_a_fault_does_not_count_but_keys_do)
{
	struct bench b;

	bench_open(&b);
	b.r.channels[b.rows[0]].fault_until_ns = UINT64_MAX;
	CHECK_INT(out(&b), 0);
	CHECK(channel_key_refused(&b.r.channels[b.rows[0]], 0, 1));
	CHECK_INT(out(&b), 0);
	CHECK(channel_key_refused(&b.r.channels[b.rows[0]], 1, 1));
	CHECK_INT(out(&b), 1);
	bench_close(&b);
}

TEST(another_configuration_is_looked_at_anew)
{
	struct bench b;
	struct conf less;

	bench_open(&b);
	b.r.channels[b.rows[0]].state = CHANNEL_HALF;
	CHECK_INT(out(&b), 1);
	less = b.conf;
	less.n_models = 2;
	less.n_channels = 1;
	models_look(&b.m, &b.r, &less, b.rows);
	CHECK_INT(b.r.head->models_out, 2);
	bench_close(&b);
}

TEST(a_channel_knows_whether_a_model_has_no_other)
{
	struct bench b;

	bench_open(&b);
	(void)out(&b);
	CHECK(models_only(&b.m, &b.channels[0], true) == &b.models[0]);
	CHECK(models_only(&b.m, &b.channels[1], true) == NULL);
	models_lose(&b.m, &b.channels[0]);
	CHECK(models_only(&b.m, &b.channels[1], true) == &b.models[1]);
	CHECK(models_only(&b.m, &b.channels[0], false) == &b.models[0]);
	b.r.channels[b.rows[0]].state = CHANNEL_OPEN;
	b.r.channels[b.rows[1]].state = CHANNEL_OPEN;
	(void)out(&b);
	CHECK(models_only(&b.m, &b.channels[1], false) == &b.models[1]);
	b.r.channels[b.rows[0]].state = CHANNEL_UP;
	(void)out(&b);
	CHECK(models_only(&b.m, &b.channels[1], false) == NULL);
	models_free(&b.m);
	CHECK(models_only(&b.m, &b.channels[1], false) == NULL);
	bench_close(&b);
}

int
main(void)
{
	RUN(a_channel_knows_whether_a_model_has_no_other);
	RUN(a_model_is_out_when_its_last_channel_is);
	RUN(a_pause_after_a_fault_does_not_count_but_keys_do);
	RUN(another_configuration_is_looked_at_anew);
	return tap_done();
}
