/* The text of /metrics: what a scraper insists on. */
#include "admin/metrics_page.h"
#include "shm/metrics.h"
#include "tests/tap.h"

static struct region region;
static struct buf page;

static void
make_page(void)
{
	struct metrics_block *b;
	struct series *s;

	CHECK(region_anonymous(&region, 256, 8) == E_OK);
	b = metrics_of_master(&region);
	s = metrics_model(b, STR("mo\"del\\\n"), STR("ch"));
	series_add(s, M_CHARGED, 1500000000);
	series_add(s, M_CHARGED, 1);
	series_add(s, M_TOKENS_OF(TOKENS_OUTPUT, SOURCE_UPSTREAM), 7);
	metric_observe(b, M_HIST(M_REQUEST_DURATION, ROUTE_CHAT), 3000);
	metric_observe(b, M_HIST(M_REQUEST_DURATION, ROUTE_CHAT), 99000000);
	metrics_page(&region, &page);
	CHECK(!page.failed);
}

static void
drop_page(void)
{
	buf_free(&page);
	region_close(&region);
}

static bool
has_line(const char *line)
{
	struct str rest = buf_str(&page);

	while (rest.p)
		if (str_eq(str_cut(&rest, '\n'), str_of(line)))
			return true;
	return false;
}

TEST(figures_are_exact_in_base_units_and_labels_escaped)
{
	make_page();
	CHECK(has_line("tollgate_charged_usd_total{model=\"mo\\\"del\\\\\\n\","
		       "channel=\"ch\"} 1.500000001"));
	CHECK(has_line("# TYPE tollgate_charged_usd_total counter"));
	CHECK(has_line("tollgate_request_duration_seconds_count{"
		       "route=\"chat.completions\"} 2"));
	CHECK(has_line("tollgate_request_duration_seconds_sum{"
		       "route=\"chat.completions\"} 99.003"));
	CHECK(has_line("tollgate_request_duration_seconds_bucket{"
		       "route=\"chat.completions\",le=\"0.0025\"} 0"));
	CHECK(has_line("tollgate_request_duration_seconds_bucket{"
		       "route=\"chat.completions\",le=\"0.005\"} 1"));
	CHECK(has_line("tollgate_request_duration_seconds_bucket{"
		       "route=\"chat.completions\",le=\"60\"} 1"));
	CHECK(has_line("tollgate_request_duration_seconds_bucket{"
		       "route=\"chat.completions\",le=\"+Inf\"} 2"));
	drop_page();
}

/* The family a sample line belongs to. */
static struct str
family_of(struct str line)
{
	static const char *const ends[] = {"_bucket", "_sum", "_count"};
	struct str name = line;
	size_t n = 0;

	while (n < line.n && line.p[n] != '{' && line.p[n] != ' ')
		n++;
	name.n = n;
	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		if (str_ends(name, str_of(ends[i])))
			name.n -= strlen(ends[i]);
	return name;
}

TEST(every_sample_stands_below_the_head_of_its_family)
{
	struct str rest, family = STR_NONE;
	unsigned samples = 0;

	make_page();
	CHECK(page.n > 0 && page.p[page.n - 1] == '\n');
	rest = str_make(page.p, page.n - 1);
	while (rest.p) {
		struct str line = str_cut(&rest, '\n');

		if (str_starts(line, STR("# HELP "))) {
			struct str text = str_from(line, 7);

			family = str_cut(&text, ' ');
			CHECK(text.n > 0);
		} else if (!str_starts(line, STR("# TYPE "))) {
			struct str mine = family_of(line);

			/* _count may be the name of a family itself */
			CHECK(str_eq(mine, family));
			samples++;
		}
	}
	CHECK(samples > 20);
	drop_page();
}

int
main(void)
{
	RUN(figures_are_exact_in_base_units_and_labels_escaped);
	RUN(every_sample_stands_below_the_head_of_its_family);
	return tap_done();
}
