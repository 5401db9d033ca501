/* The access log: one JSON object a line, one line a request, no secrets. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/worker/fixture.h"
#include "worker/access.h"

static char path[64];
static char *lines[64];
static unsigned n_lines;
static char text[65536];

static struct fixture *
logging(void)
{
	struct fixture *f = fix_new();

	(void)snprintf(path, sizeof(path), "/tmp/tollgate-access-%d",
		       (int)getpid());
	(void)unlink(path);
	f->access_path = path;
	fix_start(f);
	return f;
}

static void
read_lines(struct fixture *f)
{
	int fd;
	ssize_t n;

	access_flush(f->w.access);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	text[n < 0 ? 0 : n] = '\0';
	if (fd >= 0)
		(void)close(fd);
	n_lines = 0;
	for (char *at = text; *at && n_lines < ARRAY_LEN(lines);) {
		lines[n_lines++] = at;
		at += strcspn(at, "\n");
		if (*at)
			*at++ = '\0';
	}
}

static struct json_value
member(unsigned line, const char *name)
{
	struct json_value root;
	struct json_error fault;

	if (line >= n_lines || !json_valid(str_of(lines[line]), &root, &fault))
		return (struct json_value){.type = JSON_ABSENT};
	return json_get(root, name);
}

static bool
is(unsigned line, const char *name, const char *raw)
{
	struct json_value v = member(line, name);
	bool same = str_eq(v.raw, str_of(raw));

	if (!same)
		printf("# %s is %.*s\n", name, STR_ARG(v.raw));
	return same;
}

TEST(a_line_says_who_what_and_how_much)
{
	struct fixture *f = logging();
	struct exchange *x;

	x = fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	fix_answer(f, 200,
		   fix_whole("PRIVATE", "{\"prompt_tokens\":7,"
					"\"completion_tokens\":3}"));
	fix_settle(f);
	read_lines(f);
	CHECK_INT(n_lines, 1);
	CHECK(is(0, "status", "200"));
	CHECK(is(0, "account", "\"acme\""));
	CHECK(is(0, "key_id", "0"));
	CHECK(is(0, "model", "\"gpt\""));
	CHECK(is(0, "model_served", "\"up-gpt\""));
	CHECK(is(0, "channel", "\"a\""));
	CHECK(is(0, "provider", "\"openai\""));
	CHECK(is(0, "attempt", "1"));
	CHECK(is(0, "stream", "false"));
	CHECK(is(0, "route", "\"/v1/chat/completions\""));
	CHECK(is(0, "client", "\"127.0.0.1\""));
	CHECK(is(0, "in_tok", "7"));
	CHECK(is(0, "out_tok", "3"));
	CHECK(is(0, "usage_source", "\"upstream\""));
	CHECK(is(0, "charge_nusd", "47500"));
	CHECK(is(0, "cost_nusd", "23750"));
	CHECK(is(0, "price_id", "7"));
	CHECK(is(0, "error_type", "\"\""));
	CHECK(is(0, "term", "\"--\""));
	CHECK(str_eq(str_make(member(0, "req_id").raw.p + 1, 36),
		     str_of(fix_field(x, "x-request-id"))));
	CHECK(!strstr(text, "PRIVATE") && !strstr(text, "Hello there"));
	CHECK(!strstr(text, FIX_KEY) && !strstr(text, "sk-first"));
	CHECK(fix_done(f));
}

TEST(each_end_has_its_word)
{
	struct fixture *f = logging();
	struct exchange *x;

	(void)fix_open(f, "GET", "/v1/models", NULL, "");
	fix_settle(f);
	x = fix_open(f, "POST", FIX_CHATS, FIX_KEY, "");
	fix_gone(x, E_CLIENT_GONE);
	x = fix_post(f, FIX_CHATS, fix_chat("gpt", STREAMED));
	fix_gone(x, E_CLIENT_GONE);
	x = fix_post(f, FIX_CHATS, fix_chat("gpt", STREAMED));
	fix_up_stream(f);
	fix_up_chunk(f, "x");
	fix_up_fail(f, CALL_CUT);
	fix_settle(f);
	x = fix_post(f, FIX_CHATS, fix_chat("gpt", ""));
	fix_answer(f, 200, fix_whole("x", "{\"prompt_tokens\":1}"));
	fix_gone(x, E_CLIENT_GONE);
	fix_settle(f);
	read_lines(f);
	CHECK_INT(n_lines, 5);
	CHECK(is(0, "status", "401") && is(0, "term", "\"GR\""));
	CHECK(member(0, "key_id").type == JSON_ABSENT);
	CHECK(member(0, "model").type == JSON_ABSENT);
	CHECK(is(1, "status", "499") && is(1, "term", "\"CR\""));
	CHECK(is(1, "error_type", "\"caller_cancelled\""));
	CHECK(is(2, "status", "499") && is(2, "term", "\"CC\""));
	CHECK(is(2, "charge_nusd", "0") && is(2, "stream", "true"));
	CHECK(is(3, "status", "200") && is(3, "term", "\"UD\""));
	CHECK(is(3, "error_type", "\"provider_server_error\""));
	CHECK(is(3, "charge_nusd", "10000"));
	/* charged, then not sent: no charge */
	CHECK(is(4, "charge_nusd", "0") && is(4, "term", "\"CD\""));
	CHECK(fix_done(f));
}

TEST(what_a_client_sends_cannot_break_a_line)
{
	struct fixture *f = logging();
	char target[600];

	(void)fix_get(f, "/a\"b\\c\x01\xff\n{}");
	memset(target, '/', sizeof(target));
	target[599] = '\0';
	(void)fix_get(f, target);
	fix_settle(f);
	read_lines(f);
	CHECK_INT(n_lines, 2);
	for (unsigned i = 0; i < 2; i++)
		CHECK(is(i, "status", "404"));
	CHECK(member(0, "route").raw.n < 600);
	CHECK(fix_done(f));
}

TEST(lines_are_gathered_and_written_in_blocks)
{
	struct fixture *f = logging();
	struct stat st;

	(void)fix_get(f, "/healthz");
	fix_settle(f);
	CHECK(stat(path, &st) == 0 && st.st_size == 0);
	CHECK_INT(st.st_mode & 0777, 0640);
	access_flush(f->w.access);
	CHECK(stat(path, &st) == 0 && st.st_size > 0);
	for (int i = 0; i < 200; i++) {
		(void)fix_get(f, "/healthz");
		fix_settle(f);
	}
	CHECK(stat(path, &st) == 0 && st.st_size > 30000);
	CHECK(fix_done(f));
}

TEST(a_reopened_log_goes_on_in_a_new_file)
{
	struct fixture *f = logging();
	char moved[80];
	struct stat st;

	(void)fix_get(f, "/healthz");
	fix_settle(f);
	(void)snprintf(moved, sizeof(moved), "%s.1", path);
	CHECK(rename(path, moved) == 0);
	access_reopen(f->w.access);
	CHECK(stat(moved, &st) == 0 && st.st_size > 0);
	(void)fix_get(f, "/healthz");
	fix_settle(f);
	read_lines(f);
	CHECK_INT(n_lines, 1);
	(void)unlink(moved);
	CHECK(fix_done(f));
}

TEST(off_and_unopenable_and_full_are_survived)
{
	struct access_log *a = access_open(STR(""), 0);
	struct fixture *f = fix_new();

	CHECK(a != NULL);
	access_reopen(a);
	access_close(a);
	access_close(NULL);
	CHECK(access_open(STR("/nonexistent/dir/log"), 0) == NULL);
	f->access_path = "/dev/full";
	fix_start(f);
	for (int i = 0; i < 300; i++) {
		(void)fix_get(f, "/healthz");
		fix_settle(f);
	}
	CHECK(fix_done(f));
}

int
main(void)
{
	RUN(a_line_says_who_what_and_how_much);
	RUN(each_end_has_its_word);
	RUN(what_a_client_sends_cannot_break_a_line);
	RUN(lines_are_gathered_and_written_in_blocks);
	RUN(a_reopened_log_goes_on_in_a_new_file);
	RUN(off_and_unopenable_and_full_are_survived);
	(void)unlink(path);
	return tap_done();
}
