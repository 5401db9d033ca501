/*
 * The columns of FOCUS. Prices and costs are exact: token counts and prices
 * are whole numbers, so that UnitPrice x Quantity is Cost to the last digit.
 *
 * Prepaid: the top-up is what is billed, usage only takes effect. Postpaid:
 * usage is billed, and what comes in is a payment and no charge.
 */
#include <stdio.h>
#include <string.h>

#include "billing/focus.h"

__extension__ typedef __int128 i128;
__extension__ typedef unsigned __int128 u128;

/* Digits of an i128, sign, point, NUL. */
#define WIDE_TEXT 64

const char *const focus_columns[] = {
	"BillingAccountId",
	"BillingAccountName",
	"BillingAccountType",
	"SubAccountId",
	"SubAccountName",
	"SubAccountType",
	"BillingCurrency",
	"BillingPeriodStart",
	"BillingPeriodEnd",
	"ChargePeriodStart",
	"ChargePeriodEnd",
	"ChargeCategory",
	"ChargeClass",
	"ChargeDescription",
	"ChargeFrequency",
	"BilledCost",
	"EffectiveCost",
	"ListUnitPrice",
	"ListCost",
	"ContractedUnitPrice",
	"ContractedCost",
	"PricingCategory",
	"PricingQuantity",
	"PricingUnit",
	"ConsumedQuantity",
	"ConsumedUnit",
	"ServiceCategory",
	"ServiceSubcategory",
	"ServiceName",
	"SkuId",
	"SkuMeter",
	"SkuPriceId",
	"ProviderName",
	"ServiceProviderName",
	"HostProviderName",
	"PublisherName",
	"InvoiceIssuerName",
	"InvoiceId",
	"Tags",
	"x_Channel",
	"x_Model",
	"x_TokenType",
	"x_PriceMultiplier",
	"x_RequestCount",
	"x_UpstreamCost",
};
const unsigned focus_n_columns = ARRAY_LEN(focus_columns);

/* v / 10^scale, without zeros behind its last digit. */
static void
wide(struct sheet *s, i128 v, unsigned scale)
{
	char text[WIDE_TEXT];
	size_t at = sizeof(text);
	u128 rest = v < 0 ? -(u128)v : (u128)v;

	while (scale > 0 && rest % 10 == 0) {
		rest /= 10;
		scale--;
	}
	for (unsigned i = 0; rest || i <= scale; i++, rest /= 10) {
		if (i == scale && scale > 0)
			text[--at] = '.';
		text[--at] = (char)('0' + (unsigned)(rest % 10));
	}
	if (v < 0)
		text[--at] = '-';
	sheet_exact(s, str_make(text + at, sizeof(text) - at));
}

static void
text_or_none(struct sheet *s, struct str text)
{
	if (text.n)
		sheet_text(s, text);
	else
		sheet_empty(s);
}

static void
empty(struct sheet *s, unsigned n)
{
	while (n--)
		sheet_empty(s);
}

/* ---- who, when ---- */

static void
who_cells(struct report *r, const struct focus_key *k, bool postpaid)
{
	const struct account_record *a =
		catalog_account(r->catalog, k->account);
	const struct key_record *key =
		k->key == SHM_NONE ? NULL : catalog_key(r->catalog, k->key);
	struct sheet *s = &r->sheet;
	char number[16];
	int n = snprintf(number, sizeof(number), "%u", k->account);

	sheet_exact(s, str_make(number, (size_t)n));
	sheet_text(s, str_of(a ? a->name : "(unknown)"));
	sheet_text(s, postpaid ? STR("Postpaid") : STR("Prepaid"));
	if (k->key == SHM_NONE) {
		empty(s, 3);
	} else {
		n = snprintf(number, sizeof(number), "%u", k->key);
		sheet_exact(s, str_make(number, (size_t)n));
		text_or_none(s, str_of(key ? key->name : ""));
		sheet_text(s, STR("API Key"));
	}
	sheet_text(s, STR("USD"));
}

static void
when_cells(struct focus *f, const struct focus_key *k)
{
	struct sheet *s = &f->r->sheet;

	focus_month(f, k->start);
	sheet_second(s, f->month_from);
	sheet_second(s, f->month_to);
	sheet_second(s, k->start);
	sheet_second(s, k->end);
}

/* ---- what ---- */

static const char *
category_of(uint8_t kind)
{
	switch ((enum entry_kind)kind) {
	case KIND_TOPUP:
	case KIND_REFUND:
	case KIND_FEE: return "Purchase";
	case KIND_CREDIT: return "Credit";
	case KIND_CORRECTION: return "Adjustment";
	case KIND_REQUEST:
	case KIND_REVERSAL:
	case KIND_LIMIT:
	case KIND_ATTEMPT:
	case KIND_CAP:
	case KIND_ROLLOVER:
	case KIND_COUNT: break;
	}
	return "Usage";
}

static struct str
model_of(const struct book_row *price)
{
	return price ? str_make(price->name, strnlen(price->name, MODEL_NAME))
		     : STR_NONE;
}

static const char *const meters[SPLIT_CLASSES] = {
	"Input Tokens",
	"Cached Input Tokens",
	"Cache Write Tokens",
	"Output Tokens",
	"Reasoning Tokens",
	"Requests",
	"Images",
	"Seconds",
	"Characters",
};

static void
description_cell(struct sheet *s, const struct focus_key *k,
		 const struct book_row *price)
{
	char text[MODEL_NAME + 32];
	int n = 0;

	switch (k->kind) {
	case KIND_TOPUP: sheet_text(s, STR("Top-up of the balance")); return;
	case KIND_REFUND: sheet_text(s, STR("Refund of balance")); return;
	case KIND_FEE: sheet_text(s, STR("Plan fee")); return;
	case KIND_CREDIT: sheet_text(s, STR("Credit")); return;
	case KIND_CORRECTION: sheet_text(s, STR("Correction")); return;
	default: break;
	}
	n = snprintf(text, sizeof(text), "%.*s %s", STR_ARG(model_of(price)),
		     meters[k->class]);
	sheet_text(s, str_make(text, (size_t)n));
}

static const char *
frequency_of(uint8_t kind)
{
	if (kind == KIND_REQUEST)
		return "Usage-Based";
	return kind == KIND_FEE ? "Recurring" : "One-Time";
}

/* ---- how much ---- */

/* Of the account's invoice. */
static int64_t
billed_of(const struct focus_row *row, bool postpaid)
{
	bool cash = row->key.kind == KIND_TOPUP || row->key.kind == KIND_REFUND;

	if (cash)
		return -row->charge;
	return postpaid ? row->charge : 0;
}

static int64_t
effective_of(const struct focus_row *row)
{
	bool cash = row->key.kind == KIND_TOPUP || row->key.kind == KIND_REFUND;

	return cash ? 0 : row->charge;
}

/* What a class is sold and consumed by: digits of the price, of the quantity
 * sold, of the one consumed. */
struct sold {
	unsigned price, quantity, consumed;
	const char *unit, *name;
};

static const struct sold *
sold_of(unsigned class)
{
	static const struct sold tokens = {6, 6, 0, "1000000 Tokens", "Tokens"};
	static const struct sold others[] = {
		{12, 0, 0, "Requests", "Requests"},
		{12, 0, 0, "Images", "Images"},
		{9, 3, 3, "Seconds", "Seconds"},
		{6, 6, 0, "1000000 Characters", "Characters"},
	};

	_Static_assert(SPLIT_REQUEST + ARRAY_LEN(others) == SPLIT_CLASSES,
		       "each class has its unit");
	return class < SPLIT_REQUEST ? &tokens : &others[class - SPLIT_REQUEST];
}

/* ListUnitPrice .. ConsumedUnit of usage. */
static void
usage_cells(struct sheet *s, const struct focus_row *row)
{
	const struct sold *sold = sold_of(row->key.class);
	i128 pico = row->key.pico;
	unsigned unit = sold->price;

	wide(s, pico, unit);
	wide(s, pico * row->quantity, 12);
	wide(s, pico * row->key.ppm, unit + 6);
	wide(s, pico * row->key.ppm * row->quantity, 18);
	sheet_text(s, STR("Standard"));
	wide(s, row->quantity, sold->quantity);
	sheet_text(s, str_of(sold->unit));
	wide(s, row->quantity, sold->consumed);
	sheet_text(s, str_of(sold->name));
}

/* The same of what is bought: balance by the dollar, plans by the piece. */
static void
purchase_cells(struct sheet *s, const struct focus_row *row)
{
	bool fee = row->key.kind == KIND_FEE;
	int64_t amount = fee ? row->charge : -row->charge;
	int64_t price = fee ? amount : 1000000000;

	if (price < 0)
		price = -price;
	for (int i = 0; i < 2; i++) { /* list, contracted */
		wide(s, price, 9);
		wide(s, amount, 9);
	}
	sheet_text(s, STR("Standard"));
	if (fee)
		wide(s, amount < 0 ? -1 : 1, 0);
	else
		wide(s, amount, 9);
	sheet_text(s, fee ? STR("Fees") : STR("Credits"));
	empty(s, 2);
}

/* Nothing is priced. */
static void
other_cells(struct sheet *s, int64_t billed)
{
	for (int i = 0; i < 2; i++) {
		sheet_empty(s);
		wide(s, billed, 9);
	}
	empty(s, 5);
}

static void
cost_cells(struct sheet *s, const struct focus_row *row, bool postpaid)
{
	int64_t billed = billed_of(row, postpaid);

	wide(s, billed, 9);
	wide(s, effective_of(row), 9);
	if (row->key.kind == KIND_REQUEST)
		usage_cells(s, row);
	else if (strcmp(category_of(row->key.kind), "Purchase") == 0)
		purchase_cells(s, row);
	else
		other_cells(s, billed);
}

/* ---- the rest ---- */

static void
sku_cells(struct sheet *s, const struct focus_key *k,
	  const struct book_row *price)
{
	char text[MODEL_NAME + 64];
	struct str sku = k->kind == KIND_FEE ? STR("plan") : STR("balance");
	int n;

	if (strcmp(category_of(k->kind), "Purchase") == 0) {
		sheet_text(s, sku);
		sheet_text(s,
			   k->kind == KIND_FEE ? STR("Fees") : STR("Credits"));
		sheet_text(s, sku);
		return;
	}
	if (k->kind != KIND_REQUEST) {
		empty(s, 3);
		return;
	}
	n = snprintf(text, sizeof(text), "%.*s/%s", STR_ARG(model_of(price)),
		     split_name(k->class));
	sheet_text(s, str_make(text, (size_t)n));
	sheet_text(s, str_of(meters[k->class]));
	n = snprintf(text, sizeof(text), "%u/%u/%s", k->version, k->model,
		     split_name(k->class));
	if (k->above)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "/%llu",
			      (unsigned long long)k->above);
	sheet_exact(s, str_make(text, (size_t)n));
}

static void
names_cells(struct report *r, const struct focus_key *k)
{
	struct str issuer = r->job->issuer;
	struct str maker = str_of(catalog_name(r->catalog, k->provider));
	struct sheet *s = &r->sheet;

	if (maker.n == 0)
		maker = issuer;
	sheet_text(s, issuer); /* ProviderName, ServiceProviderName */
	sheet_text(s, issuer);
	sheet_text(s, maker); /* HostProviderName, PublisherName */
	sheet_text(s, maker);
	sheet_text(s, issuer);
}

/* A month has its invoice when it is over. */
static void
invoice_cell(struct focus *f, const struct focus_key *k)
{
	char number[REPORT_INVOICE_TEXT];
	struct sheet *s = &f->r->sheet;

	if (f->month_to > f->r->job->now_ms) {
		sheet_empty(s);
		return;
	}
	report_invoice_number(f->r, k->account, f->month_from, number);
	sheet_text(s, str_of(number));
}

static void
own_cells(struct report *r, const struct focus_row *row,
	  const struct book_row *price)
{
	struct sheet *s = &r->sheet;
	char text[MONEY_TEXT];

	if (row->key.kind != KIND_REQUEST) {
		empty(s, 6);
		return;
	}
	text_or_none(s, str_of(catalog_name(r->catalog, row->key.channel)));
	text_or_none(s, model_of(price));
	sheet_text(s, str_of(split_name(row->key.class)));
	sheet_exact(s, str_make(text, ppm_text(row->key.ppm, text)));
	wide(s, row->requests, 0);
	wide(s, row->upstream, 9);
}

void
focus_write(struct focus *f, const struct focus_row *row)
{
	struct report *r = f->r;
	const struct focus_key *k = &row->key;
	const struct account_record *a =
		catalog_account(r->catalog, k->account);
	const struct book_row *price =
		catalog_price(r->catalog, k->version, k->model);
	bool postpaid = a && (a->flags & ACCOUNT_POSTPAID);
	struct sheet *s = &r->sheet;

	if (postpaid && (k->kind == KIND_TOPUP || k->kind == KIND_REFUND))
		return;
	who_cells(r, k, postpaid);
	when_cells(f, k);
	sheet_text(s, str_of(category_of(k->kind)));
	text_or_none(s, k->correction ? STR("Correction") : STR_NONE);
	description_cell(s, k, price);
	sheet_text(s, str_of(frequency_of(k->kind)));
	cost_cells(s, row, postpaid);
	sheet_text(s, STR("AI and Machine Learning"));
	sheet_text(s, STR("Generative AI"));
	sheet_text(s, STR("LLM API"));
	sku_cells(s, k, price);
	names_cells(r, k);
	invoice_cell(f, k);
	sheet_empty(s); /* tags: accounts and keys have none */
	own_cells(r, row, price);
	sheet_end_row(s);
}
