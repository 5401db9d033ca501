/* The commands that send a body: accounts, money, keys. */
#include <stdio.h>
#include <string.h>

#include "base/exits.h"
#include "tools/ctl.h"

/* How an option becomes a member. */
enum option_as { AS_TEXT, AS_NUMBER, AS_LIST, AS_TRUE, AS_FALSE };

struct option_member {
	enum ctl_option option;
	const char *member;
	enum option_as as;
};

static void
put_list(struct json_out *o, const char *commas)
{
	struct str rest = str_of(commas);

	json_open(o, '[');
	while (rest.p && rest.n > 0)
		json_put_str(o, str_trim(str_cut(&rest, ',')));
	json_close(o, ']');
}

/* False: not what the option takes. */
static bool
put_option(struct json_out *o, const struct option_member *m, const char *value)
{
	uint64_t n;

	json_name(o, m->member);
	switch (m->as) {
	case AS_TEXT: json_put_str(o, str_of(value)); return true;
	case AS_LIST: put_list(o, value); return true;
	case AS_TRUE: json_put_bool(o, true); return true;
	case AS_FALSE: json_put_bool(o, false); return true;
	case AS_NUMBER: break;
	}
	if (!str_to_u64(str_of(value), &n)) {
		(void)fprintf(stderr,
			      "tollgatectl: --%s takes a whole number, "
			      "not \"%s\"\n",
			      m->member, value);
		return false;
	}
	json_put_u64(o, n);
	return true;
}

static bool
put_options(struct json_out *o, const struct ctl_words *w,
	    const struct option_member *m)
{
	for (; m->member; m++) {
		const char *value = w->option[m->option];

		if (value && !put_option(o, m, value))
			return false;
	}
	return true;
}

/* A command with a body: the path is prefix, then the first word and suffix
 * if there is one; `word` is the member of the last word. */
struct change {
	const char *prefix, *suffix;
	const char *word;
	bool idem; /* needs its key */
	void (*print)(const struct ctl *c, struct json_value root);
	struct option_member members[16]; /* the last one is empty */
};

/* What goes into a header field. */
static bool
idem_fits(const char *key)
{
	size_t n = strlen(key);

	for (size_t i = 0; i < n; i++)
		if (key[i] <= ' ' || key[i] > '~')
			n = 0;
	if (n > 0 && n < 64)
		return true;
	(void)fprintf(stderr,
		      "tollgatectl: --idempotency-key takes 1 to 63 visible "
		      "ASCII characters\n");
	return false;
}

/* EXIT_FINE: the key, or NULL if none is needed. */
static int
take_idem(const struct ctl_words *w, bool needed, const char **idem)
{
	*idem = w->option[OPTION_IDEMPOTENCY_KEY];
	if (needed && !*idem) {
		(void)fprintf(stderr,
			      "tollgatectl: --idempotency-key K is required: a "
			      "repetition with the same K moves no money "
			      "twice\n");
		return EXIT_USAGE;
	}
	return *idem && !idem_fits(*idem) ? EXIT_USAGE : EXIT_FINE;
}

static int
send_change(const struct ctl *c, const struct ctl_words *w,
	    const struct change *ch)
{
	CLEANUP(buf_free) struct buf body = BUF_INIT;
	CLEANUP(buf_free) struct buf path = BUF_INIT;
	const char *idem;
	struct json_out o;

	if (take_idem(w, ch->idem, &idem) != EXIT_FINE)
		return EXIT_USAGE;
	json_out_init(&o, &body);
	json_open(&o, '{');
	if (ch->word) {
		json_name(&o, ch->word);
		json_put_str(&o, str_of(w->args[w->n - 1]));
	}
	if (!put_options(&o, w, ch->members))
		return EXIT_USAGE;
	json_close(&o, '}');
	if (!ctl_path(&path, ch->prefix, ch->suffix ? w->args[0] : "",
		      ch->suffix ? ch->suffix : ""))
		return EXIT_RUNTIME;
	return ctl_show(c,
			&(struct ctl_ask){.method = "POST",
					  .path = path.p,
					  .idem = idem,
					  .body = buf_str(&body)},
			ch->print ? ch->print : ctl_print_object);
}

int
ctl_account_create(const struct ctl *c, const struct ctl_words *w)
{
	static const struct change change = {
		.prefix = "/admin/v1/accounts",
		.word = "name",
		.members =
			{
				{OPTION_BALANCE, "balance", AS_TEXT},
				{OPTION_GROUP, "group", AS_TEXT},
				{OPTION_PARENT, "parent", AS_TEXT},
				{OPTION_POSTPAID, "postpaid", AS_TRUE},
				{OPTION_CREDIT_LIMIT, "credit_limit", AS_TEXT},
				{OPTION_RPM, "rpm", AS_NUMBER},
				{OPTION_TPM, "tpm", AS_NUMBER},
				{OPTION_CONCURRENCY, "concurrency", AS_NUMBER},
				{OPTION_NOTE, "note", AS_TEXT},
				{OPTION_NO_SIGNUP_CREDIT, "no_signup_credit",
				 AS_TRUE},
			},
	};

	return send_change(c, w, &change);
}

int
ctl_account_set(const struct ctl *c, const struct ctl_words *w)
{
	static const struct change change = {
		.prefix = "/admin/v1/accounts/",
		.suffix = "/set",
		.members =
			{
				{OPTION_GROUP, "group", AS_TEXT},
				{OPTION_DISCOUNT, "discount", AS_TEXT},
				{OPTION_RPM, "rpm", AS_NUMBER},
				{OPTION_TPM, "tpm", AS_NUMBER},
				{OPTION_CONCURRENCY, "concurrency", AS_NUMBER},
				{OPTION_POSTPAID, "postpaid", AS_TRUE},
				{OPTION_PREPAID, "postpaid", AS_FALSE},
				{OPTION_CREDIT_LIMIT, "credit_limit", AS_TEXT},
				{OPTION_LOW_BALANCE, "low_balance", AS_TEXT},
				{OPTION_PIN, "price_pin", AS_TEXT},
				{OPTION_PLAN, "plan", AS_TEXT},
			},
	};

	return send_change(c, w, &change);
}

/* Which options a command takes, its row in the table of commands says. */
static int
move_money(const struct ctl *c, const struct ctl_words *w, const char *suffix)
{
	const struct change change = {
		.prefix = "/admin/v1/accounts/",
		.suffix = suffix,
		.word = "amount",
		.idem = true,
		.members =
			{
				{OPTION_NOTE, "note", AS_TEXT},
				{OPTION_OF, "of", AS_NUMBER},
			},
	};

	return send_change(c, w, &change);
}

int
ctl_account_topup(const struct ctl *c, const struct ctl_words *w)
{
	return move_money(c, w, "/topup");
}

int
ctl_account_refund(const struct ctl *c, const struct ctl_words *w)
{
	return move_money(c, w, "/refund");
}

int
ctl_account_correct(const struct ctl *c, const struct ctl_words *w)
{
	return move_money(c, w, "/correct");
}

int
ctl_account_credit(const struct ctl *c, const struct ctl_words *w)
{
	return move_money(c, w, "/credit");
}

/* ---- codes ---- */

/* One code a line, alone, so that they can be piped. */
static void
print_code(const struct ctl *c, struct json_value root)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;

	(void)c;
	if (json_unescape(json_get(root, "code"), &text))
		(void)printf("%.*s\n", STR_ARG(buf_str(&text)));
}

int
ctl_code_create(const struct ctl *c, const struct ctl_words *w)
{
	static const struct change change = {
		.prefix = "/admin/v1/codes",
		.print = print_code,
		.members =
			{
				{OPTION_AMOUNT, "amount", AS_TEXT},
				{OPTION_USES, "uses", AS_NUMBER},
				{OPTION_BONUS, "bonus", AS_TEXT},
				{OPTION_EXPIRES, "expires", AS_TEXT},
			},
	};
	const char *given = w->option[OPTION_COUNT];
	uint64_t count = 1;
	int code = EXIT_FINE;

	if (!w->option[OPTION_AMOUNT] ||
	    (given && !str_to_u64(str_of(given), &count))) {
		(void)fprintf(stderr,
			      "tollgatectl: --amount USD is required, --count "
			      "takes a whole number\n");
		return EXIT_USAGE;
	}
	for (uint64_t i = 0; i < count && code == EXIT_FINE; i++)
		code = send_change(c, w, &change);
	return code;
}

int
ctl_code_redeem(const struct ctl *c, const struct ctl_words *w)
{
	CLEANUP(buf_free) struct buf path = BUF_INIT;
	struct change change = {.word = "code", .idem = true};

	if (!w->option[OPTION_ACCOUNT]) {
		(void)fprintf(stderr,
			      "tollgatectl: --account NAME is required\n");
		return EXIT_USAGE;
	}
	if (!ctl_path(&path, "/admin/v1/accounts/", w->option[OPTION_ACCOUNT],
		      "/redeem"))
		return EXIT_RUNTIME;
	change.prefix = path.p;
	return send_change(c, w, &change);
}

/* ---- keys ---- */

/* The key is shown once: alone on its line, so that it can be copied. */
static void
print_new_key(const struct ctl *c, struct json_value root)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;

	ctl_print_object(c, root);
	if (json_unescape(json_get(root, "key"), &text))
		(void)fprintf(stderr, "The key is shown this once: keep it.\n");
}

int
ctl_key_create(const struct ctl *c, const struct ctl_words *w)
{
	static const struct change change = {
		.prefix = "/admin/v1/keys",
		.print = print_new_key,
		.members =
			{
				{OPTION_ACCOUNT, "account", AS_TEXT},
				{OPTION_NAME, "name", AS_TEXT},
				{OPTION_GROUP, "group", AS_TEXT},
				{OPTION_MODELS, "models", AS_LIST},
				{OPTION_ALLOW_IP, "allow_ip", AS_LIST},
				{OPTION_TAGS, "tags", AS_LIST},
				{OPTION_RPM, "rpm", AS_NUMBER},
				{OPTION_TPM, "tpm", AS_NUMBER},
				{OPTION_CONCURRENCY, "concurrency", AS_NUMBER},
				{OPTION_BUDGET, "budget", AS_TEXT},
				{OPTION_EXPIRES, "expires", AS_TEXT},
				{OPTION_STRICT, "strict", AS_TRUE},
				{OPTION_SUBSTITUTION, "substitution", AS_TRUE},
				{OPTION_SECRET, "secret", AS_TEXT},
			},
	};

	if (w->option[OPTION_ACCOUNT])
		return send_change(c, w, &change);
	(void)fprintf(stderr, "tollgatectl: --account NAME is required\n");
	return EXIT_USAGE;
}

int
ctl_key_set(const struct ctl *c, const struct ctl_words *w)
{
	static const struct change change = {
		.prefix = "/admin/v1/keys/",
		.suffix = "/set",
		.members =
			{
				{OPTION_NAME, "name", AS_TEXT},
				{OPTION_GROUP, "group", AS_TEXT},
				{OPTION_MODELS, "models", AS_LIST},
				{OPTION_ALLOW_IP, "allow_ip", AS_LIST},
				{OPTION_TAGS, "tags", AS_LIST},
				{OPTION_RPM, "rpm", AS_NUMBER},
				{OPTION_TPM, "tpm", AS_NUMBER},
				{OPTION_CONCURRENCY, "concurrency", AS_NUMBER},
				{OPTION_BUDGET, "budget", AS_TEXT},
				{OPTION_EXPIRES, "expires", AS_TEXT},
				{OPTION_STRICT, "strict", AS_TRUE},
				{OPTION_LENIENT, "strict", AS_FALSE},
				{OPTION_SUBSTITUTION, "substitution", AS_TRUE},
				{OPTION_NO_SUBSTITUTION, "substitution",
				 AS_FALSE},
			},
	};

	return send_change(c, w, &change);
}

int
ctl_key_rotate(const struct ctl *c, const struct ctl_words *w)
{
	static const struct change change = {
		.prefix = "/admin/v1/keys/",
		.suffix = "/rotate",
		.print = print_new_key,
		.members =
			{
				{OPTION_GRACE, "grace", AS_TEXT},
				{OPTION_SECRET, "secret", AS_TEXT},
			},
	};

	return send_change(c, w, &change);
}
