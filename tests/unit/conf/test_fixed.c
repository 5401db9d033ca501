/* What only a restart can change: compared by its text. */
#include "conf/fixed.h"
#include "tests/unit/conf/help.h"

#define MODEL "models = ( { name = \"m\"; input = \"1\"; } );\n"

static const char *
refusal(const char *before, const char *after)
{
	static char line[512];
	CLEANUP(buf_free) struct buf error = BUF_INIT;
	const struct conf *a = loaded(before), *b = loaded(after);

	CHECK(conf_reload_allowed(a, b, &error) == (error.n == 0));
	(void)str_copy(line, sizeof(line), buf_str(&error));
	conf_free(a);
	conf_free(b);
	return strstr(line, ": ") ? strstr(line, ": ") + 2 : line;
}

TEST(a_reload_may_change_what_new_workers_take)
{
	CHECK_STR(refusal(LISTEN, LISTEN), "");
	CHECK_STR(refusal(LISTEN MODEL,
			  LISTEN "drain_timeout = \"1s\"; limits = { "
				 "body_size = \"1MiB\"; };"),
		  "");
	CHECK_STR(refusal(LISTEN "admin = { token = \"0123456789abcdef\"; };",
			  LISTEN "admin = { token = \"fedcba9876543210\"; };"),
		  "");
}

TEST(a_reload_may_not_change_what_needs_a_restart)
{
	CHECK_STR(refusal(LISTEN, LISTEN "state_dir = \"/x\";"),
		  "state_dir: only a restart can change it (running: "
		  "/var/lib/tollgate, in the file: /x)");
	CHECK_STR(refusal(LISTEN,
			  LISTEN "ledger = { durability = \"relaxed\"; };"),
		  "ledger.durability: only a restart can change it (running: "
		  "commit, in the file: relaxed)");
	CHECK_STR(refusal(LISTEN, "listen = ( { address = \"127.0.0.1:1\"; } "
				  ");"),
		  "listen.address: only a restart can change it (running: "
		  "127.0.0.1:8080, in the file: 127.0.0.1:1)");
	CHECK_STR(refusal(LISTEN,
			  "listen = ( { address = \"127.0.0.1:8080\"; }, "
			  "{ address = \"127.0.0.1:1\"; } );"),
		  "listen: only a restart can change it");
}

/* What is said of a file when `running` is the text of the server. */
static const char *
against(const char *running)
{
	static char line[512];
	CLEANUP(buf_free) struct buf error = BUF_INIT;
	const struct conf *c = loaded(LISTEN);

	CHECK(conf_fixed_same(str_of(running), c, &error) == (error.n == 0));
	(void)str_copy(line, sizeof(line), buf_str(&error));
	conf_free(c);
	return strstr(line, ": ") ? strstr(line, ": ") + 2 : line;
}

TEST(keys_that_only_one_version_knows_are_not_compared)
{
	CHECK_STR(against(""), "");
	CHECK_STR(against("colour\tred\n"), "");
	CHECK_STR(against("state_dir\t/var/lib/tollgate\nworkers\t0"), "");
	CHECK_STR(against("workers\t7\n"),
		  "workers: only a restart can change it (running: 7, in "
		  "the file: 0)");
}

TEST(the_text_has_a_line_a_key_and_no_secret)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;
	const struct conf *c =
		loaded(LISTEN "state_dir = \"/a b\"; admin = { token = "
			      "\"0123456789abcdef\"; };");

	conf_fixed(c, &text);
	CHECK(str_search(buf_str(&text), STR("state_dir\t/a b\n")) >= 0);
	CHECK(str_search(buf_str(&text),
			 STR("listen\t#1\nlisten.address/0\t127.")) >= 0);
	CHECK(str_search(buf_str(&text), STR("0123456789")) < 0);
	conf_free(c);
}

int
main(void)
{
	RUN(a_reload_may_change_what_new_workers_take);
	RUN(a_reload_may_not_change_what_needs_a_restart);
	RUN(keys_that_only_one_version_knows_are_not_compared);
	RUN(the_text_has_a_line_a_key_and_no_secret);
	return tap_done();
}
