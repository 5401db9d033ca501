/*
 * Owns libssl. Called by server.c and client.c when a connection is made,
 * and through conn_tls for each read and write.
 *
 * Hard: edges. OpenSSL reads ahead, so what it holds is not in the socket and
 * raises no event; and a short recv() inside it tells, as in the plain case,
 * that the socket is dry and saves a call. A BIO of our own sees both. And
 * retries: a record that was not taken whole must be offered again with the
 * same length, from wherever its bytes are by then.
 */
#include "http/tls.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/must.h"

#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"

struct tls_server {
	SSL_CTX *ctx;
	BIO_METHOD *bio;
	EVP_CIPHER *cipher;
	const struct tls_tickets *tickets;
};

struct tls_client {
	SSL_CTX *ctx;
	BIO_METHOD *bio;
};

struct tls {
	SSL *ssl;
	struct tls_memory *memory;
	size_t attempt; /* size of the record that must be offered again */
	bool dry;	/* the last recv() emptied the socket */
};

/* The BIO: the connection's socket, with an eye on how much it gives. */

static int
bio_read(BIO *b, char *to, int room)
{
	struct conn *c = BIO_get_data(b);
	ssize_t got;

	BIO_clear_retry_flags(b);
	c->fresh = false;
	do {
		got = recv(conn_fd(c), to, (size_t)room, 0);
	} while (got < 0 && errno == EINTR);
	c->tls->dry = got < room && !c->hung_up;
	if (got < 0 && errno == EAGAIN)
		BIO_set_retry_read(b);
	if (got == 0)
		BIO_set_flags(b, BIO_FLAGS_IN_EOF);
	return (int)got;
}

static int
bio_write(BIO *b, const char *from, int n)
{
	struct conn *c = BIO_get_data(b);
	ssize_t took;

	BIO_clear_retry_flags(b);
	do {
		took = send(conn_fd(c), from, (size_t)n, MSG_NOSIGNAL);
	} while (took < 0 && errno == EINTR);
	if (took < 0 && errno == EAGAIN)
		BIO_set_retry_write(b);
	return (int)took;
}

static long
bio_ctrl(BIO *b, int command, long n, void *p)
{
	(void)n;
	(void)p;
	switch (command) {
	case BIO_CTRL_FLUSH: return 1;
	case BIO_CTRL_EOF: return BIO_test_flags(b, BIO_FLAGS_IN_EOF) != 0;
	default: return 0;
	}
}

static BIO_METHOD *
new_bio_method(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK,
				     "tollgate");

	if (m && BIO_meth_set_read(m, bio_read) == 1 &&
	    BIO_meth_set_write(m, bio_write) == 1 &&
	    BIO_meth_set_ctrl(m, bio_ctrl) == 1)
		return m;
	BIO_meth_free(m);
	return NULL;
}

/* Reading and writing. */

/* What a call that did not succeed means for the connection. */
static int
blocked(struct conn *c, int result, bool writing)
{
	switch (SSL_get_error(c->tls->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		c->readable = false;
		if (writing) {
			c->writable = false;
			c->write_on_read = true;
		}
		return CONN_AGAIN;
	case SSL_ERROR_WANT_WRITE:
		c->writable = false;
		if (!writing) {
			c->readable = false;
			c->read_on_write = true;
		}
		return CONN_AGAIN;
	case SSL_ERROR_ZERO_RETURN: return 0;
	default: c->readable = c->writable = false; return CONN_FAILED;
	}
}

static ssize_t
tls_read(struct conn *c, const struct iovec *iov, int n)
{
	struct tls *t = c->tls;
	size_t got;
	int ok;

	(void)n; /* a record at a time: the second piece is never needed */
	ERR_clear_error();
	ok = SSL_read_ex(t->ssl, iov->iov_base, iov->iov_len, &got);
	if (ok != 1)
		return blocked(c, ok, false);
	if (t->dry && !c->fresh && !SSL_has_pending(t->ssl))
		c->readable = false;
	return (ssize_t)got;
}

/* `size` bytes from `skip` on, as one piece: where they are, or gathered. */
static const char *
gather(struct conn *c, const struct iovec *iov, size_t skip, size_t size)
{
	char *record = c->loop->record;
	size_t n = 0;

	while (skip >= iov->iov_len)
		skip -= iov++->iov_len;
	if (iov->iov_len - skip >= size)
		return (const char *)iov->iov_base + skip;
	while (n < size) {
		size_t part = MIN_OF(iov->iov_len - skip, size - n);

		memcpy(record + n, (const char *)iov->iov_base + skip, part);
		n += part;
		skip = 0;
		iov++;
	}
	return record;
}

static ssize_t
tls_write(struct conn *c, const struct iovec *iov, int n)
{
	struct tls *t = c->tls;
	size_t total = 0;
	size_t done = 0;

	for (int i = 0; i < n; i++)
		total += iov[i].iov_len;
	while (done < total) {
		size_t size = t->attempt ? t->attempt
					 : MIN_OF(total - done, CONN_RECORD);
		size_t took;
		int ok;

		must(size <= total - done);
		ERR_clear_error();
		ok = SSL_write_ex(t->ssl, gather(c, iov, done, size), size,
				  &took);
		if (ok != 1) {
			int state = blocked(c, ok, true);

			t->attempt = size;
			if (state != CONN_AGAIN)
				return CONN_FAILED;
			return done > 0 ? (ssize_t)done : CONN_AGAIN;
		}
		t->attempt = 0;
		done += took;
	}
	return (ssize_t)done;
}

static int
tls_handshake(struct conn *c)
{
	int ok;

	ERR_clear_error();
	ok = SSL_do_handshake(c->tls->ssl);
	if (ok == 1)
		return 1;
	return blocked(c, ok, false) == CONN_AGAIN ? CONN_AGAIN : CONN_FAILED;
}

static void
tls_farewell(struct conn *c)
{
	ERR_clear_error();
	if (c->tls->attempt == 0 && !SSL_in_init(c->tls->ssl))
		(void)SSL_shutdown(c->tls->ssl);
}

static void
tls_free(struct conn *c)
{
	struct tls *t = c->tls;

	if (!t)
		return;
	/* A connection that ends without a goodbye does not make its session
	 * a bad one. */
	if (!SSL_in_init(t->ssl))
		SSL_set_shutdown(t->ssl,
				 SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(t->ssl);
	free(t);
	c->tls = NULL;
}

const struct conn_io conn_tls = {.read = tls_read,
				 .write = tls_write,
				 .handshake = tls_handshake,
				 .farewell = tls_farewell,
				 .free = tls_free};

static bool
attach(SSL_CTX *ctx, const BIO_METHOD *method, struct conn *c)
{
	struct tls *t = calloc(1, sizeof(*t));
	BIO *bio = NULL;

	if (!t)
		return false;
	t->ssl = SSL_new(ctx);
	if (t->ssl)
		bio = BIO_new(method);
	if (!bio || SSL_set_app_data(t->ssl, t) != 1) {
		BIO_free(bio);
		SSL_free(t->ssl);
		free(t);
		return false;
	}
	BIO_set_data(bio, c);
	BIO_set_init(bio, 1);
	SSL_set_bio(t->ssl, bio, bio);
	c->tls = t;
	return true;
}

/* What both contexts have in common. */

static SSL_CTX *
new_context(const SSL_METHOD *method)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	if (!ctx)
		return NULL;
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION |
					 SSL_OP_NO_COMPRESSION |
					 SSL_OP_CIPHER_SERVER_PREFERENCE |
					 SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS |
				      SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(ctx, 1);
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
	    SSL_CTX_set_cipher_list(ctx, CIPHERS) == 1)
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

static void
explain(char why[TLS_WHY], const char *what)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	(void)snprintf(why, TLS_WHY, "%s%s%s", what, reason ? ": " : "",
		       reason ? reason : "");
	ERR_clear_error();
}

/* The server's context. */

void
tls_tickets_rotate(struct tls_tickets *t)
{
	static const struct tls_ticket_key none;
	uint32_t next = (t->current + 1) % TLS_TICKET_KEYS;

	for (unsigned i = 0; i < TLS_TICKET_KEYS; i++)
		if (i == next ||
		    memcmp(t->key[i].mac, none.mac, sizeof(none.mac)) == 0)
			random_bytes(&t->key[i], sizeof(t->key[i]));
	__atomic_store_n(&t->current, next, __ATOMIC_RELEASE);
}

static bool
set_ticket_mac(EVP_MAC_CTX *mac, const struct tls_ticket_key *key)
{
	char digest[] = "SHA256";
	uint8_t secret[sizeof(key->mac)];
	OSSL_PARAM params[3];

	memcpy(secret, key->mac, sizeof(secret));
	params[0] = OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY,
						      secret, sizeof(secret));
	params[1] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
						     digest, 0);
	params[2] = OSSL_PARAM_construct_end();
	return EVP_MAC_CTX_set_params(mac, params) == 1;
}

/* 1 = done, 2 = done and make a new ticket, 0 = unknown, -1 = failed */
static int
on_ticket(SSL *ssl, unsigned char name[16], unsigned char *iv,
	  EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int make)
{
	struct tls_server *s = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	const struct tls_tickets *t = s->tickets;
	uint32_t current = __atomic_load_n(&t->current, __ATOMIC_ACQUIRE) %
			   TLS_TICKET_KEYS;
	uint32_t i = 0;

	if (make) {
		const struct tls_ticket_key *key = &t->key[current];

		memcpy(name, key->name, sizeof(key->name));
		random_bytes(iv, 16);
		return EVP_EncryptInit_ex2(cipher, s->cipher, key->cipher, iv,
					   NULL) == 1 &&
				       set_ticket_mac(mac, key)
			       ? 1
			       : -1;
	}
	while (i < TLS_TICKET_KEYS &&
	       !bytes_equal(t->key[i].name, name, sizeof(t->key[i].name)))
		i++;
	if (i == TLS_TICKET_KEYS)
		return 0;
	if (EVP_DecryptInit_ex2(cipher, s->cipher, t->key[i].cipher, iv,
				NULL) != 1 ||
	    !set_ticket_mac(mac, &t->key[i]))
		return -1;
	return i == current ? 1 : 2;
}

/* HTTP/1.1 only; a client that insists on something else is told so. */
static int
on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_n,
	const unsigned char *in, unsigned int n, void *arg)
{
	static const unsigned char ours[] = "\x08http/1.1";
	unsigned char *chosen;

	(void)ssl;
	(void)arg;
	if (SSL_select_next_proto(&chosen, out_n, ours, sizeof(ours) - 1, in,
				  n) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

/* Never asks at a terminal. */
static int
no_password(char *out, int size, int writing, void *user)
{
	(void)writing;
	(void)user;
	if (size > 0)
		out[0] = '\0';
	return 0;
}

static bool
use_chain(SSL_CTX *ctx, struct str pem)
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	X509 *leaf = bio ? PEM_read_bio_X509_AUX(bio, NULL, no_password, NULL)
			 : NULL;
	bool ok = leaf && SSL_CTX_use_certificate(ctx, leaf) == 1;
	X509 *next;

	X509_free(leaf);
	while (ok && (next = PEM_read_bio_X509(bio, NULL, no_password, NULL))) {
		ok = SSL_CTX_add0_chain_cert(ctx, next) == 1;
		if (!ok)
			X509_free(next);
	}
	BIO_free(bio);
	if (ok)
		ERR_clear_error(); /* the end of the text is one */
	return ok;
}

static bool
use_key(SSL_CTX *ctx, struct str pem)
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	EVP_PKEY *key =
		bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL)
		    : NULL;
	bool ok = key && SSL_CTX_use_PrivateKey(ctx, key) == 1;

	EVP_PKEY_free(key);
	BIO_free(bio);
	return ok;
}

static bool
set_up_server(struct tls_server *s)
{
	static const unsigned char id[] = "tollgate";

	s->ctx = new_context(TLS_server_method());
	s->bio = new_bio_method();
	s->cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
	if (!s->ctx || !s->bio || !s->cipher)
		return false;
	(void)SSL_CTX_set_session_cache_mode(s->ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_alpn_select_cb(s->ctx, on_alpn, NULL);
	return SSL_CTX_set_session_id_context(s->ctx, id, sizeof(id) - 1) ==
		       1 &&
	       SSL_CTX_set_num_tickets(s->ctx, 1) == 1 &&
	       SSL_CTX_set_app_data(s->ctx, s) == 1 &&
	       SSL_CTX_set_tlsext_ticket_key_evp_cb(s->ctx, on_ticket) == 1;
}

struct tls_server *
tls_server_new(struct str chain_pem, struct str key_pem,
	       const struct tls_tickets *tickets, char why[TLS_WHY])
{
	struct tls_server *s = calloc(1, sizeof(*s));

	ERR_clear_error();
	if (!s) {
		explain(why, "out of memory");
		return NULL;
	}
	s->tickets = tickets;
	if (!set_up_server(s))
		explain(why, "cannot set up TLS");
	else if (!use_chain(s->ctx, chain_pem))
		explain(why, "cannot use the certificate");
	else if (!use_key(s->ctx, key_pem))
		explain(why, "cannot use the private key");
	else if (SSL_CTX_check_private_key(s->ctx) != 1)
		explain(why, "the private key is not the certificate's");
	else
		return s;
	tls_server_free(s);
	return NULL;
}

void
tls_server_free(struct tls_server *s)
{
	if (!s)
		return;
	SSL_CTX_free(s->ctx);
	BIO_meth_free(s->bio);
	EVP_CIPHER_free(s->cipher);
	free(s);
}

bool
tls_accept(struct tls_server *s, struct conn *c)
{
	if (!attach(s->ctx, s->bio, c))
		return false;
	SSL_set_accept_state(c->tls->ssl);
	return true;
}

/* The client's context. */

void
tls_memory_free(struct tls_memory *m)
{
	SSL_SESSION_free(m->session);
	m->session = NULL;
}

/* A handshake that is shortened by a session shows no certificate: so one is
 * used only as long as the certificate is good that it began with. */
static int64_t
end_of_certificate(SSL *ssl)
{
	const X509 *x = SSL_get0_peer_certificate(ssl);
	int days = 0, seconds = 0;

	if (!x ||
	    ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(x)) != 1)
		return 0;
	return (int64_t)(clock_wall_ns() / NS_PER_SEC) + (int64_t)days * 86400 +
	       seconds;
}

static SSL_SESSION *
session_of(struct tls_memory *m)
{
	if (m->session && m->until_s <= (int64_t)(clock_wall_ns() / NS_PER_SEC))
		tls_memory_free(m);
	return m->session;
}

/* 1 = the session is ours now */
static int
on_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls *t = SSL_get_app_data(ssl);

	tls_memory_free(t->memory);
	t->memory->session = session;
	t->memory->until_s = end_of_certificate(ssl);
	return 1;
}

struct tls_client *
tls_client_new(const char *ca_file, char why[TLS_WHY])
{
	static const unsigned char alpn[] = "\x08http/1.1";
	struct tls_client *t = calloc(1, sizeof(*t));
	bool trusts = false;

	ERR_clear_error();
	if (t) {
		t->ctx = new_context(TLS_client_method());
		t->bio = new_bio_method();
	}
	if (!t || !t->ctx || !t->bio ||
	    SSL_CTX_set_alpn_protos(t->ctx, alpn, sizeof(alpn) - 1) != 0) {
		explain(why, "cannot set up TLS");
		tls_client_free(t);
		return NULL;
	}
	trusts = ca_file ? SSL_CTX_load_verify_file(t->ctx, ca_file) == 1
			 : SSL_CTX_set_default_verify_paths(t->ctx) == 1;
	if (!trusts) {
		explain(why, "cannot load the trusted certificates");
		tls_client_free(t);
		return NULL;
	}
	ERR_clear_error();
	SSL_CTX_set_verify(t->ctx, SSL_VERIFY_PEER, NULL);
	(void)SSL_CTX_set_session_cache_mode(
		t->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(t->ctx, on_session);
	return t;
}

void
tls_client_free(struct tls_client *t)
{
	if (!t)
		return;
	SSL_CTX_free(t->ctx);
	BIO_meth_free(t->bio);
	free(t);
}

/* The name or address that the certificate must be for. */
static bool
expect_host(SSL *ssl, struct str host)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	char name[256];

	if (host.n == 0 || !str_copy(name, sizeof(name), host))
		return false;
	X509_VERIFY_PARAM_set_hostflags(param,
					X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1)
		return true; /* an address goes into no SNI */
	return X509_VERIFY_PARAM_set1_host(param, name, 0) == 1 &&
	       SSL_set_tlsext_host_name(ssl, name) == 1;
}

bool
tls_connect(struct tls_client *t, struct conn *c, struct str host,
	    struct tls_memory *memory)
{
	SSL *ssl;

	if (!attach(t->ctx, t->bio, c))
		return false;
	ssl = c->tls->ssl;
	c->tls->memory = memory;
	SSL_set_connect_state(ssl);
	if (expect_host(ssl, host) &&
	    (!session_of(memory) || SSL_set_session(ssl, memory->session) == 1))
		return true;
	tls_free(c);
	return false;
}

/* Probes. */

struct tls_probe {
	SSL *ssl;
};

struct tls_probe *
tls_probe_new(struct tls_client *t, int fd, struct str host)
{
	struct tls_probe *p = calloc(1, sizeof(*p));

	if (p)
		p->ssl = SSL_new(t->ctx);
	if (p && p->ssl && SSL_set_fd(p->ssl, fd) == 1 &&
	    expect_host(p->ssl, host)) {
		SSL_set_connect_state(p->ssl);
		return p;
	}
	tls_probe_free(p);
	ERR_clear_error();
	return NULL;
}

enum tls_probed
tls_probe_step(struct tls_probe *p, char why[TLS_WHY])
{
	long verified;
	int result;

	ERR_clear_error();
	result = SSL_do_handshake(p->ssl);
	if (result == 1)
		return TLS_PROBE_WELL;
	switch (SSL_get_error(p->ssl, result)) {
	case SSL_ERROR_WANT_READ: return TLS_PROBE_READS;
	case SSL_ERROR_WANT_WRITE: return TLS_PROBE_WRITES;
	default: break;
	}
	verified = SSL_get_verify_result(p->ssl);
	if (verified == X509_V_OK)
		explain(why, "the TLS handshake failed");
	else
		(void)snprintf(why, TLS_WHY, "the certificate: %s",
			       X509_verify_cert_error_string(verified));
	ERR_clear_error();
	return TLS_PROBE_FAILED;
}

void
tls_probe_free(struct tls_probe *p)
{
	if (!p)
		return;
	SSL_free(p->ssl);
	free(p);
}
