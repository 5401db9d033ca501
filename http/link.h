#pragma once
/*
 * Inside of the client. A call is the user's view and may change its
 * connection once (a kept one that turns out dead); a link is a connection
 * and outlives the call, in the pool of its target. Each knows the other
 * only while they belong together: a frame that has called the user asks
 * link->call again before it goes on. client.c owns calls, targets and
 * pools; link.c sends requests and reads answers.
 */
#include <stdbool.h>
#include <stdint.h>

#include "http/chunked.h"
#include "http/client.h"
#include "http/conn.h"
#include "http/egress.h"
#include "http/parse.h"
#include "http/tls.h"

#define TARGET_BUCKETS 64

enum link_phase {
	LINK_CONNECTING,
	LINK_TUNNEL, /* asks the proxy */
	LINK_HANDSHAKE,
	LINK_HEAD, /* sends the request, waits for the head of the answer */
	LINK_BODY,
	LINK_IDLE /* no call */
};

/* Where connections that may stand in for each other lead to. */
struct target {
	struct target *next;
	struct call_target as; /* as.host is a copy of its own */
	struct tls_memory memory;
	struct link *idle; /* the one used last comes first */
	unsigned n_idle;
	unsigned n_links; /* idle ones included */
	bool stale;	  /* forgotten: nothing returns to the pool */
};

struct link {
	struct conn conn; /* first: see link_of() */
	struct http_client *client;
	struct target *target;
	struct call *call;
	struct tunnel *tunnel; /* LINK_TUNNEL */
	struct link *next;     /* of all */
	struct link **prev;
	struct link *next_idle;
	struct link **prev_idle;
	uint64_t opened_ns;
	uint64_t give_up_ns; /* when the answer, or more of it, is too late */
	struct head_scan scan;
	struct chunked chunked;
	uint64_t left; /* of the body, HTTP_BODY_LENGTH */
	enum http_body_kind kind;
	enum link_phase phase;
	enum call_fault fault;
	uint8_t interim; /* 1xx heads seen */
	bool faulted;	 /* `fault` waits for the next turn */
	bool given;	 /* a socket of the caller's: used once */
	bool reused;
	bool heard;  /* a byte of the answer has come */
	bool looked; /* the socket is known to be empty: see LOOK_MS */
	bool sent;   /* the whole request */
	bool broken; /* sending failed */
	bool keep_alive;
	bool whole; /* the body is complete */
};

struct call {
	struct call *next; /* of the spare ones */
	struct link *link;
	const struct call_ops *ops;
	void *user;
	const struct iovec *iov;
	unsigned n_iov;
	unsigned iov_at; /* the piece to be sent next, and how much of it */
	size_t iov_used; /* is sent already */
	struct call_timeouts timeouts;
	uint64_t connect_ns;
	uint32_t wasted; /* of a released one: what came since */
	bool paused;
	bool reused;
};

struct http_client {
	struct conn_loop loop; /* first */
	struct target *targets[TARGET_BUCKETS];
	struct link *links;
	struct link *spare_links;
	struct call *spare_calls;
	unsigned n_targets;
	unsigned n_idle;
	struct http_head head; /* of the answer that on_head sees */
};

extern const struct conn_role link_role;

static inline struct link *
link_of(struct conn *c)
{
	return (struct link *)c;
}

/* client.c */

/* A new connection for `call`; false: no memory or no descriptors. A
 * connect that fails at once is told in the next turn. */
NODISCARD bool link_open(struct http_client *client, struct target *t,
			 struct call *call, int fd);
/* The connection is closed and goes; its call must have left it. */
void link_drop(struct link *l);
/* Out of the pool. */
void link_leave_pool(struct link *l);
/* The answer is complete: the link goes to the pool or closes, then the
 * user is told. */
void link_finish(struct link *l, bool reusable);
/* The call has failed; or, on a kept connection that was dead, starts
 * again on a new one. */
void link_fail(struct link *l, enum call_fault fault);

/* link.c */

/* Connects, sends and reads as far as the socket allows. */
void link_run(struct link *l);
/* Sends what the socket takes; no callbacks. */
void link_send(struct link *l);
