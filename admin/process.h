#pragma once
/*
 * The insides of the admin process: one loop, one HTTP server on two
 * listeners. A page answers at once from shared memory, or it asks the
 * ledger writer (orders.h) or the master (control.h) and answers later.
 */
#include <stdbool.h>
#include <stdint.h>

#include "admin/admin.h"
#include "base/attrs.h"
#include "base/buf.h"
#include "base/str.h"
#include "http/msg.h"

struct admin_control;
struct admin_orders;
struct event;
struct event_base;
struct exchange;
struct history;
struct http_server;
struct pool;
struct signer;
struct webhook;
struct wheel;

struct admin {
	const struct admin_args *args;
	struct event_base *base;
	struct pool *pool;
	struct wheel *wheel;
	struct http_server *server;
	struct admin_orders *orders;
	struct admin_control *control;
	struct history *history; /* NULL: the ledger cannot be read */
	struct signer *signer;	 /* NULL: no receipts */
	struct webhook *webhook; /* NULL = none */
	struct event *events[8];
	unsigned n_events;
	bool draining;
	uint64_t drain_until_ns;
};

#define PAGE_NAME  128
#define PAGE_QUERY 256
#define PAGE_IDEM  64

/* One request. Lives until its exchange has ended and nothing it asked for
 * is outstanding. */
struct page {
	struct admin *admin;
	struct exchange *x; /* NULL: the client is gone */
	const struct endpoint *endpoint;
	unsigned asked;	      /* orders and controls that are outstanding */
	char name[PAGE_NAME]; /* what `*` in the path stands for, decoded */
	char query[PAGE_QUERY];
	char idem[PAGE_IDEM]; /* Idempotency-Key; "" = none */
	char secret[264];     /* key create: shown once, then wiped */
	bool is_create;	      /* answered with 201 */
	/* Internal pages: the rows of the client that a worker speaks for. */
	uint32_t client_key;
	uint32_t client_account;
};

/* Answers: JSON; at most once a page, nothing happens if the client left. */
void page_json(struct page *p, int status, struct buf *body);
void page_text(struct page *p, int status, const char *type, struct str body);
/* {"error":{"code":...,"message":...}} */
void page_error(struct page *p, int status, const char *code, const char *fmt,
		...) PRINTF(4, 5);
/* Around everything that answers later. */
void page_hold(struct page *p);
void page_release(struct page *p);
