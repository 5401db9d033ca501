#pragma once
/* A worker of the mock and its connections. */
#include <sys/queue.h>

#include <event2/event.h>
#include <event2/event_struct.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "tests/mock/answer.h"

struct options {
	int port;
	int workers;
	const char *certificate, *private_key;
	const char *keys[8]; /* accepted; none: any */
	int key_count;
	int max_connections;
	bool keep_last;
};

TAILQ_HEAD(conn_list, conn);

struct worker {
	const struct options *options;
	struct shared *shared;
	struct worker_tally *tally;
	int index;
	const int *wake; /* eventfd of each worker */
	struct event_base *base;
	SSL_CTX *tls;
	struct buf scratch;
	struct plan plan; /* of an untroubled answer */
	struct conn_list held;
	int connections;
	uint64_t conn_seq;
};

enum phase { PHASE_READ, PHASE_ANSWER, PHASE_LINGER };

/* What a connection waits for besides its socket. */
enum wait { WAIT_NOTHING, WAIT_TIMER, WAIT_RELEASE, WAIT_FOREVER };

struct conn {
	struct worker *worker;
	int fd;
	SSL *ssl;
	uint64_t number, served;
	uint64_t epoch; /* the last release that it knows of */
	struct event io, timer;
	TAILQ_ENTRY(conn) link; /* of the held */
	struct buf in, out, unwrapped;
	enum phase phase;
	enum wait wait;
	bool eof;
	bool greeted;	/* the TLS handshake is done */
	bool continued; /* 100 Continue was sent */

	/* The answer under way. */
	struct answer answer;
	struct record *record;
	struct row *rows[3]; /* endpoint, model, key */
	int64_t head_len;    /* of the answer, on the wire */
	int64_t sent;	     /* bytes of the answer on the wire */
	int64_t due_us;	     /* of the last delayed delta */
	struct unit unit;    /* what is in `out` */
	bool unit_due;
	bool head_made, all_made, hold_passed, first_passed;
	bool mark_passed, delayed, stalled;
};

/* How far a write got. */
enum flush { FLUSH_DONE, FLUSH_BLOCKED, FLUSH_CUT, FLUSH_STALL, FLUSH_GONE };

/* Reads all there is; sets `eof` when the peer is gone. */
void wire_fill(struct conn *c);

/* Writes `out`; FLUSH_DONE with bytes left when the plan splits writes. */
enum flush wire_flush(struct conn *c);
ssize_t wire_write(struct conn *c, const char *p, size_t n);

/* Takes the socket; closes it when there are too many. */
void conn_accept(struct worker *w, int fd);

/* Lets held answers go, as far as the release says. */
void conn_release(struct worker *w);

/* Starts the answer of a whole request; false: close the connection. */
bool serve_begin(struct conn *c, const struct request *r);

/* The control surface: /_tally and the others. */
bool control_serves(const struct request *r);
void control_answer(struct conn *c, const struct request *r, struct buf *head,
		    struct buf *body);

/* Adds to the rows of the request under way. */
void conn_count(struct conn *c, enum counter counter, int64_t n);

/* Wakes every worker to look at the release. */
void worker_wake_all(const struct worker *w);
