#pragma once
/*
 * An exchange without a socket: what the admin pages are given in unit
 * tests. Included once per test program; it takes the place of the HTTP
 * server.
 */
#include <stdlib.h>

#include "admin/endpoints.h"
#include "admin/orders.h"
#include "admin/process.h"
#include "base/json.h"
#include "conf/conf.h"
#include "http/server.h"
#include "shm/accounts.h"
#include "shm/counters.h"
#include "shm/keys.h"
#include "shm/region.h"
#include "tests/tap.h"

struct exchange {
	struct admin *admin;
	void *user;
	bool is_unix;
	uint32_t uid;
	int status; /* of the answer, 0 = none yet */
	bool wants_body;
	char fields[512];
	char body[262144];
	size_t body_n;
};

void *
exchange_server_user(struct exchange *x)
{
	return x->admin;
}

void
exchange_set_user(struct exchange *x, void *user)
{
	x->user = user;
}

void *
exchange_user(struct exchange *x)
{
	return x->user;
}

bool
exchange_peer_uid(struct exchange *x, uint32_t *uid)
{
	*uid = x->uid;
	return x->is_unix;
}

void
exchange_read_body(struct exchange *x)
{
	x->wants_body = true;
}

void
exchange_reply(struct exchange *x, int status, struct str fields,
	       struct str body, uint64_t mark)
{
	(void)mark;
	CHECK(x->status == 0);
	x->status = status;
	(void)str_copy(x->fields, sizeof(x->fields), fields);
	CHECK(str_copy(x->body, sizeof(x->body), body));
	x->body_n = body.n;
}

/* ---- a world around it ---- */

struct world {
	struct region region;
	struct conf conf;
	struct admin_args args;
	struct admin admin;
	uint32_t channel_row;
	uint8_t pepper[32];
	struct exchange x;
};

static inline void
world_open(struct world *w, int orders, int control)
{
	memset(w, 0, sizeof(*w));
	CHECK(region_anonymous(&w->region, 256, 8) == E_OK);
	w->args = (struct admin_args){
		.conf = &w->conf,
		.region = &w->region,
		.orders = orders,
		.control = control,
		.pepper = w->pepper,
	};
	w->admin.args = &w->args;
	w->x.admin = &w->admin;
	w->x.is_unix = true;
}

static inline void
world_close(struct world *w)
{
	region_close(&w->region);
}

/* An account as the writer would publish it. */
static inline uint32_t
world_account(struct world *w, const char *name, int64_t nano)
{
	uint32_t i = w->region.head->n_accounts;
	struct account_row *a = &w->region.accounts[i];

	(void)str_copy(a->name, sizeof(a->name), str_of(name));
	a->parent = SHM_NONE;
	a->created_ms = 1700000000000;
	a->flags = ACCOUNT_LIVE;
	w->region.counters[counter_of_account(i)].available = nano;
	w->region.counters[counter_of_account(i)].balance = nano;
	w->region.head->n_accounts = i + 1;
	return i;
}

static inline void
split_target(struct http_head *h, const char *target)
{
	struct str rest = str_of(target);

	h->target = rest;
	h->path = str_cut(&rest, '?');
	h->query = rest;
}

static inline void
head_field(struct http_head *h, const char *name, const char *value)
{
	h->fields[h->n_fields++] =
		(struct http_field){str_of(name), str_of(value)};
}

/* One request; the answer stands in w->x. A page that answers later leaves
 * status 0; world_end() ends the exchange. */
static inline void
world_send(struct world *w, const struct http_head *h, const char *body)
{
	w->x.status = 0;
	w->x.wants_body = false;
	w->x.user = NULL;
	w->x.body[0] = '\0';
	admin_exchange_ops.on_head(&w->x, h);
	if (w->x.wants_body)
		admin_exchange_ops.on_body(&w->x, str_of(body));
}

static inline void
world_end(struct world *w)
{
	admin_exchange_ops.on_end(&w->x, E_OK);
	w->x.user = NULL;
}

static inline int
world_ask(struct world *w, enum http_method method, const char *target,
	  const char *body)
{
	struct http_head h;

	memset(&h, 0, sizeof(h));
	h.method = method;
	split_target(&h, target);
	if (body) {
		h.body = HTTP_BODY_LENGTH;
		h.length = strlen(body);
	}
	head_field(&h, "idempotency-key", "k-1");
	world_send(w, &h, body);
	return w->x.status;
}

/* error.code of the last answer is `code`. */
static inline bool
world_code(const struct world *w, const char *code)
{
	struct json_error error;
	struct json_value root;

	if (!json_valid(str_of(w->x.body), &root, &error))
		return false;
	return json_str_eq(json_get(json_get(root, "error"), "code").raw,
			   str_of(code));
}

/* The text member `name` of the last answer is `text`. */
static inline bool
world_says(const struct world *w, const char *name, const char *text)
{
	struct json_error error;
	struct json_value root, v;

	if (!json_valid(str_of(w->x.body), &root, &error))
		return false;
	v = json_get(root, name);
	return v.type == JSON_STRING ? json_str_eq(v.raw, str_of(text))
				     : str_eq(v.raw, str_of(text));
}
