#pragma once
/*
 * Inside of the server: a client's connection, which is its current exchange
 * as well: one request of a connection at a time. server.c accepts, counts
 * and drains; exchange.c reads requests; answer.c sends answers.
 */
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/chunked.h"
#include "http/conn.h"
#include "http/parse.h"
#include "http/server.h"
#include "http/sources.h"
#include "http/write.h"

enum phase {
	PHASE_IDLE,   /* before the first byte of a request */
	PHASE_HEAD,   /* within its head */
	PHASE_BODY,   /* within its body, which the user wants */
	PHASE_ANSWER, /* the user's turn, until the answer is out */
	PHASE_LINGER  /* answered and refused: input is thrown away */
};

union peer {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

/* Content that begins at `at` (counted like conn.given) carries `mark`. */
struct mark {
	uint64_t at;
	uint64_t mark;
};

struct exchange {
	struct conn conn; /* first: see exchange_of() */
	struct http_server *server;
	struct exchange *next; /* of all, or of the spare ones */
	struct exchange **prev;
	struct source *source;
	void *user;
	uint64_t start_ns;
	uint64_t idle_ns; /* the exchange before it ended; 0 = none */
	struct exchange *next_deferred;
	struct exchange **prev_deferred; /* NULL = it is not */
	uint64_t bytes_in;
	uint64_t given_before; /* conn.given when the exchange began */
	/* request */
	struct head_scan scan;
	struct chunked chunked;
	uint64_t left; /* of the body, HTTP_BODY_LENGTH */
	char *body;
	size_t body_skip; /* the body begins there */
	size_t body_n;
	size_t body_size;
	/* answer */
	uint64_t mark;
	struct mark *marks; /* a pool block, while any wait */
	uint16_t first_mark;
	uint16_t n_marks;
	uint32_t discarded;
	enum err why;
	enum phase phase;
	enum http_body_kind kind;
	uint8_t minor;
	bool live;	/* the user has seen on_head, but not on_end */
	bool head_only; /* HEAD */
	bool expects;	/* 100-continue */
	bool wants_body;
	bool has_body; /* of which not all was read */
	bool keep_alive;
	bool begun;    /* the head of the answer is made */
	bool chunks;   /* the answer is chunked */
	bool bodiless; /* the answer has no content */
	bool answered; /* the user has given all of it */
	bool close;    /* after the answer */
	bool stalls;   /* bytes wait for the socket */
	bool refused;  /* over a limit */
	union peer peer;
};

struct listener {
	struct event event;
	struct http_server *server;
	struct tls_server *tls;
	struct listener *next;
};

struct http_server {
	struct conn_loop loop; /* first */
	struct http_limits limits;
	const struct exchange_ops *ops;
	void *user;
	struct listener *listeners;
	struct exchange *all;
	struct exchange *spare;
	struct sources *sources;
	unsigned count; /* connections */
	unsigned n_spare;
	unsigned refused;     /* of them, over a limit and lingering */
	int spare_fd;	      /* given up when there are no more */
	uint64_t told_ns;     /* when that was logged last */
	uint64_t refused_ns;  /* the same of connections over a limit, */
	uint64_t turned_away; /* and how many since */
	char peer_text[INET6_ADDRSTRLEN]; /* exchange_peer() */
	bool draining;
	bool crowded; /* see http_server_crowded() */
	/* ration.c */
	uint64_t late_ns; /* 0 = there is no ration */
	unsigned ration;  /* late requests that may still be read */
	unsigned n_deferred;
	struct exchange *deferred; /* those that may not, oldest first */
	struct exchange **deferred_end;
	struct date_line date;
	struct http_head head; /* of the request that on_head sees */
};

/* How long a kept-alive connection may stay idle while the server drains. */
#define DRAIN_IDLE_MS 1000

/* ration.c: is the request that has begun to come left unread for now. */
bool ration_defers(struct exchange *x);
/* The connection ends. */
void ration_forget(struct exchange *x);

extern const struct conn_role exchange_role;

static inline struct exchange *
exchange_of(struct conn *c)
{
	return (struct exchange *)c;
}

/* exchange.c */

/* Reads and acts until the input is dry or it is the user's turn. */
void exchange_run(struct exchange *x);
/* Ready for the next request. */
void exchange_reset(struct exchange *x);
void exchange_free_body(struct exchange *x);

/* answer.c */

/* The server's own answer to a request that it cannot take; closes. */
void exchange_refuse(struct exchange *x, enum err e, const char *detail);
/* The connection is of no more use; a live exchange will get its on_end. */
void exchange_fail(struct exchange *x, enum err why);
/* on_end, if it is due; then the connection may be closed or released. */
void exchange_end(struct exchange *x);
/* Sends what is queued and tells the user. */
void exchange_flush(struct exchange *x);
/* 100 Continue */
void exchange_continue(struct exchange *x);

/* server.c */

/* The connection is closed: off the lists, rests, is used again. */
void exchange_release(struct exchange *x);
