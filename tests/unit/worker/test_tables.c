/* The configuration as a worker uses it. */
#include <stdlib.h>

#include "tests/unit/worker/fixture.h"

/* As in another process. */
static bool
rebuild(struct fixture *f)
{
	f->w.lanes = NULL;
	f->w.products = NULL;
	f->w.product_table = NULL;
	return tables_build(&f->w);
}

TEST(offers_stand_in_the_order_of_priority_then_of_the_file)
{
	struct fixture *f = fix_new();
	struct product *p;

	f->channel[LANE_A].priority = 7;
	f->channel[LANE_B].priority = 3;
	f->channel[LANE_DEMO].priority = 3;
	f->channel[LANE_DEMO].n_models = MODELS;
	fix_start(f);
	p = product_find(&f->w, STR("gpt"));
	CHECK_INT(p->n_offers, 3);
	CHECK_INT(p->offers[0].lane->index, LANE_B);
	CHECK_INT(p->offers[1].lane->index, LANE_DEMO);
	CHECK_INT(p->offers[2].lane->index, LANE_A);
	CHECK(str_eq(p->offers[0].upstream_json, STR("\"up-gpt\"")));
	CHECK_INT(f->w.price_version, 7);
	CHECK_INT(p->index, MODEL_GPT);
	CHECK_INT(p->prices->output.pico, 10000000);
	CHECK(fix_done(f));
}

TEST(models_are_found_by_their_whole_name)
{
	struct fixture *f = fix_new();

	fix_start(f);
	for (unsigned i = 0; i < MODELS; i++)
		CHECK(product_find(&f->w, f->model[i].name) ==
		      &f->w.products[i]);
	CHECK(!product_find(&f->w, STR("gp")));
	CHECK(!product_find(&f->w, STR("gpt2")));
	CHECK(!product_find(&f->w, STR("")));
	CHECK(fix_done(f));
}

TEST(four_thousand_models_are_all_found)
{
	enum { N = 4096 };
	struct fixture *f = fix_new();
	struct conf_model *m = calloc(N, sizeof(*m));
	char(*names)[16] = calloc(N, sizeof(*names));

	fix_start(f);
	tables_free(&f->w);
	for (unsigned i = 0; i < N; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "m-%u", i);
		m[i] = f->model[MODEL_GPT];
		m[i].name = str_of(names[i]);
	}
	f->conf.models = m;
	f->conf.n_models = N;
	f->region.books[0].n = N;
	CHECK(rebuild(f));
	for (unsigned i = 0; i < N; i++)
		CHECK(product_find(&f->w, str_of(names[i])) ==
		      &f->w.products[i]);
	CHECK(!product_find(&f->w, STR("m-4096")));
	/* a book that is shorter than the configuration is no book */
	tables_free(&f->w);
	f->region.books[0].n = N - 1;
	CHECK(!rebuild(f));
	f->region.books[0].n = N;
	tables_free(&f->w);
	CHECK(rebuild(f));
	CHECK(fix_done(f));
	free(m);
	free(names);
}

static void
host_is(const char *host, uint16_t port, bool tls, const char *field)
{
	struct fixture *f = fix_new();

	f->channel[LANE_A].base_url.host = str_of(host);
	f->channel[LANE_A].base_url.port = port;
	f->channel[LANE_A].base_url.tls = tls;
	fix_start(f);
	CHECK(str_eq(f->w.lanes[LANE_A].host_field, str_of(field)));
	CHECK(fix_done(f));
}

TEST(the_host_field_has_a_port_where_it_is_unusual)
{
	host_is("api.example", 443, true, "api.example");
	host_is("api.example", 80, false, "api.example");
	host_is("api.example", 80, true, "api.example:80");
	host_is("127.0.0.1", 8080, false, "127.0.0.1:8080");
	host_is("::1", 443, true, "[::1]");
	host_is("::1", 8443, true, "[::1]:8443");
}

TEST(a_name_with_quotes_is_sent_as_json)
{
	struct fixture *f = fix_new();

	f->offer[LANE_A][MODEL_GPT].upstream = STR("a\"b\\c");
	fix_start(f);
	CHECK(str_eq(product_find(&f->w, STR("gpt"))->offers[0].upstream_json,
		     STR("\"a\\\"b\\\\c\"")));
	CHECK(fix_done(f));
}

TEST(a_provider_that_nobody_knows_builds_nothing)
{
	struct fixture *f = fix_new();

	fix_start(f);
	tables_free(&f->w);
	f->channel[LANE_B].provider = STR("nobody");
	CHECK(!rebuild(f));
	f->channel[LANE_B].provider = STR("openai");
	tables_free(&f->w);
	CHECK(rebuild(f));
	CHECK(fix_done(f));
}

TEST(lists_of_names_allow_what_they_say)
{
	CHECK(names_allow("", STR("x")));
	CHECK(names_allow("x", STR("x")));
	CHECK(names_allow("a,x", STR("x")));
	CHECK(names_allow(" a , x ", STR("x")));
	CHECK(names_allow("gpt-*", STR("gpt-4o")));
	CHECK(names_allow("*", STR("x")));
	CHECK(!names_allow("a,b", STR("x")));
	CHECK(!names_allow("gpt-*", STR("claude")));
	CHECK(!names_allow("a,", STR("x")));
	CHECK(!names_allow("x", STR("xx")));
	CHECK(!names_allow("xx", STR("x")));
}

TEST(a_lane_without_groups_serves_all)
{
	static const uint32_t groups[] = {1, 3};
	struct conf_channel c = {.n_groups = 0};
	struct lane l = {.conf = &c};

	CHECK(lane_serves(&l, 0) && lane_serves(&l, 99));
	c.groups = groups;
	c.n_groups = 2;
	CHECK(!lane_serves(&l, 0) && lane_serves(&l, 1));
	CHECK(!lane_serves(&l, 2) && lane_serves(&l, 3));
}

int
main(void)
{
	RUN(offers_stand_in_the_order_of_priority_then_of_the_file);
	RUN(models_are_found_by_their_whole_name);
	RUN(four_thousand_models_are_all_found);
	RUN(the_host_field_has_a_port_where_it_is_unusual);
	RUN(a_name_with_quotes_is_sent_as_json);
	RUN(a_provider_that_nobody_knows_builds_nothing);
	RUN(lists_of_names_allow_what_they_say);
	RUN(a_lane_without_groups_serves_all);
	return tap_done();
}
