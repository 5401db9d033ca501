#pragma once
/*
 * The client side: listening sockets, connections, keep-alive, pipelining
 * (answers in order, one request of a connection at a time), limits, drain.
 * One server a process, on one event_base; everything runs on its loop.
 *
 * An exchange is one request and its answer. The life of one:
 *
 *   on_head      the head is complete and well-formed. The user answers at
 *                once, or calls exchange_read_body().
 *   on_body      the whole body has arrived (framing checked, size limited).
 *                The bytes stay valid until exchange_drop_body() or the end.
 *   ...          exchange_reply(), or stream_begin / stream_send / stream_end,
 *                from this callback or any later loop turn.
 *   on_progress  the socket took queued bytes: see exchange_mark(); also
 *                called when the queue fell below the low-water mark.
 *   on_end       exactly once per exchange that saw on_head: E_OK = the socket
 *                took the whole answer; E_CLIENT_GONE, E_CLIENT_SLOW and
 *                others = it will not. After it the exchange is dead.
 *
 * No callback runs inside of an exchange_* function: what a call causes is
 * told when the current callback of the server has returned, or in the same
 * loop turn. An exchange that failed swallows calls until its on_end.
 *
 * Malformed requests never reach the user: the server answers them through
 * `render_error` and closes. A request that is refused before its body was
 * read is answered and the connection closed (after a second at most, in which
 * what still comes of the body is thrown away), unless the body came whole
 * with the head.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/arena.h"
#include "base/attrs.h"
#include "base/buf.h"
#include "base/errors.h"
#include "base/pool.h"
#include "base/wheel.h"
#include "http/msg.h"

struct event_base;
struct exchange;
struct http_server;
struct tls_server;

struct http_limits {
	uint32_t header_size;	    /* bytes of one head */
	uint32_t header_fields;	    /* <= HTTP_FIELDS_MAX */
	uint32_t header_timeout_ms; /* first byte to end of head */
	uint64_t body_size;
	uint32_t body_grace_ms;		 /* the body, before its rate counts */
	uint32_t body_min_rate;		 /* bytes per second, after that */
	uint32_t idle_timeout_ms;	 /* keep-alive */
	uint32_t write_timeout_ms;	 /* no byte taken by the peer */
	uint32_t connections;		 /* of this process */
	uint32_t connections_per_source; /* of this process, per address; 0 =
					    no limit */
};

struct exchange_ops {
	void (*on_head)(struct exchange *x, const struct http_head *head);
	void (*on_body)(struct exchange *x, struct str body);
	void (*on_progress)(struct exchange *x);
	void (*on_end)(struct exchange *x, enum err why);
	/* An answer of the server itself: fields and body. Either to a head
	 * that is malformed or late: exchange_user() is NULL, no other
	 * callback comes. Or, between on_head and on_body, to a body that
	 * cannot be taken: on_end(e) follows. */
	void (*render_error)(struct exchange *x, enum err e, const char *detail,
			     struct buf *fields, struct buf *body);
};

struct http_server_args {
	struct event_base *base;
	struct pool *pool;
	struct wheel *wheel;
	struct http_limits limits;
	const struct exchange_ops *ops;
	void *user;
};

struct http_server *http_server_new(const struct http_server_args *args);
/* Starts to accept on `fd` (listening, non-blocking); `tls` NULL = plain.
 * The descriptor stays the caller's. */
NODISCARD enum err http_server_listen(struct http_server *s, int fd,
				      struct tls_server *tls);
/* Stops accepting; answers carry "connection: close". A client that has not
 * asked yet may still do so; connections that are kept alive are closed once
 * they have been idle for a second. */
void http_server_drain(struct http_server *s);
/* Client connections that are open; drained when 0. */
unsigned http_server_connections(const struct http_server *s);
/* More clients waited at the last look than are accepted in one go. */
bool http_server_crowded(const struct http_server *s);
/* Overload: of the requests that have waited for `late_ns` in the kernel only
 * `n` more are read, those that wait longest first; what is not used until the
 * next call is kept, up to `most`. The others stay where they are and cost
 * nothing; what came in time is read as ever, but after those that are late.
 * late_ns == 0: all are read. Called again and again as long as it lasts; not
 * from a callback of the server. */
void http_server_ration(struct http_server *s, uint64_t late_ns, unsigned n,
			unsigned most);
/* How many are left unread for now. */
unsigned http_server_deferred(const struct http_server *s);
/* Closes everything now (each live exchange gets its on_end). */
void http_server_destroy(struct http_server *s);

void *exchange_server_user(struct exchange *x);
void exchange_set_user(struct exchange *x, void *user);
void *exchange_user(struct exchange *x);
/* Peer address as text, without port ("unix" for a Unix socket); it stays until
 * the next call, of any exchange. */
struct str exchange_peer(struct exchange *x);
const struct sockaddr *exchange_peer_addr(struct exchange *x);
/* Peer credentials of a Unix socket; false on TCP. */
bool exchange_peer_uid(struct exchange *x, uint32_t *uid);
/* Monotonic time of the first byte of the request. */
uint64_t exchange_start_ns(struct exchange *x);
/* On its head: how long the request has waited in the kernel before it was
 * read, new connections included; to some milliseconds. 0 on a Unix socket. */
uint64_t exchange_waited_ns(struct exchange *x);
uint64_t exchange_bytes_in(struct exchange *x);
uint64_t exchange_bytes_out(struct exchange *x);

/* From on_head only. Sends 100-continue if the client expects it. The body
 * is collected in pool memory (E_OVERLOAD answer when the cap is reached). */
void exchange_read_body(struct exchange *x);
/* The body's memory goes back to the pool; allowed once it is no more used. */
void exchange_drop_body(struct exchange *x);

/* A whole answer. `fields` are complete lines ("name: value\r\n"); date,
 * content-length and connection are the server's. HEAD: the body is left
 * out. `mark` is explained at exchange_mark(). Bytes are copied as needed. */
void exchange_reply(struct exchange *x, int status, struct str fields,
		    struct str body, uint64_t mark);
/* A streamed answer (chunked; closed by EOF for HTTP/1.0). The head goes out
 * with the first piece, in one system call. */
void exchange_stream_begin(struct exchange *x, int status, struct str fields);
/* One piece = one chunk, written at once; what the socket does not take is
 * copied to pool blocks. Empty pieces only flush the head. `n` <= 8. */
void exchange_stream_send(struct exchange *x, const struct iovec *piece,
			  unsigned n, uint64_t mark);
void exchange_stream_end(struct exchange *x);
/* An answer that must not look complete, also instead of one: the connection
 * ends without the last chunk, or by a reset. on_end says E_UP_CUT. */
void exchange_abort(struct exchange *x);
/* Bytes that wait for the socket; the user pauses its source above
 * EXCHANGE_HIGH_WATER and resumes at on_progress below EXCHANGE_LOW_WATER. */
size_t exchange_queued(const struct exchange *x);
#define EXCHANGE_HIGH_WATER (64 * 1024)
#define EXCHANGE_LOW_WATER  (16 * 1024)
/* The mark of the last piece of which the socket has taken at least one
 * byte; 0 at first. Marks only grow. This is what "delivered" means. */
uint64_t exchange_mark(const struct exchange *x);
