/*
 * The admin API: one row a page. A request is routed and its sender checked
 * on the head; only then a body is read.
 */
#include "admin/endpoints.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/internal.h"
#include "admin/pages.h"
#include "admin/url.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/must.h"
#include "conf/conf.h"
#include "http/server.h"

#define V1	 "/admin/v1"
#define INTERNAL "/internal/v1"

/* clang-format off */
static const struct endpoint endpoints[] = {
	{HTTP_GET,  "/healthz",                  ACCESS_OPEN,  false, admin_page_health},
	{HTTP_GET,  "/readyz",                   ACCESS_OPEN,  false, admin_page_ready},
	{HTTP_GET,  "/metrics",                  ACCESS_TOKEN, false, admin_page_metrics},
	{HTTP_GET,  "/openapi.yaml",             ACCESS_OPEN,  false, admin_page_openapi},
	{HTTP_GET,  V1 "/status",                ACCESS_TOKEN, false, admin_page_status},
	{HTTP_GET,  V1 "/workers",               ACCESS_TOKEN, false, admin_page_workers},
	{HTTP_GET,  V1 "/channels",              ACCESS_TOKEN, false, admin_page_channels},
	{HTTP_POST, V1 "/channels/*/drain",      ACCESS_TOKEN, false, admin_channel_drain},
	{HTTP_POST, V1 "/channels/*/up",         ACCESS_TOKEN, false, admin_channel_up},
	{HTTP_POST, V1 "/channels/*/down",       ACCESS_TOKEN, false, admin_channel_down},
	{HTTP_GET,  V1 "/models",                ACCESS_TOKEN, false, admin_page_models},
	{HTTP_GET,  V1 "/conns",                 ACCESS_TOKEN, false, admin_page_conns},
	{HTTP_GET,  V1 "/limits",                ACCESS_TOKEN, false, admin_page_limits},
	{HTTP_GET,  V1 "/accounts",              ACCESS_TOKEN, false, admin_page_accounts},
	{HTTP_POST, V1 "/accounts",              ACCESS_TOKEN, false, admin_account_create},
	{HTTP_GET,  V1 "/accounts/*",            ACCESS_TOKEN, false, admin_page_account},
	{HTTP_POST, V1 "/accounts/*/set",        ACCESS_TOKEN, false, admin_account_set},
	{HTTP_POST, V1 "/accounts/*/topup",      ACCESS_TOKEN, true,  admin_account_topup},
	{HTTP_POST, V1 "/accounts/*/refund",     ACCESS_TOKEN, true,  admin_account_refund},
	{HTTP_POST, V1 "/accounts/*/correct",    ACCESS_TOKEN, true,  admin_account_correct},
	{HTTP_POST, V1 "/accounts/*/credit",     ACCESS_TOKEN, true,  admin_account_credit},
	{HTTP_POST, V1 "/accounts/*/redeem",     ACCESS_TOKEN, true,  admin_code_redeem},
	{HTTP_GET,  V1 "/codes",                 ACCESS_TOKEN, false, admin_page_codes},
	{HTTP_POST, V1 "/codes",                 ACCESS_TOKEN, false, admin_code_create},
	{HTTP_POST, V1 "/codes/*/revoke",        ACCESS_TOKEN, false, admin_code_revoke},
	{HTTP_POST, V1 "/accounts/*/freeze",     ACCESS_TOKEN, false, admin_account_freeze},
	{HTTP_POST, V1 "/accounts/*/unfreeze",   ACCESS_TOKEN, false, admin_account_unfreeze},
	{HTTP_GET,  V1 "/keys",                  ACCESS_TOKEN, false, admin_page_keys},
	{HTTP_POST, V1 "/keys",                  ACCESS_TOKEN, false, admin_key_create},
	{HTTP_GET,  V1 "/keys/*",                ACCESS_TOKEN, false, admin_page_key},
	{HTTP_POST, V1 "/keys/*/set",            ACCESS_TOKEN, false, admin_key_set},
	{HTTP_POST, V1 "/keys/*/rotate",         ACCESS_TOKEN, false, admin_key_rotate},
	{HTTP_POST, V1 "/keys/*/revoke",         ACCESS_TOKEN, false, admin_key_revoke},
	{HTTP_POST, V1 "/reload",                ACCESS_TOKEN, false, admin_reload},
	{HTTP_POST, V1 "/upgrade",               ACCESS_TOKEN, false, admin_upgrade},
	{HTTP_POST, V1 "/stop",                  ACCESS_TOKEN, false, admin_stop},
	{HTTP_POST, V1 "/audit",                 ACCESS_TOKEN, false, admin_audit},
	{HTTP_GET,  V1 "/receipts/key",          ACCESS_TOKEN, false, admin_page_receipt_key},
};

/* Of the Unix socket, for workers. */
static const struct endpoint internal[] = {
	{HTTP_GET,  INTERNAL "/usage",           ACCESS_WORKER, false, internal_usage},
	{HTTP_GET,  INTERNAL "/idem",            ACCESS_WORKER, false, internal_idem},
	{HTTP_GET,  INTERNAL "/receipt",         ACCESS_WORKER, false, internal_receipt},
};
/* clang-format on */

const struct endpoint *
admin_endpoints(unsigned *n)
{
	*n = ARRAY_LEN(endpoints);
	return endpoints;
}

bool
admin_path_fits(const char *pattern, struct str path, struct str *name)
{
	struct str want = str_of(pattern);

	*name = STR_NONE;
	for (;;) {
		struct str w = str_cut(&want, '/'), is = str_cut(&path, '/');

		if (str_eq(w, STR("*")) && is.n > 0)
			*name = is;
		else if (!str_eq(w, is))
			return false;
		if (!want.p || !path.p)
			return !want.p && !path.p;
	}
}

bool
admin_token_fits(struct str authorization, struct str want)
{
	static const struct str scheme = {"Bearer ", 7};
	struct str given = str_from(authorization, scheme.n);
	uint8_t a[SHA256_BYTES], b[SHA256_BYTES];

	if (want.n == 0 || authorization.n <= scheme.n ||
	    !str_ieq(str_make(authorization.p, scheme.n), scheme))
		return false;
	given = str_trim(given);
	/* Of equal length, whatever was sent. */
	sha256(given.p, given.n, a);
	sha256(want.p, want.n, b);
	return bytes_equal(a, b, sizeof(a));
}

/* ---- answers ---- */

void
page_text(struct page *p, int status, const char *type, struct str body)
{
	char fields[128];
	int n;

	if (!p->x)
		return;
	n = snprintf(fields, sizeof(fields),
		     "content-type: %s\r\ncache-control: no-store\r\n", type);
	must(n > 0 && (size_t)n < sizeof(fields));
	exchange_reply(p->x, status, str_make(fields, (size_t)n), body, 0);
}

void
page_json(struct page *p, int status, struct buf *body)
{
	buf_add_char(body, '\n');
	if (body->failed)
		page_error(p, 503, "out_of_memory",
			   "There is no memory for the answer. Ask for less.");
	else
		page_text(p, status, "application/json", buf_str(body));
}

static void
error_body(struct buf *out, const char *code, struct str message)
{
	struct json_out o;

	json_out_init(&o, out);
	json_open(&o, '{');
	json_name(&o, "error");
	json_open(&o, '{');
	json_name(&o, "code");
	json_put_str(&o, str_of(code));
	json_name(&o, "message");
	json_put_str(&o, message);
	json_close(&o, '}');
	json_close(&o, '}');
	buf_add_char(out, '\n');
}

void
page_error(struct page *p, int status, const char *code, const char *fmt, ...)
{
	CLEANUP(buf_free) struct buf body = BUF_INIT;
	char message[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	error_body(&body, code, str_of(message));
	page_text(p, status, "application/json", buf_str(&body));
}

/* ---- life ---- */

void
page_hold(struct page *p)
{
	p->asked++;
}

void
page_release(struct page *p)
{
	must(p->asked > 0);
	if (--p->asked > 0 || p->x)
		return;
	bytes_wipe(p->secret, sizeof(p->secret));
	free(p);
}

/* ---- the way in ---- */

static bool
is_own(struct exchange *x)
{
	uint32_t uid;

	return exchange_peer_uid(x, &uid) &&
	       (uid == 0 || uid == (uint32_t)geteuid());
}

static bool
may_enter(struct exchange *x, const struct admin *a,
	  const struct http_head *head, enum access access)
{
	uint32_t uid;

	if (access == ACCESS_OPEN)
		return true;
	if (exchange_peer_uid(x, &uid))
		return is_own(x);
	return admin_token_fits(http_get(head, "authorization"),
				secret_bytes(a->args->conf->admin.token));
}

/* The row for this request; *allowed: methods of the path, if the method
 * alone does not fit. */
static const struct endpoint *
find(const struct http_head *head, bool own, struct str *name,
     const char **allowed)
{
	enum http_method m =
		head->method == HTTP_HEAD ? HTTP_GET : head->method;
	bool inside = own && str_starts(head->path, STR(INTERNAL "/"));
	const struct endpoint *rows = inside ? internal : endpoints;
	unsigned n = inside ? ARRAY_LEN(internal) : ARRAY_LEN(endpoints);

	*allowed = NULL;
	for (unsigned i = 0; i < n; i++) {
		const struct endpoint *e = &rows[i];

		if (!admin_path_fits(e->path, head->path, name))
			continue;
		if (e->method == m)
			return e;
		if (*allowed)
			*allowed = "GET, HEAD, POST";
		else
			*allowed = e->method == HTTP_GET ? "GET, HEAD" : "POST";
	}
	return NULL;
}

static struct page *
page_new(struct exchange *x, const struct http_head *head)
{
	struct page *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->admin = exchange_server_user(x);
	p->x = x;
	exchange_set_user(x, p);
	(void)str_copy(p->query, sizeof(p->query), head->query);
	return p;
}

static bool
idem_take(struct page *p, struct str text)
{
	bool fine = text.n > 0 && text.n < sizeof(p->idem);

	for (size_t i = 0; fine && i < text.n; i++)
		fine = text.p[i] > ' ' && text.p[i] <= '~';
	if (!fine)
		return false;
	return str_copy(p->idem, sizeof(p->idem), text);
}

/* A worker says for which of its clients it asks. */
static bool
client_take(struct page *p, const struct http_head *head)
{
	const struct shm_head *h = p->admin->args->region->head;
	uint64_t key, account;

	if (!str_to_u64(http_get(head, "x-tollgate-key"), &key) ||
	    !str_to_u64(http_get(head, "x-tollgate-account"), &account) ||
	    key >= atomic_load(&h->n_keys) ||
	    account >= atomic_load(&h->n_accounts))
		return false;
	p->client_key = (uint32_t)key;
	p->client_account = (uint32_t)account;
	return true;
}

/* False: answered. */
static bool
page_admit(struct page *p, const struct http_head *head)
{
	struct str name, idem = http_get(head, "idempotency-key");
	const char *allowed;

	p->endpoint = find(head, is_own(p->x), &name, &allowed);
	if (!p->endpoint && allowed)
		page_error(p, 405, "method_not_allowed",
			   "This method is not allowed here. Use %s.", allowed);
	else if (!p->endpoint)
		page_error(p, 404, "unknown_url",
			   "There is no such page. GET /openapi.yaml lists "
			   "what there is.");
	else if (!may_enter(p->x, p->admin, head, p->endpoint->access))
		page_error(p, 401, "unauthorized",
			   "Send 'Authorization: Bearer TOKEN' with the token "
			   "of admin.token, or use the admin socket as the "
			   "server's user or root.");
	else if (name.p && !url_decode(name, p->name, sizeof(p->name)))
		page_error(p, 400, "bad_name",
			   "The name in the path is too long or malformed.");
	else if (p->endpoint->access == ACCESS_WORKER && !client_take(p, head))
		page_error(p, 400, "bad_client", "Whose page is it?");
	else if (idem.p && !idem_take(p, idem))
		page_error(p, 400, "bad_idempotency_key",
			   "Idempotency-Key must be 1 to %u visible ASCII "
			   "characters.",
			   PAGE_IDEM - 1);
	else if (p->endpoint->needs_idem && !idem.p)
		page_error(p, 400, "missing_idempotency_key",
			   "Send an Idempotency-Key header: a repetition with "
			   "the same key moves no money twice.");
	else
		return true;
	return false;
}

static void
on_head(struct exchange *x, const struct http_head *head)
{
	struct page *p = page_new(x, head);

	if (!p) {
		exchange_reply(x, 503, STR_NONE, STR_NONE, 0);
		return;
	}
	if (!page_admit(p, head))
		return;
	if (head->body != HTTP_BODY_NONE)
		exchange_read_body(x);
	else
		p->endpoint->run(p, STR_NONE);
}

static void
on_body(struct exchange *x, struct str body)
{
	struct page *p = exchange_user(x);

	p->endpoint->run(p, body);
}

static void
on_progress(struct exchange *x)
{
	(void)x; /* answers are small and whole */
}

static void
on_end(struct exchange *x, enum err why)
{
	struct page *p = exchange_user(x);

	(void)why;
	if (!p)
		return;
	page_hold(p);
	p->x = NULL;
	page_release(p);
}

static void
render_error(struct exchange *x, enum err e, const char *detail,
	     struct buf *fields, struct buf *body)
{
	const struct err_row *row = err_row(e);
	char message[512];

	(void)x;
	/* The row's text holds one %s at most. */
	(void)snprintf(message, sizeof(message), "%s", row->text);
	{
		const char *at = strstr(row->text, "%s");

		if (at)
			(void)snprintf(message, sizeof(message), "%.*s%s%s",
				       (int)(at - row->text), row->text,
				       detail ? detail : "", at + 2);
	}
	buf_add_cstr(fields, "content-type: application/json\r\n");
	error_body(body, row->code, str_of(message));
}

const struct exchange_ops admin_exchange_ops = {
	.on_head = on_head,
	.on_body = on_body,
	.on_progress = on_progress,
	.on_end = on_end,
	.render_error = render_error,
};
