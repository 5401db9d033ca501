/* Receipts: from an entry to a signed text, and back to a verdict. */
#include "billing/receipt.h"

#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/digits.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/json.h"
#include "billing/price.h"
#include "billing/rules.h"

#define VERSION 1u

static const char *const class_names[ENTRY_CLASSES] = {
	"input", "cache_read", "cache_write", "output", "reasoning",
};

/* ---- writing ---- */

static void
put_hex(struct buf *out, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_printf(out, "%02x", p[i]);
}

void
receipt_key_id(const uint8_t public_key[SIGN_PUBLIC], char out[RECEIPT_KEY_ID])
{
	uint8_t hash[SHA256_BYTES];

	sha256(public_key, SIGN_PUBLIC, hash);
	for (unsigned i = 0; i < (RECEIPT_KEY_ID - 1) / 2; i++)
		(void)snprintf(out + 2 * i, 3, "%02x", hash[i]);
}

static void
put_text(struct json_out *o, const char *name, const char *text)
{
	json_name(o, name);
	json_put_str(o, str_of(text));
}

static void
put_number(struct json_out *o, const char *name, uint64_t v)
{
	json_name(o, name);
	json_put_u64(o, v);
}

void
receipt_key_page(struct buf *out, const uint8_t public_key[SIGN_PUBLIC])
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;
	char key_id[RECEIPT_KEY_ID];
	struct json_out o;

	receipt_key_id(public_key, key_id);
	json_out_init(&o, out);
	json_open(&o, '{');
	put_text(&o, "object", "receipt_key");
	put_text(&o, "algorithm", "Ed25519");
	put_text(&o, "key_id", key_id);
	base64_put(&text, public_key, SIGN_PUBLIC);
	json_name(&o, "public_key");
	json_put_str(&o, buf_str(&text));
	buf_reset(&text);
	sign_public_pem(&text, public_key);
	json_name(&o, "pem");
	json_put_str(&o, buf_str(&text));
	json_close(&o, '}');
	out->failed |= text.failed;
}

static void
put_money(struct json_out *o, const char *name, int64_t nano)
{
	char text[MONEY_TEXT];

	(void)money_text(money_nano(nano), text);
	put_text(o, name, text);
}

static void
counts_of(const struct token_counts *t, uint32_t out[ENTRY_CLASSES])
{
	out[0] = t->input;
	out[1] = t->cache_read;
	out[2] = t->cache_write;
	out[3] = t->output;
	out[4] = t->reasoning;
}

static void
put_tokens(struct json_out *o, const struct token_counts *t)
{
	uint32_t counts[ENTRY_CLASSES];

	counts_of(t, counts);
	json_name(o, "tokens");
	json_open(o, '{');
	for (unsigned i = 0; i < ENTRY_CLASSES; i++)
		put_number(o, class_names[i], counts[i]);
	json_close(o, '}');
}

/* How a receipt names what was counted beside tokens, and its price; the
 * searches of a rerank are at usd_per_request. */
static const struct {
	const char *unit, *price;
} units[UNIT_KINDS] = {
	[UNIT_NONE] = {"", ""},
	[UNIT_IMAGE] = {"image", "usd_per_image"},
	[UNIT_MILLISECOND] = {"millisecond", "usd_per_second"},
	[UNIT_CHARACTER] = {"character", "usd_per_million_characters"},
	[UNIT_SEARCH] = {"search", "usd_per_request"},
};

static void
put_units(struct json_out *o, const struct token_counts *t)
{
	unsigned kind = units_kind(t->units);

	if (kind == UNIT_NONE || kind >= UNIT_KINDS)
		return;
	put_text(o, "unit", units[kind].unit);
	put_number(o, "units", units_count(t->units));
}

static void
put_unit_price(struct json_out *o, const struct token_counts *t,
	       const struct book_row *row)
{
	unsigned kind = units_kind(t->units);
	char text[MONEY_TEXT];

	if (kind == UNIT_IMAGE)
		put_money(o, units[kind].price, row->per_image.nano);
	else if (kind == UNIT_MILLISECOND)
		put_money(o, units[kind].price, row->per_second.nano);
	if (kind != UNIT_CHARACTER)
		return;
	(void)price_text(row->per_character, text);
	put_text(o, units[kind].price, text);
}

/* Of the row, or of the tier that the input has reached. */
static void
prices_that_count(const struct book_row *row, const struct token_counts *tokens,
		  struct price out[ENTRY_CLASSES])
{
	struct book_tier t =
		price_tier(row, (uint64_t)tokens->input + tokens->cache_read +
					tokens->cache_write);

	out[0] = t.input;
	out[1] = t.cache_read;
	out[2] = t.cache_write;
	out[3] = t.output;
	out[4] = t.reasoning;
}

static void
put_prices(struct json_out *o, const struct entry *e,
	   const struct book_row *row)
{
	struct price prices[ENTRY_CLASSES];
	char text[MONEY_TEXT];

	prices_that_count(row, &e->tokens, prices);
	put_number(o, "price_version", e->price_version);
	json_name(o, "usd_per_million");
	json_open(o, '{');
	for (unsigned i = 0; i < ENTRY_CLASSES; i++) {
		(void)price_text(prices[i], text);
		put_text(o, class_names[i], text);
	}
	json_close(o, '}');
	put_money(o, "usd_per_request", row->per_request.nano);
	put_unit_price(o, &e->tokens, row);
	(void)ppm_text(e->multiplier_ppm, text);
	put_text(o, "multiplier", text);
}

static void
put_entry(struct json_out *o, const struct entry *e)
{
	char text[64];
	struct request_id id;

	put_number(o, "entry", e->seq);
	(void)snprintf(text, sizeof(text), "%u.%u.%u", e->epoch, e->slot,
		       e->gen);
	put_text(o, "txn", text);
	memcpy(id.b, e->request_id, sizeof(id.b));
	request_id_text(id, text);
	put_text(o, "request_id", text);
	(void)time_text(e->commit_ms * NS_PER_MS, 3, text);
	put_text(o, "time", text);
	put_number(o, "account", e->account);
	put_number(o, "key", e->key);
	put_number(o, "status", e->status);
	put_text(o, "rule", rule_name(e->rule));
	put_text(o, "usage_source", entry_source_name(e->usage_source));
}

void
receipt_payload(struct buf *out, const struct entry *e,
		const uint8_t uuid[LEDGER_UUID], const struct book_row *row,
		const char *key_id)
{
	CLEANUP(buf_free) struct buf hex = BUF_INIT;
	struct json_out o;

	put_hex(&hex, uuid, LEDGER_UUID);
	json_out_init(&o, out);
	json_open(&o, '{');
	put_number(&o, "tollgate_receipt", VERSION);
	put_text(&o, "key_id", key_id);
	json_name(&o, "ledger");
	json_put_str(&o, buf_str(&hex));
	put_entry(&o, e);
	put_text(&o, "model", row->name);
	put_tokens(&o, &e->tokens);
	put_units(&o, &e->tokens);
	put_prices(&o, e, row);
	put_money(&o, "hold_usd", e->hold_nano);
	put_money(&o, "charge_usd", e->charge_nano);
	json_close(&o, '}');
	out->failed |= hex.failed;
}

bool
receipt_sign(struct buf *out, struct str payload,
	     const uint8_t secret[SIGN_SECRET])
{
	uint8_t sign[SIGN_BYTES];

	if (!sign_make(secret, payload, sign))
		return false;
	base64url_put(out, payload.p, payload.n);
	buf_add_char(out, '.');
	base64url_put(out, sign, sizeof(sign));
	return !out->failed;
}

/* ---- reading ---- */

const char *
receipt_fault_text(enum receipt_fault f)
{
	switch (f) {
	case RECEIPT_FINE: return "fine";
	case RECEIPT_MALFORMED: return "this is no receipt";
	case RECEIPT_FORGED:
		return "the signature is not that of this public key: forged "
		       "or altered";
	case RECEIPT_UNREADABLE:
		return "it is signed, but not in a form that is known here";
	case RECEIPT_WRONG:
		return "its charge is not what its tokens and prices make";
	}
	return "unknown";
}

/* A string member, unescaped and terminated; false: there is none. */
static bool
text_of(struct json_value object, const char *name, char *out, size_t cap)
{
	CLEANUP(buf_free) struct buf b = BUF_INIT;
	struct json_value v = json_get(object, name);

	return v.type == JSON_STRING && json_unescape(v, &b) &&
	       str_copy(out, cap, buf_str(&b));
}

static bool
money_of(struct json_value object, const char *name, int64_t *nano)
{
	char text[MONEY_TEXT];
	struct money m;

	if (!text_of(object, name, text, sizeof(text)) ||
	    !money_parse(str_of(text), &m))
		return false;
	*nano = m.nano;
	return true;
}

static bool
count_of(struct json_value object, const char *name, uint32_t *out)
{
	uint64_t v;

	if (!json_u64(json_get(object, name), &v) || v > UINT32_MAX)
		return false;
	*out = (uint32_t)v;
	return true;
}

static bool
tokens_of(struct json_value root, struct token_counts *t)
{
	struct json_value object = json_get(root, "tokens");
	uint32_t *const cells[ENTRY_CLASSES] = {&t->input, &t->cache_read,
						&t->cache_write, &t->output,
						&t->reasoning};

	for (unsigned i = 0; i < ENTRY_CLASSES; i++)
		if (!count_of(object, class_names[i], cells[i]))
			return false;
	return true;
}

/* Receipts of what is paid by tokens alone have none. */
static bool
read_units(struct json_value root, struct token_counts *t, struct book_row *row)
{
	char text[MONEY_TEXT];
	unsigned kind = 1;
	uint32_t n;

	if (json_get(root, "unit").type == JSON_ABSENT)
		return true;
	if (!text_of(root, "unit", text, sizeof(text)) ||
	    !count_of(root, "units", &n) || n > UNITS_MAX)
		return false;
	while (kind < UNIT_KINDS && strcmp(text, units[kind].unit) != 0)
		kind++;
	t->units = units_of((enum unit)kind, n);
	switch (kind) {
	case UNIT_IMAGE:
		return money_of(root, units[kind].price, &row->per_image.nano);
	case UNIT_MILLISECOND:
		return money_of(root, units[kind].price, &row->per_second.nano);
	case UNIT_CHARACTER:
		return text_of(root, units[kind].price, text, sizeof(text)) &&
		       price_parse(str_of(text), &row->per_character);
	case UNIT_SEARCH: return true;
	default: return false;
	}
}

static bool
prices_of(struct json_value root, struct book_row *row)
{
	struct json_value object = json_get(root, "usd_per_million");
	struct price *const cells[ENTRY_CLASSES] = {
		&row->input, &row->cache_read, &row->cache_write, &row->output,
		&row->reasoning};
	char text[MONEY_TEXT];

	for (unsigned i = 0; i < ENTRY_CLASSES; i++)
		if (!text_of(object, class_names[i], text, sizeof(text)) ||
		    !price_parse(str_of(text), cells[i]))
			return false;
	return money_of(root, "usd_per_request", &row->per_request.nano);
}

static bool
uuid_of(struct json_value root, uint8_t out[LEDGER_UUID])
{
	char hex[2 * LEDGER_UUID + 1];

	if (!text_of(root, "ledger", hex, sizeof(hex)) ||
	    strlen(hex) != 2 * LEDGER_UUID)
		return false;
	for (unsigned i = 0; i < LEDGER_UUID; i++) {
		int high = hex_digit(hex[2 * i]),
		    low = hex_digit(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(high * 16 + low);
	}
	return true;
}

static enum receipt_fault
read_payload(struct json_value root, struct receipt *out)
{
	struct token_counts tokens = {0};
	struct book_row row;
	char text[MONEY_TEXT];
	uint64_t version;
	uint32_t ppm;
	int64_t hold;

	memset(&row, 0, sizeof(row));
	if (!json_u64(json_get(root, "tollgate_receipt"), &version) ||
	    version != VERSION || !uuid_of(root, out->uuid) ||
	    !json_u64(json_get(root, "entry"), &out->seq) ||
	    !text_of(root, "key_id", out->key_id, sizeof(out->key_id)) ||
	    !tokens_of(root, &tokens) || !prices_of(root, &row) ||
	    !read_units(root, &tokens, &row) ||
	    !text_of(root, "multiplier", text, sizeof(text)) ||
	    !ppm_parse(str_of(text), &ppm) ||
	    !money_of(root, "hold_usd", &hold) ||
	    !money_of(root, "charge_usd", &out->charge_nano))
		return RECEIPT_UNREADABLE;
	out->recomputed_nano =
		rules_charge(&row, &tokens, ppm, money_nano(hold)).nano;
	return out->recomputed_nano == out->charge_nano ? RECEIPT_FINE
							: RECEIPT_WRONG;
}

enum receipt_fault
receipt_check(struct str text, const uint8_t public_key[SIGN_PUBLIC],
	      struct buf *payload, struct receipt *out)
{
	CLEANUP(buf_free) struct buf sign = BUF_INIT;
	struct str rest = text, first = str_cut(&rest, '.');
	struct json_value root;
	struct json_error error;

	memset(out, 0, sizeof(*out));
	buf_reset(payload);
	if (text.n > RECEIPT_MAX || !rest.p || !base64_get(first, payload) ||
	    !base64_get(rest, &sign) || sign.n != SIGN_BYTES || !payload->n)
		return RECEIPT_MALFORMED;
	if (!sign_check(public_key, buf_str(payload),
			(const uint8_t *)sign.p)) {
		buf_reset(payload);
		return RECEIPT_FORGED;
	}
	if (!json_valid(buf_str(payload), &root, &error))
		return RECEIPT_UNREADABLE;
	return read_payload(root, out);
}
