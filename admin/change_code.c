/* Redemption codes, as orders to the ledger writer. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "admin/ask.h"
#include "admin/form.h"
#include "admin/history.h"
#include "admin/pages.h"
#include "admin/url.h"
#include "admin/views.h"
#include "base/clock.h"
#include "base/hash.h"
#include "billing/records.h"
#include "billing/writer.h"

/* Letters and digits that nobody mistakes for another; 32 of them. */
#define LETTERS	   "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
#define CODE_CHARS 20u
/* TG-XXXXX-XXXXX-XXXXX-XXXXX */
#define CODE_GROUP 5u
/* Shown of a code, for people to recognise it. */
#define CODE_SHOWN 8u

static const struct member create_members[] = {
	{"amount", MEMBER_MONEY, true, FORM_AT(order.amount), 0, 0},
	{"uses", MEMBER_COUNT, false, FORM_AT(order.code.uses), 0, 0},
	{"bonus", MEMBER_PERCENT, false, FORM_AT(order.code.bonus_ppm), 0, 0},
	{"expires", MEMBER_TIME, false, FORM_AT(order.code.expires_ms), 0, 0},
};

static const struct member redeem_members[] = {
	{"code", MEMBER_TEXT, true, FORM_TEXT_AT(code), 0},
};

/* Without what people add or leave out when they type it; its length. */
static size_t
code_plain(const char *text, char out[CODE_CHARS + 1])
{
	size_t n = 0;

	if (strncasecmp(text, "TG-", 3) == 0)
		text += 3;
	for (; *text; text++) {
		char c = *text;

		if (c == '-' || c == ' ')
			continue;
		if (c >= 'a' && c <= 'z')
			c = (char)(c - 'a' + 'A');
		if (n == CODE_CHARS || !strchr(LETTERS, c))
			return 0;
		out[n++] = c;
	}
	out[n] = '\0';
	return n;
}

/* False: no code looks like this. */
static bool
code_seal(const struct page *p, const char *text, struct order_code *code)
{
	static const char scope[] = "code:";
	char plain[sizeof(scope) + CODE_CHARS];

	memcpy(plain, scope, sizeof(scope));
	if (code_plain(text, plain + sizeof(scope) - 1) != CODE_CHARS)
		return false;
	hmac_sha256(p->admin->args->pepper, PEPPER_BYTES, plain, strlen(plain),
		    code->hash);
	bytes_wipe(plain, sizeof(plain));
	return true;
}

static void
code_new(char *out)
{
	uint8_t r[CODE_CHARS];

	random_bytes(r, sizeof(r));
	memcpy(out, "TG", 2);
	out += 2;
	for (size_t i = 0; i < CODE_CHARS; i++) {
		if (i % CODE_GROUP == 0)
			*out++ = '-';
		*out++ = LETTERS[r[i] % 32];
	}
	*out = '\0';
	bytes_wipe(r, sizeof(r));
}

void
admin_code_create(struct page *p, struct str body)
{
	struct form f;

	if (!form_take(p, body, create_members, ARRAY_LEN(create_members), &f))
		return;
	if (f.order.amount.nano == 0) {
		page_error(p, 400, "invalid_field",
			   "The field 'amount' must be more than zero.");
		return;
	}
	f.order.code.uses = MAX_OF(f.order.code.uses, 1u);
	code_new(p->secret);
	(void)code_seal(p, p->secret, &f.order.code);
	memcpy(f.order.code.prefix, p->secret, CODE_SHOWN);
	f.order.kind = ORDER_CODE_CREATE;
	p->is_create = true;
	ask_writer(p, &f.order);
}

void
admin_code_redeem(struct page *p, struct str body)
{
	struct form f;

	if (!form_take_account(p, body, redeem_members,
			       ARRAY_LEN(redeem_members), &f))
		return;
	if (!code_seal(p, f.code, &f.order.code)) {
		page_error(p, 404, "not_found", "There is no such code.");
		return;
	}
	bytes_wipe(f.code, sizeof(f.code));
	f.order.kind = ORDER_CODE_REDEEM;
	ask_writer(p, &f.order);
}

/* By its text, or by its id: 16 hexadecimal digits. */
void
admin_code_revoke(struct page *p, struct str body)
{
	struct order order;
	struct order_code code;
	char *end;

	(void)body;
	memset(&order, 0, sizeof(order));
	order.kind = ORDER_CODE_REVOKE;
	order.ref = strtoull(p->name, &end, 16);
	if (strlen(p->name) != 16 || *end != '\0') {
		if (!code_seal(p, p->name, &code)) {
			page_error(p, 404, "not_found",
				   "There is no such code.");
			return;
		}
		order.ref = code_key(code.hash);
	}
	ask_writer(p, &order);
}

/* ---- the list ---- */

#define LIST_MOST 1000u

static const char *
code_state(const struct code_record *c)
{
	if (c->revoked)
		return "revoked";
	if (c->expires_ms && c->expires_ms <= clock_wall_ns() / NS_PER_MS)
		return "expired";
	return c->used < c->uses ? "active" : "used";
}

static void
put_code(struct json_out *o, uint64_t key, const struct code_record *c)
{
	char text[MONEY_TEXT], id[17];

	(void)snprintf(id, sizeof(id), "%016" PRIx64, key);
	(void)money_text(money_nano((int64_t)c->bonus_ppm * 100000), text);
	json_open(o, '{');
	put_text(o, "id", id);
	put_str(o, "prefix",
		str_make(c->prefix, strnlen(c->prefix, sizeof(c->prefix))));
	put_text(o, "state", code_state(c));
	put_money(o, "amount", c->amount_nano);
	put_text(o, "bonus", text);
	put_u64(o, "uses", c->uses);
	put_u64(o, "used", c->used);
	put_time_ms(o, "expires", c->expires_ms);
	put_time_ms(o, "created", c->created_ms);
	json_close(o, '}');
}

/* The codes from `key` on; `key` is 0 when there are no more. False: the
 * ledger cannot be read. */
static bool
put_codes(struct json_out *o, struct ledger *l, uint64_t *key)
{
	struct code_record c;
	struct str value;
	unsigned n = 0;
	enum store s = ledger_begin(l);

	if (s == STORE_OK)
		s = ledger_seek(l, TABLE_CODE, key, &value);
	for (; s == STORE_OK && n < LIST_MOST; n++) {
		if (!record_read(value, &c, sizeof(c)))
			s = STORE_DAMAGED;
		else
			put_code(o, *key, &c);
		if (s == STORE_OK)
			s = ledger_next(l, TABLE_CODE, key, &value);
	}
	ledger_end(l);
	*key = s == STORE_OK ? *key : 0;
	return s == STORE_OK || s == STORE_NONE;
}

void
admin_page_codes(struct page *p, struct str body)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;
	struct history *h = p->admin->history;
	char after[24];
	uint64_t key = 0;
	struct json_out o;
	bool fine;

	(void)body;
	if (url_query(str_of(p->query), "after", after, sizeof(after)) &&
	    !str_to_u64(str_of(after), &key)) {
		page_error(p, 400, "bad_after",
			   "'after' must be the 'next' of the page before.");
		return;
	}
	json_out_init(&o, &out);
	json_open(&o, '{');
	json_name(&o, "codes");
	json_open(&o, '[');
	fine = h && put_codes(&o, history_ledger(h), &key);
	json_close(&o, ']');
	json_name(&o, "next");
	if (key)
		json_put_u64(&o, key);
	else
		json_put_null(&o);
	json_close(&o, '}');
	if (fine)
		page_json(p, 200, &out);
	else
		page_error(p, 503, "ledger_unavailable",
			   "The ledger cannot be read now. Try again.");
}
