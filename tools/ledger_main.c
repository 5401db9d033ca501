/*
 * tollgate-ledger: reads the files of the ledger, with or without a running
 * server, and never writes to them.
 *
 * Exit codes: 0 fine, 1 it could not be done, 2 usage, 5 the ledger is
 * damaged, 7 the verification found a difference.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/exits.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "billing/ledger.h"
#include "billing/report.h"
#include "billing/verify.h"
#include "conf/load.h"
#include "shm/region.h"

static const char usage[] =
	"Usage: tollgate-ledger [options] COMMAND\n"
	"\n"
	"Commands:\n"
	"  verify             recompute everything from the entries\n"
	"  report requests    one row a request\n"
	"  report accounts    one row an account\n"
	"  dump               every entry, one JSON object a line\n"
	"\n"
	"Options:\n"
	"  -d, --dir DIR      the state_dir (default: /var/lib/tollgate)\n"
	"  -p, --prefix DIR   the prefix: DIR/state is the state_dir\n"
	"      --from TIME    2026-11-20 or 2026-11-20T12:00:00Z\n"
	"      --to TIME      the first moment that is not wanted\n"
	"      --account A    name or number\n"
	"      --key K        name, prefix or number\n"
	"      --format F     csv or json (one object a line)\n"
	"  -o, --output FILE  and FILE.sha256, FILE.meta.json beside it\n"
	"      --raw          no apostrophe before what a spreadsheet would run\n"
	"      --recompute    verify: also price every request anew\n"
	"  -V, --version      -h, --help\n";

enum command { NO_COMMAND, VERIFY, REQUESTS, ACCOUNTS, DUMP };

struct options {
	char dir[PATH_MAX];
	char run_dir[PATH_MAX]; /* of a server that may be running; "" */
	const char *output;
	struct report_filter filter;
	enum sheet_format format;
	bool has_format;
	bool raw;
	bool recompute;
	enum command command;
};

/* ---- options ---- */

static bool
complain(const char *what, const char *value)
{
	(void)fprintf(stderr,
		      "tollgate-ledger: %s%s%s\n"
		      "Try 'tollgate-ledger --help'.\n",
		      what, value ? ": " : "", value ? value : "");
	return false;
}

static bool
set_dir(struct options *o, const char *dir, bool prefix)
{
	int n = snprintf(o->dir, sizeof(o->dir), "%s%s", dir,
			 prefix ? "/" CONF_PREFIX_STATE : "");

	o->run_dir[0] = '\0';
	if (prefix &&
	    snprintf(o->run_dir, sizeof(o->run_dir), "%s/" CONF_PREFIX_RUN,
		     dir) >= (int)sizeof(o->run_dir))
		return complain("the path is too long", dir);
	return (n > 0 && n < (int)sizeof(o->dir)) ||
	       complain("the path is too long", dir);
}

static bool
set_time(const char *text, const char *option, uint64_t *ms)
{
	uint64_t ns;

	if (!time_parse(str_of(text), &ns))
		return complain(option, text);
	*ms = ns / NS_PER_MS;
	return true;
}

static bool
set_format(struct options *o, const char *text)
{
	o->has_format = true;
	o->format = strcmp(text, "json") == 0 ? SHEET_JSON : SHEET_CSV;
	return strcmp(text, "json") == 0 || strcmp(text, "csv") == 0 ||
	       complain("--format is csv or json", text);
}

enum {
	OPT_FROM = 256,
	OPT_TO,
	OPT_ACCOUNT,
	OPT_KEY,
	OPT_FORMAT,
	OPT_RAW,
	OPT_RECOMPUTE
};

static const struct option long_options[] = {
	{"dir", required_argument, NULL, 'd'},
	{"prefix", required_argument, NULL, 'p'},
	{"from", required_argument, NULL, OPT_FROM},
	{"to", required_argument, NULL, OPT_TO},
	{"account", required_argument, NULL, OPT_ACCOUNT},
	{"key", required_argument, NULL, OPT_KEY},
	{"format", required_argument, NULL, OPT_FORMAT},
	{"output", required_argument, NULL, 'o'},
	{"raw", no_argument, NULL, OPT_RAW},
	{"recompute", no_argument, NULL, OPT_RECOMPUTE},
	{"version", no_argument, NULL, 'V'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static bool
take_option(struct options *o, int c)
{
	switch (c) {
	case 'd': return set_dir(o, optarg, false);
	case 'p': return set_dir(o, optarg, true);
	case 'o': o->output = optarg; return true;
	case OPT_FROM:
		return set_time(optarg, "--from is not a time",
				&o->filter.from_ms);
	case OPT_TO:
		return set_time(optarg, "--to is not a time", &o->filter.to_ms);
	case OPT_ACCOUNT: o->filter.account = str_of(optarg); return true;
	case OPT_KEY: o->filter.key = str_of(optarg); return true;
	case OPT_FORMAT: return set_format(o, optarg);
	case OPT_RAW: o->raw = true; return true;
	case OPT_RECOMPUTE: o->recompute = true; return true;
	case 'V':
		(void)printf("tollgate-ledger %s\n", TOLLGATE_VERSION);
		exit(EXIT_FINE);
	case 'h': (void)fputs(usage, stdout); exit(EXIT_FINE);
	default:
		(void)fputs("Try 'tollgate-ledger --help'.\n", stderr);
		return false;
	}
}

static bool
take_command(struct options *o, int n, char **word)
{
	static const struct {
		const char *word[2];
		enum command command;
	} known[] = {
		{{"verify", NULL}, VERIFY},
		{{"report", "requests"}, REQUESTS},
		{{"report", "accounts"}, ACCOUNTS},
		{{"dump", NULL}, DUMP},
	};

	if (n == 0)
		return complain("no command given", NULL);
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		int words = known[i].word[1] ? 2 : 1;

		if (strcmp(word[0], known[i].word[0]) != 0)
			continue;
		if (words == 2 && n >= 2 &&
		    strcmp(word[1], known[i].word[1]) != 0)
			continue;
		if (words == 2 && n < 2)
			return complain("report what? requests or accounts",
					NULL);
		if (n > words)
			return complain("too many words", word[words]);
		o->command = known[i].command;
		return true;
	}
	return complain(strcmp(word[0], "report") == 0 ? "no such report"
						       : "no such command",
			strcmp(word[0], "report") == 0 ? word[1] : word[0]);
}

static bool
options_fit(const struct options *o)
{
	bool report = o->command == REQUESTS || o->command == ACCOUNTS;
	bool rows = report || o->command == DUMP;

	if (o->filter.to_ms && o->filter.to_ms <= o->filter.from_ms)
		return complain("--to is not after --from", NULL);
	if (!rows && (o->output || o->filter.from_ms || o->filter.to_ms ||
		      o->filter.account.n || o->filter.key.n || o->has_format))
		return complain("verify looks at the whole ledger: it takes "
				"no filter, format or output",
				NULL);
	if (o->command == DUMP && o->has_format && o->format == SHEET_CSV)
		return complain("dump writes JSON only", NULL);
	if (o->recompute && o->command != VERIFY)
		return complain("--recompute belongs to verify", NULL);
	if (o->command == ACCOUNTS && o->filter.key.n)
		return complain("--key does not belong to report accounts",
				NULL);
	return true;
}

static bool
parse(struct options *o, int argc, char **argv)
{
	const char *prefix = getenv("TOLLGATE_PREFIX");
	int c;

	if (!set_dir(o, prefix && *prefix ? prefix : "/var/lib/tollgate",
		     prefix && *prefix))
		return false;
	if (!prefix || !*prefix)
		(void)str_copy(o->run_dir, sizeof(o->run_dir),
			       STR("/run/tollgate"));
	while ((c = getopt_long(argc, argv, "d:p:o:Vh", long_options, NULL)) !=
	       -1)
		if (!take_option(o, c))
			return false;
	return take_command(o, argc - optind, argv + optind) && options_fit(o);
}

/* ---- output ---- */

/* A file is written beside its place and renamed when it is whole. */
struct output {
	char side[PATH_MAX];
	int fd;
};

static bool
output_open(struct output *out, const char *path)
{
	out->fd = STDOUT_FILENO;
	out->side[0] = '\0';
	if (!path)
		return true;
	if (snprintf(out->side, sizeof(out->side), "%s.part", path) >=
	    (int)sizeof(out->side))
		return complain("the path is too long", path);
	out->fd = open(out->side, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (out->fd < 0) {
		(void)fprintf(stderr, "tollgate-ledger: %s: %s\n", out->side,
			      strerror(errno));
		return false;
	}
	return true;
}

static bool
write_text(const char *path, const char *suffix, struct str text)
{
	char name[PATH_MAX];
	bool ok;
	FILE *f;

	if (snprintf(name, sizeof(name), "%s%s", path, suffix) >=
	    (int)sizeof(name))
		return false;
	f = fopen(name, "we");
	if (!f)
		return false;
	ok = fwrite(text.p, 1, text.n, f) == text.n;
	return fclose(f) == 0 && ok;
}

static bool
digest_of(int fd, uint8_t digest[SHA256_BYTES])
{
	struct stat st;
	void *p;

	if (fstat(fd, &st) < 0)
		return false;
	if (st.st_size == 0) {
		sha256("", 0, digest);
		return true;
	}
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return false;
	sha256(p, (size_t)st.st_size, digest);
	return munmap(p, (size_t)st.st_size) == 0;
}

static void
hex(struct buf *b, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_printf(b, "%02x", p[i]);
}

static bool
write_digest(const char *path, int fd)
{
	CLEANUP(buf_free) struct buf line = BUF_INIT;
	uint8_t digest[SHA256_BYTES];
	const char *name = strrchr(path, '/');

	if (!digest_of(fd, digest))
		return false;
	hex(&line, digest, sizeof(digest));
	buf_printf(&line, "  %s\n", name ? name + 1 : path);
	return !line.failed && write_text(path, ".sha256", buf_str(&line));
}

static void
put_time(struct json_out *j, const char *name, uint64_t ms)
{
	char text[TIME_TEXT];

	json_name(j, name);
	if (ms == 0)
		json_put_null(j);
	else
		json_put_str(
			j, str_make(text, time_text(ms * NS_PER_MS, 3, text)));
}

static void
put_money(struct json_out *j, const char *name, int64_t nano)
{
	char text[MONEY_TEXT];

	json_name(j, name);
	json_put_str(j, str_make(text, money_text(money_nano(nano), text)));
}

static void
put_u64(struct json_out *j, const char *name, uint64_t v)
{
	json_name(j, name);
	json_put_u64(j, v);
}

static bool
write_meta(const struct options *o, const struct report_sum *sum)
{
	static const char *const name[] = {[REQUESTS] = "requests",
					   [ACCOUNTS] = "accounts",
					   [DUMP] = "dump"};
	CLEANUP(buf_free) struct buf text = BUF_INIT, uuid = BUF_INIT;
	struct json_out j;

	hex(&uuid, sum->uuid, sizeof(sum->uuid));
	json_out_init(&j, &text);
	json_open(&j, '{');
	json_name(&j, "report");
	json_put_str(&j, str_of(name[o->command]));
	put_u64(&j, "schema", 1);
	put_time(&j, "from", o->filter.from_ms);
	put_time(&j, "to", o->filter.to_ms);
	put_u64(&j, "rows", sum->rows);
	put_money(&j, "charge_usd", sum->charge_nano);
	put_money(&j, "upstream_cost_usd", sum->upstream_nano);
	put_u64(&j, "input_tokens", sum->input_tokens);
	put_u64(&j, "output_tokens", sum->output_tokens);
	json_name(&j, "ledger");
	json_put_str(&j, buf_str(&uuid));
	put_u64(&j, "first_entry", sum->first_seq);
	put_u64(&j, "last_entry", sum->last_seq);
	json_close(&j, '}');
	buf_add_char(&text, '\n');
	return !text.failed &&
	       write_text(o->output, ".meta.json", buf_str(&text));
}

static bool
output_close(struct output *out, const struct options *o,
	     const struct report_sum *sum, bool whole)
{
	bool ok = whole;

	if (out->fd == STDOUT_FILENO)
		return ok;
	ok = ok && fsync(out->fd) == 0 && write_digest(o->output, out->fd) &&
	     write_meta(o, sum) && rename(out->side, o->output) == 0;
	if (!ok && whole)
		(void)fprintf(stderr, "tollgate-ledger: %s: %s\n", o->output,
			      strerror(errno));
	if (!ok)
		(void)unlink(out->side);
	(void)close(out->fd);
	return ok;
}

/* ---- commands ---- */

static int
verify(const struct options *o, struct ledger *l)
{
	CLEANUP(buf_free) struct buf line = BUF_INIT;
	enum verify_result r = verify_ledger(l, o->recompute, &line);

	if (r == VERIFY_BALANCED)
		return printf("%.*s\n", STR_ARG(buf_str(&line))) > 0 &&
				       fflush(stdout) == 0
			       ? EXIT_FINE
			       : EXIT_RUNTIME;
	(void)fprintf(stderr, "tollgate-ledger: %.*s\n",
		      STR_ARG(buf_str(&line)));
	return r == VERIFY_DIFFERS ? EXIT_DIFFERS : EXIT_DAMAGED;
}

static int
report(const struct options *o, struct ledger *l)
{
	CLEANUP(buf_free) struct buf error = BUF_INIT;
	struct region live = {0};
	struct report_job job = {.ledger = l,
				 .filter = o->filter,
				 .format = o->format,
				 .raw = o->raw,
				 .fd = -1};
	enum report_result r;
	struct report_sum sum;
	struct output out;

	if (!output_open(&out, o->output))
		return EXIT_RUNTIME;
	job.fd = out.fd;
	if (o->command == DUMP) {
		job.format = SHEET_JSON;
		r = report_dump(&job, &sum, &error);
	} else if (o->command == REQUESTS) {
		r = report_requests(&job, &sum, &error);
	} else {
		if (o->run_dir[0] && region_view(&live, o->run_dir) == E_OK)
			job.live = &live;
		r = report_accounts(&job, &sum, &error);
		if (job.live)
			region_close(&live);
	}
	if (r != REPORT_DONE)
		(void)fprintf(stderr, "tollgate-ledger: %.*s\n",
			      STR_ARG(buf_str(&error)));
	if (!output_close(&out, o, &sum, r == REPORT_DONE))
		return r == REPORT_DAMAGED ? EXIT_DAMAGED : EXIT_RUNTIME;
	return EXIT_FINE;
}

/* A damaged tree can lead LMDB anywhere. */
static void
damaged(int sig)
{
	static const char text[] =
		"tollgate-ledger: the ledger is damaged: its pages lead "
		"nowhere\n";

	(void)sig;
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(EXIT_DAMAGED);
	_exit(EXIT_DAMAGED);
}

int
main(int argc, char **argv)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;
	struct options o = {.format = SHEET_CSV};
	struct ledger *l = NULL;
	enum store s;
	int code;

	log_open("ledger", NULL, LOG_LEVEL_ERROR);
	if (!parse(&o, argc, argv))
		return EXIT_USAGE;
	(void)signal(SIGSEGV, damaged);
	(void)signal(SIGBUS, damaged);
	(void)signal(SIGABRT, damaged);
	s = ledger_open(&l, o.dir, LEDGER_READ, 0, &why);
	if (s != STORE_OK) {
		(void)fprintf(stderr, "tollgate-ledger: %.*s\n",
			      STR_ARG(buf_str(&why)));
		return s == STORE_DAMAGED ? EXIT_DAMAGED : EXIT_RUNTIME;
	}
	code = o.command == VERIFY ? verify(&o, l) : report(&o, l);
	ledger_close(l);
	return code;
}
