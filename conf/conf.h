#pragma once
/*
 * struct conf: the whole configuration, immutable once loaded. Made from
 * keys.def: a field is named after its key (durations key_ms, ratios
 * key_ppm, lists n_key and key); what a row does not say stands here. All
 * texts are NUL-terminated behind their end. Everything lives in one arena
 * that conf_free() gives back (load.h).
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/attrs.h"
#include "base/money.h"
#include "base/str.h"
#include "conf/secret.h"

struct arena;

enum conf_durability { DURABILITY_RELAXED, DURABILITY_COMMIT };
/* Values equal enum log_level. */
enum conf_log_level {
	CONF_LOG_ERROR,
	CONF_LOG_WARN,
	CONF_LOG_INFO,
	CONF_LOG_DEBUG
};
/* A provider that fails in the middle of an answer: the client pays for the
 * output that it got, or nothing. */
enum conf_failed_answer { FAILED_ANSWER_OUTPUT, FAILED_ANSWER_FREE };
/* What becomes of an answer whose client has left. */
enum conf_on_client_gone { ON_CLIENT_GONE_CANCEL, ON_CLIENT_GONE_DRAIN };
/* How a credential is presented; values equal enum auth of adapters/. */
enum conf_auth {
	CONF_AUTH_USUAL,
	CONF_AUTH_BEARER,
	CONF_AUTH_X_API_KEY,
	CONF_AUTH_GOOG_KEY,
	CONF_AUTH_API_KEY,
	CONF_AUTH_AWS,
	CONF_AUTH_GOOGLE,
	CONF_AUTH_HMAC
};
/* How a channel that is down is tried; and by which request. */
enum conf_by { PROBE_BY_CONNECT, PROBE_BY_REQUEST, PROBE_BY_OFF };
enum conf_method { METHOD_GET, METHOD_HEAD };
enum conf_hmac_algorithm { HMAC_ALGORITHM_SHA256 };
enum conf_strategy {
	STRATEGY_BALANCED,
	STRATEGY_WEIGHTED,
	STRATEGY_FAILOVER,
	STRATEGY_COST,
	STRATEGY_PERFORMANCE
};
/* What a request may need of a channel: bits, values equal enum need of
 * adapters/. */
enum conf_need {
	CONF_NEED_TOOLS = 1,
	CONF_NEED_VISION = 2,
	CONF_NEED_JSON_SCHEMA = 4,
	CONF_NEED_AUDIO = 8,
	CONF_NEED_FILE = 16
};
/* Header conditions over all routes: each has its bit. And those about
 * metadata. */
#define CONF_HEADERS_MAX  64u
#define CONF_METADATA_MAX 64u

/* Where something was written, for errors. */
struct conf_where {
	const char *file;
	uint32_t line;
};

/* A listening address; numeric, so that nothing is looked up. */
struct conf_address {
	struct str text;      /* as written; empty = not set */
	struct str unix_path; /* absolute; empty for TCP */
	uint16_t port;
	socklen_t sa_len;
	struct sockaddr_storage sa;
};

/* base_url, taken apart. Never resolved here. */
struct conf_url {
	struct str text; /* as written; empty = not set */
	struct str host; /* lower case, IPv6 without brackets */
	struct str path; /* "" or "/prefix", without a slash at its end */
	uint16_t port;
	bool tls;
};

/* Credentials of one channel: each has a place in shared memory. */
#define CONF_CHANNEL_KEYS 64u

#define CONF_COUNT(key, def)   uint32_t key;
#define CONF_MSEC(key, def)    uint32_t key##_ms;
#define CONF_SIZE(key, def)    uint64_t key;
#define CONF_RATIO(key, def)   uint32_t key##_ppm;
#define CONF_PRICE(key, def)   struct price key;
#define CONF_MONEY(key, def)   struct money key;
#define CONF_BOOL(key, def)    bool key;
#define CONF_TEXT(key, def)    struct str key;
#define CONF_FILE(key, def)    struct str key;
#define CONF_DIR(key, def)     struct str key;
#define CONF_LOG(key, def)     struct str key;
#define CONF_CHOICE(key, def)  enum conf_##key key;
#define CONF_ADDRESS(key, def) struct conf_address key;
#define CONF_URL(key, def)     struct conf_url key;
#define CONF_SECRET(key, def)  struct secret key;
#define CONF_TEXTS(key, def) \
	uint32_t n_##key;    \
	const struct str *key;
#define CONF_SECRETS(key, def) \
	uint32_t n_##key;      \
	struct conf_##def *key;
#define CONF_INDEXES(key, def) \
	uint32_t n_##key;      \
	const uint32_t *key;
#define CONF_GROUP(key, def) struct conf_##def key;
#define CONF_LIST(key, def) \
	uint32_t n_##key;   \
	struct conf_##def *key;
#define CONF_FIELD(type, key, def, ...) CONF_##type(key, def)

struct conf_listen {
#define KEY_LISTEN CONF_FIELD
#include "conf/keys.def"
	struct str certificate_pem; /* the file's text; set = TLS */
	struct conf_where where;
};

struct conf_admin {
#define KEY_ADMIN CONF_FIELD
#include "conf/keys.def"
};

struct conf_ledger {
#define KEY_LEDGER CONF_FIELD
#include "conf/keys.def"
};

struct conf_billing {
#define KEY_BILLING CONF_FIELD
#include "conf/keys.def"
};

struct conf_limits {
#define KEY_LIMITS CONF_FIELD
#include "conf/keys.def"
};

struct conf_stream {
#define KEY_STREAM CONF_FIELD
#include "conf/keys.def"
};

struct conf_cors {
#define KEY_CORS CONF_FIELD
#include "conf/keys.def"
};

struct conf_webhook {
#define KEY_WEBHOOK CONF_FIELD
#include "conf/keys.def"
};

/* Of a model, for long inputs. Prices of absent classes are filled in. */
struct conf_tier {
#define KEY_TIER CONF_FIELD
#include "conf/keys.def"
	struct conf_where where;
};

/* Prices of absent classes are filled in. Several of one name: the price
 * changes; all but prices counts from the first. */
struct conf_model {
#define KEY_MODEL CONF_FIELD
#include "conf/keys.def"
	uint64_t effective_ms; /* wall clock; 0 = from the beginning */
	struct conf_where where;
};

struct conf_group_model {
#define KEY_GROUP_MODEL CONF_FIELD
#include "conf/keys.def"
	struct conf_where where;
};

struct conf_group {
#define KEY_GROUP CONF_FIELD
#include "conf/keys.def"
	struct conf_where where;
};

struct conf_channel_model {
#define KEY_CHANNEL_MODEL CONF_FIELD
#include "conf/keys.def"
	uint32_t model;	     /* index into conf.models */
	uint32_t lacks_bits; /* enum conf_need */
	struct conf_where where;
};

/* Of a channel: a key as it is, or an access key in its parts. */
struct conf_credential {
#define KEY_CREDENTIAL CONF_FIELD
#include "conf/keys.def"
	struct str label; /* its name, or its place in the list */
	struct conf_where where;
};

struct conf_channel_probe {
#define KEY_CHANNEL_PROBE CONF_FIELD
#include "conf/keys.def"
};

struct conf_label {
#define KEY_LABEL CONF_FIELD
#include "conf/keys.def"
	struct conf_where where;
};

/* `groups` are indexes into conf.groups. */
struct conf_channel {
#define KEY_CHANNEL CONF_FIELD
#include "conf/keys.def"
	struct sockaddr_storage source; /* source_address; AF_UNSPEC = any */
	struct conf_where where;
};

struct conf_plan {
#define KEY_PLAN CONF_FIELD
#include "conf/keys.def"
	struct conf_where where;
};

struct conf_routing {
#define KEY_ROUTING CONF_FIELD
#include "conf/keys.def"
};

struct conf_header {
#define KEY_HEADER CONF_FIELD
#include "conf/keys.def"
	struct conf_where where;
};

/* `groups` are indexes into conf.groups. */
struct conf_match {
#define KEY_MATCH CONF_FIELD
#include "conf/keys.def"
	uint32_t needs_bits;	/* enum conf_need */
	uint64_t headers_bits;	/* of conf.route_headers */
	uint64_t metadata_bits; /* of conf.route_metadata */
	/* Minutes of the day; the same = all day. Over midnight: from > to. */
	uint32_t from_minute, to_minute;
	uint32_t days_bits; /* 1 = Sunday; 0 = all */
};

/* By what requests belong together, the first that they have. */
enum conf_affinity { AFFINITY_SESSION, AFFINITY_USER, AFFINITY_PREFIX };
struct conf_affine {
	uint32_t n;
	enum conf_affinity by[3];
};

struct conf_route {
#define KEY_ROUTE CONF_FIELD
#include "conf/keys.def"
	struct conf_affine affine; /* its own, or that of routing */
	const uint32_t *lanes;	   /* n_channels indexes into conf.channels */
	enum conf_strategy chosen; /* its own, or that of routing */
	struct conf_where where;
};

struct conf_probe {
#define KEY_PROBE CONF_FIELD
#include "conf/keys.def"
};

/* Field order follows keys.def: workers, state_dir, ... */
struct conf {
#define KEY_TOP CONF_FIELD
#include "conf/keys.def"
	struct str path;   /* the file it came from */
	struct str prefix; /* -p, made absolute; empty = none */
	/* The conditions of all routes: bit i of headers_bits, metadata_bits
	 * is the i-th. */
	uint32_t n_route_headers;
	const struct conf_header *route_headers[CONF_HEADERS_MAX];
	uint32_t n_route_metadata;
	const struct conf_label *route_metadata[CONF_METADATA_MAX];
	struct conf_affine affine; /* of routing */
	bool has_sessions;	   /* anybody looks for one */
	uint32_t n_warnings;
	struct str *warnings; /* "file:line: key: text", to be logged */
	struct arena *arena;  /* the memory of all this */
	struct secret_vault *vault;
};

/* A URL as the configuration takes it; its texts live in `arena`. False with
 * a reason. */
NODISCARD bool conf_url_parse(struct str text, struct conf_url *out,
			      struct arena *arena, struct buf *reason);
/* The source_address of a channel, port 0; NULL = any. */
/* May requests wait for a place there. */
static inline bool
conf_has_queue(const struct conf_channel *c)
{
	return c->max_concurrency > 0 && c->queue > 0;
}
const struct sockaddr_storage *conf_source(const struct conf_channel *c);
/* Where connections of a channel go first, and to whom: equal for two that may
 * share their addresses. Never 0. */
uint64_t conf_way(const struct conf_channel *c);
/* The model named so, or NULL; the index is m - conf->models. */
const struct conf_model *conf_model_find(const struct conf *c, struct str name);
/* The channel named so, or NULL. */
const struct conf_channel *conf_channel_find(const struct conf *c,
					     struct str name);
/* "tools", "vision", ...; of one bit. */
const char *conf_need_name(enum conf_need need);
/* The plan named so, or NULL. */
const struct conf_plan *conf_plan_find(const struct conf *c, struct str name);
/* The group named so, or NULL. */
const struct conf_group *conf_group_find(const struct conf *c, struct str name);
/* What group `g` multiplies the list price of `model` with, in ppm. */
uint32_t conf_multiplier(const struct conf_group *g, struct str model);
