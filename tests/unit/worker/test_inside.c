/* Questions to the admin process. */
#include <sys/un.h>

#include "tests/unit/worker/fixture.h"

TEST(a_question_goes_over_the_socket_and_names_the_key)
{
	struct fixture *f = fix_new();
	struct sockaddr_un sun;
	struct exchange *x;

	f->conf.run_dir = STR("/run/of-tests");
	fix_start(f);
	x = fix_open(f, "GET", "/v1/usage?from=2026-11-01&key=mine", FIX_KEY,
		     "x-tollgate-key: 99\r\nx-tollgate-account: 99\r\n");
	CHECK_INT(x->status, 0);
	CHECK_INT(f->n_calls, 1);
	memcpy(&sun, &f->calls->target.addr, sizeof(sun));
	CHECK_INT(sun.sun_family, AF_UNIX);
	CHECK_STR(sun.sun_path, "/run/of-tests/admin.sock");
	CHECK_STR(f->calls->sent.p,
		  "GET /internal/v1/usage?from=2026-11-01& HTTP/1.1\r\n"
		  "host: tollgate\r\nx-tollgate-key: 0\r\n"
		  "x-tollgate-account: 1\r\n\r\n");
	CHECK_INT(f->w.inside, 1);
	fix_up_head(f, 200, "content-type: text/csv\r\nx-tollgate-next: 7\r\n");
	fix_up_text(f, "day,");
	fix_up_text(f, "model\r\n");
	fix_up_end(f);
	CHECK_INT(x->status, 200);
	CHECK_STR(fix_out(x), "day,model\r\n");
	CHECK_STR(fix_field(x, "content-type"), "text/csv");
	CHECK_STR(fix_field(x, "x-tollgate-next"), "7");
	CHECK_INT(f->w.inside, 0);
	CHECK(fix_done(f));
}

TEST(without_an_answer_the_client_is_told_to_come_again)
{
	struct fixture *f = fix_started();
	struct exchange *x = fix_get(f, "/v1/usage");

	fix_up_fail(f, CALL_HEAD_TIMEOUT);
	CHECK_INT(x->status, 503);
	CHECK_STR(fix_json(x, "code"), "\"history_unavailable\"");
	CHECK_STR(fix_field(x, "retry-after"), "1");
	x = fix_get(f, "/v1/usage");
	fix_answer(f, 503, "{}");
	CHECK_INT(x->status, 503);
	f->no_calls = true;
	x = fix_get(f, "/v1/usage");
	CHECK_INT(x->status, 503);
	CHECK_INT(f->w.inside, 0);
	CHECK(fix_done(f));
}

TEST(a_client_that_leaves_takes_its_question_along)
{
	struct fixture *f = fix_started();
	struct exchange *x = fix_get(f, "/v1/usage");

	fix_gone(x, E_CLIENT_GONE);
	fix_settle(f);
	CHECK_INT(f->calls->end, CALL_CANCELLED);
	CHECK_INT(f->w.inside, 0);
	CHECK(fix_done(f));
}

TEST(only_so_many_are_asked_at_once)
{
	struct fixture *f = fix_started();
	struct exchange *x[INSIDE_MAX], *more;

	for (unsigned i = 0; i < INSIDE_MAX; i++)
		x[i] = fix_get(f, "/v1/usage");
	more = fix_get(f, "/v1/usage");
	CHECK_INT(more->status, 503);
	CHECK_INT(f->n_calls, INSIDE_MAX);
	for (unsigned i = 0; i < INSIDE_MAX; i++)
		fix_gone(x[i], E_CLIENT_GONE);
	fix_settle(f);
	CHECK_INT(f->w.inside, 0);
	CHECK(fix_done(f));
}

int
main(void)
{
	RUN(a_question_goes_over_the_socket_and_names_the_key);
	RUN(without_an_answer_the_client_is_told_to_come_again);
	RUN(a_client_that_leaves_takes_its_question_along);
	RUN(only_so_many_are_asked_at_once);
	return tap_done();
}
