#pragma once
/*
 * One socket on a bare event, for both sides: registered once, edge
 * triggered, written to first. Between two arrivals of bytes it holds no
 * buffer: reads go into a scratch area that all sockets of a loop share, and
 * only what could not be used yet is moved to pool memory.
 *
 * Rules that make callbacks harmless: a socket is read only from its own
 * frame (ready, turn, due), never from inside another call; conn_close() may
 * be called anywhere and leaves the memory in place; conn_release() gives it
 * back after the loop has turned once.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "base/attrs.h"
#include "base/errors.h"
#include "base/pool.h"
#include "base/str.h"
#include "base/wheel.h"

#define CONN_SCRATCH (64 * 1024)
/* One TLS record at most; never more than an output block holds. */
#define CONN_RECORD (16 * 1024 - 64)
/* Pieces of one conn_send(). */
#define CONN_PIECES 14

struct conn;
struct conn_block;
struct tls;

/* What reads and writes return instead of a count. 0 = end of stream. */
enum { CONN_AGAIN = -1, CONN_FAILED = -2, CONN_NO_MEMORY = -3 };

/* How bytes pass, plain or TLS. Both clear c->readable and c->writable as
 * soon as they know that the socket has no more to give or to take. */
struct conn_io {
	ssize_t (*read)(struct conn *c, const struct iovec *iov, int n);
	ssize_t (*write)(struct conn *c, const struct iovec *iov, int n);
	/* 1 = done, CONN_AGAIN, CONN_FAILED; NULL = none needed */
	int (*handshake)(struct conn *c);
	/* Says goodbye; the socket stays open for reading. */
	void (*farewell)(struct conn *c);
	void (*free)(struct conn *c);
};
extern const struct conn_io conn_plain;

/* The owner's side. Each may close and release any connection. */
struct conn_role {
	void (*ready)(struct conn *c);	/* readable, writable or both */
	void (*turn)(struct conn *c);	/* asked for by conn_later() */
	void (*due)(struct conn *c);	/* the deadline has passed */
	void (*rested)(struct conn *c); /* memory may be used again */
};

struct conn_loop {
	struct event_base *base;
	struct pool *pool;
	struct wheel *wheel;
	struct event soon;  /* runs the turns, in this loop turn */
	struct event later; /* runs the turns and ends rests, in the next */
	struct conn *turns;
	struct conn **turns_end;
	struct conn *lasts; /* the last turns of the next loop turn */
	struct conn **lasts_end;
	struct conn *resting;
	unsigned depth; /* frames of this loop on the stack */
	bool doomed;	/* freed by the outermost frame */
	void (*destroy)(struct conn_loop *l);
	char *scratch; /* CONN_SCRATCH */
	char *record;  /* CONN_RECORD, to gather a TLS record */
};

struct conn {
	struct event event;
	struct wheel_timer timer;
	uint64_t due_ns; /* the deadline; the timer may come earlier */
	const struct conn_role *role;
	const struct conn_io *io;
	struct tls *tls;
	struct conn_loop *loop;
	struct conn *next_turn;
	struct conn *next_rest;
	/* input that is not used yet: in the scratch area or in `held` */
	char *bytes;
	char *held;
	uint32_t n;
	uint32_t held_size;
	/* output that the socket did not take yet */
	struct conn_block *first;
	struct conn_block *last;
	size_t queued;
	uint64_t given; /* all bytes ever sent or queued */
	uint64_t taken; /* of them, what the socket took */
	bool readable;
	bool writable;
	bool hung_up; /* the peer has sent its last byte */
	/* TLS only: a read waits for the socket to take bytes and so on */
	bool read_on_write;
	bool write_on_read;
	bool fresh; /* an event since the last recv() */
	bool closed;
	bool released;
	bool in_turns;
};

NODISCARD bool conn_loop_init(struct conn_loop *l, struct event_base *base,
			      struct pool *pool, struct wheel *wheel);
/* Ends the rests and frees what the loop holds. No frame may be on the
 * stack: see conn_loop_doom(). */
void conn_loop_free(struct conn_loop *l);
/* Calls `destroy` now, or when the outermost frame ends. */
void conn_loop_doom(struct conn_loop *l, void (*destroy)(struct conn_loop *l));

/* Takes a non-blocking socket over; `c` is zeroed but for c->tls. On false
 * (out of memory) the socket and c->tls are still the caller's. */
NODISCARD bool conn_open(struct conn *c, struct conn_loop *l, int fd,
			 const struct conn_role *role,
			 const struct conn_io *io);
int conn_fd(const struct conn *c);
/* Of a TCP socket: small pieces go out at once; a peer that has vanished
 * without a word is noticed, also in a long silence (usual while a model
 * thinks), and after `lost_ms` without an acknowledgement. */
void conn_options(int fd, unsigned lost_ms);
/* The monotonic time at which the event began that is being handled. */
uint64_t conn_now(const struct conn *c);
/* Closes the socket and drops what is queued; once is enough. Input that a
 * callback may be looking at stays until the connection has rested. */
void conn_close(struct conn *c);
/* As conn_close(), but the peer sees a reset. */
void conn_reset(struct conn *c);
/* The memory of a closed connection goes to role->rested(), next turn. */
void conn_release(struct conn *c);
/* role->turn() is called once, when the current frame ends or soon. */
void conn_later(struct conn *c);
/* The same, once the sockets of this loop turn and the next have had theirs. */
void conn_last(struct conn *c);
/* role->due() at or after `due_ns`; 0 = none. */
void conn_deadline(struct conn *c, uint64_t due_ns);

/* Reads once and appends to the unused input, which is kept below `max`. */
NODISCARD ssize_t conn_fill(struct conn *c, size_t max);
/* Reads once into `p`; what exceeds `room` becomes unused input. Returns the
 * bytes in `p`. Only with no unused input. */
NODISCARD ssize_t conn_read(struct conn *c, char *p, size_t room);
/* Gives the scratch area away, with all unused input in it, as CONN_SCRATCH
 * bytes of pool memory; the input begins at `skip`. NULL: it cannot be. */
char *conn_take(struct conn *c, size_t *skip);
/* The first `n` bytes of the input are used up (they stay readable until
 * the frame ends). */
void conn_use(struct conn *c, size_t n);
/* Before the frame ends: unused input moves out of the scratch area. */
NODISCARD bool conn_keep(struct conn *c);

/* Sends behind what is queued; queues what the socket does not take.
 * E_CLIENT_GONE = the socket is broken, E_OVERLOAD = no pool memory. */
NODISCARD enum err conn_send(struct conn *c, const struct iovec *iov,
			     unsigned n);
/* Queues only: goes out with the next piece. */
NODISCARD enum err conn_hold(struct conn *c, const struct iovec *iov,
			     unsigned n);
/* Writes what is queued while the socket takes it. */
NODISCARD enum err conn_flush(struct conn *c);

static inline struct iovec
iov_of(struct str s)
{
	/* The kernel only reads; the type is shared with reading calls. */
	return (struct iovec){(void *)(uintptr_t)s.p, s.n};
}
