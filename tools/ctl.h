#pragma once
/* The insides of tollgatectl: a command becomes one request (or a few), its
 * answer a table for people or the JSON as it came. */
#include <stdbool.h>

#include "base/attrs.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/str.h"

struct ctl {
	const char *socket;
	bool json; /* --json */
	bool colour;
};

/* ---- ctl_http.c: the admin socket ---- */

struct ctl_ask {
	const char *method;
	const char *path; /* with its query, escaped */
	const char *idem; /* NULL = none */
	struct str body;  /* JSON; empty = none */
};

struct ctl_answer {
	int status;
	struct buf raw;
	struct json_value root; /* points into raw; JSON_ABSENT if none */
};

/* EXIT_FINE when the answer is a 2xx; else the exit code, said on stderr. */
NODISCARD int ctl_request(const struct ctl *c, const struct ctl_ask *ask,
			  struct ctl_answer *answer);
void ctl_answer_free(struct ctl_answer *a);
/* Appends `text` as one segment of a path or a value of a query. */
void ctl_escape(struct buf *out, const char *text);

/* ---- ctl_print.c: for people ---- */

/* How a column is shown: a number to the right; a quiet one only where some
 * row has more than 0 or "-" to tell. */
enum { CTL_TEXT = 0, CTL_NUMBER = 1, CTL_QUIET = 2 };

struct ctl_column {
	const char *title;
	const char *member; /* of each element, "a.b" for inner objects */
	unsigned how;
};

/* The elements of an array as rows; at most so many columns. */
#define CTL_COLUMNS 24u
void ctl_print_table(const struct ctl *c, struct json_value rows,
		     const struct ctl_column *all, unsigned n);
/* The members of an object, one a line. */
void ctl_print_object(const struct ctl *c, struct json_value object);

/* ---- ctl_commands.c ---- */

/* Options of the commands, filled by the command line; NULL = not given. */
enum ctl_option {
	OPTION_BALANCE,
	OPTION_GROUP,
	OPTION_PARENT,
	OPTION_POSTPAID,
	OPTION_CREDIT_LIMIT,
	OPTION_IDEMPOTENCY_KEY,
	OPTION_NOTE,
	OPTION_OF,
	OPTION_ACCOUNT,
	OPTION_NAME,
	OPTION_MODELS,
	OPTION_ALLOW_IP,
	OPTION_TAGS,
	OPTION_RPM,
	OPTION_TPM,
	OPTION_CONCURRENCY,
	OPTION_BUDGET,
	OPTION_EXPIRES,
	OPTION_SECRET,
	OPTION_LITELLM,
	OPTION_NEWAPI,
	OPTION_ONLY,
	OPTION_DISCOUNT,
	OPTION_LOW_BALANCE,
	OPTION_PIN,
	OPTION_PREPAID,
	OPTION_NO_SIGNUP_CREDIT,
	OPTION_AMOUNT,
	OPTION_USES,
	OPTION_BONUS,
	OPTION_COUNT,
	OPTION_PLAN,
	OPTION_GRACE,
	OPTION_STRICT,
	OPTION_LENIENT,
	OPTION_SUBSTITUTION,
	OPTION_NO_SUBSTITUTION,
	OPTIONS
};

struct ctl_words {
	const char *args[4]; /* behind the command's own words */
	unsigned n;
	const char *option[OPTIONS];
};

struct ctl_command {
	const char *words; /* "account create" */
	const char *usage; /* the rest of its line */
	const char *help;
	unsigned n_args;
	uint64_t options; /* bits 1 << enum ctl_option */
	int (*run)(const struct ctl *c, const struct ctl_words *w);
};

const struct ctl_command *ctl_commands(unsigned *n);

/* ---- ctl_prices.c ---- */

int ctl_prices_import(const struct ctl *c, const struct ctl_words *w);
/* The answer as it came, or through `print`. */
int ctl_show(const struct ctl *c, const struct ctl_ask *ask,
	     void (*print)(const struct ctl *c, struct json_value root));
/* PREFIX NAME SUFFIX as a path; false: said why. */
bool ctl_path(struct buf *out, const char *prefix, const char *name,
	      const char *suffix);

/* ---- ctl_books.c: commands with a body ---- */

int ctl_account_create(const struct ctl *c, const struct ctl_words *w);
int ctl_account_set(const struct ctl *c, const struct ctl_words *w);
int ctl_account_topup(const struct ctl *c, const struct ctl_words *w);
int ctl_account_refund(const struct ctl *c, const struct ctl_words *w);
int ctl_account_correct(const struct ctl *c, const struct ctl_words *w);
int ctl_account_credit(const struct ctl *c, const struct ctl_words *w);
int ctl_code_create(const struct ctl *c, const struct ctl_words *w);
int ctl_code_redeem(const struct ctl *c, const struct ctl_words *w);
int ctl_key_set(const struct ctl *c, const struct ctl_words *w);
int ctl_key_rotate(const struct ctl *c, const struct ctl_words *w);
int ctl_key_create(const struct ctl *c, const struct ctl_words *w);
