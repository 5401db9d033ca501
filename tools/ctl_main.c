/*
 * tollgatectl: control of a running server over its admin socket. Options of
 * the program stand before the command or anywhere behind it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/exits.h"
#include "conf/load.h"
#include "tools/ctl.h"

#define SOCKET_DEFAULT "/run/tollgate/admin.sock"
#define WORDS_MAX      8u
#define PATH_CHARS     512

static const struct {
	const char *name;
	bool takes_value;
} option_names[OPTIONS] = {
	[OPTION_BALANCE] = {"balance", true},
	[OPTION_GROUP] = {"group", true},
	[OPTION_PARENT] = {"parent", true},
	[OPTION_POSTPAID] = {"postpaid", false},
	[OPTION_CREDIT_LIMIT] = {"credit-limit", true},
	[OPTION_IDEMPOTENCY_KEY] = {"idempotency-key", true},
	[OPTION_NOTE] = {"note", true},
	[OPTION_OF] = {"of", true},
	[OPTION_ACCOUNT] = {"account", true},
	[OPTION_NAME] = {"name", true},
	[OPTION_MODELS] = {"models", true},
	[OPTION_ALLOW_IP] = {"allow-ip", true},
	[OPTION_TAGS] = {"tags", true},
	[OPTION_RPM] = {"rpm", true},
	[OPTION_TPM] = {"tpm", true},
	[OPTION_CONCURRENCY] = {"concurrency", true},
	[OPTION_BUDGET] = {"budget", true},
	[OPTION_EXPIRES] = {"expires", true},
	[OPTION_SECRET] = {"secret", true},
	[OPTION_LITELLM] = {"litellm", true},
	[OPTION_NEWAPI] = {"newapi", true},
	[OPTION_ONLY] = {"only", true},
	[OPTION_DISCOUNT] = {"discount", true},
	[OPTION_LOW_BALANCE] = {"low-balance", true},
	[OPTION_PIN] = {"pin", true},
	[OPTION_PREPAID] = {"prepaid", false},
	[OPTION_NO_SIGNUP_CREDIT] = {"no-signup-credit", false},
	[OPTION_AMOUNT] = {"amount", true},
	[OPTION_USES] = {"uses", true},
	[OPTION_BONUS] = {"bonus", true},
	[OPTION_COUNT] = {"count", true},
	[OPTION_PLAN] = {"plan", true},
	[OPTION_GRACE] = {"grace", true},
	[OPTION_STRICT] = {"strict", false},
	[OPTION_LENIENT] = {"lenient", false},
	[OPTION_SUBSTITUTION] = {"substitution", false},
	[OPTION_NO_SUBSTITUTION] = {"no-substitution", false},
};

/* The command line, taken apart. */
struct line {
	int argc, at;
	char **argv;
	const char *word[WORDS_MAX];
	unsigned n_words;
	const char *option[OPTIONS];
	const char *socket, *prefix;
	bool json, help, version;
};

static void
print_usage(FILE *out)
{
	unsigned n;
	const struct ctl_command *c = ctl_commands(&n);

	(void)fprintf(
		out,
		"usage: tollgatectl [-s SOCKET | -p PREFIX] [--json] "
		"COMMAND\n\n"
		"  -s, --socket SOCKET  the server's admin socket; else " SOCKET_DEFAULT
		"\n"
		"  -p, --prefix PREFIX  the prefix it was started with; "
		"else $TOLLGATE_PREFIX\n"
		"  --json               the answer as JSON\n"
		"  -V, --version, -h, --help\n\ncommands:\n");
	for (unsigned i = 0; i < n; i++)
		(void)fprintf(out, "  %s%s%s\n        %s\n", c[i].words,
			      c[i].usage[0] ? " " : "", c[i].usage, c[i].help);
}

static int
wrong(const char *text, const char *what)
{
	(void)fprintf(stderr, "tollgatectl: %s%s\nTry 'tollgatectl --help'.\n",
		      text, what);
	return EXIT_USAGE;
}

/* The value of an option: behind its '=' or the next word; NULL = none. */
static const char *
value_of(struct line *l, const char *equals)
{
	if (equals)
		return equals + 1;
	return l->at < l->argc ? l->argv[l->at++] : NULL;
}

/* One of the program's own; false: it is none of them. */
static bool
take_own(struct line *l, struct str name, const char *equals, bool *missing)
{
	const char **value = NULL;

	if (str_eq(name, STR("json")) && !equals)
		l->json = true;
	else if (str_eq(name, STR("help")) && !equals)
		l->help = true;
	else if (str_eq(name, STR("version")) && !equals)
		l->version = true;
	else if (str_eq(name, STR("socket")))
		value = &l->socket;
	else if (str_eq(name, STR("prefix")))
		value = &l->prefix;
	else
		return false;
	if (value) {
		*value = value_of(l, equals);
		*missing = !*value || !**value;
	}
	return true;
}

static int
take_long(struct line *l, const char *text)
{
	const char *equals = strchr(text, '=');
	struct str name =
		equals ? str_make(text, (size_t)(equals - text)) : str_of(text);
	bool missing = false;

	if (take_own(l, name, equals, &missing))
		return missing ? wrong("a value is missing for --", text)
			       : EXIT_FINE;
	for (int i = 0; i < OPTIONS; i++) {
		if (!str_eq(name, str_of(option_names[i].name)))
			continue;
		if (l->option[i])
			return wrong("given twice: --", text);
		l->option[i] = option_names[i].takes_value ? value_of(l, equals)
							   : "true";
		return l->option[i] ? EXIT_FINE
				    : wrong("a value is missing for --", text);
	}
	return wrong("there is no option --", text);
}

static int
take_short(struct line *l, const char *text)
{
	if (text[1] != '\0')
		return wrong("there is no option -", text);
	switch (text[0]) {
	case 'h': l->help = true; return EXIT_FINE;
	case 'V': l->version = true; return EXIT_FINE;
	case 's': return take_long(l, "socket");
	case 'p': return take_long(l, "prefix");
	default: return wrong("there is no option -", text);
	}
}

static int
line_parse(struct line *l, int argc, char **argv)
{
	bool only_words = false;
	int code = EXIT_FINE;

	memset(l, 0, sizeof(*l));
	l->argc = argc;
	l->argv = argv;
	l->at = 1;
	while (code == EXIT_FINE && l->at < argc) {
		const char *text = argv[l->at++];

		/* "-5" is an amount. */
		if (only_words || text[0] != '-' || text[1] == '\0' ||
		    (text[1] >= '0' && text[1] <= '9')) {
			if (l->n_words == WORDS_MAX)
				return wrong("too many words: ", text);
			l->word[l->n_words++] = text;
		} else if (strcmp(text, "--") == 0) {
			only_words = true;
		} else if (text[1] == '-') {
			code = take_long(l, text + 2);
		} else {
			code = take_short(l, text + 1);
		}
	}
	return code;
}

/* How many words of the line the command's own words take; 0: another. */
static unsigned
command_fits(const struct ctl_command *c, const struct line *l)
{
	struct str rest = str_of(c->words);
	unsigned n = 0;

	while (rest.p) {
		struct str w = str_cut(&rest, ' ');

		if (n >= l->n_words || !str_eq(w, str_of(l->word[n])))
			return 0;
		n++;
	}
	return n;
}

static int
check_options(const struct ctl_command *cmd, const struct line *l)
{
	for (int i = 0; i < OPTIONS; i++)
		if (l->option[i] && !(cmd->options & (1ull << i))) {
			(void)fprintf(stderr,
				      "tollgatectl: '%s' takes no --%s\n"
				      "usage: tollgatectl %s %s\n",
				      cmd->words, option_names[i].name,
				      cmd->words, cmd->usage);
			return EXIT_USAGE;
		}
	return EXIT_FINE;
}

static int
run_command(const struct ctl *c, const struct line *l)
{
	unsigned n, own = 0;
	const struct ctl_command *cmd = ctl_commands(&n);
	struct ctl_words w = {.n = 0};

	for (unsigned i = 0; i < n && own == 0; i++) {
		own = command_fits(cmd, l);
		if (own == 0)
			cmd++;
	}
	if (own == 0)
		return wrong("there is no command ", l->word[0]);
	if (l->n_words - own != cmd->n_args) {
		(void)fprintf(stderr, "usage: tollgatectl %s %s\n", cmd->words,
			      cmd->usage);
		return EXIT_USAGE;
	}
	for (unsigned i = own; i < l->n_words; i++)
		w.args[w.n++] = l->word[i];
	memcpy(w.option, l->option, sizeof(w.option));
	if (check_options(cmd, l) != EXIT_FINE)
		return EXIT_USAGE;
	return cmd->run(c, &w);
}

int
main(int argc, char **argv)
{
	char path[PATH_CHARS];
	struct line l;
	struct ctl c = {.socket = SOCKET_DEFAULT};
	int code = line_parse(&l, argc, argv);

	if (code != EXIT_FINE)
		return code;
	if (l.help) {
		print_usage(stdout);
		return EXIT_FINE;
	}
	if (l.version)
		return puts("tollgatectl " TOLLGATE_VERSION) < 0;
	if (l.n_words == 0) {
		print_usage(stderr);
		return EXIT_USAGE;
	}
	if (l.socket && l.prefix)
		return wrong("-s and -p exclude each other", "");
	if (!l.socket && !l.prefix)
		l.prefix = getenv("TOLLGATE_PREFIX");
	if (l.prefix && *l.prefix) {
		(void)snprintf(path, sizeof(path),
			       "%s/" CONF_PREFIX_RUN "/admin.sock", l.prefix);
		c.socket = path;
	}
	if (l.socket)
		c.socket = l.socket;
	c.json = l.json;
	c.colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	code = run_command(&c, &l);
	if (fflush(stdout) != 0 && code == EXIT_FINE)
		code = EXIT_RUNTIME;
	return code;
}
