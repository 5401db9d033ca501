#pragma once
/*
 * The upstream side: one request per connection at a time, a LIFO keep-alive
 * pool per target, strict parsing of answers (same parser as the server).
 *
 * The life of a call: client_call() -> on_head (once; 1xx are swallowed) ->
 * on_data* -> on_end, or on_fail at any point instead. After on_end or
 * on_fail the call is dead. No callback runs inside client_call() itself.
 * A connection that was reused and is reset before any byte of the answer is
 * replaced by one fresh connect, silently.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/attrs.h"
#include "base/errors.h"
#include "base/pool.h"
#include "base/str.h"
#include "base/wheel.h"
#include "http/msg.h"

/* Pieces of one request. */
#define CALL_PIECES 24

struct call;
struct egress;
struct event_base;
struct http_client;
struct tls_client;

enum call_fault {
	CALL_REFUSED, /* refused, unreachable, or no such source address */
	CALL_CONNECT_TIMEOUT,
	CALL_PROXY,	   /* the proxy makes no tunnel */
	CALL_TLS,	   /* handshake or certificate */
	CALL_RESET,	   /* reset or closed before the head was complete */
	CALL_HEAD_TIMEOUT, /* no head within first_byte_ms */
	CALL_BAD_ANSWER,   /* framing or head is malformed or too large */
	CALL_CUT,	   /* closed or reset inside the body */
	CALL_IDLE_TIMEOUT, /* silent within the body for idle_ms */
	CALL_NO_MEMORY,	   /* or out of descriptors */
};
const char *call_fault_name(enum call_fault f);

struct call_target {
	uint32_t pool_key; /* connections are shared between equal targets:
			      pool_key, address, tls, host and egress are
			      compared */
	struct sockaddr_storage addr;
	socklen_t addr_len;
	struct tls_client *tls; /* NULL = plain */
	struct str host;	/* SNI and the name that is verified */
	/* Compared as a pointer; must live as long as the client. NULL =
	 * straight there. With a proxy `addr` is the proxy's. */
	const struct egress *egress;
	/* a connected socket instead of addr (takes ownership), else -1 */
	int fd;
};

struct call_timeouts {
	uint32_t connect_ms;
	uint32_t first_byte_ms; /* from the request sent to the head */
	uint32_t idle_ms;	/* between two pieces of the body */
};

struct call_ops {
	void (*on_head)(struct call *c, const struct http_head *head);
	void (*on_data)(struct call *c, struct str piece);
	void (*on_end)(struct call *c);
	void (*on_fail)(struct call *c, enum call_fault f);
};

struct http_client *http_client_new(struct event_base *base, struct pool *pool,
				    struct wheel *wheel);
/* Cancels every call (no callbacks) and closes the pools. */
void http_client_destroy(struct http_client *c);

/* `iov` (n <= CALL_PIECES) is the whole request; array and bytes must live until
 * on_head, on_fail or call_cancel(). NULL = out of memory or descriptors; then
 * target->fd is still the caller's. */
NODISCARD struct call *client_call(struct http_client *c,
				   const struct call_target *target,
				   const struct iovec *iov, unsigned n,
				   const struct call_timeouts *timeouts,
				   const struct call_ops *ops, void *user);
void *call_user(struct call *c);
/* Stops reading until call_resume(); the idle timeout rests as well. */
void call_pause(struct call *c);
void call_resume(struct call *c);
/* Gives the call up: no further callback; an unfinished connection closes. */
void call_cancel(struct call *c);
/* The same for one whose answer is complete but for the end of its framing:
 * a little more is read and thrown away, and the connection is kept. */
void call_release(struct call *c);
/* Was the connection taken from the pool; time the connect took (0 if so). */
bool call_reused(const struct call *c);
uint64_t call_connect_ns(const struct call *c);
/* The whole request has left: the upstream may be working on it. */
bool call_sent(const struct call *c);
/* Closes pooled connections of `pool_key` (address or credentials changed). */
void http_client_forget(struct http_client *c, uint32_t pool_key);
/* Idle connections in the pools. */
unsigned http_client_idle(const struct http_client *c);
