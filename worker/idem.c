/*
 * The order is what is hard: claim, look, hold. Who holds the claim is the
 * only one who may run for the key, in whatever worker; and whoever ran
 * before has let go of his claim only after his entry was committed, so the
 * look that comes after the claim sees it.
 */
#include "worker/idem.h"

#include "base/clock.h"
#include "base/hash.h"
#include "shm/claims.h"
#include "worker/hold.h"

/* ---- the header ---- */

static bool
is_text(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < ' ' || s.p[i] > '~')
			return false;
	return s.n > 0 && s.n <= IDEM_KEY_MAX;
}

enum next
idem_head(struct request *req, const struct http_head *head)
{
	struct str key = STR_NONE;
	unsigned n = 0;

	for (unsigned i = 0; i < head->n_fields; i++) {
		if (!str_ieq(head->fields[i].name, STR("idempotency-key")))
			continue;
		key = head->fields[i].value;
		n++;
	}
	if (n == 0)
		return NEXT_STEP;
	if (n > 1 || !is_text(key))
		return request_fail(req, E_IDEM_KEY);
	req->idem = arena_zalloc(&req->arena, sizeof(*req->idem));
	if (!req->idem)
		return request_fail(req, E_NO_MEMORY);
	req->idem->key = arena_dup(&req->arena, key);
	return req->idem->key.p ? NEXT_STEP : request_fail(req, E_NO_MEMORY);
}

/* ---- hashes, under the pepper: nobody can try out bodies ---- */

static void
hash_key(struct request *req)
{
	struct {
		char what[12];
		uint32_t key;
		uint8_t text[SHA256_BYTES];
	} in = {.what = "idem-client", .key = req->key};
	uint8_t out[SHA256_BYTES];

	sha256(req->idem->key.p, req->idem->key.n, in.text);
	hmac_sha256(req->w->args->pepper, SHA256_BYTES, &in, sizeof(in), out);
	memcpy(req->idem->hash, out, sizeof(req->idem->hash));
	req->idem->hash[0] |= 1; /* 0, 0 is none */
}

/* Of all that says what is asked for. */
static uint64_t
hash_body(const struct request *req)
{
	struct {
		char what[12];
		uint32_t method;
		uint8_t path[SHA256_BYTES];
		uint8_t body[SHA256_BYTES];
	} in = {.what = "idem-body", .method = (uint32_t)req->method};
	/* whole and decoded where a model stands in it */
	struct str path = req->ask.path.n > 0 ? req->ask.path : req->path;
	uint8_t out[SHA256_BYTES];
	uint64_t h;

	sha256(path.p, path.n, in.path);
	sha256(req->ask.body.p, req->ask.body.n, in.body);
	hmac_sha256(req->w->args->pepper, SHA256_BYTES, &in, sizeof(in), out);
	memcpy(&h, out, sizeof(h));
	return h;
}

/* ---- the claim ---- */

void
idem_release(struct request *req)
{
	if (!idem_is_claimed(req))
		return;
	req->idem->claimed = false;
	claim_drop(req->w->region, req->hold.slot, req->hold.gen,
		   req->idem->hash);
	hold_unclaim(req->w->slots, &req->hold);
}

void
idem_held(struct request *req, bool taken)
{
	if (!idem_is_claimed(req))
		return;
	req->idem->claimed = false;
	if (!taken)
		claim_drop(req->w->region, req->idem->slot, req->hold.gen,
			   req->idem->hash);
}

static enum next
claim(struct request *req, uint64_t body)
{
	struct worker *w = req->w;
	struct note *n;
	enum err e = hold_begin(req);
	enum claim c;

	req->retry_after_ns = NS_PER_SEC;
	if (e != E_OK)
		return request_fail(req, e);
	n = hold_note(w->slots, &req->hold);
	atomic_store(&n->idem[0], req->idem->hash[0]);
	atomic_store(&n->idem[1], req->idem->hash[1]);
	n->idem_body = body;
	c = claim_take(w->region, &req->hold, w->args->spawn_epoch);
	if (c == CLAIM_TAKEN) {
		req->idem->claimed = true;
		req->idem->slot = req->hold.slot;
		req->retry_after_ns = 0;
		return NEXT_STEP;
	}
	hold_unclaim(w->slots, &req->hold);
	return request_fail(req, c == CLAIM_RUNS ? E_IDEM_RUNNING : E_OVERLOAD);
}

/* ---- the look ---- */

/* "settled ENTRY TXN CHARGE REQUEST" */
static void
settled(struct request *req, struct str text)
{
	struct str entry = str_cut(&text, ' '), txn = str_cut(&text, ' ');
	struct str charge = str_cut(&text, ' ');

	req->idem->entry = arena_dup(&req->arena, entry);
	req->idem->txn = arena_dup(&req->arena, txn);
	req->idem->charge = arena_dup(&req->arena, charge);
	req->detail =
		arena_printf(&req->arena,
			     "request %.*s, ledger entry %.*s, charge "
			     "%.*s USD",
			     STR_ARG(text), STR_ARG(entry), STR_ARG(charge))
			.p;
	(void)request_fail(req, E_IDEM_SETTLED);
}

static void
looked(struct request *req, int status, struct str text)
{
	struct str rest = str_trim(text), word = str_cut(&rest, ' ');

	if (status != 200)
		word = STR("failed");
	if (str_eq(word, STR("new")))
		req->step = STEP_hold;
	else if (str_eq(word, STR("other")))
		(void)request_fail(req, E_IDEM_REUSED);
	else if (str_eq(word, STR("settled")))
		settled(req, rest);
	else
		(void)request_fail(req, E_HISTORY);
	request_run(req);
}

enum next
step_idem(struct request *req)
{
	enum next next;
	struct str path;
	uint64_t body;

	if (!req->idem)
		return NEXT_STEP;
	hash_key(req);
	body = hash_body(req);
	next = claim(req, body);
	if (next != NEXT_STEP)
		return next;
	path = arena_printf(&req->arena, "idem?key=%016llx%016llx&body=%016llx",
			    (unsigned long long)req->idem->hash[0],
			    (unsigned long long)req->idem->hash[1],
			    (unsigned long long)body);
	if (!path.p || !inside_ask(req, path, looked))
		return request_fail(req, E_HISTORY);
	return NEXT_WAIT;
}
