/* Redemption codes, as orders to the ledger writer. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "admin/ask.h"
#include "admin/form.h"
#include "admin/pages.h"
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
