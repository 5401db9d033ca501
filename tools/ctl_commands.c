/* The commands of tollgatectl: one row each. */
#include <stdio.h>
#include <string.h>

#include "base/exits.h"
#include "tools/ctl.h"

#define BIT(o)	   (1ull << (o))
#define PAGE_LIMIT "1000"

/* The answer as it came, or through `print`. */
int
ctl_show(const struct ctl *c, const struct ctl_ask *ask,
	 void (*print)(const struct ctl *c, struct json_value root))
{
	CLEANUP(ctl_answer_free) struct ctl_answer a;
	int code = ctl_request(c, ask, &a);

	if (code != EXIT_FINE)
		return code;
	if (c->json)
		(void)printf("%.*s\n", STR_ARG(a.root.raw));
	else
		print(c, a.root);
	return EXIT_FINE;
}

static int
show_path(const struct ctl *c, const char *path,
	  void (*print)(const struct ctl *c, struct json_value root))
{
	return ctl_show(c, &(struct ctl_ask){.method = "GET", .path = path},
			print);
}

/* PREFIX NAME SUFFIX as a path; false: said why. */
bool
ctl_path(struct buf *out, const char *prefix, const char *name,
	 const char *suffix)
{
	buf_add_cstr(out, prefix);
	ctl_escape(out, name);
	buf_add_cstr(out, suffix);
	buf_add_char(out, '\0');
	if (out->failed)
		(void)fprintf(stderr, "tollgatectl: out of memory\n");
	return !out->failed;
}

static int
post(const struct ctl *c, const char *prefix, const char *name,
     const char *suffix)
{
	CLEANUP(buf_free) struct buf path = BUF_INIT;

	if (!ctl_path(&path, prefix, name, suffix))
		return EXIT_RUNTIME;
	return ctl_show(c, &(struct ctl_ask){.method = "POST", .path = path.p},
			ctl_print_object);
}

static int
get(const struct ctl *c, const char *prefix, const char *name)
{
	CLEANUP(buf_free) struct buf path = BUF_INIT;

	if (!ctl_path(&path, prefix, name, ""))
		return EXIT_RUNTIME;
	return show_path(c, path.p, ctl_print_object);
}

/* ---- show ---- */

struct listing {
	const char *name; /* the word, the member of the answer, the path */
	/* As many as have a title. */
	struct ctl_column columns[CTL_COLUMNS + 1];
};

static const struct listing listings[] = {
	{"workers",
	 {{"WORKER", "worker", CTL_NUMBER},
	  {"PID", "pid", CTL_NUMBER},
	  {"STATE", "state", CTL_TEXT},
	  {"GENERATION", "generation", CTL_NUMBER},
	  {"CONNS", "connections", CTL_NUMBER},
	  {"REQUESTS", "requests", CTL_NUMBER},
	  {"STREAMS", "streams", CTL_NUMBER},
	  {"BEAT MS", "heartbeat_ms", CTL_NUMBER},
	  {"STARTED", "started", CTL_TEXT}}},
	{"channels",
	 {{"NAME", "name", CTL_TEXT},
	  {"PROVIDER", "provider", CTL_TEXT},
	  {"STATE", "state", CTL_TEXT},
	  {"SINCE", "since", CTL_TEXT},
	  {"PRIORITY", "priority", CTL_NUMBER},
	  {"WEIGHT", "weight", CTL_NUMBER},
	  {"NOW", "in_flight", CTL_NUMBER},
	  {"WAITING", "waiting", CTL_NUMBER | CTL_QUIET},
	  {"OK", "ok", CTL_NUMBER},
	  {"FAULTS", "faults", CTL_NUMBER},
	  {"REFUSED", "refused", CTL_NUMBER | CTL_QUIET},
	  {"LIMITED", "limited", CTL_NUMBER | CTL_QUIET},
	  {"ERRORS", "error_ratio", CTL_NUMBER},
	  {"FIRST BYTE US", "first_byte_us", CTL_NUMBER},
	  {"P95 US", "first_byte_p95_us", CTL_NUMBER | CTL_QUIET},
	  {"LAST FAULT", "last_fault", CTL_TEXT | CTL_QUIET},
	  {"FAULT", "last_fault_type", CTL_TEXT | CTL_QUIET},
	  {"LEFT TODAY", "daily_left", CTL_NUMBER | CTL_QUIET},
	  {"SAME %", "affinity_hit_percent", CTL_NUMBER | CTL_QUIET},
	  {"KEYS OUT", "keys_out", CTL_NUMBER | CTL_QUIET},
	  {"KEYS SPENT", "keys_spent", CTL_NUMBER | CTL_QUIET},
	  {"WHY", "reason", CTL_TEXT | CTL_QUIET},
	  {"ADDRESSES", "addresses", CTL_TEXT}}},
	{"models",
	 {{"NAME", "name", CTL_TEXT},
	  {"INPUT", "input", CTL_NUMBER},
	  {"CACHE READ", "cache_read", CTL_NUMBER},
	  {"CACHE WRITE", "cache_write", CTL_NUMBER},
	  {"OUTPUT", "output", CTL_NUMBER},
	  {"MAX OUTPUT", "max_output", CTL_NUMBER},
	  {"LEFT TODAY", "daily_left", CTL_NUMBER},
	  {"CHANNELS", "channels", CTL_TEXT}}},
	{"conns",
	 {{"PID", "pid", CTL_NUMBER},
	  {"STATE", "state", CTL_TEXT},
	  {"CONNS", "connections", CTL_NUMBER},
	  {"REQUESTS", "requests", CTL_NUMBER},
	  {"STREAMS", "streams", CTL_NUMBER}}},
	{"limits",
	 {{"KIND", "kind", CTL_TEXT},
	  {"ID", "id", CTL_NUMBER},
	  {"NAME", "name", CTL_TEXT},
	  {"RPM", "requests.limit", CTL_NUMBER},
	  {"LEFT", "requests.remaining", CTL_NUMBER},
	  {"TPM", "tokens.limit", CTL_NUMBER},
	  {"LEFT", "tokens.remaining", CTL_NUMBER},
	  {"AT ONCE", "concurrency", CTL_NUMBER},
	  {"NOW", "running", CTL_NUMBER}}},
	{"accounts",
	 {{"ID", "id", CTL_NUMBER},
	  {"NAME", "name", CTL_TEXT},
	  {"STATE", "state", CTL_TEXT},
	  {"GROUP", "group", CTL_TEXT},
	  {"PARENT", "parent", CTL_TEXT},
	  {"BALANCE", "balance", CTL_NUMBER},
	  {"HELD", "held", CTL_NUMBER},
	  {"AVAILABLE", "available", CTL_NUMBER}}},
	{"codes",
	 {{"ID", "id", CTL_TEXT},
	  {"PREFIX", "prefix", CTL_TEXT},
	  {"STATE", "state", CTL_TEXT},
	  {"AMOUNT", "amount", CTL_NUMBER},
	  {"BONUS %", "bonus", CTL_NUMBER},
	  {"USES", "uses", CTL_NUMBER},
	  {"USED", "used", CTL_NUMBER},
	  {"EXPIRES", "expires", CTL_TEXT}}},
	{"keys",
	 {{"ID", "id", CTL_NUMBER},
	  {"NAME", "name", CTL_TEXT},
	  {"ACCOUNT", "account", CTL_TEXT},
	  {"STATE", "state", CTL_TEXT},
	  {"PREFIX", "prefix", CTL_TEXT},
	  {"TAGS", "tags", CTL_TEXT},
	  {"RPM", "rpm", CTL_NUMBER},
	  {"TPM", "tpm", CTL_NUMBER},
	  {"BUDGET LEFT", "budget_left", CTL_NUMBER},
	  {"EXPIRES", "expires", CTL_TEXT}}},
};

static unsigned
columns_of(const struct listing *l)
{
	unsigned n = 0;

	while (l->columns[n].title)
		n++;
	return n;
}

static const struct listing *
listing_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(listings); i++)
		if (strcmp(listings[i].name, name) == 0)
			return &listings[i];
	return NULL;
}

/* All pages as one array of their elements: "[a,b,...". */
static int
collect(const struct ctl *c, const struct listing *l, const char *query,
	struct buf *out)
{
	uint64_t after = 0;
	bool more = true;

	buf_add_char(out, '[');
	while (more) {
		CLEANUP(ctl_answer_free) struct ctl_answer a;
		CLEANUP(buf_free) struct buf path = BUF_INIT;
		struct str inner;
		int code;

		buf_printf(&path,
			   "/admin/v1/%s?limit=" PAGE_LIMIT "&after=%llu%s",
			   l->name, (unsigned long long)after, query);
		buf_add_char(&path, '\0');
		if (path.failed)
			return EXIT_RUNTIME;
		code = ctl_request(
			c, &(struct ctl_ask){.method = "GET", .path = path.p},
			&a);
		if (code != EXIT_FINE)
			return code;
		inner = json_get(a.root, l->name).raw;
		if (inner.n > 2) { /* without its brackets */
			if (out->n > 1)
				buf_add_char(out, ',');
			buf_add(out, inner.p + 1, inner.n - 2);
		}
		more = json_u64(json_get(a.root, "next"), &after);
	}
	buf_add_char(out, ']');
	return EXIT_FINE;
}

static int
show_listing(const struct ctl *c, const struct listing *l, const char *query)
{
	CLEANUP(buf_free) struct buf rows = BUF_INIT;
	struct json_value v = {JSON_ARRAY, STR_NONE};
	int code = collect(c, l, query, &rows);

	if (code != EXIT_FINE)
		return code;
	v.raw = buf_str(&rows);
	if (c->json)
		(void)printf("{\"%s\":%.*s}\n", l->name, STR_ARG(v.raw));
	else
		ctl_print_table(c, v, l->columns, columns_of(l));
	return EXIT_FINE;
}

static int
run_status(const struct ctl *c, const struct ctl_words *w)
{
	(void)w;
	return show_path(c, "/admin/v1/status", ctl_print_object);
}

static int
run_show(const struct ctl *c, const struct ctl_words *w)
{
	const struct listing *l = listing_find(w->args[0]);

	if (l)
		return show_listing(c, l, "");
	(void)fprintf(stderr,
		      "tollgatectl: show what? There are: workers, channels, "
		      "models, conns, limits, accounts, keys\n");
	return EXIT_USAGE;
}

static int
run_reload(const struct ctl *c, const struct ctl_words *w)
{
	(void)w;
	return post(c, "/admin/v1/reload", "", "");
}

static int
run_upgrade(const struct ctl *c, const struct ctl_words *w)
{
	(void)w;
	return post(c, "/admin/v1/upgrade", "", "");
}

static int
run_stop(const struct ctl *c, const struct ctl_words *w)
{
	(void)w;
	return post(c, "/admin/v1/stop", "", "");
}

static int
run_channel(const struct ctl *c, const struct ctl_words *w)
{
	static const char *const acts[] = {"/drain", "/up", "/down"};

	for (size_t i = 0; i < ARRAY_LEN(acts); i++)
		if (strcmp(acts[i] + 1, w->args[1]) == 0)
			return post(c, "/admin/v1/channels/", w->args[0],
				    acts[i]);
	(void)fprintf(stderr,
		      "tollgatectl: channel %s: say drain, up or down\n",
		      w->args[0]);
	return EXIT_USAGE;
}

/* ---- accounts and keys ---- */

static int
run_account_list(const struct ctl *c, const struct ctl_words *w)
{
	(void)w;
	return show_listing(c, listing_find("accounts"), "");
}

static int
run_account_show(const struct ctl *c, const struct ctl_words *w)
{
	return get(c, "/admin/v1/accounts/", w->args[0]);
}

static int
run_account_freeze(const struct ctl *c, const struct ctl_words *w)
{
	return post(c, "/admin/v1/accounts/", w->args[0], "/freeze");
}

static int
run_account_unfreeze(const struct ctl *c, const struct ctl_words *w)
{
	return post(c, "/admin/v1/accounts/", w->args[0], "/unfreeze");
}

static int
run_key_list(const struct ctl *c, const struct ctl_words *w)
{
	CLEANUP(buf_free) struct buf query = BUF_INIT;

	if (w->option[OPTION_ACCOUNT]) {
		buf_add_cstr(&query, "&account=");
		ctl_escape(&query, w->option[OPTION_ACCOUNT]);
	}
	buf_add_char(&query, '\0');
	if (query.failed)
		return EXIT_RUNTIME;
	return show_listing(c, listing_find("keys"), query.p);
}

static int
run_key_show(const struct ctl *c, const struct ctl_words *w)
{
	return get(c, "/admin/v1/keys/", w->args[0]);
}

static int
run_code_list(const struct ctl *c, const struct ctl_words *w)
{
	(void)w;
	return show_listing(c, listing_find("codes"), "");
}

static int
run_code_revoke(const struct ctl *c, const struct ctl_words *w)
{
	return post(c, "/admin/v1/codes/", w->args[0], "/revoke");
}

static int
run_key_revoke(const struct ctl *c, const struct ctl_words *w)
{
	return post(c, "/admin/v1/keys/", w->args[0], "/revoke");
}

#define LIMITS (BIT(OPTION_RPM) | BIT(OPTION_TPM) | BIT(OPTION_CONCURRENCY))

static const struct ctl_command commands[] = {
	{"status", "", "the server as a whole", 0, 0, run_status},
	{"reload", "", "read the configuration again", 0, 0, run_reload},
	{"upgrade", "", "run the program that is installed now", 0, 0,
	 run_upgrade},
	{"stop", "", "stop gracefully", 0, 0, run_stop},
	{"show", "workers|channels|models|conns|limits", "a table", 1, 0,
	 run_show},
	{"channel", "NAME drain|up|down", "traffic of a channel", 2, 0,
	 run_channel},
	{"account create",
	 "NAME [--balance USD] [--group G] [--parent NAME]\n"
	 "      [--postpaid --credit-limit USD] [--rpm N] [--tpm N] "
	 "[--concurrency N] [--note T]\n"
	 "      [--no-signup-credit]",
	 "a new account", 1,
	 LIMITS | BIT(OPTION_BALANCE) | BIT(OPTION_GROUP) | BIT(OPTION_PARENT) |
		 BIT(OPTION_POSTPAID) | BIT(OPTION_CREDIT_LIMIT) |
		 BIT(OPTION_NOTE) | BIT(OPTION_NO_SIGNUP_CREDIT),
	 ctl_account_create},
	{"account list", "", "all accounts", 0, 0, run_account_list},
	{"account show", "NAME", "one account", 1, 0, run_account_show},
	{"account freeze", "NAME", "refuse its requests", 1, 0,
	 run_account_freeze},
	{"account unfreeze", "NAME", "accept them again", 1, 0,
	 run_account_unfreeze},
	{"account set",
	 "NAME [--group G] [--discount PERCENT] [--rpm N] [--tpm N]\n"
	 "      [--concurrency N] [--postpaid | --prepaid] [--credit-limit USD]\n"
	 "      [--low-balance USD|none] [--pin VERSION|current|none]\n"
	 "      [--plan P|none]",
	 "change its terms", 1,
	 LIMITS | BIT(OPTION_GROUP) | BIT(OPTION_DISCOUNT) |
		 BIT(OPTION_POSTPAID) | BIT(OPTION_PREPAID) |
		 BIT(OPTION_CREDIT_LIMIT) | BIT(OPTION_LOW_BALANCE) |
		 BIT(OPTION_PIN) | BIT(OPTION_PLAN),
	 ctl_account_set},
	{"account topup", "NAME USD --idempotency-key K [--note T]",
	 "add money", 2, BIT(OPTION_IDEMPOTENCY_KEY) | BIT(OPTION_NOTE),
	 ctl_account_topup},
	{"account refund",
	 "NAME USD --idempotency-key K [--of ENTRY] [--note T]",
	 "take money out", 2,
	 BIT(OPTION_IDEMPOTENCY_KEY) | BIT(OPTION_NOTE) | BIT(OPTION_OF),
	 ctl_account_refund},
	{"account correct", "NAME [-]USD --idempotency-key K --note T",
	 "give (or with a minus take) what was booked wrongly", 2,
	 BIT(OPTION_IDEMPOTENCY_KEY) | BIT(OPTION_NOTE), ctl_account_correct},
	{"account credit", "NAME USD --idempotency-key K [--note T]",
	 "give money that nobody paid", 2,
	 BIT(OPTION_IDEMPOTENCY_KEY) | BIT(OPTION_NOTE), ctl_account_credit},
	{"code create",
	 "--amount USD [--uses N] [--expires RFC3339] [--bonus PERCENT]\n"
	 "      [--count N]",
	 "redemption codes, shown once", 0,
	 BIT(OPTION_AMOUNT) | BIT(OPTION_USES) | BIT(OPTION_EXPIRES) |
		 BIT(OPTION_BONUS) | BIT(OPTION_COUNT),
	 ctl_code_create},
	{"code list", "", "all codes, without their text", 0, 0, run_code_list},
	{"code redeem", "CODE --account NAME --idempotency-key K",
	 "its amount to the account", 1,
	 BIT(OPTION_ACCOUNT) | BIT(OPTION_IDEMPOTENCY_KEY), ctl_code_redeem},
	{"code revoke", "CODE|ID", "refuse it from now on", 1, 0,
	 run_code_revoke},
	{"key create",
	 "--account NAME [--name N] [--group G] [--models a,b]\n"
	 "      [--allow-ip CIDR,...] [--tags a,b] [--rpm N] [--tpm N]\n"
	 "      [--concurrency N]\n"
	 "      [--budget USD/day|month|total] [--expires RFC3339] [--secret TEXT]\n"
	 "      [--strict] [--substitution]",
	 "a new client key, shown once", 0,
	 LIMITS | BIT(OPTION_ACCOUNT) | BIT(OPTION_NAME) | BIT(OPTION_GROUP) |
		 BIT(OPTION_MODELS) | BIT(OPTION_ALLOW_IP) | BIT(OPTION_TAGS) |
		 BIT(OPTION_BUDGET) | BIT(OPTION_EXPIRES) | BIT(OPTION_SECRET) |
		 BIT(OPTION_STRICT) | BIT(OPTION_SUBSTITUTION),
	 ctl_key_create},
	{"key list", "[--account NAME]", "client keys", 0, BIT(OPTION_ACCOUNT),
	 run_key_list},
	{"key show", "ID", "one key", 1, 0, run_key_show},
	{"key set",
	 "ID [--name N] [--group G] [--models a,b] [--allow-ip CIDR,...]\n"
	 "      [--tags a,b] [--rpm N] [--tpm N] [--concurrency N]\n"
	 "      [--expires RFC3339|none]\n"
	 "      [--budget USD/day|month|total|none] [--strict|--lenient]\n"
	 "      [--substitution|--no-substitution]",
	 "change it; an empty list allows all", 1,
	 LIMITS | BIT(OPTION_NAME) | BIT(OPTION_GROUP) | BIT(OPTION_MODELS) |
		 BIT(OPTION_ALLOW_IP) | BIT(OPTION_TAGS) | BIT(OPTION_BUDGET) |
		 BIT(OPTION_EXPIRES) | BIT(OPTION_STRICT) |
		 BIT(OPTION_LENIENT) | BIT(OPTION_SUBSTITUTION) |
		 BIT(OPTION_NO_SUBSTITUTION),
	 ctl_key_set},
	{"key rotate", "ID [--grace 24h] [--secret TEXT]",
	 "a new secret, shown once; the old one is good for the grace", 1,
	 BIT(OPTION_GRACE) | BIT(OPTION_SECRET), ctl_key_rotate},
	{"key revoke", "ID", "refuse it from now on", 1, 0, run_key_revoke},
	{"prices import", "--litellm FILE | --newapi FILE [--only gpt-*,...]",
	 "another gateway's prices as configuration text; needs no server", 0,
	 BIT(OPTION_LITELLM) | BIT(OPTION_NEWAPI) | BIT(OPTION_ONLY),
	 ctl_prices_import},
};

const struct ctl_command *
ctl_commands(unsigned *n)
{
	*n = ARRAY_LEN(commands);
	return commands;
}
