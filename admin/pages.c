/* Pages that are answered at once, from shared memory. */
#include "admin/pages.h"

#include <string.h>

#include "admin/metrics_page.h"
#include "admin/openapi.h"
#include "admin/url.h"
#include "admin/views.h"
#include "base/clock.h"
#include "shm/accounts.h"
#include "shm/keys.h"
#include "shm/limits.h"

#define LIST_DEFAULT 100u
#define LIST_MAX     1000u

/* A page of a list: from where, how many. */
struct window {
	uint64_t after; /* index of the first row */
	uint64_t limit;
};

void
admin_page_health(struct page *p, struct str body)
{
	(void)body;
	page_text(p, 200, "text/plain; charset=utf-8", STR("ok\n"));
}

void
admin_page_ready(struct page *p, struct str body)
{
	const char *why = view_unready(p->admin->args);

	(void)body;
	if (why)
		page_error(p, 503, "not_ready", "Not ready: %s.", why);
	else
		page_text(p, 200, "text/plain; charset=utf-8", STR("ready\n"));
}

void
admin_page_metrics(struct page *p, struct str body)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;

	(void)body;
	metrics_page(p->admin->args->region, &out);
	if (out.failed)
		page_error(p, 503, "out_of_memory", "There is no memory.");
	else
		page_text(p, 200, "text/plain; version=0.0.4; charset=utf-8",
			  buf_str(&out));
}

void
admin_page_openapi(struct page *p, struct str body)
{
	(void)body;
	page_text(p, 200, "application/yaml", admin_openapi());
}

static void
answer(struct page *p,
       void (*view)(struct json_out *, const struct admin_args *))
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;
	struct json_out o;

	json_out_init(&o, &out);
	view(&o, p->admin->args);
	page_json(p, 200, &out);
}

void
admin_page_status(struct page *p, struct str body)
{
	(void)body;
	answer(p, view_status);
}

void
admin_page_workers(struct page *p, struct str body)
{
	(void)body;
	answer(p, view_workers);
}

void
admin_page_channels(struct page *p, struct str body)
{
	(void)body;
	answer(p, view_channels);
}

void
admin_page_models(struct page *p, struct str body)
{
	(void)body;
	answer(p, view_models);
}

void
admin_page_conns(struct page *p, struct str body)
{
	(void)body;
	answer(p, view_conns);
}

/* ---- lists ---- */

/* False: answered. */
static bool
window_read(struct page *p, struct window *w)
{
	char after[24], limit[24];
	struct str q = str_of(p->query);

	w->after = 0;
	w->limit = LIST_DEFAULT;
	if (url_query(q, "after", after, sizeof(after)) &&
	    !str_to_u64(str_of(after), &w->after)) {
		page_error(p, 400, "bad_after",
			   "'after' must be the 'next' of the page before.");
		return false;
	}
	if (url_query(q, "limit", limit, sizeof(limit)) &&
	    (!str_to_u64(str_of(limit), &w->limit) || w->limit == 0 ||
	     w->limit > LIST_MAX)) {
		page_error(p, 400, "bad_limit", "'limit' must be 1 to %u.",
			   LIST_MAX);
		return false;
	}
	return true;
}

/* Row `index` into the list, if it belongs there. */
typedef bool list_fn(struct json_out *o, const struct region *r, uint32_t index,
		     uint32_t filter);

static void
answer_list(struct page *p, const char *name, uint32_t count, list_fn *row,
	    uint32_t filter)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;
	struct json_out o;
	struct window w;
	uint64_t i, given = 0;

	if (!window_read(p, &w))
		return;
	json_out_init(&o, &out);
	json_open(&o, '{');
	json_name(&o, name);
	json_open(&o, '[');
	for (i = w.after; i < count && given < w.limit; i++)
		given += row(&o, p->admin->args->region, (uint32_t)i, filter);
	json_close(&o, ']');
	json_name(&o, "next");
	if (i < count)
		json_put_u64(&o, i);
	else
		json_put_null(&o);
	json_close(&o, '}');
	page_json(p, 200, &out);
}

static bool
list_account(struct json_out *o, const struct region *r, uint32_t index,
	     uint32_t filter)
{
	(void)filter;
	if (!(atomic_load(&r->accounts[index].flags) & ACCOUNT_LIVE))
		return false;
	json_open(o, '{');
	view_account(o, r, index);
	json_close(o, '}');
	return true;
}

static bool
list_key(struct json_out *o, const struct region *r, uint32_t index,
	 uint32_t filter)
{
	const struct key_row *k = &r->keys[index];

	if (!(atomic_load(&k->flags) & (KEY_LIVE | KEY_REVOKED)) ||
	    (filter != SHM_NONE && k->account != filter))
		return false;
	json_open(o, '{');
	view_key(o, r, index);
	json_close(o, '}');
	return true;
}

/* The account that ?account= names; false: answered. */
static bool
filter_read(struct page *p, uint32_t *account)
{
	char name[PAGE_NAME];

	*account = SHM_NONE;
	if (!url_query(str_of(p->query), "account", name, sizeof(name)))
		return true;
	*account = account_find(p->admin->args->region, str_of(name));
	if (*account != SHM_NONE)
		return true;
	page_error(p, 404, "not_found", "There is no account \"%s\".", name);
	return false;
}

void
admin_page_accounts(struct page *p, struct str body)
{
	(void)body;
	answer_list(p, "accounts", account_rows(p->admin->args->region),
		    list_account, SHM_NONE);
}

void
admin_page_keys(struct page *p, struct str body)
{
	uint32_t account;

	(void)body;
	if (filter_read(p, &account))
		answer_list(p, "keys", key_rows(p->admin->args->region),
			    list_key, account);
}

void
admin_page_account(struct page *p, struct str body)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;
	const struct region *r = p->admin->args->region;
	uint32_t index = account_find(r, str_of(p->name));
	struct json_out o;

	(void)body;
	if (index == SHM_NONE) {
		page_error(p, 404, "not_found", "There is no account \"%s\".",
			   p->name);
		return;
	}
	json_out_init(&o, &out);
	(void)list_account(&o, r, index, SHM_NONE);
	page_json(p, 200, &out);
}

void
admin_page_key(struct page *p, struct str body)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;
	const struct region *r = p->admin->args->region;
	struct json_out o;
	uint64_t id;

	(void)body;
	json_out_init(&o, &out);
	if (!str_to_u64(str_of(p->name), &id) || id >= key_rows(r) ||
	    !list_key(&o, r, (uint32_t)id, SHM_NONE)) {
		page_error(p, 404, "not_found",
			   "There is no key %s. GET /admin/v1/keys lists them.",
			   p->name);
		return;
	}
	page_json(p, 200, &out);
}

/* ---- limits ---- */

static void
put_window(struct json_out *o, const char *name, const _Atomic uint64_t *tat,
	   uint32_t per_minute)
{
	struct limit_view v = limit_look(tat, per_minute, clock_mono_ns());

	json_name(o, name);
	json_open(o, '{');
	put_u64(o, "limit", v.limit);
	put_u64(o, "remaining", v.remaining);
	put_u64(o, "reset_ms", v.reset_ns / NS_PER_MS);
	json_close(o, '}');
}

static bool
put_cells(struct json_out *o, const char *kind, const char *name,
	  uint32_t index, const struct limit_cells *l)
{
	uint32_t rpm = atomic_load(&l->rpm), tpm = atomic_load(&l->tpm);
	uint32_t at_once = atomic_load(&l->concurrency);

	if (rpm == 0 && tpm == 0 && at_once == 0)
		return false;
	json_open(o, '{');
	put_text(o, "kind", kind);
	put_u64(o, "id", index);
	put_text(o, "name", name);
	put_window(o, "requests", &l->rpm_tat_ns, rpm);
	put_window(o, "tokens", &l->tpm_tat_ns, tpm);
	put_u64(o, "concurrency", at_once);
	put_i64(o, "running", atomic_load(&l->running));
	json_close(o, '}');
	return true;
}

/* Accounts first, then keys, as one list. */
static bool
list_limits(struct json_out *o, const struct region *r, uint32_t index,
	    uint32_t accounts)
{
	const struct key_row *k;

	if (index < accounts)
		return put_cells(o, "account", r->accounts[index].name, index,
				 &r->accounts[index].limits);
	k = &r->keys[index - accounts];
	if (!(atomic_load(&k->flags) & KEY_LIVE))
		return false;
	return put_cells(o, "key", k->name, index - accounts, &k->limits);
}

void
admin_page_limits(struct page *p, struct str body)
{
	const struct region *r = p->admin->args->region;
	uint32_t accounts = account_rows(r);

	(void)body;
	answer_list(p, "limits", accounts + key_rows(r), list_limits, accounts);
}
