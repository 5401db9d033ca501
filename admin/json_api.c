/*
 * Changes with a JSON body. The only file that knows jansson: a body becomes
 * a struct order here, every member checked by the table of its kind.
 */
#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>

#include <jansson.h>

#include "admin/ask.h"
#include "admin/pages.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/utf8.h"
#include "billing/writer.h"
#include "conf/conf.h"

#define SECRET_MIN 12u
#define SECRET_MAX 256u
/* Shown of a key, for people to recognise it. */
#define PREFIX_SHOWN 7u

enum member_type {
	MEMBER_NAME,  /* of an account or a key: letters, digits, . _ @ : + - */
	MEMBER_TEXT,  /* any text on one line */
	MEMBER_MONEY, /* decimal text, >= 0 */
	MEMBER_COUNT, /* a whole number, 0 .. 2^31 - 1 */
	MEMBER_BOOL,
	MEMBER_SEQ,   /* number of a ledger entry */
	MEMBER_LIST,  /* list of texts without commas */
	MEMBER_TIME,  /* RFC 3339 */
	MEMBER_OTHER, /* looked at by the page itself: a text */
};

struct member {
	const char *name;
	enum member_type type;
	bool required;
	size_t offset; /* in struct order */
	size_t size;   /* of the text there */
};

#define AT(field)      offsetof(struct order, field)
#define TEXT_AT(field) AT(field), sizeof(((struct order *)0)->field)

static const struct member account_members[] = {
	{"name", MEMBER_NAME, true, TEXT_AT(name)},
	{"group", MEMBER_TEXT, false, TEXT_AT(group)},
	{"parent", MEMBER_NAME, false, TEXT_AT(parent)},
	{"balance", MEMBER_MONEY, false, AT(amount), 0},
	{"postpaid", MEMBER_BOOL, false, AT(postpaid), 0},
	{"credit_limit", MEMBER_MONEY, false, AT(credit), 0},
	{"rpm", MEMBER_COUNT, false, AT(rpm), 0},
	{"tpm", MEMBER_COUNT, false, AT(tpm), 0},
	{"concurrency", MEMBER_COUNT, false, AT(concurrency), 0},
	{"note", MEMBER_TEXT, false, TEXT_AT(note)},
};

static const struct member topup_members[] = {
	{"amount", MEMBER_MONEY, true, AT(amount), 0},
	{"note", MEMBER_TEXT, false, TEXT_AT(note)},
};

static const struct member refund_members[] = {
	{"amount", MEMBER_MONEY, true, AT(amount), 0},
	{"of", MEMBER_SEQ, false, AT(ref), 0},
	{"note", MEMBER_TEXT, false, TEXT_AT(note)},
};

static const struct member key_members[] = {
	{"account", MEMBER_NAME, true, TEXT_AT(name)},
	{"name", MEMBER_TEXT, false, TEXT_AT(key.name)},
	{"group", MEMBER_TEXT, false, TEXT_AT(key.group)},
	{"models", MEMBER_LIST, false, TEXT_AT(key.models)},
	{"allow_ip", MEMBER_LIST, false, TEXT_AT(key.allow)},
	{"rpm", MEMBER_COUNT, false, AT(key.rpm), 0},
	{"tpm", MEMBER_COUNT, false, AT(key.tpm), 0},
	{"concurrency", MEMBER_COUNT, false, AT(key.concurrency), 0},
	{"budget", MEMBER_OTHER, false, 0, 0},
	{"expires", MEMBER_TIME, false, AT(key.expires_ms), 0},
	{"secret", MEMBER_OTHER, false, 0, 0},
};

static void
cleanup_json(json_t **j)
{
	json_decref(*j);
}

static struct str
text_of(const json_t *v)
{
	return json_is_string(v)
		       ? str_make(json_string_value(v), json_string_length(v))
		       : STR_NONE;
}

/* One line of text: no control characters. */
static bool
is_line(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
			return false;
	return s.p && utf8_valid(s);
}

static bool
is_name(struct str s)
{
	static const char marks[] = "._@:+-";

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     (c >= '0' && c <= '9');

		if (!alnum && (i == 0 || c == '\0' || !strchr(marks, c)))
			return false;
	}
	return s.n > 0;
}

/* ---- one member into its place; false: not of this type ---- */

static bool
take_text(const json_t *v, bool name, char *out, size_t cap)
{
	struct str s = text_of(v);

	return (name ? is_name(s) : is_line(s)) && s.n < cap &&
	       str_copy(out, cap, s);
}

static bool
take_money(const json_t *v, void *at)
{
	struct money m;

	if (!json_is_string(v) || !money_parse(text_of(v), &m) || m.nano < 0)
		return false;
	memcpy(at, &m, sizeof(m));
	return true;
}

static bool
take_count(const json_t *v, void *at)
{
	json_int_t n = json_integer_value(v);
	uint32_t value = (uint32_t)n;

	if (!json_is_integer(v) || n < 0 || n > INT32_MAX)
		return false;
	memcpy(at, &value, sizeof(value));
	return true;
}

static bool
take_seq(const json_t *v, void *at)
{
	uint64_t n = (uint64_t)json_integer_value(v);

	if (!json_is_integer(v) || json_integer_value(v) <= 0)
		return false;
	memcpy(at, &n, sizeof(n));
	return true;
}

static bool
take_bool(const json_t *v, void *at)
{
	uint32_t value = json_is_true(v);

	if (!json_is_boolean(v))
		return false;
	memcpy(at, &value, sizeof(value));
	return true;
}

static bool
take_time(const json_t *v, void *at)
{
	uint64_t ns, ms;

	if (!json_is_string(v) || !time_parse(text_of(v), &ns) ||
	    ns <= clock_wall_ns())
		return false;
	ms = ns / NS_PER_MS;
	memcpy(at, &ms, sizeof(ms));
	return true;
}

static bool
take_list(const json_t *v, char *out, size_t cap)
{
	size_t n = 0;

	if (!json_is_array(v))
		return false;
	for (size_t i = 0; i < json_array_size(v); i++) {
		struct str s = text_of(json_array_get(v, i));

		if (s.n == 0 || !is_line(s) || str_find(s, ',') >= 0 ||
		    str_find(s, ' ') >= 0 || n + s.n + 2 > cap)
			return false;
		if (n > 0)
			out[n++] = ',';
		memcpy(out + n, s.p, s.n);
		n += s.n;
	}
	out[n] = '\0';
	return true;
}

static bool
member_take(const struct member *m, const json_t *v, struct order *order)
{
	char *at = (char *)order + m->offset;

	switch (m->type) {
	case MEMBER_NAME: return take_text(v, true, at, m->size);
	case MEMBER_TEXT: return take_text(v, false, at, m->size);
	case MEMBER_MONEY: return take_money(v, at);
	case MEMBER_COUNT: return take_count(v, at);
	case MEMBER_BOOL: return take_bool(v, at);
	case MEMBER_SEQ: return take_seq(v, at);
	case MEMBER_LIST: return take_list(v, at, m->size);
	case MEMBER_TIME: return take_time(v, at);
	case MEMBER_OTHER: return json_is_string(v);
	}
	return false;
}

static const char *
member_wants(enum member_type t)
{
	switch (t) {
	case MEMBER_NAME:
		return "1 to 63 letters, digits or . _ @ : + -, the first a "
		       "letter or digit";
	case MEMBER_TEXT: return "text of one line, not too long";
	case MEMBER_MONEY:
		return "USD as decimal text with at most 9 digits after the "
		       "point, like \"12.50\", and not negative";
	case MEMBER_COUNT: return "a whole number from 0 to 2147483647";
	case MEMBER_BOOL: return "true or false";
	case MEMBER_SEQ: return "the number of a ledger entry";
	case MEMBER_LIST:
		return "a list of texts without commas and blanks, not too "
		       "long together";
	case MEMBER_TIME:
		return "a time in the future like \"2030-01-31T00:00:00Z\"";
	case MEMBER_OTHER: break;
	}
	return "text";
}

/* ---- a body ---- */

static const struct member *
member_find(const struct member *members, unsigned n, const char *name)
{
	for (unsigned i = 0; i < n; i++)
		if (strcmp(members[i].name, name) == 0)
			return &members[i];
	return NULL;
}

/* NULL: answered. */
static json_t *
body_load(struct page *p, struct str body)
{
	json_error_t error;
	json_t *root;

	if (body.n == 0) {
		page_error(p, 400, "missing_body",
			   "Send one JSON object as the body.");
		return NULL;
	}
	root = json_loadb(body.p, body.n, JSON_REJECT_DUPLICATES, &error);
	if (!root) {
		page_error(p, 400, "malformed_json",
			   "The body is not valid JSON: %s at line %d.",
			   error.text, error.line);
		return NULL;
	}
	if (json_is_object(root))
		return root;
	json_decref(root);
	page_error(p, 400, "malformed_json",
		   "The body must be one JSON object.");
	return NULL;
}

/* All members into the order; false: answered. */
static bool
members_take(struct page *p, json_t *root, const struct member *members,
	     unsigned n, struct order *order)
{
	const char *name;
	json_t *v;

	json_object_foreach(root, name, v)
	{
		const struct member *m = member_find(members, n, name);

		if (!m) {
			page_error(p, 400, "unknown_field",
				   "The field '%s' is not known here. GET "
				   "/openapi.yaml lists the fields.",
				   name);
			return false;
		}
		if (!json_is_null(v) && !member_take(m, v, order)) {
			page_error(p, 400, "invalid_field",
				   "The field '%s' must be %s.", name,
				   member_wants(m->type));
			return false;
		}
	}
	for (unsigned i = 0; i < n; i++) {
		v = json_object_get(root, members[i].name);
		if (!members[i].required || (v && !json_is_null(v)))
			continue;
		page_error(p, 400, "missing_field",
			   "The field '%s' is required.", members[i].name);
		return false;
	}
	return true;
}

/* NULL: answered; the order is filled from the body. */
static json_t *
body_take(struct page *p, struct str body, const struct member *members,
	  unsigned n, struct order *order)
{
	json_t *root;

	memset(order, 0, sizeof(*order));
	root = body_load(p, body);
	if (root && !members_take(p, root, members, n, order)) {
		json_decref(root);
		return NULL;
	}
	return root;
}

static bool
group_exists(struct page *p, const char *group)
{
	if (group[0] == '\0' ||
	    conf_group_find(p->admin->args->conf, str_of(group)))
		return true;
	page_error(p, 400, "invalid_field",
		   "The group \"%s\" is not in the configuration.", group);
	return false;
}

/* ---- pages ---- */

void
admin_account_create(struct page *p, struct str body)
{
	struct order order;
	CLEANUP(cleanup_json)
	json_t *root = body_take(p, body, account_members,
				 ARRAY_LEN(account_members), &order);

	if (!root || !group_exists(p, order.group))
		return;
	if (order.credit.nano > 0 && !order.postpaid) {
		page_error(p, 400, "invalid_field",
			   "A credit_limit needs \"postpaid\": true.");
		return;
	}
	order.kind = ORDER_ACCOUNT_CREATE;
	p->is_create = true;
	ask_writer(p, &order);
}

static void
move_money(struct page *p, struct str body, const struct member *members,
	   unsigned n, enum order_kind kind)
{
	struct order order;
	CLEANUP(cleanup_json)
	json_t *root = body_take(p, body, members, n, &order);

	if (!root)
		return;
	if (order.amount.nano == 0) {
		page_error(p, 400, "invalid_field",
			   "The field 'amount' must be more than zero.");
		return;
	}
	if (!str_copy(order.name, sizeof(order.name), str_of(p->name))) {
		page_error(p, 404, "not_found", "There is no account \"%s\".",
			   p->name);
		return;
	}
	order.kind = kind;
	ask_writer(p, &order);
}

void
admin_account_topup(struct page *p, struct str body)
{
	move_money(p, body, topup_members, ARRAY_LEN(topup_members),
		   ORDER_TOPUP);
}

void
admin_account_refund(struct page *p, struct str body)
{
	move_money(p, body, refund_members, ARRAY_LEN(refund_members),
		   ORDER_REFUND);
}

static bool
window_of(struct str name, uint32_t *window)
{
	for (uint32_t i = BUDGET_TOTAL; i <= BUDGET_MONTH; i++) {
		*window = i;
		if (str_eq(name, str_of(budget_window_name(i))))
			return true;
	}
	return false;
}

/* "5.00/day", or without a window for all time. */
static bool
budget_take(struct page *p, struct str text, struct order_key *key)
{
	struct str rest = text;
	struct str amount = str_cut(&rest, '/');

	if ((rest.p && !window_of(rest, &key->budget_window)) ||
	    !money_parse(amount, &key->budget) || key->budget.nano < 0) {
		page_error(p, 400, "invalid_field",
			   "The field 'budget' must be USD per day, month or "
			   "in total, like \"5.00/day\", \"100/month\" or "
			   "\"5.00/total\".");
		return false;
	}
	key->has_budget = 1;
	return true;
}

/* A new secret, or the one to import, into the page. */
static bool
secret_take(struct page *p, const json_t *given)
{
	struct str s = text_of(given);

	if (!given || json_is_null(given)) {
		key_text_new(p->secret);
		return true;
	}
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~')
			s.n = 0;
	if (s.n >= SECRET_MIN && s.n <= SECRET_MAX)
		return str_copy(p->secret, sizeof(p->secret), s);
	page_error(p, 400, "invalid_field",
		   "The field 'secret' must be %u to %u visible ASCII "
		   "characters.",
		   SECRET_MIN, SECRET_MAX);
	return false;
}

/* Of what is stored: the hash, and the start for people. */
static void
secret_seal(const struct page *p, struct order_key *key)
{
	size_t n = strlen(p->secret);
	size_t shown = MIN_OF(PREFIX_SHOWN, n / 3);

	hmac_sha256(p->admin->args->pepper, PEPPER_BYTES, p->secret, n,
		    key->hash);
	memcpy(key->prefix, p->secret, shown);
	memcpy(key->prefix + shown, "...", 4);
}

static bool
is_network(struct str text)
{
	char host[INET6_ADDRSTRLEN];
	struct str rest = text;
	struct str address = str_cut(&rest, '/');
	uint8_t bytes[sizeof(struct in6_addr)];
	uint64_t bits = 0, most;

	if (!str_copy(host, sizeof(host), address))
		return false;
	if (inet_pton(AF_INET, host, bytes) == 1)
		most = 32;
	else if (inet_pton(AF_INET6, host, bytes) == 1)
		most = 128;
	else
		return false;
	return !rest.p || (str_to_u64(rest, &bits) && bits <= most);
}

static bool
networks_check(struct page *p, const char *commas)
{
	struct str rest = str_of(commas);

	while (rest.p && rest.n > 0) {
		struct str one = str_cut(&rest, ',');

		if (is_network(one))
			continue;
		page_error(p, 400, "invalid_field",
			   "\"%.*s\" in 'allow_ip' is no address and no "
			   "network like 10.0.0.0/8.",
			   STR_ARG(one));
		return false;
	}
	return true;
}

void
admin_key_create(struct page *p, struct str body)
{
	struct order order;
	CLEANUP(cleanup_json)
	json_t *root =
		body_take(p, body, key_members, ARRAY_LEN(key_members), &order);
	const json_t *budget;

	if (!root || !group_exists(p, order.key.group) ||
	    !networks_check(p, order.key.allow))
		return;
	budget = json_object_get(root, "budget");
	if (json_is_string(budget) &&
	    !budget_take(p, text_of(budget), &order.key))
		return;
	if (!secret_take(p, json_object_get(root, "secret")))
		return;
	secret_seal(p, &order.key);
	order.kind = ORDER_KEY_CREATE;
	p->is_create = true;
	ask_writer(p, &order);
}
