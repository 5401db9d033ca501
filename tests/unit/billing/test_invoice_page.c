/* The page of an invoice. */
#include "tests/tap.h"
#include "tests/unit/billing/months.h"

static void
page(struct paper *p, struct sample *s, uint64_t now_ms)
{
	p->job.filter.from_ms = MONTHS_NOV;
	p->job.filter.to_ms = MONTHS_DEC;
	p->job.now_ms = now_ms;
	p->job.html = true;
	p->job.issuer = STR("Reseller & <Co>");
	p->job.zone = STR("UTC");
	paper_write(p, s, report_invoice);
	CHECK_INT(p->result, REPORT_DONE);
}

TEST(a_page_needs_nothing_else_and_runs_nothing)
{
	struct months m;
	struct paper p = {0};

	months_open(&m);
	sample_read(&m.s);
	p.job.filter.account = STR("1");
	page(&p, &m.s, MONTHS_DEC);
	CHECK(str_starts(str_of(p.text.p), STR("<!DOCTYPE html>\n")));
	CHECK(str_ends(str_of(p.text.p), STR("</html>\n")));
	CHECK(strstr(p.text.p, "<p>Reseller &amp; &lt;Co&gt;</p>"));
	CHECK(strstr(p.text.p, "<td>a &lt;note&gt;<td class=\"n\">5.00</tr>"));
	CHECK(strstr(p.text.p, "<tr><td>Credits<td class=\"n\">5.00</tr>"));
	CHECK(strstr(p.text.p, "gpt-4o cached input tokens"));
	CHECK(!strstr(p.text.p, "src=") && !strstr(p.text.p, "href="));
	CHECK(!strstr(p.text.p, "draft"));
	page(&p, &m.s, MONTHS_DEC - 1);
	CHECK(strstr(p.text.p, "draft: the period is not over"));
	p.job.filter.account = STR("0");
	page(&p, &m.s, MONTHS_DEC);
	CHECK(strstr(p.text.p, "org, &quot;main&quot; (0)"));
	paper_free(&p);
	sample_close(&m.s);
}

int
main(void)
{
	RUN(a_page_needs_nothing_else_and_runs_nothing);
	return tap_done();
}
