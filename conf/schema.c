/* The tables made from keys.def; lists and groups are fields like others. */
#include "conf/schema.h"

#include <string.h>

static const char *const words_durability[] = {"relaxed", "commit", NULL};
static const char *const words_log_level[] = {"error", "warn", "info", "debug",
					      NULL};
static const char *const words_failed_answer[] = {"output", "free", NULL};
static const char *const words_by[] = {"connect", "request", "off", NULL};
static const char *const words_method[] = {"GET", "HEAD", NULL};
static const char *const words_on_client_gone[] = {"cancel", "drain", NULL};
static const char *const words_auth[] = {
	"usual",  "bearer", "x-api-key", "x-goog-api-key", "api-key", "aws",
	"google", "hmac",   NULL};
static const char *const words_hmac_algorithm[] = {"sha256", NULL};
static const char *const words_strategy[] = {
	"balanced", "weighted", "failover", "cost", "performance", NULL};

/* clang-format off */
#define TYPE_COUNT   KEY_COUNT
#define TYPE_MSEC    KEY_MSEC
#define TYPE_SIZE    KEY_SIZE
#define TYPE_RATIO   KEY_RATIO
#define TYPE_PRICE   KEY_PRICE
#define TYPE_MONEY   KEY_MONEY
#define TYPE_BOOL    KEY_BOOL
#define TYPE_TEXT    KEY_TEXT
#define TYPE_FILE    KEY_FILE
#define TYPE_DIR     KEY_DIR
#define TYPE_LOG     KEY_LOG
#define TYPE_CHOICE  KEY_CHOICE
#define TYPE_ADDRESS KEY_ADDRESS
#define TYPE_URL     KEY_URL
#define TYPE_SECRET  KEY_SECRET
#define TYPE_TEXTS   KEY_TEXTS
#define TYPE_SECRETS KEY_SECRETS
#define TYPE_INDEXES KEY_INDEXES
#define TYPE_GROUP   KEY_GROUP_OF
#define TYPE_LIST    KEY_LIST_OF

#define PLAIN(s, key)  offsetof(struct s, key), 0
#define LISTED(s, key) offsetof(struct s, key), offsetof(struct s, n_##key)
#define AT_COUNT   PLAIN
#define AT_MSEC(s, key)  PLAIN(s, key##_ms)
#define AT_SIZE    PLAIN
#define AT_RATIO(s, key) PLAIN(s, key##_ppm)
#define AT_PRICE   PLAIN
#define AT_MONEY   PLAIN
#define AT_BOOL    PLAIN
#define AT_TEXT    PLAIN
#define AT_FILE    PLAIN
#define AT_DIR     PLAIN
#define AT_LOG     PLAIN
#define AT_CHOICE  PLAIN
#define AT_ADDRESS PLAIN
#define AT_URL     PLAIN
#define AT_SECRET  PLAIN
#define AT_TEXTS   LISTED
#define AT_SECRETS LISTED
#define AT_INDEXES LISTED
#define AT_GROUP   PLAIN
#define AT_LIST    LISTED

#define USUAL_COUNT(d)   d
#define USUAL_MSEC(d)    d
#define USUAL_SIZE(d)    d
#define USUAL_RATIO(d)   d
#define USUAL_PRICE(d)   d
#define USUAL_MONEY(d)   d
#define USUAL_BOOL(d)    d
#define USUAL_TEXT(d)    d
#define USUAL_FILE(d)    d
#define USUAL_DIR(d)     d
#define USUAL_LOG(d)     d
#define USUAL_CHOICE(d)  d
#define USUAL_ADDRESS(d) d
#define USUAL_URL(d)     d
#define USUAL_SECRET(d)  d
#define USUAL_TEXTS(d)   d
#define USUAL_SECRETS(d) ""
#define USUAL_INDEXES(d) d
#define USUAL_GROUP(d)   ""
#define USUAL_LIST(d)    ""

#define OF_COUNT(key, d)   NULL, NULL
#define OF_MSEC(key, d)    NULL, NULL
#define OF_SIZE(key, d)    NULL, NULL
#define OF_RATIO(key, d)   NULL, NULL
#define OF_PRICE(key, d)   NULL, NULL
#define OF_MONEY(key, d)   NULL, NULL
#define OF_BOOL(key, d)    NULL, NULL
#define OF_TEXT(key, d)    NULL, NULL
#define OF_FILE(key, d)    NULL, NULL
#define OF_DIR(key, d)     NULL, NULL
#define OF_LOG(key, d)     NULL, NULL
#define OF_CHOICE(key, d)  NULL, words_##key
#define OF_ADDRESS(key, d) NULL, NULL
#define OF_URL(key, d)     NULL, NULL
#define OF_SECRET(key, d)  NULL, NULL
#define OF_TEXTS(key, d)   NULL, NULL
#define OF_SECRETS(key, d) &section_##d, NULL
#define OF_INDEXES(key, d) NULL, NULL
#define OF_GROUP(key, d)   &section_##d, NULL
#define OF_LIST(key, d)    &section_##d, NULL

#define RELOAD_WORKERS false
#define RELOAD_RESTART true

#define ROW(s, type, key, usual, min, max, reload, text)                   \
	{#key, TYPE_##type, USUAL_##type(usual), min, max,                 \
	 RELOAD_##reload, AT_##type(s, key), text, OF_##type(key, usual)},

#define SECTION(id, path, where)                                                 \
	static const struct section section_##id = {                       \
		path, keys_##id, ARRAY_LEN(keys_##id),                      \
		sizeof(struct conf_##id), where}
#define WHERE(id) offsetof(struct conf_##id, where)

static const struct key keys_listen[] = {
#define KEY_LISTEN(...) ROW(conf_listen, __VA_ARGS__)
#include "conf/keys.def"
};
SECTION(listen, "listen", WHERE(listen));

static const struct key keys_admin[] = {
#define KEY_ADMIN(...) ROW(conf_admin, __VA_ARGS__)
#include "conf/keys.def"
};
SECTION(admin, "admin", 0);

static const struct key keys_ledger[] = {
#define KEY_LEDGER(...) ROW(conf_ledger, __VA_ARGS__)
#include "conf/keys.def"
};
SECTION(ledger, "ledger", 0);

static const struct key keys_billing[] = {
#define KEY_BILLING(...) ROW(conf_billing, __VA_ARGS__)
#include "conf/keys.def"
};
SECTION(billing, "billing", 0);

static const struct key keys_limits[] = {
#define KEY_LIMITS(...) ROW(conf_limits, __VA_ARGS__)
#include "conf/keys.def"
};
SECTION(limits, "limits", 0);

static const struct key keys_stream[] = {
#define KEY_STREAM(...) ROW(conf_stream, __VA_ARGS__)
#include "conf/keys.def"
};
SECTION(stream, "stream", 0);

static const struct key keys_cors[] = {
#define KEY_CORS(...) ROW(conf_cors, __VA_ARGS__)
#include "conf/keys.def"
};
SECTION(cors, "cors", 0);

static const struct key keys_webhook[] = {
#define KEY_WEBHOOK(...) ROW(conf_webhook, __VA_ARGS__)
#include "conf/keys.def"
};
SECTION(webhook, "webhook", 0);

static const struct key keys_tier[] = {
#define KEY_TIER(...) ROW(conf_tier, __VA_ARGS__)
#include "conf/keys.def"
};
SECTION(tier, "models.tiers", WHERE(tier));

static const struct key keys_model[] = {
#define KEY_MODEL(...) ROW(conf_model, __VA_ARGS__)
#include "conf/keys.def"
};
SECTION(model, "models", WHERE(model));

static const struct key keys_group_model[] = {
#define KEY_GROUP_MODEL(...) ROW(conf_group_model, __VA_ARGS__)
#include "conf/keys.def"
};
SECTION(group_model, "groups.models", WHERE(group_model));

static const struct key keys_group[] = {
#define KEY_GROUP(...) ROW(conf_group, __VA_ARGS__)
#include "conf/keys.def"
};
SECTION(group, "groups", WHERE(group));

static const struct key keys_channel_model[] = {
#define KEY_CHANNEL_MODEL(...) ROW(conf_channel_model, __VA_ARGS__)
#include "conf/keys.def"
};
SECTION(channel_model, "channels.models", WHERE(channel_model));

static const struct key keys_credential[] = {
#define KEY_CREDENTIAL(...) ROW(conf_credential, __VA_ARGS__)
#include "conf/keys.def"
};
SECTION(credential, "channels.keys", WHERE(credential));

static const struct key keys_channel_probe[] = {
#define KEY_CHANNEL_PROBE(...) ROW(conf_channel_probe, __VA_ARGS__)
#include "conf/keys.def"
};
SECTION(channel_probe, "channels.probe", 0);

static const struct key keys_channel[] = {
#define KEY_CHANNEL(...) ROW(conf_channel, __VA_ARGS__)
#include "conf/keys.def"
};
SECTION(channel, "channels", WHERE(channel));

static const struct key keys_plan[] = {
#define KEY_PLAN(...) ROW(conf_plan, __VA_ARGS__)
#include "conf/keys.def"
};
SECTION(plan, "plans", WHERE(plan));

static const struct key keys_routing[] = {
#define KEY_ROUTING(...) ROW(conf_routing, __VA_ARGS__)
#include "conf/keys.def"
};
SECTION(routing, "routing", 0);

static const struct key keys_header[] = {
#define KEY_HEADER(...) ROW(conf_header, __VA_ARGS__)
#include "conf/keys.def"
};
SECTION(header, "routes.match.headers", WHERE(header));

static const struct key keys_label[] = {
#define KEY_LABEL(...) ROW(conf_label, __VA_ARGS__)
#include "conf/keys.def"
};
SECTION(label, "routes.match.metadata", WHERE(label));

static const struct key keys_match[] = {
#define KEY_MATCH(...) ROW(conf_match, __VA_ARGS__)
#include "conf/keys.def"
};
SECTION(match, "routes.match", 0);

static const struct key keys_route[] = {
#define KEY_ROUTE(...) ROW(conf_route, __VA_ARGS__)
#include "conf/keys.def"
};
SECTION(route, "routes", WHERE(route));

static const struct key keys_probe[] = {
#define KEY_PROBE(...) ROW(conf_probe, __VA_ARGS__)
#include "conf/keys.def"
};
SECTION(probe, "probe", 0);

static const struct key keys_top[] = {
#define KEY_TOP(...) ROW(conf, __VA_ARGS__)
#include "conf/keys.def"
};
/* clang-format on */

const struct section conf_top = {"", keys_top, ARRAY_LEN(keys_top),
				 sizeof(struct conf), 0};

enum key_shape
key_shape(const struct key *key)
{
	if (key->type == KEY_SECRET)
		return SHAPE_SECRET;
	if (key->type == KEY_TEXTS || key->type == KEY_INDEXES)
		return SHAPE_TEXTS;
	if (key->type == KEY_GROUP_OF)
		return SHAPE_GROUP;
	if (key->type == KEY_LIST_OF || key->type == KEY_SECRETS)
		return SHAPE_LIST;
	return SHAPE_SINGLE;
}

uint32_t
schema_key_count(const struct key *key, const void *base)
{
	uint32_t n;

	memcpy(&n, (const char *)base + key->n_at, sizeof(n));
	return n;
}

const void *
key_elements(const struct key *key, const void *base)
{
	const void *p;

	memcpy(&p, key_field_const(key, base), sizeof(p));
	return p;
}

const struct key *
section_key(const struct section *s, struct str name)
{
	for (unsigned i = 0; i < s->n; i++)
		if (str_eq(str_of(s->keys[i].name), name))
			return &s->keys[i];
	return NULL;
}

#define NAME_MAX_BYTES 64u

/* How many letters to change, add or drop; NAME_MAX_BYTES when too long. */
static unsigned
distance(struct str a, struct str b)
{
	unsigned row[NAME_MAX_BYTES + 1];

	if (a.n > NAME_MAX_BYTES || b.n > NAME_MAX_BYTES)
		return NAME_MAX_BYTES;
	for (unsigned j = 0; j <= b.n; j++)
		row[j] = j;
	for (unsigned i = 0; i < a.n; i++) {
		unsigned corner = row[0];

		row[0] = i + 1;
		for (unsigned j = 0; j < b.n; j++) {
			unsigned change = corner + (a.p[i] != b.p[j]);
			unsigned other = MIN_OF(row[j], row[j + 1]) + 1;

			corner = row[j + 1];
			row[j + 1] = MIN_OF(change, other);
		}
	}
	return row[b.n];
}

const struct key *
section_guess(const struct section *s, struct str name)
{
	const struct key *best = NULL;
	unsigned least = (unsigned)MIN_OF(name.n, 60) / 3 + 1;

	for (unsigned i = 0; i < s->n; i++) {
		unsigned d = distance(str_of(s->keys[i].name), name);

		if (d <= least && (best == NULL || d < least)) {
			least = d;
			best = &s->keys[i];
		}
	}
	return best;
}
