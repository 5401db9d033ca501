/* The command line of tollgate-ledger. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/load.h"
#include "tools/ledger_tool.h"

struct option_row {
	const char *name;
	int letter;	   /* 0 = none */
	const char *value; /* what follows, for the help; NULL = nothing */
	const char *help;
};

static const struct option_row rows[OPTIONS] = {
	[OPTION_DIR] = {"dir", 'd', "DIR",
			"the state_dir (default: /var/lib/tollgate)"},
	[OPTION_PREFIX] = {"prefix", 'p', "DIR",
			   "the prefix: DIR/state is the state_dir"},
	[OPTION_FROM] = {"from", 0, "TIME",
			 "2026-11-20 or 2026-11-20T12:00:00Z"},
	[OPTION_TO] = {"to", 0, "TIME", "the first moment that is not wanted"},
	[OPTION_MONTH] = {"month", 0, "MONTH", "the whole of it: 2026-11"},
	[OPTION_ZONE] = {"zone", 0, "ZONE",
			 "of dates and months: Europe/Berlin (default: UTC)"},
	[OPTION_ACCOUNT] = {"account", 0, "A", "name or number"},
	[OPTION_KEY] = {"key", 0, "K", "name, prefix or number"},
	[OPTION_CHANNEL] = {"channel", 0, "C", "name"},
	[OPTION_INVOICE] = {"invoice", 0, "FILE",
			    "the provider's: usage, costs or CSV"},
	[OPTION_TOLERANCE] = {"tolerance", 0, "USD",
			      "a cost may differ by so much (default: 0)"},
	[OPTION_ISSUER] = {"issuer", 0, "NAME",
			   "who sells, on invoices (default: Tollgate)"},
	[OPTION_HOURLY] = {"hourly", 0, NULL, "focus: usage by the hour"},
	[OPTION_DAILY] = {"daily", 0, NULL, "focus: by the day (default)"},
	[OPTION_FORMAT] = {"format", 0, "F",
			   "csv or json (an object a line); invoice: html"},
	[OPTION_OUTPUT] = {"output", 'o', "FILE",
			   "with FILE.sha256 and FILE.meta.json beside it"},
	[OPTION_RAW] = {"raw", 0, NULL,
			"no apostrophe before what a spreadsheet would run"},
	[OPTION_RECOMPUTE] = {"recompute", 0, NULL,
			      "verify: also price every request anew"},
	[OPTION_REBUILD] = {"rebuild", 0, NULL,
			    "verify: the same as the command rebuild"},
	[OPTION_SEGMENTS] = {"segments", 0, "DIR",
			     "verify: also what was dropped, in DIR"},
	[OPTION_PUBLIC_KEY] = {"public-key", 0, "FILE",
			       "receipt: the server's public key"},
	[OPTION_VERSION] = {"version", 'V', NULL, "print the version"},
	[OPTION_HELP] = {"help", 'h', NULL, "print this"},
};

bool
options_complain(const char *what, const char *value)
{
	(void)fprintf(stderr,
		      "tollgate-ledger: %s%s%s\n"
		      "Try 'tollgate-ledger --help'.\n",
		      what, value ? ": " : "", value ? value : "");
	return false;
}

/* ---- help ---- */

static void
print_help(const struct command *commands, size_t n)
{
	(void)printf("Usage: tollgate-ledger [options] COMMAND\n"
		     "\n"
		     "Commands:\n");
	for (size_t i = 0; i < n; i++) {
		const struct command *c = &commands[i];
		char words[64];

		(void)snprintf(
			words, sizeof(words), "%s%s%s%s%s", c->word[0],
			c->word[1] ? " " : "", c->word[1] ? c->word[1] : "",
			c->operands ? " " : "", c->operands ? c->operands : "");
		(void)printf("  %-24s %s\n", words, c->help);
	}
	(void)printf("\nOptions:\n");
	for (int i = 0; i < OPTIONS; i++) {
		const struct option_row *r = &rows[i];
		char letter[8] = "    ", words[64];

		if (r->letter)
			(void)snprintf(letter, sizeof(letter), "-%c, ",
				       r->letter);
		(void)snprintf(words, sizeof(words), "%s--%s%s%s", letter,
			       r->name, r->value ? " " : "",
			       r->value ? r->value : "");
		(void)printf("  %-24s %s\n", words, r->help);
	}
}

/* ---- values ---- */

static bool
set_dir(struct options *o, const char *dir, bool prefix)
{
	int n = snprintf(o->dir, sizeof(o->dir), "%s%s", dir,
			 prefix ? "/" CONF_PREFIX_STATE : "");

	o->run_dir[0] = '\0';
	if (prefix &&
	    snprintf(o->run_dir, sizeof(o->run_dir), "%s/" CONF_PREFIX_RUN,
		     dir) >= (int)sizeof(o->run_dir))
		return options_complain("the path is too long", dir);
	return (n > 0 && n < (int)sizeof(o->dir)) ||
	       options_complain("the path is too long", dir);
}

static bool
set_default_dir(struct options *o)
{
	const char *prefix = getenv("TOLLGATE_PREFIX");

	if (prefix && *prefix)
		return set_dir(o, prefix, true);
	if (!set_dir(o, "/var/lib/tollgate", false))
		return false;
	(void)str_copy(o->run_dir, sizeof(o->run_dir), STR("/run/tollgate"));
	return true;
}

static bool
set_format(struct options *o, const char *text)
{
	o->html = strcmp(text, "html") == 0;
	o->format = strcmp(text, "json") == 0 ? SHEET_JSON : SHEET_CSV;
	return o->html || o->format == SHEET_JSON || strcmp(text, "csv") == 0 ||
	       options_complain("--format is csv or json", text);
}

/* What many commands read is made of the text here, once; the rest takes
 * the text as it is. */
static bool
take_option(struct options *o, enum option_id id, const char *text)
{
	o->value[id] = text;
	switch ((int)id) {
	case OPTION_DIR: return set_dir(o, text, false);
	case OPTION_PREFIX: return set_dir(o, text, true);
	case OPTION_ACCOUNT: o->filter.account = str_of(text); return true;
	case OPTION_KEY: o->filter.key = str_of(text); return true;
	case OPTION_CHANNEL: o->filter.channel = str_of(text); return true;
	case OPTION_FORMAT: return set_format(o, text);
	default: return true;
	}
}

/* ---- commands ---- */

static bool
is_command(const struct command *c, int n, char **word)
{
	return strcmp(word[0], c->word[0]) == 0 &&
	       (!c->word[1] || (n >= 2 && strcmp(word[1], c->word[1]) == 0));
}

/* "report what? requests or accounts" */
static bool
unknown_command(const struct command *commands, size_t n_commands, int n,
		char **word)
{
	CLEANUP(buf_free) struct buf what = BUF_INIT;

	for (size_t i = 0; i < n_commands; i++) {
		const struct command *c = &commands[i];

		if (!c->word[1] || strcmp(c->word[0], word[0]) != 0)
			continue;
		buf_printf(&what, "%s%s", what.n ? ", " : "", c->word[1]);
	}
	buf_add_char(&what, '\0');
	if (what.n <= 1 || what.failed)
		return options_complain("no such command", word[0]);
	(void)fprintf(stderr, "tollgate-ledger: %s %s%s\n", word[0],
		      n >= 2 ? "has no " : "what?", n >= 2 ? word[1] : "");
	return options_complain("there are", what.p);
}

static bool
take_command(struct options *o, int n, char **word,
	     const struct command *commands, size_t n_commands)
{
	const struct command *c = commands;
	int words;

	if (n == 0)
		return options_complain("no command given", NULL);
	while (c < commands + n_commands && !is_command(c, n, word))
		c++;
	if (c == commands + n_commands)
		return unknown_command(commands, n_commands, n, word);
	words = c->word[1] ? 2 : 1;
	o->command = c;
	o->operands = word + words;
	o->n_operands = (unsigned)(n - words);
	if (o->n_operands > c->most)
		return options_complain("too many words",
					word[words + (int)c->most]);
	return o->n_operands >= c->least ||
	       options_complain("missing", c->operands);
}

static bool
options_fit(const struct options *o)
{
	const struct command *c = o->command;
	uint64_t takes = c->takes | TAKES_EVERYWHERE;

	for (int i = 0; i < OPTIONS; i++) {
		if (!o->value[i] || (takes >> i & 1))
			continue;
		(void)fprintf(stderr, "tollgate-ledger: %s%s%s takes no --%s\n",
			      c->word[0], c->word[1] ? " " : "",
			      c->word[1] ? c->word[1] : "", rows[i].name);
		return options_complain("it does not belong there", NULL);
	}
	if (o->html && !(takes & TAKES_HTML))
		return options_complain("--format is csv or json", "html");
	return true;
}

/* ---- the line ---- */

/* The tables of getopt_long(), made of ours. */
struct getopt_tables {
	struct option lines[OPTIONS + 1];
	char letters[3 * OPTIONS];
};

static void
make_tables(struct getopt_tables *t)
{
	size_t n = 0;

	memset(t, 0, sizeof(*t));
	for (int i = 0; i < OPTIONS; i++) {
		t->lines[i] = (struct option){
			rows[i].name,
			rows[i].value ? required_argument : no_argument,
			NULL,
			256 + i,
		};
		if (!rows[i].letter)
			continue;
		t->letters[n++] = (char)rows[i].letter;
		if (rows[i].value)
			t->letters[n++] = ':';
	}
}

static int
option_of(int c)
{
	if (c >= 256)
		return c - 256;
	for (int i = 0; i < OPTIONS; i++)
		if (rows[i].letter && rows[i].letter == c)
			return i;
	return -1;
}

bool
options_parse(struct options *o, int argc, char **argv,
	      const struct command *commands, size_t n)
{
	struct getopt_tables t;
	int c;

	*o = (struct options){.format = SHEET_CSV};
	make_tables(&t);
	if (!set_default_dir(o))
		return false;
	while ((c = getopt_long(argc, argv, t.letters, t.lines, NULL)) != -1) {
		int id = option_of(c);

		if (id < 0) {
			(void)fputs("Try 'tollgate-ledger --help'.\n", stderr);
			return false;
		}
		if (id == OPTION_VERSION)
			(void)printf("tollgate-ledger %s\n", TOLLGATE_VERSION);
		if (id == OPTION_HELP)
			print_help(commands, n);
		if (id == OPTION_VERSION || id == OPTION_HELP)
			exit(fflush(stdout) == 0 ? EXIT_FINE : EXIT_RUNTIME);
		if (!take_option(o, (enum option_id)id, optarg ? optarg : ""))
			return false;
	}
	return take_command(o, argc - optind, argv + optind, commands, n) &&
	       options_fit(o) && options_period(o);
}
