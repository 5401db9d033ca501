/*
 * tollgate-ledger receipt: checks a receipt with nothing but the server's
 * public key; with -d also that the ledger has its entry.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "billing/receipt.h"
#include "tools/ledger_tool.h"

/* A receipt, perhaps with the header line or the comment around it. */
#define FILE_MAX (16u << 10)

static int
complain(const char *what, const char *why)
{
	(void)fprintf(stderr, "tollgate-ledger: %s: %s\n", what, why);
	return EXIT_RUNTIME;
}

static bool
read_file(const char *path, struct buf *out)
{
	bool is_stdin = strcmp(path, "-") == 0;
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 1;

	while (fd >= 0 && n > 0 && out->n <= FILE_MAX) {
		char *p = buf_reserve(out, 4096);

		n = p ? read(fd, p, 4096) : -1;
		if (n > 0)
			out->n += (size_t)n;
	}
	if (fd < 0 || n < 0)
		(void)complain(path, strerror(errno));
	else if (out->n > FILE_MAX)
		(void)complain(path, "it is too large");
	if (fd >= 0 && !is_stdin)
		(void)close(fd);
	return fd >= 0 && n >= 0 && out->n <= FILE_MAX;
}

/* The last word of the text: behind "x-tollgate-receipt:" or ": ". */
static struct str
last_word(struct str s)
{
	size_t at;

	while (s.n > 0 && (unsigned char)s.p[s.n - 1] <= ' ')
		s.n--;
	for (at = s.n; at > 0 && (unsigned char)s.p[at - 1] > ' '; at--)
		continue;
	return str_from(s, at);
}

static bool
read_public_key(const char *path, uint8_t out[SIGN_PUBLIC])
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;

	if (!path) {
		(void)complain("receipt", "--public-key FILE is required; GET "
					  "/v1/receipts/key has it");
		return false;
	}
	if (!read_file(path, &text))
		return false;
	if (sign_public_read(buf_str(&text), out))
		return true;
	(void)complain(path, "it holds no Ed25519 public key, neither as PEM "
			     "nor in base 64");
	return false;
}

/* ---- the ledger's entry ---- */

/* The entry must make the very same text. */
static const char *
differs(struct ledger *l, const struct receipt *r, struct str payload)
{
	CLEANUP(buf_free) struct buf again = BUF_INIT;
	struct meta_record meta;
	struct book_row *rows = NULL;
	struct entry e;
	struct str value;
	uint32_t n = 0;

	if (record_get(l, TABLE_META, 1, &meta, sizeof(meta)) != STORE_OK)
		return "the ledger cannot be read";
	if (memcmp(meta.uuid, r->uuid, sizeof(meta.uuid)) != 0)
		return "the receipt is of another ledger";
	if (ledger_get(l, TABLE_ENTRY, r->seq, &value) != STORE_OK ||
	    value.n != sizeof(e))
		return "the ledger has no such entry";
	memcpy(&e, value.p, sizeof(e));
	if (price_get(l, e.price_version, &rows, &n) == STORE_OK && e.model < n)
		receipt_payload(&again, &e, meta.uuid, &rows[e.model],
				r->key_id);
	free(rows);
	return str_eq(buf_str(&again), payload)
		       ? NULL
		       : "the ledger's entry says something else";
}

static int
look_into_ledger(const struct options *o, const struct receipt *r,
		 struct str payload)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;
	struct ledger *l = NULL;
	enum store s = ledger_open(&l, o->dir, LEDGER_READ, 0, &why);
	const char *wrong = NULL;

	if (s == STORE_OK) {
		s = ledger_begin(l);
		if (s != STORE_OK)
			buf_add_cstr(&why, ledger_trouble(l));
	}
	if (s != STORE_OK) {
		(void)fprintf(stderr, "tollgate-ledger: %.*s\n",
			      STR_ARG(buf_str(&why)));
		ledger_close(l);
		return s == STORE_DAMAGED ? EXIT_DAMAGED : EXIT_RUNTIME;
	}
	wrong = differs(l, r, payload);
	ledger_end(l);
	ledger_close(l);
	if (!wrong)
		return EXIT_FINE;
	(void)complain("receipt", wrong);
	return EXIT_DIFFERS;
}

/* ---- what it says ---- */

static void
print_value(struct str name, struct json_value v, const char *before)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;
	struct json_iter it;
	struct json_value inner;
	struct str inner_name;
	char path[64];

	(void)snprintf(path, sizeof(path), "%s%.*s", before, (int)(name.n - 2),
		       name.p + 1);
	if (json_iter_init(&it, v)) {
		(void)strncat(path, ".", sizeof(path) - strlen(path) - 1);
		while (json_iter_next(&it, &inner_name, &inner))
			print_value(inner_name, inner, path);
		return;
	}
	if (json_unescape(v, &text))
		v.raw = buf_str(&text);
	(void)printf("%-28s %.*s\n", path, STR_ARG(v.raw));
}

/* Names and values of the payload, one a line. */
static void
print_fields(struct str payload)
{
	struct json_value root, v;
	struct json_error error;
	struct json_iter it;
	struct str name;

	if (!json_valid(payload, &root, &error) || !json_iter_init(&it, root))
		return;
	while (json_iter_next(&it, &name, &v))
		print_value(name, v, "");
}

static int
verdict(enum receipt_fault f, const struct receipt *r)
{
	char text[MONEY_TEXT];

	if (f != RECEIPT_FINE) {
		(void)complain("receipt", receipt_fault_text(f));
		return EXIT_DIFFERS;
	}
	(void)money_text(money_nano(r->recomputed_nano), text);
	return printf("valid: signed by %s, %s USD is what tokens, prices and "
		      "multiplier make\n",
		      r->key_id, text) > 0 &&
			       fflush(stdout) == 0
		       ? EXIT_FINE
		       : EXIT_RUNTIME;
}

int
run_receipt(const struct options *o, struct ledger *none)
{
	CLEANUP(buf_free) struct buf file = BUF_INIT, payload = BUF_INIT;
	uint8_t public_key[SIGN_PUBLIC];
	enum receipt_fault f;
	struct receipt r;
	int code;

	(void)none;
	if (!read_public_key(o->value[OPTION_PUBLIC_KEY], public_key) ||
	    !read_file(o->operands[0], &file))
		return EXIT_RUNTIME;
	f = receipt_check(last_word(buf_str(&file)), public_key, &payload, &r);
	print_fields(buf_str(&payload));
	code = verdict(f, &r);
	if (code == EXIT_FINE &&
	    (options_has(o, OPTION_DIR) || options_has(o, OPTION_PREFIX)))
		code = look_into_ledger(o, &r, buf_str(&payload));
	return code;
}
