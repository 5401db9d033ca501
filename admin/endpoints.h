#pragma once
/* The table of the admin API, and the way of a request through it. */
#include "admin/process.h"
#include "http/server.h"

enum access {
	ACCESS_OPEN,   /* anybody who can connect */
	ACCESS_TOKEN,  /* the bearer token, or the socket's own user */
	ACCESS_WORKER, /* the same, and it says for which client */
};

struct endpoint {
	enum http_method method; /* HTTP_GET answers HEAD as well */
	const char *path;	 /* `*` = one segment */
	enum access access;
	bool needs_idem; /* Idempotency-Key is required */
	/* `body` is empty but for POST. */
	void (*run)(struct page *p, struct str body);
};

/* All rows; for the check that each is documented. */
const struct endpoint *admin_endpoints(unsigned *n);
/* Does `path` fit the pattern; *name is what `*` stands for, as sent. */
bool admin_path_fits(const char *pattern, struct str path, struct str *name);
/* May `token` pass for `want` (constant time)? */
bool admin_token_fits(struct str authorization, struct str want);

extern const struct exchange_ops admin_exchange_ops;
