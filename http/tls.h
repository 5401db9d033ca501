#pragma once
/*
 * TLS 1.2 and 1.3 for both sides; the only door to libssl. ECDHE with AEAD
 * ciphers only. Upstream certificates are always verified, chain and name;
 * there is no switch.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/str.h"
#include "http/conn.h"

struct tls_client;
struct tls_server;

/* Room for a reason, in words, that creating a context failed. */
#define TLS_WHY 160

/* The keys of session tickets. They lie in shared memory, so that a client
 * that comes back to another worker, or to the next generation, resumes.
 * The master makes and rotates them, workers only read. A ticket lives for
 * three rotations. */
#define TLS_TICKET_KEYS 4
struct tls_tickets {
	uint32_t current; /* master; which key is for new tickets */
	struct tls_ticket_key {
		uint8_t name[16];
		uint8_t cipher[32];
		uint8_t mac[32];
	} key[TLS_TICKET_KEYS]; /* master */
};
/* Makes a new current key; the first time, all of them. */
void tls_tickets_rotate(struct tls_tickets *t);

/* A context from PEM texts: the chain, leaf first, and its key. `tickets`
 * must live as long. NULL and `why` when they do not fit together. */
struct tls_server *tls_server_new(struct str chain_pem, struct str key_pem,
				  const struct tls_tickets *tickets,
				  char why[TLS_WHY]);
void tls_server_free(struct tls_server *s);

/* Trusts the certificates of `ca_file`, or of the system if it is NULL
 * (SSL_CERT_FILE and SSL_CERT_DIR are heeded). */
struct tls_client *tls_client_new(const char *ca_file, char why[TLS_WHY]);
void tls_client_free(struct tls_client *t);

/* What makes the next handshake with the same host short. Zeroed = empty. */
struct tls_memory {
	void *session;
	int64_t until_s; /* wall: its certificate ends */
};
void tls_memory_free(struct tls_memory *m);

/* For server.c and client.c: sets c->tls before conn_open(), which then
 * takes &conn_tls. False: out of memory. `memory` must outlive `c`. */
NODISCARD bool tls_accept(struct tls_server *s, struct conn *c);
NODISCARD bool tls_connect(struct tls_client *t, struct conn *c,
			   struct str host, struct tls_memory *memory);
extern const struct conn_io conn_tls;

/* A handshake for its own sake, as a health check makes one, on a connected
 * socket that does not block. The socket stays the caller's and must outlive
 * the probe. */
struct tls_probe;
enum tls_probed {
	TLS_PROBE_READS,
	TLS_PROBE_WRITES,
	TLS_PROBE_WELL,
	TLS_PROBE_FAILED
};
/* NULL: out of memory, or no host. */
struct tls_probe *tls_probe_new(struct tls_client *t, int fd, struct str host);
/* Goes on until it waits for the socket or is over; FAILED says why. */
enum tls_probed tls_probe_step(struct tls_probe *p, char why[TLS_WHY]);
void tls_probe_free(struct tls_probe *p);
