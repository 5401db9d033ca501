/* The parameters of GET /v1/usage. */
#include "tests/unit/worker/fixture.h"

TEST(what_is_no_parameter_is_refused_by_name)
{
	struct fixture *f = fix_started();
	struct exchange *x = fix_get(f, "/v1/usage?form=csv");

	CHECK_INT(x->status, 400);
	CHECK_STR(fix_json(x, "param"), "\"form\"");
	CHECK_INT(fix_get(f, "/v1/usage?from=")->status, 400);
	CHECK_INT(fix_get(f, "/v1/usage?from=a%20HTTP/1.1%0d%0ax")->status,
		  400);
	CHECK_INT(fix_get(f, "/v1/usage?from=1&to=%26key%3d1")->status, 400);
	CHECK_INT(f->n_calls, 0);
	CHECK(fix_done(f));
}

TEST(escapes_are_read_and_csv_may_be_asked_for_by_accept)
{
	struct fixture *f = fix_started();
	struct exchange *x =
		fix_open(f, "GET", "/v1/usage?group_by=day%2cmodel", FIX_KEY,
			 "accept: text/csv\r\n");

	CHECK(strstr(f->calls->sent.p,
		     "usage?group_by=day,model&format=csv HTTP/1.1") != NULL);
	fix_answer(f, 200, "");
	CHECK_INT(x->status, 200);
	CHECK(fix_done(f));
}

TEST(what_the_admin_process_refuses_is_the_clients_error)
{
	struct fixture *f = fix_started();
	struct exchange *x = fix_get(f, "/v1/usage?from=2026-13-01");

	fix_answer(f, 400, "{\"error\":{\"code\":\"from\",\"message\":\"m\"}}");
	CHECK_INT(x->status, 400);
	CHECK_STR(fix_json(x, "param"), "\"from\"");
	x = fix_get(f, "/v1/usage?from=2026-13-01");
	fix_answer(f, 400, "nonsense");
	CHECK_INT(x->status, 400);
	CHECK(fix_done(f));
}

int
main(void)
{
	RUN(what_is_no_parameter_is_refused_by_name);
	RUN(escapes_are_read_and_csv_may_be_asked_for_by_accept);
	RUN(what_the_admin_process_refuses_is_the_clients_error);
	return tap_done();
}
