/* Changes of keys with a body, as orders to the ledger writer. */
#include <arpa/inet.h>
#include <string.h>

#include "admin/ask.h"
#include "admin/form.h"
#include "admin/pages.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/id.h"
#include "billing/writer.h"

#define SECRET_MIN 12u
#define SECRET_MAX 256u
/* Shown of a key, for people to recognise it. */
#define PREFIX_SHOWN 7u

static const struct member key_members[] = {
	{"account", MEMBER_NAME, true, FORM_TEXT_AT(order.name), 0},
	{"name", MEMBER_TEXT, false, FORM_TEXT_AT(order.key.name), 0},
	{"group", MEMBER_TEXT, false, FORM_TEXT_AT(order.key.group), 0},
	{"models", MEMBER_LIST, false, FORM_TEXT_AT(order.key.models), 0},
	{"allow_ip", MEMBER_LIST, false, FORM_TEXT_AT(order.key.allow), 0},
	{"tags", MEMBER_LIST, false, FORM_TEXT_AT(order.key.tags), 0},
	{"rpm", MEMBER_COUNT, false, FORM_AT(order.key.rpm), 0, 0},
	{"tpm", MEMBER_COUNT, false, FORM_AT(order.key.tpm), 0, 0},
	{"concurrency", MEMBER_COUNT, false, FORM_AT(order.key.concurrency), 0,
	 0},
	{"budget", MEMBER_TEXT, false, FORM_TEXT_AT(budget), 0},
	{"expires", MEMBER_TIME, false, FORM_AT(order.key.expires_ms), 0, 0},
	{"strict", MEMBER_BOOL, false, FORM_AT(order.key.strict), 0, 0},
	{"substitution", MEMBER_BOOL, false, FORM_AT(order.key.substitution), 0,
	 0},
	{"secret", MEMBER_TEXT, false, FORM_TEXT_AT(secret), 0},
};

static const struct member set_members[] = {
	{"name", MEMBER_TEXT, false, FORM_TEXT_AT(order.key.name), SET_NAME},
	{"group", MEMBER_TEXT, false, FORM_TEXT_AT(order.key.group), SET_GROUP},
	{"models", MEMBER_LIST, false, FORM_TEXT_AT(order.key.models),
	 SET_MODELS},
	{"allow_ip", MEMBER_LIST, false, FORM_TEXT_AT(order.key.allow),
	 SET_ALLOW},
	{"tags", MEMBER_LIST, false, FORM_TEXT_AT(order.key.tags), SET_TAGS},
	{"rpm", MEMBER_COUNT, false, FORM_AT(order.key.rpm), 0, SET_RPM},
	{"tpm", MEMBER_COUNT, false, FORM_AT(order.key.tpm), 0, SET_TPM},
	{"concurrency", MEMBER_COUNT, false, FORM_AT(order.key.concurrency), 0,
	 SET_CONCURRENCY},
	{"budget", MEMBER_TEXT, false, FORM_TEXT_AT(budget), SET_BUDGET},
	{"expires", MEMBER_TEXT, false, FORM_TEXT_AT(expires), SET_EXPIRES},
	{"strict", MEMBER_BOOL, false, FORM_AT(order.key.strict), 0,
	 SET_STRICT},
	{"substitution", MEMBER_BOOL, false, FORM_AT(order.key.substitution), 0,
	 SET_SUBSTITUTION},
};

static const struct member rotate_members[] = {
	{"grace", MEMBER_TEXT, false, FORM_TEXT_AT(grace), 0},
	{"secret", MEMBER_TEXT, false, FORM_TEXT_AT(secret), 0},
};

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
secret_take(struct page *p, const char *given)
{
	struct str s = str_of(given);

	if (s.n == 0) {
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
	struct str secret = str_of(p->secret);
	size_t shown = MIN_OF(PREFIX_SHOWN, secret.n / 3);

	hmac_sha256(p->admin->args->pepper, PEPPER_BYTES, secret.p, secret.n,
		    key->hash);
	memcpy(key->prefix, secret.p, shown);
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
	struct form f;

	if (!form_take(p, body, key_members, ARRAY_LEN(key_members), &f) ||
	    !form_group_exists(p, f.order.key.group) ||
	    !networks_check(p, f.order.key.allow))
		return;
	if (f.budget[0] && !budget_take(p, str_of(f.budget), &f.order.key))
		return;
	if (!secret_take(p, f.secret))
		return;
	secret_seal(p, &f.order.key);
	bytes_wipe(f.secret, sizeof(f.secret));
	f.order.kind = ORDER_KEY_CREATE;
	p->is_create = true;
	ask_writer(p, &f.order);
}

/* ---- changes ---- */

/* The number in the path; false: answered. */
static bool
id_take(struct page *p, struct order *order)
{
	uint64_t id;

	if (str_to_u64(str_of(p->name), &id) && id < SHM_NONE) {
		order->key_id = (uint32_t)id;
		return true;
	}
	page_error(p, 404, "not_found", "There is no key %s.", p->name);
	return false;
}

static bool
expires_take(struct page *p, struct form *f)
{
	uint64_t ns;

	if (!(f->order.set & SET_EXPIRES) ||
	    str_eq(str_of(f->expires), STR("none")))
		return true;
	if (time_parse(str_of(f->expires), &ns) && ns > clock_wall_ns()) {
		f->order.key.expires_ms = ns / NS_PER_MS;
		return true;
	}
	page_error(p, 400, "invalid_field",
		   "The field 'expires' must be a time in the future like "
		   "\"2030-01-31T00:00:00Z\", or \"none\".");
	return false;
}

void
admin_key_set(struct page *p, struct str body)
{
	struct form f;

	if (!form_take(p, body, set_members, ARRAY_LEN(set_members), &f) ||
	    !form_group_exists(p, f.order.key.group) ||
	    !networks_check(p, f.order.key.allow) || !expires_take(p, &f) ||
	    !id_take(p, &f.order))
		return;
	if (f.order.set & SET_BUDGET &&
	    !str_eq(str_of(f.budget), STR("none")) &&
	    !budget_take(p, str_of(f.budget), &f.order.key))
		return;
	if (f.order.set == 0) {
		page_error(p, 400, "missing_field",
			   "Say what to set: GET /openapi.yaml lists the "
			   "fields.");
		return;
	}
	f.order.kind = ORDER_KEY_SET;
	ask_writer(p, &f.order);
}

/* "90s", "30m", "24h", "7d"; empty: none. */
static bool
grace_take(struct page *p, const char *text, uint64_t *ms)
{
	static const struct {
		char unit;
		uint32_t seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	struct str s = str_of(text);
	uint64_t n;

	if (s.n == 0)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (s.p[s.n - 1] != units[i].unit ||
		    !str_to_u64(str_make(s.p, s.n - 1), &n) || n > 1000000)
			continue;
		*ms = n * units[i].seconds * 1000;
		return true;
	}
	page_error(p, 400, "invalid_field",
		   "The field 'grace' must be a time like \"90s\", \"30m\", "
		   "\"24h\" or \"7d\".");
	return false;
}

void
admin_key_rotate(struct page *p, struct str body)
{
	struct form f;

	if (!form_take(p, body, rotate_members, ARRAY_LEN(rotate_members),
		       &f) ||
	    !grace_take(p, f.grace, &f.order.key.grace_ms) ||
	    !id_take(p, &f.order) || !secret_take(p, f.secret))
		return;
	secret_seal(p, &f.order.key);
	bytes_wipe(f.secret, sizeof(f.secret));
	f.order.kind = ORDER_KEY_ROTATE;
	ask_writer(p, &f.order);
}
