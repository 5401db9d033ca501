/* The way of a request through the table of the admin API. */
#include <unistd.h>

#include "admin/endpoints.h"
#include "admin/openapi.h"
#include "tests/unit/admin/fake_exchange.h"

static struct world w; /* large: an answer lies in it */

TEST(a_star_stands_for_one_segment)
{
	struct str name;

	CHECK(admin_path_fits("/a/*/b", STR("/a/x/b"), &name));
	CHECK(str_eq(name, STR("x")));
	CHECK(!admin_path_fits("/a/*/b", STR("/a//b"), &name));
	CHECK(!admin_path_fits("/a/*/b", STR("/a/x/y/b"), &name));
	CHECK(!admin_path_fits("/a/*", STR("/a"), &name));
	CHECK(!admin_path_fits("/a/*", STR("/a/"), &name));
	CHECK(!admin_path_fits("/a", STR("/a/"), &name));
	CHECK(!admin_path_fits("/a", STR("/A"), &name));
	CHECK(!admin_path_fits("/a", STR(""), &name));
	CHECK(admin_path_fits("/a", STR("/a"), &name));
	CHECK(name.p == NULL);
}

TEST(a_token_fits_only_whole_and_as_bearer)
{
	struct str want = STR("0123456789abcdef");

	CHECK(admin_token_fits(STR("Bearer 0123456789abcdef"), want));
	CHECK(admin_token_fits(STR("bearer  0123456789abcdef "), want));
	CHECK(!admin_token_fits(STR("Bearer 0123456789abcde"), want));
	CHECK(!admin_token_fits(STR("Bearer 0123456789abcdeg"), want));
	CHECK(!admin_token_fits(STR("Bearer 0123456789abcdef0"), want));
	CHECK(!admin_token_fits(STR("Basic 0123456789abcdef"), want));
	CHECK(!admin_token_fits(STR("Bearer "), want));
	CHECK(!admin_token_fits(STR("Bearer"), want));
	CHECK(!admin_token_fits(STR_NONE, want));
	/* No token is set: none fits. */
	CHECK(!admin_token_fits(STR("Bearer "), STR_NONE));
	CHECK(!admin_token_fits(STR("Bearer x"), STR_NONE));
}

TEST(strangers_see_health_and_the_description_only)
{
	unsigned n;
	const struct endpoint *e = admin_endpoints(&n);

	world_open(&w, -1, -1);
	w.x.is_unix = false;
	for (unsigned i = 0; i < n; i++) {
		char path[128] = "";
		struct str rest = str_of(e[i].path);

		while (rest.p) { /* `*` becomes x */
			struct str part = str_cut(&rest, '*');

			(void)strncat(path, part.p, part.n);
			if (rest.p)
				(void)strcat(path, "x");
		}
		if (e[i].access == ACCESS_OPEN) {
			CHECK(e[i].method == HTTP_GET);
			continue;
		}
		CHECK_INT(world_ask(&w, e[i].method, path, NULL), 401);
		CHECK(world_code(&w, "unauthorized"));
		world_end(&w);
	}
	CHECK_INT(world_ask(&w, HTTP_GET, "/healthz", NULL), 200);
	world_end(&w);
	CHECK_INT(world_ask(&w, HTTP_GET, "/openapi.yaml", NULL), 200);
	world_end(&w);
	world_close(&w);
}

TEST(the_socket_is_open_to_its_user_and_root_only)
{
	world_open(&w, -1, -1);
	w.x.uid = (uint32_t)geteuid();
	CHECK_INT(world_ask(&w, HTTP_GET, "/admin/v1/workers", NULL), 200);
	world_end(&w);
	w.x.uid = 0;
	CHECK_INT(world_ask(&w, HTTP_GET, "/admin/v1/workers", NULL), 200);
	world_end(&w);
	w.x.uid = (uint32_t)geteuid() + 1;
	CHECK_INT(world_ask(&w, HTTP_GET, "/admin/v1/workers", NULL), 401);
	world_end(&w);
	world_close(&w);
}

TEST(internal_pages_are_on_the_socket_only_and_name_their_client)
{
	struct http_head h;

	world_open(&w, -1, -1);
	(void)world_account(&w, "acme", 0);
	w.region.head->n_keys = 1;
	w.x.uid = (uint32_t)geteuid();
	CHECK_INT(world_ask(&w, HTTP_GET, "/internal/v1/usage", NULL), 400);
	CHECK(world_code(&w, "bad_client"));
	world_end(&w);
	memset(&h, 0, sizeof(h));
	h.method = HTTP_GET;
	split_target(&h, "/internal/v1/usage?limit=0");
	head_field(&h, "x-tollgate-key", "1");
	head_field(&h, "x-tollgate-account", "0");
	world_send(&w, &h, NULL);
	CHECK(world_code(&w, "bad_client"));
	world_end(&w);
	h.fields[0].value = STR("0");
	world_send(&w, &h, NULL);
	CHECK(world_code(&w, "limit"));
	world_end(&w);
	w.x.uid = (uint32_t)geteuid() + 1;
	world_send(&w, &h, NULL);
	CHECK_INT(w.x.status, 404);
	world_end(&w);
	w.x.is_unix = false;
	world_send(&w, &h, NULL);
	CHECK_INT(w.x.status, 404);
	world_end(&w);
	world_close(&w);
}

TEST(wrong_paths_methods_and_names_get_their_own_errors)
{
	world_open(&w, -1, -1);
	CHECK_INT(world_ask(&w, HTTP_GET, "/admin/v1/nothing", NULL), 404);
	CHECK(world_code(&w, "unknown_url"));
	world_end(&w);
	CHECK_INT(world_ask(&w, HTTP_DELETE, "/admin/v1/accounts", NULL), 405);
	CHECK(world_code(&w, "method_not_allowed"));
	world_end(&w);
	CHECK_INT(world_ask(&w, HTTP_GET, "/admin/v1/stop", NULL), 405);
	CHECK(strstr(w.x.body, "Use POST.") != NULL);
	world_end(&w);
	CHECK_INT(world_ask(&w, HTTP_GET, "/admin/v1/accounts/%zz", NULL), 400);
	CHECK(world_code(&w, "bad_name"));
	world_end(&w);
	CHECK_INT(world_ask(&w, HTTP_GET, "/admin/v1/accounts/a%22b", NULL),
		  404);
	CHECK(strstr(w.x.body, "a\\\"b") != NULL);
	world_end(&w);
	CHECK_INT(world_ask(&w, HTTP_GET, "/admin/v1/keys/7", NULL), 404);
	world_end(&w);
	world_close(&w);
}

TEST(money_moves_only_with_an_idempotency_key)
{
	struct http_head h;

	world_open(&w, -1, -1);
	memset(&h, 0, sizeof(h));
	h.method = HTTP_POST;
	h.body = HTTP_BODY_LENGTH;
	split_target(&h, "/admin/v1/accounts/a/topup");
	world_send(&w, &h, "{}");
	CHECK_INT(w.x.status, 400);
	CHECK(world_code(&w, "missing_idempotency_key"));
	CHECK(!w.x.wants_body);
	world_end(&w);
	head_field(&h, "idempotency-key", "");
	world_send(&w, &h, "{}");
	CHECK(world_code(&w, "bad_idempotency_key"));
	world_end(&w);
	h.fields[0].value = STR("has a blank");
	world_send(&w, &h, "{}");
	CHECK(world_code(&w, "bad_idempotency_key"));
	world_end(&w);
	h.fields[0].value = STR("0123456789012345678901234567890123456789"
				"012345678901234567890123");
	world_send(&w, &h, "{}");
	CHECK(world_code(&w, "bad_idempotency_key"));
	world_end(&w);
	world_close(&w);
}

TEST(lists_come_in_pages)
{
	char name[8];

	world_open(&w, -1, -1);
	for (int i = 0; i < 5; i++) {
		(void)snprintf(name, sizeof(name), "a%d", i);
		(void)world_account(&w, name, i);
	}
	CHECK_INT(world_ask(&w, HTTP_GET, "/admin/v1/accounts?limit=2", NULL),
		  200);
	CHECK(world_says(&w, "next", "2"));
	CHECK(strstr(w.x.body, "\"a1\"") && !strstr(w.x.body, "\"a2\""));
	world_end(&w);
	CHECK_INT(world_ask(&w, HTTP_GET, "/admin/v1/accounts?after=4&limit=2",
			    NULL),
		  200);
	CHECK(world_says(&w, "next", "null"));
	CHECK(strstr(w.x.body, "\"a4\"") != NULL);
	world_end(&w);
	CHECK_INT(world_ask(&w, HTTP_GET, "/admin/v1/accounts?limit=0", NULL),
		  400);
	world_end(&w);
	CHECK_INT(world_ask(&w, HTTP_GET, "/admin/v1/accounts?after=x", NULL),
		  400);
	world_end(&w);
	CHECK_INT(world_ask(&w, HTTP_GET, "/admin/v1/keys?account=no", NULL),
		  404);
	world_end(&w);
	world_close(&w);
}

TEST(an_account_shows_what_it_has)
{
	uint32_t i;

	world_open(&w, -1, -1);
	i = world_account(&w, "acme", 12500000000);
	w.region.counters[counter_of_account(i)].available = 10000000001;
	CHECK_INT(world_ask(&w, HTTP_GET, "/admin/v1/accounts/acme", NULL),
		  200);
	CHECK(world_says(&w, "balance", "12.50"));
	CHECK(world_says(&w, "available", "10.000000001"));
	CHECK(world_says(&w, "held", "2.499999999"));
	CHECK(world_says(&w, "group", "default"));
	CHECK(world_says(&w, "state", "active"));
	world_end(&w);
	w.region.accounts[i].flags |= ACCOUNT_FROZEN;
	CHECK_INT(world_ask(&w, HTTP_GET, "/admin/v1/accounts/acme", NULL),
		  200);
	CHECK(world_says(&w, "state", "frozen"));
	world_end(&w);
	world_close(&w);
}

/* The pattern as openapi.yaml writes it: its line, then the method's. */
static bool
documented(const struct endpoint *e, const char *name)
{
	char want[160], method[16];
	struct str rest = str_of(e->path);
	struct str text = admin_openapi();
	ptrdiff_t at, end, found;
	size_t n = 0;

	n = (size_t)snprintf(want, sizeof(want), "\n  ");
	while (rest.p) {
		struct str part = str_cut(&rest, '*');

		n += (size_t)snprintf(want + n, sizeof(want) - n, "%.*s%s",
				      STR_ARG(part), rest.p ? name : "");
	}
	(void)snprintf(want + n, sizeof(want) - n, ":\n");
	at = str_search(text, str_of(want));
	if (at < 0)
		return false;
	text = str_from(text, (size_t)at + strlen(want));
	end = str_search(text, STR("\n  /"));
	if (end >= 0)
		text.n = (size_t)end;
	(void)snprintf(method, sizeof(method), "    %s:\n",
		       e->method == HTTP_GET ? "get" : "post");
	found = str_search(text, str_of(method));
	return found >= 0;
}

TEST(every_route_is_in_the_description)
{
	unsigned n;
	const struct endpoint *e = admin_endpoints(&n);

	for (unsigned i = 0; i < n; i++) {
		bool found = documented(&e[i], "{name}") ||
			     documented(&e[i], "{id}");

		if (!found)
			printf("# not in openapi.yaml: %s\n", e[i].path);
		CHECK(found);
	}
}

TEST(every_path_of_the_description_is_a_route)
{
	struct str rest = admin_openapi();
	unsigned n, paths = 0;
	const struct endpoint *e = admin_endpoints(&n);

	while (rest.p) {
		struct str line = str_cut(&rest, '\n'), name;
		bool known = false;

		if (!str_starts(line, STR("  /")))
			continue;
		paths++;
		line = str_make(line.p + 2, line.n - 3);
		for (unsigned i = 0; i < n; i++)
			known |= admin_path_fits(e[i].path, line, &name);
		CHECK(known);
	}
	CHECK(paths > 20);
}

TEST(not_ready_says_why)
{
	world_open(&w, -1, -1);
	CHECK_INT(world_ask(&w, HTTP_GET, "/readyz", NULL), 503);
	CHECK(strstr(w.x.body, "ledger") != NULL);
	world_end(&w);
	w.region.head->draining = 1;
	CHECK_INT(world_ask(&w, HTTP_GET, "/readyz", NULL), 503);
	CHECK(strstr(w.x.body, "stopping") != NULL);
	world_end(&w);
	world_close(&w);
}

int
main(void)
{
	RUN(a_star_stands_for_one_segment);
	RUN(a_token_fits_only_whole_and_as_bearer);
	RUN(strangers_see_health_and_the_description_only);
	RUN(the_socket_is_open_to_its_user_and_root_only);
	RUN(internal_pages_are_on_the_socket_only_and_name_their_client);
	RUN(wrong_paths_methods_and_names_get_their_own_errors);
	RUN(money_moves_only_with_an_idempotency_key);
	RUN(lists_come_in_pages);
	RUN(an_account_shows_what_it_has);
	RUN(every_route_is_in_the_description);
	RUN(every_path_of_the_description_is_a_route);
	RUN(not_ready_says_why);
	return tap_done();
}
