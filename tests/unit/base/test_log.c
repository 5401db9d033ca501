#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "tests/tap.h"

static char folder[] = "/tmp/tollgate-log-XXXXXX";
static char path[64], moved[64];

/* What stands in the file now; the file is emptied. */
static const char *
lines(const char *file)
{
	static char text[16384];
	int fd = open(file, O_RDWR | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	if (fd >= 0) {
		if (ftruncate(fd, 0) != 0)
			text[0] = '\0';
		(void)close(fd);
	}
	return text;
}

/* The line without its time and pid. */
static const char *
tail_of(const char *line)
{
	const char *at = strstr(line, " tester ");

	return at ? at + 8 : "";
}

TEST(a_line_has_time_level_pid_role_message_and_fields)
{
	char pid[32];
	const char *l;

	LOG_WARN("channel down", F_CSTR("channel", "demo-a"), F_U64("fails", 3),
		 F_I64("left", -4));
	l = lines(path);
	(void)snprintf(pid, sizeof(pid), "Z warn %d tester ", (int)getpid());
	CHECK(strstr(l, pid) == l + 23);
	CHECK_STR(tail_of(l), "channel down channel=demo-a fails=3 left=-4\n");
}

TEST(levels_below_the_chosen_one_are_silent)
{
	LOG_DEBUG("nobody sees this", F_U64("n", 1));
	CHECK_STR(lines(path), "");
}

TEST(a_value_cannot_forge_a_line)
{
	LOG_INFO("x",
		 F_STR("v", STR("a\n2026 error \"b\"\r\t\\\x1b[2J\x7f\0z")));
	CHECK_STR(tail_of(lines(path)),
		  "x v=\"a\\n2026 error \\\"b\\\"\\r\\t\\\\\\x1b[2J\\x7f"
		  "\\x00z\"\n");
}

TEST(a_value_cannot_forge_a_field)
{
	LOG_INFO("x", F_CSTR("v", "a b=c"), F_CSTR("w", "b=c"),
		 F_CSTR("e", ""));
	CHECK_STR(tail_of(lines(path)), "x v=\"a b=c\" w=\"b=c\" e=\"\"\n");
}

TEST(letters_of_all_languages_stay_but_not_those_that_turn_the_line)
{
	LOG_INFO("x", F_CSTR("v", "\xe4\xb8\xad\xc3\xa4\xf0\x9f\x98\x80"),
		 F_CSTR("w", "\xe2\x80\xae\xc2\x85\xff\xe2\x81\xa6\xe2\x80"));
	CHECK_STR(tail_of(lines(path)),
		  "x v=\"\xe4\xb8\xad\xc3\xa4\xf0\x9f\x98\x80\" "
		  "w=\"\\xe2\\x80\\xae\\xc2\\x85\\xff\\xe2\\x81\\xa6\\xe2\\x80"
		  "\"\n");
}

TEST(a_long_value_and_a_long_line_are_cut_and_still_end)
{
	static char big[2000];
	struct str v = str_make(big, sizeof(big));
	const char *l;

	memset(big, 'x', sizeof(big));
	LOG_INFO("one", F_STR("v", v));
	l = lines(path);
	CHECK(strlen(l) < 700 && strstr(l, "xxx...\"\n") != NULL);
	memset(big, '\1', sizeof(big));
	LOG_INFO("two", F_STR("a", v), F_STR("b", v), F_STR("c", v),
		 F_STR("d", v));
	l = lines(path);
	CHECK(strlen(l) <= 4096);
	CHECK(strchr(l, '\n') == l + strlen(l) - 1);
	CHECK(strcmp(l + strlen(l) - 4, "...\n") == 0);
}

TEST(errno_is_left_alone)
{
	errno = ENOENT;
	LOG_INFO("x", F_U64("n", 1));
	CHECK_INT(errno, ENOENT);
	(void)lines(path);
}

TEST(reopen_follows_a_moved_file_on_the_same_descriptor)
{
	int fd = log_fd();

	LOG_INFO("before", F_U64("n", 1));
	CHECK(rename(path, moved) == 0);
	LOG_INFO("between", F_U64("n", 2));
	log_reopen();
	CHECK_INT(log_fd(), fd);
	LOG_INFO("after", F_U64("n", 3));
	CHECK_STR(tail_of(lines(path)), "after n=3\n");
	CHECK(strstr(lines(moved), "between n=2\n") != NULL);
}

TEST(a_file_that_cannot_be_opened_keeps_the_old_one)
{
	CHECK(rename(folder, moved + 1) != 0); /* a path that does not exist */
	(void)unlink(path);
	(void)unlink(moved);
	CHECK(rmdir(folder) == 0);
	log_reopen();
	CHECK(log_fd() != STDERR_FILENO);
	LOG_INFO("still here", F_U64("n", 1));
}

int
main(void)
{
	if (mkdtemp(folder) == NULL)
		return 1;
	(void)snprintf(path, sizeof(path), "%s/error.log", folder);
	(void)snprintf(moved, sizeof(moved), "%s/error.log.1", folder);
	log_open("tester", path, LOG_LEVEL_INFO);
	RUN(a_line_has_time_level_pid_role_message_and_fields);
	RUN(levels_below_the_chosen_one_are_silent);
	RUN(a_value_cannot_forge_a_line);
	RUN(a_value_cannot_forge_a_field);
	RUN(letters_of_all_languages_stay_but_not_those_that_turn_the_line);
	RUN(a_long_value_and_a_long_line_are_cut_and_still_end);
	RUN(errno_is_left_alone);
	RUN(reopen_follows_a_moved_file_on_the_same_descriptor);
	RUN(a_file_that_cannot_be_opened_keeps_the_old_one);
	return tap_done();
}
