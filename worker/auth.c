/*
 * Who asks: the key of the head -> key row, account, parent, group. Before
 * the body is read. The key's text is looked at here and nowhere else; a
 * small cache under a secret of the process spares the HMAC of a key that
 * was seen before.
 */
#include "worker/auth.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "billing/price.h"
#include "worker/request.h"

#define KEY_CACHE_ROWS 4096u
#define KEY_TEXT_MAX   512u

struct key_cache {
	uint64_t secret[4];
	uint8_t pepper[SHA256_BYTES];
	struct {
		uint64_t id[2];
		uint32_t row;
		uint32_t secrets; /* of the row, when it was found */
	} rows[KEY_CACHE_ROWS];
};

struct key_cache *
key_cache_new(const uint8_t *pepper)
{
	struct key_cache *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	random_bytes(c->secret, sizeof(c->secret));
	memcpy(c->pepper, pepper, sizeof(c->pepper));
	for (unsigned i = 0; i < KEY_CACHE_ROWS; i++)
		c->rows[i].row = SHM_NONE;
	return c;
}

void
key_cache_free(struct key_cache *c)
{
	if (!c)
		return;
	bytes_wipe(c, sizeof(*c));
	free(c);
}

static uint32_t
secrets_of(const struct worker *w, uint32_t row)
{
	return atomic_load_explicit(&w->region->keys[row].secrets,
				    memory_order_acquire);
}

/* Unknown keys are not cached: one may be created a moment later. */
static uint32_t
find_key(struct worker *w, struct str text, uint64_t now_ms)
{
	struct key_cache *c = w->keys;
	struct sip_key k = {{c->secret[0], c->secret[1]}};
	uint8_t hash[SHA256_BYTES];
	uint64_t id[2];
	uint32_t at, row;

	siphash128(&k, text, id);
	at = (uint32_t)(id[0] ^ c->secret[2]) % KEY_CACHE_ROWS;
	row = c->rows[at].row;
	if (row != SHM_NONE && c->rows[at].id[0] == id[0] &&
	    c->rows[at].id[1] == id[1] &&
	    c->rows[at].secrets == secrets_of(w, row))
		return row;
	hmac_sha256(c->pepper, sizeof(c->pepper), text.p, text.n, hash);
	row = key_find(w->region, hash, now_ms);
	if (row != SHM_NONE) {
		uint32_t secrets = secrets_of(w, row);

		/* One that was rotated out is good for a while only. */
		if (!bytes_equal(w->region->keys[row].hash, hash, sizeof(hash)))
			return row;
		memcpy(c->rows[at].id, id, sizeof(id));
		c->rows[at].row = row;
		c->rows[at].secrets = secrets;
	}
	return row;
}

/* "?key=" of the query. */
static struct str
query_key(struct str query)
{
	struct str rest = query;

	while (rest.p) {
		struct str part = str_cut(&rest, '&');

		if (str_starts(part, STR("key=")))
			return str_from(part, 4);
	}
	return STR_NONE;
}

static struct str
presented_key(const struct http_head *head)
{
	static const char *const names[] = {"x-api-key", "api-key",
					    "x-goog-api-key"};
	struct str bearer = http_get(head, "authorization");
	struct str key;

	if (bearer.n > 7 && str_ieq(str_make(bearer.p, 7), STR("bearer ")))
		return str_trim(str_from(bearer, 7));
	for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
		key = http_get(head, names[i]);
		if (key.n > 0)
			return key;
	}
	return query_key(head->query);
}

static enum next
reject(struct request *req, enum err e, enum metric_reject why)
{
	metric_add(req->w->metrics, M_REJECTED + why, 1);
	return request_fail(req, e);
}

/* A group that the configuration does not know any more has no price. */
static enum next
find_group(struct request *req, const struct key_row *key,
	   const struct account_row *account)
{
	const struct conf *conf = req->w->conf;
	const char *own = key_texts(key)->group;
	const char *its = account_texts(account)->group;
	const char *name = own[0] ? own : its[0] ? its : "default";
	const struct conf_group *g = conf_group_find(conf, str_of(name));

	if (!g) {
		LOG_WARN("a key's group is not configured",
			 F_CSTR("group", name), F_U64("key", req->key));
		return reject(req, E_NO_CHANNEL, REJECT_MODEL);
	}
	req->group = (uint32_t)(g - conf->groups);
	return NEXT_STEP;
}

static enum next
check_key(struct request *req)
{
	struct region *r = req->w->region;
	const struct key_row *key = &r->keys[req->key];
	const struct account_row *account;
	const char *allow;
	uint64_t expires_ms;
	uint32_t flags = atomic_load(&key->flags);

	if (!(flags & KEY_LIVE) || (flags & KEY_REVOKED))
		return reject(req, E_BAD_KEY, REJECT_AUTH);
	expires_ms = atomic_load(&key->expires_ms);
	if (expires_ms && expires_ms <= req->start_wall_ns / NS_PER_MS)
		return reject(req, E_KEY_EXPIRED, REJECT_AUTH);
	allow = key_texts(key)->allow;
	if (allow[0] && !key_allows_address(allow, exchange_peer_addr(req->x)))
		return reject(req, E_KEY_ADDRESS, REJECT_AUTH);
	if (key->account >= SHM_ACCOUNTS)
		return reject(req, E_INTERNAL, REJECT_AUTH);
	req->account = key->account;
	account = &r->accounts[req->account];
	req->parent = atomic_load(&account->parent);
	if (req->parent != SHM_NONE && req->parent >= SHM_ACCOUNTS)
		return reject(req, E_INTERNAL, REJECT_AUTH);
	return find_group(req, key, account);
}

enum next
auth_head(struct request *req, const struct http_head *head)
{
	struct str text;

	if (req->endpoint->flags & ENDPOINT_NO_KEY)
		return NEXT_STEP;
	text = presented_key(head);
	if (text.n == 0)
		return reject(req, E_NO_KEY, REJECT_AUTH);
	if (text.n > KEY_TEXT_MAX)
		return reject(req, E_BAD_KEY, REJECT_AUTH);
	req->key = find_key(req->w, text, req->start_wall_ns / NS_PER_MS);
	if (req->key == SHM_NONE)
		return reject(req, E_BAD_KEY, REJECT_AUTH);
	return check_key(req);
}
