#include "base/clock.h"
#include "conf/secret.h"
#include "tests/unit/conf/help.h"

static struct secret_vault *vault;
static char reason[1024];

static struct secret
fetch_bound(const char *reference, size_t min, size_t max, bool *literal)
{
	struct secret_request r = {str_of(reference), str_of(folder()), min,
				   max};
	CLEANUP(buf_free) struct buf why = BUF_INIT;
	struct secret s;
	bool fine = secret_fetch(vault, &r, &s, literal, &why);

	CHECK(fine == secret_is_set(s) && fine == (why.n == 0));
	(void)str_copy(reason, sizeof(reason), buf_str(&why));
	return s;
}

static struct secret
fetch(const char *reference)
{
	bool literal;

	return fetch_bound(reference, 1, 100, &literal);
}

static bool
is(struct secret s, const char *text)
{
	return str_eq(secret_bytes(s), str_of(text));
}

TEST(the_environment_is_a_source)
{
	CHECK(setenv("TG_TEST_SECRET", "from-env", 1) == 0);
	CHECK(unsetenv("TG_TEST_NONE") == 0);
	CHECK(is(fetch("env:TG_TEST_SECRET"), "from-env"));
	CHECK(!secret_is_set(fetch("env:TG_TEST_NONE")));
	CHECK_STR(reason, "the environment variable 'TG_TEST_NONE' is not set");
	CHECK(setenv("TG_TEST_SECRET", "", 1) == 0);
	CHECK(!secret_is_set(fetch("env:TG_TEST_SECRET")));
	CHECK_STR(reason, "the secret has 0 bytes; it must have 1 to 100");
}

TEST(files_are_read_without_their_line_end)
{
	(void)write_file("key", "from-file\n");
	(void)write_file("key2", "two\nlines\r\n");
	CHECK(is(fetch("file:key"), "from-file"));
	CHECK(is(fetch("file:key2"), "two\nlines"));
	CHECK(!secret_is_set(fetch("file:none")));
	CHECK_STR(reason, "the file 'none' No such file or directory");
	CHECK(!secret_is_set(fetch("file:.")));
	CHECK_STR(reason, "the file '.' is not a regular file");
	CHECK(!secret_is_set(fetch("file:/dev/zero")));
	CHECK(!secret_is_set(fetch("file:")));
}

TEST(credentials_come_from_the_service_manager)
{
	CHECK(unsetenv("CREDENTIALS_DIRECTORY") == 0);
	CHECK(!secret_is_set(fetch("cred:key")));
	CHECK(setenv("CREDENTIALS_DIRECTORY", folder(), 1) == 0);
	CHECK(is(fetch("cred:key"), "from-file"));
	CHECK(!secret_is_set(fetch("cred:../key")));
	CHECK(!secret_is_set(fetch("cred:")));
}

TEST(commands_run_without_a_shell)
{
	CHECK(is(fetch("exec:echo one $HOME;two"), "one $HOME;two"));
	CHECK(is(fetch("exec:printf '%s' \"a b\""), "a b"));
	CHECK(is(fetch("exec:  sh -c 'echo \"in shell\"'"), "in shell"));
	CHECK(!secret_is_set(fetch("exec:/nonexistent/program")));
	CHECK_STR(reason, "the command is not found");
	CHECK(!secret_is_set(fetch("exec:sh -c 'echo x; exit 3'")));
	CHECK_STR(reason, "the command ended with status 3");
	CHECK(!secret_is_set(fetch("exec:")));
	CHECK(!secret_is_set(fetch("exec:echo 'open")));
	CHECK(!secret_is_set(fetch("exec:true")));
}

TEST(a_command_that_writes_without_end_is_stopped)
{
	CHECK(!secret_is_set(fetch("exec:yes")));
}

TEST(a_command_gets_no_input_and_no_open_files)
{
	CHECK(is(fetch("exec:sh -c 'cat; echo end'"), "end"));
	CHECK(is(fetch("exec:sh -c 'ls /proc/self/fd | wc -l'"), "4"));
}

TEST(lengths_are_checked_without_telling_the_secret)
{
	bool literal;

	CHECK(!secret_is_set(fetch_bound("hunter2", 8, 100, &literal)));
	CHECK_STR(reason, "the secret has 7 bytes; it must have 8 to 100");
	CHECK(!secret_is_set(fetch_bound("hunter2hunter2", 1, 8, &literal)));
	CHECK(strstr(reason, "hunter") == NULL);
	CHECK(secret_is_set(fetch_bound("12345678", 8, 8, &literal)));
	CHECK(literal);
}

TEST(the_reference_is_kept_and_a_literal_is_stars)
{
	char want[300];

	CHECK(setenv("TG_TEST_SECRET", "value", 1) == 0);
	CHECK_STR(secret_reference(fetch("env:TG_TEST_SECRET")).p,
		  "env:TG_TEST_SECRET");
	(void)snprintf(want, sizeof(want), "file:%s/key", folder());
	CHECK_STR(secret_reference(fetch("file:key")).p, want);
	CHECK(str_starts(secret_reference(fetch("literal-text")),
			 STR("********")));
	CHECK(str_search(secret_reference(fetch("literal-text")),
			 STR("literal")) < 0);
}

TEST(secrets_are_compared)
{
	struct secret none = {NULL};

	CHECK(secret_eq(fetch("same-text"), fetch("same-text")));
	CHECK(!secret_eq(fetch("same-text"), fetch("other-txt")));
	CHECK(!secret_eq(fetch("same-text"), fetch("same-tex")));
	CHECK(!secret_eq(fetch("same-text"), none));
	CHECK(secret_eq(none, none));
	CHECK(secret_reference(none).n == 0 && secret_bytes(none).n == 0);
}

TEST(a_vault_grows_for_many_and_for_large_secrets)
{
	static char big[60001];
	struct secret first = fetch("the-first"), s;
	bool literal;

	memset(big, 'x', sizeof(big) - 1);
	for (int i = 0; i < 20; i++) {
		s = fetch_bound(big, 1, 65536, &literal);
		CHECK_INT(secret_bytes(s).n, 60000);
	}
	for (int i = 0; i < 3000; i++)
		CHECK(is(fetch("small-one"), "small-one"));
	CHECK(is(first, "the-first"));
}

TEST(values_of_ini_files_are_a_source)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;
	struct secret s;
	bool literal;

	(void)write_file("ini", "[one.two]\nkey = value-1\nlong = 12345\n");
	s = fetch("ini:ini#one.two.key");
	CHECK(is(s, "value-1"));
	buf_printf(&text, "ini:%s/ini#one.two.key", folder());
	CHECK(str_eq(secret_reference(s), buf_str(&text)));
	CHECK(!secret_is_set(fetch("ini:ini#one.key")));
	CHECK_STR(reason, "there is no key 'key' in that section");
	CHECK(!secret_is_set(fetch("ini:none#a.b")));
	CHECK_STR(reason, "the file 'none' No such file or directory");
	CHECK(!secret_is_set(fetch("ini:ini")));
	CHECK(!secret_is_set(fetch("ini:ini#")));
	CHECK(!secret_is_set(fetch("ini:ini#a")));
	CHECK(!secret_is_set(fetch("ini:#a.b")));
	CHECK(!secret_is_set(
		fetch_bound("ini:ini#one.two.long", 1, 1, &literal)));
}

static const char *
changed_file(uint64_t *look)
{
	static char out[300];
	struct str changed;

	*look = secret_vault_look(vault, &changed);
	(void)str_copy(out, sizeof(out), changed);
	return out;
}

TEST(a_vault_sees_that_a_file_has_changed)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;
	struct secret_vault *before = vault;
	uint64_t first, second;

	vault = secret_vault_new();
	CHECK_STR(changed_file(&first), "");
	(void)write_file("watched", "one");
	CHECK(is(fetch("file:watched"), "one"));
	CHECK(is(fetch("a-literal"), "a-literal"));
	CHECK_STR(changed_file(&first), "");
	CHECK_STR(changed_file(&second), "");
	CHECK(first == second);
	(void)write_file("watched", "another");
	buf_printf(&text, "file:%s/watched%c", folder(), 0);
	CHECK_STR(changed_file(&second), text.p);
	CHECK(first != second);
	CHECK(remove(in_folder("watched")) == 0);
	CHECK_STR(changed_file(&second), ""); /* no news */
	CHECK(first == second);
	secret_vault_free(vault);
	vault = before;
}

TEST(a_vault_asks_its_commands_again)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;
	struct secret_vault *before = vault;

	vault = secret_vault_new();
	CHECK(!secret_vault_renewed(vault));
	(void)write_file("said", "one\n");
	CHECK(is(fetch("a-literal"), "a-literal"));
	buf_printf(&text, "exec:cat %s/said%c", folder(), 0);
	CHECK(is(fetch(text.p), "one"));
	CHECK(!secret_vault_renewed(vault));
	(void)write_file("said", "two\n");
	CHECK(secret_vault_renewed(vault));
	(void)write_file("said", "one, and more\n");
	CHECK(secret_vault_renewed(vault));
	CHECK(remove(in_folder("said")) == 0);
	CHECK(!secret_vault_renewed(vault)); /* it failed */
	secret_vault_free(vault);
	vault = before;
}

/* What a core dump leaves out carries the flag "dd". */
TEST(the_pages_of_a_vault_are_left_out_of_core_dumps)
{
	struct secret s = fetch("not-in-a-core");
	uintptr_t at = (uintptr_t)secret_bytes(s).p;
	FILE *f = fopen("/proc/self/smaps", "re");
	bool inside = false, flagged = false;
	char line[512];

	if (f == NULL)
		SKIP("no /proc/self/smaps");
	while (fgets(line, sizeof(line), f)) {
		unsigned long from, to;

		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			inside = at >= from && at < to;
		if (inside && strncmp(line, "VmFlags:", 8) == 0)
			flagged = strstr(line, " dd") != NULL;
	}
	(void)fclose(f);
	CHECK(flagged);
}

int
main(void)
{
	vault = secret_vault_new();
	RUN(the_environment_is_a_source);
	RUN(files_are_read_without_their_line_end);
	RUN(credentials_come_from_the_service_manager);
	RUN(commands_run_without_a_shell);
	RUN(a_command_that_writes_without_end_is_stopped);
	RUN(a_command_gets_no_input_and_no_open_files);
	RUN(lengths_are_checked_without_telling_the_secret);
	RUN(the_reference_is_kept_and_a_literal_is_stars);
	RUN(secrets_are_compared);
	RUN(a_vault_grows_for_many_and_for_large_secrets);
	RUN(values_of_ini_files_are_a_source);
	RUN(a_vault_sees_that_a_file_has_changed);
	RUN(a_vault_asks_its_commands_again);
	RUN(the_pages_of_a_vault_are_left_out_of_core_dumps);
	secret_vault_free(vault);
	secret_vault_free(NULL);
	remove_folder();
	return tap_done();
}
