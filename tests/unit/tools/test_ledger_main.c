/* tollgate-ledger as a user runs it: words, exit codes, files. */
#include <fcntl.h>
#include <sys/stat.h>

#include "tests/tap.h"
#include "tests/unit/billing/sample.h"

static struct buf said; /* of the last run, terminated */

/* Runs `tollgate-ledger ARGS`; both outputs are in `said`. */
static int
run(const char *args)
{
	const char *build = getenv("TOLLGATE_BUILD");
	char command[1024], part[4096];
	size_t n;
	FILE *p;
	int status;

	(void)snprintf(command, sizeof(command), "%s/tollgate-ledger %s 2>&1",
		       build ? build : "build", args);
	buf_reset(&said);
	p = popen(command, "re");
	must(p);
	while ((n = fread(part, 1, sizeof(part), p)) > 0)
		buf_add(&said, part, n);
	buf_add_char(&said, '\0');
	status = pclose(p);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The same with a %s for the directory of the sample. */
static int
run_on(struct sample *s, const char *args)
{
	char with[768];

	(void)snprintf(with, sizeof(with), "-d %s %s", s->f.dir, args);
	return run(with);
}

static void
expect(int code, const char *args, const char *text)
{
	CHECK_INT(run(args), code);
	if (!strstr(said.p, text))
		printf("# says: %s\n", said.p);
	CHECK(strstr(said.p, text));
}

static struct sample *
sample(struct sample *s)
{
	sample_open(s);
	sample_read(s);
	return s;
}

TEST(a_wrong_command_line_says_what_is_wrong)
{
	expect(2, "", "no command given");
	expect(2, "frobnicate", "no such command: frobnicate");
	expect(2, "report", "report what?");
	expect(2, "report nothing", "report has no nothing");
	expect(2, "verify now", "too many words: now");
	expect(2, "--from yesterday dump", "--from is not a time: yesterday");
	expect(2, "--to 2025-13-01 dump", "--to is not a time");
	expect(2, "--from 2025-02-02 --to 2025-02-01 dump",
	       "--to is not after --from");
	expect(2, "--month 2025-13 dump", "--month is not a month: 2025-13");
	expect(2, "--month 2025-11 --to 2025-12-01 dump",
	       "--month is a period of its own");
	expect(2, "--zone Europe/Nowhere dump",
	       "--zone is not known here: Europe/Nowhere");
	expect(2, "--format xml report requests", "--format is csv or json");
	expect(2, "--account a verify", "verify takes no --account");
	expect(2, "--recompute dump", "dump takes no --recompute");
	expect(2, "--nothing", "unrecognized option");
	expect(2, "-d", "requires an argument");
	expect(0, "--help", "Usage: tollgate-ledger");
	expect(0, "--version", "tollgate-ledger ");
}

TEST(no_ledger_is_a_failure_and_a_broken_one_is_damage)
{
	struct sample s;
	char path[128];

	expect(1, "-d /nonexistent verify", "No such file or directory");
	expect(1, "-p /nonexistent verify", "/nonexistent/state");
	(void)sample(&s);
	(void)snprintf(path, sizeof(path), "%s/ledger/data.mdb", s.f.dir);
	ledger_close(s.ledger);
	s.ledger = NULL;
	CHECK_INT(truncate(path, 5000), 0);
	CHECK_INT(run_on(&s, "verify"), 5);
	sample_close(&s);
}

TEST(verify_prints_one_line_and_exits_0_or_7)
{
	struct sample s;
	struct entry e;

	(void)sample(&s);
	CHECK_INT(run_on(&s, "verify --recompute"), 0);
	CHECK_STR(said.p, "balanced: 9 entries, sum 0, chain ok\n");
	sample_close(&s);
	sample_open(&s);
	e = sample_request(&s, 9, 1, 1);
	e.charge_nano--;
	e.absorbed_nano++;
	sample_put(&s, &e, 100000);
	sample_read(&s);
	CHECK_INT(run_on(&s, "verify"), 0);
	CHECK_INT(run_on(&s, "verify --recompute"), 7);
	CHECK_STR(said.p, "tollgate-ledger: entry 10: its charge is not the "
			  "price of its tokens\n");
	sample_close(&s);
}

TEST(options_may_stand_behind_the_command)
{
	struct sample s;

	(void)sample(&s);
	CHECK_INT(run_on(&s, "report requests --account 0 --format=csv"), 0);
	CHECK(str_ends(str_of(said.p),
		       STR(",tags,substituted,units,unit\r\n")));
	CHECK_INT(run_on(&s, "dump --from 2025-11-20T12:01:30.001Z"), 0);
	CHECK(str_starts(str_of(said.p), STR("{\"seq\":9,")));
	CHECK_INT(run_on(&s, "--format csv dump"), 2);
	CHECK(strstr(said.p, "dump writes JSON only"));
	CHECK_INT(run_on(&s, "report requests --account nobody"), 1);
	CHECK_STR(said.p, "tollgate-ledger: there is no account nobody\n");
	sample_close(&s);
}

static void
expect_rows(struct sample *s, const char *period, int rows)
{
	char args[256];
	int n = -1; /* the header */

	(void)snprintf(args, sizeof(args), "report requests %s", period);
	CHECK_INT(run_on(s, args), 0);
	for (const char *p = said.p; (p = strchr(p, '\n')); p++)
		n++;
	CHECK_INT(n, rows);
}

/* The requests of the sample began at 12:00 UTC on 2025-11-20. */
TEST(dates_and_months_are_those_of_the_zone)
{
	struct sample s;

	(void)sample(&s);
	expect_rows(&s, "--month 2025-11", 4);
	expect_rows(&s, "--month 2025-12", 0);
	expect_rows(&s, "--from 2025-11-20 --to 2025-11-21", 4);
	expect_rows(&s, "--from 2025-11-21", 0);
	expect_rows(&s, "--from 2025-11-21 --zone Pacific/Kiritimati", 4);
	expect_rows(&s, "--to 2025-11-21 --zone Pacific/Kiritimati", 0);
	expect_rows(&s, "--zone Asia/Tokyo --month 2025-11", 4);
	/* A time says its own zone. */
	expect_rows(&s, "--zone Asia/Tokyo --from 2025-11-20T12:00:01Z", 0);
	sample_close(&s);
}

TEST(a_ledger_is_copied_and_rebuilt_and_its_days_are_shown)
{
	struct sample s;
	char args[256];

	(void)sample(&s);
	(void)snprintf(args, sizeof(args), "backup %s/copy", s.f.dir);
	CHECK_INT(run_on(&s, args), 0);
	CHECK(strstr(said.p, "balanced: 9 entries, sum 0, chain ok; it holds "
			     "the pepper"));
	CHECK_INT(run_on(&s, args), 1);
	CHECK_INT(run_on(&s, "backup"), 2);
	CHECK(strstr(said.p, "missing: DIR"));
	CHECK_INT(run_on(&s, "verify --rebuild"), 0);
	CHECK_STR(said.p, "balanced: 9 entries, sum 0, chain ok\n");
	CHECK_INT(run_on(&s, "rebuild"), 0);
	CHECK_INT(run_on(&s, "verify --rebuild --recompute"), 2);
	CHECK_INT(run_on(&s, "seals"), 0);
	CHECK(str_starts(str_of(said.p), STR("number,day,first_entry,")));
	sample_close(&s);
}

/* The sample's only day is not over; a whole history is in test_drop.c. */
TEST(months_are_kept_in_files)
{
	struct sample s;
	char args[256];

	(void)sample(&s);
	CHECK_INT(run_on(&s, "segment"), 2);
	CHECK(strstr(said.p, "export, verify, drop"));
	CHECK_INT(run_on(&s, "segment export -o /dev/null"), 2);
	CHECK(strstr(said.p, "which --month?"));
	CHECK_INT(run_on(&s, "segment export --month 2025-11"), 1);
	CHECK(strstr(said.p, "2025-11 is not over"));
	CHECK_INT(run_on(&s, "segment verify /etc/passwd"), 7);
	CHECK(strstr(said.p, "/etc/passwd is no segment"));
	CHECK_INT(run_on(&s, "segment drop --month 2025-11 /etc/passwd"), 1);
	(void)snprintf(args, sizeof(args), "verify --segments %s", s.f.dir);
	CHECK_INT(run_on(&s, args), 0);
	sample_close(&s);
}

static bool
has_file(const char *path, const char *text)
{
	char content[4096] = "";
	FILE *f = fopen(path, "re");
	size_t n;

	if (!f)
		return false;
	n = fread(content, 1, sizeof(content) - 1, f);
	(void)fclose(f);
	return n > 0 && strstr(content, text);
}

TEST(a_report_in_a_file_has_its_digest_and_its_meta_beside_it)
{
	struct sample s;
	char args[256], path[160];
	struct stat st;

	(void)sample(&s);
	(void)snprintf(args, sizeof(args), "report accounts -o %s/out.csv",
		       s.f.dir);
	CHECK_INT(run_on(&s, args), 0);
	CHECK_STR(said.p, "");
	(void)snprintf(args, sizeof(args),
		       "-V >/dev/null && cd %s && sha256sum -c out.csv.sha256",
		       s.f.dir);
	CHECK_INT(run(args), 0);
	(void)snprintf(path, sizeof(path), "%s/out.csv.meta.json", s.f.dir);
	CHECK(has_file(path, "\"report\":\"accounts\",\"schema\":1,"
			     "\"from\":null,\"to\":null,"
			     "\"zone\":\"UTC\",\"rows\":2,"));
	CHECK(has_file(path, "\"first_entry\":1,\"last_entry\":9}"));
	(void)snprintf(path, sizeof(path), "%s/out.csv.part", s.f.dir);
	CHECK(stat(path, &st) < 0);
	CHECK_INT(run_on(&s, "report accounts -o /nonexistent/x"), 1);
	CHECK_INT(run_on(&s, "report accounts >/dev/full"), 1);
	sample_close(&s);
}

int
main(void)
{
	RUN(a_wrong_command_line_says_what_is_wrong);
	RUN(no_ledger_is_a_failure_and_a_broken_one_is_damage);
	RUN(verify_prints_one_line_and_exits_0_or_7);
	RUN(options_may_stand_behind_the_command);
	RUN(dates_and_months_are_those_of_the_zone);
	RUN(a_ledger_is_copied_and_rebuilt_and_its_days_are_shown);
	RUN(months_are_kept_in_files);
	RUN(a_report_in_a_file_has_its_digest_and_its_meta_beside_it);
	buf_free(&said);
	return tap_done();
}
