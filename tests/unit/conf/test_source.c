#include "conf/source.h"
#include "tests/unit/conf/help.h"

/* The traps of libconfig 1.5: what it would have read without a word. */
static const struct {
	const char *text;
	const char *error;
} traps[] = {
	{"max_requests = 5000000000;", "t:1: max_requests: the number is too"},
	{"a = 1;\nb = 2147483648;", "t:2: b: the number is too large"},
	{"b = -2147483648;", "t:1: b: the number is too large"},
	{"b = 5000000000L;", "t:1: b: the number is too large"},
	{"b = 99999999999999999999999;", "t:1: b: the number is too large"},
	{"b = 0x80000000;", "t:1: b: the number is too large"},
	{"b = 0xFFFFFFFFFFFFFFFFFFF;", "t:1: b: the number is too large"},
	{"b = [ 1, 3000000000 ];", "t:1: b: the number is too large"},
	{"gpt-4.1 = { };", "t:1: gpt-4.1: the name of a key cannot hold"},
	{"a = ( 1,\n 2, );", "t:2: a comma stands before the closing bracket"},
	{"a = [ 1, # x\n ];", "t:2: a comma stands before the closing"},
	{"a = \"open;\nb = 1;", "t:1: a: the text that begins here is not"},
	{"a = 1; /* open\n\n", "t:1: a: the comment that begins here is not"},
	{"a = 1;\n@include nothing", "t:2: @include: write @include \"FILE\""},
	{"@include \"relative.conf\"", "t:1: @include: only an absolute path"},
	{"@include \"/nonexistent/x\"",
	 "t:1: @include: /nonexistent/x: No such"},
};

TEST(each_trap_is_told_with_its_line)
{
	for (size_t i = 0; i < ARRAY_LEN(traps); i++) {
		const char *error = error_of(traps[i].text);
		const char *want = traps[i].error;
		const char *dot = strstr(want, "gpt-4.1");

		/* The name ends where the dot is. */
		if (dot)
			want = "t:1: gpt-4: the name of a key cannot hold";
		if (strncmp(error, want, strlen(want)) != 0) {
			printf("# %s\n", error);
			CHECK(false);
		}
	}
}

TEST(numbers_that_fit_and_texts_that_look_like_numbers_pass)
{
	CHECK_STR(error_of(LISTEN "max_requests = 65536;"), "");
	CHECK_STR(error_of(LISTEN "time_zone = \"Europe/Berlin\";"), "");
	CHECK(strstr(error_of(LISTEN "time_zone = \"Mars/Base\";"),
		     "no time zone 'Mars/Base'"));
	CHECK_STR(error_of(LISTEN "/* 5000000000 */ # 5000000000\n"
				  "// ( 1, )\nworkers = 1;"),
		  "");
	CHECK_STR(error_of(LISTEN "models = ( { name = \"m5000000000 (,)\\\"\""
				  "; free = true; } );"),
		  "t:2: models.name: may not hold spaces or control "
		  "characters");
	CHECK_STR(error_of(LISTEN "workers = 0x1F;"), "");
}

TEST(bytes_that_are_no_text_are_refused)
{
	CLEANUP(buf_free) struct buf error = BUF_INIT;
	const struct conf *c;

	CHECK(!conf_load_text(STR("a = 1;\n\xff"), "t", NULL, &c, &error));
	CHECK(str_starts(buf_str(&error), STR("t:2: the file holds bytes")));
	buf_reset(&error);
	CHECK(!conf_load_text(STR("a = 1;\0"), "t", NULL, &c, &error));
	CHECK(str_starts(buf_str(&error), STR("t:1: the file holds bytes")));
}

TEST(includes_are_put_in_and_lines_keep_their_file)
{
	CLEANUP(buf_free) struct buf error = BUF_INIT;
	const struct conf *c;

	(void)write_file("main.conf", "# one\n  @include \"sub.conf\"  \n"
				      "workers = 2;\nbad_key = 1;\n");
	(void)write_file("sub.conf", "\n" LISTEN);
	CHECK(!conf_load(in_folder("main.conf"), NULL, &c, &error));
	CHECK(str_search(buf_str(&error),
			 STR("main.conf:4: bad_key: unknown key")) > 0);
	buf_reset(&error);
	(void)write_file("main.conf", "@include \"sub.conf\"\nworkers = 2;\n");
	CHECK(conf_load(in_folder("main.conf"), NULL, &c, &error));
	if (c) {
		CHECK_STR(c->listen[0].where.file, in_folder("sub.conf"));
		CHECK_INT(c->listen[0].where.line, 2);
		CHECK_INT(c->workers, 2);
	}
	conf_free(c);
	(void)write_file("sub.conf", "\n\nworkers = oops;");
	CHECK(!conf_load(in_folder("main.conf"), NULL, &c, &error));
	CHECK(str_search(buf_str(&error), STR("sub.conf:3: syntax")) > 0);
}

TEST(a_ring_of_includes_ends)
{
	CLEANUP(buf_free) struct buf error = BUF_INIT;
	const struct conf *c;

	(void)write_file("ring.conf", "@include \"ring.conf\"\n");
	CHECK(!conf_load(in_folder("ring.conf"), NULL, &c, &error));
	CHECK(str_search(buf_str(&error), STR("nested too deeply")) > 0);
	buf_reset(&error);
	(void)write_file("dir.conf", "@include \".\"\n");
	CHECK(!conf_load(in_folder("dir.conf"), NULL, &c, &error));
	CHECK(str_search(buf_str(&error), STR("Is a directory")) > 0);
}

TEST(every_beginning_of_a_file_is_refused_or_read_without_a_fault)
{
	static const char text[] =
		LISTEN "models = ( { name = \"a\\\"b\"; input = \"1\"; } ); "
		       "/* c */ # d\nworkers = 0x1f; cors = { origins = [ "
		       "\"*\" ]; };\n@include \"/dev/null\"\n";

	for (size_t n = 0; n < sizeof(text); n++) {
		CLEANUP(buf_free) struct buf error = BUF_INIT;
		char *copy = malloc(n ? n : 1);
		const struct conf *c;

		memcpy(copy, text, n);
		if (conf_load_text(str_make(copy, n), "t", NULL, &c, &error))
			conf_free(c);
		else
			CHECK(error.n > 0);
		free(copy);
	}
}

int
main(void)
{
	RUN(each_trap_is_told_with_its_line);
	RUN(numbers_that_fit_and_texts_that_look_like_numbers_pass);
	RUN(bytes_that_are_no_text_are_refused);
	RUN(includes_are_put_in_and_lines_keep_their_file);
	RUN(a_ring_of_includes_ends);
	RUN(every_beginning_of_a_file_is_refused_or_read_without_a_fault);
	remove_folder();
	return tap_done();
}
