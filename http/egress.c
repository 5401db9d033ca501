/*
 * Sockets with a source address, and the talk with a proxy. Called by link.c
 * for requests and by the master for probes.
 */
#include "http/egress.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/hash.h"
#include "http/parse.h"

#define ANSWER_MAX  8192 /* bytes of the proxy's heads */
#define INTERIM_MAX 4

struct tunnel {
	struct buf ask; /* holds the credential */
	size_t told;	/* bytes of it that were sent */
	struct head_scan scan;
	unsigned interim; /* 1xx heads seen */
	size_t n;
	char answer[ANSWER_MAX];
};

/* The port is chosen at connect(), when the other end is known: the same one
 * then serves many upstreams. */
static bool
bind_source(int fd, const struct sockaddr_storage *source)
{
	const int on = 1;
	socklen_t n = source->ss_family == AF_INET6
			      ? sizeof(struct sockaddr_in6)
			      : sizeof(struct sockaddr_in);

	(void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on,
			 sizeof(on));
	return bind(fd, (const struct sockaddr *)source, n) == 0;
}

int
egress_socket(const struct egress *e, int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int fault;

	if (fd < 0 || !e || !e->source || bind_source(fd, e->source))
		return fd;
	fault = errno;
	(void)close(fd);
	errno = fault;
	return -1;
}

static void
add_authority(struct buf *out, const struct egress *e)
{
	bool v6 = str_find(e->host, ':') >= 0;

	buf_printf(out, "%s%.*s%s:%u", v6 ? "[" : "", STR_ARG(e->host),
		   v6 ? "]" : "", e->port);
}

/* All room is made at once: what a growing buffer leaves behind is not
 * wiped. */
static bool
write_ask(const struct egress *e, struct buf *out)
{
	if (!buf_reserve(out, 256 + 2 * e->host.n + 2 * e->credential.n))
		return false;
	buf_add_cstr(out, "CONNECT ");
	add_authority(out, e);
	buf_add_cstr(out, " HTTP/1.1\r\nhost: ");
	add_authority(out, e);
	if (e->credential.n > 0) {
		buf_add_cstr(out, "\r\nproxy-authorization: Basic ");
		base64_put(out, e->credential.p, e->credential.n);
	}
	buf_add_cstr(out, "\r\n\r\n");
	return !out->failed;
}

struct tunnel *
tunnel_new(const struct egress *e)
{
	struct tunnel *t = malloc(sizeof(*t));

	if (!t)
		return NULL;
	memset(t, 0, offsetof(struct tunnel, answer));
	if (write_ask(e, &t->ask))
		return t;
	tunnel_free(t);
	return NULL;
}

void
tunnel_free(struct tunnel *t)
{
	if (!t)
		return;
	if (t->ask.p)
		bytes_wipe(t->ask.p, t->ask.cap);
	buf_free(&t->ask);
	free(t);
}

static enum tunnel_state
failed(char why[TUNNEL_WHY], const char *text)
{
	(void)snprintf(why, TUNNEL_WHY, "%s", text);
	return TUNNEL_FAILED;
}

static enum tunnel_state
verdict(const struct tunnel *t, int status, char why[TUNNEL_WHY])
{
	if (status == 407)
		return failed(why, "the proxy refuses its credentials (407)");
	if (status < 200 || status > 299) {
		(void)snprintf(why, TUNNEL_WHY,
			       "the proxy makes no tunnel: it answers %d",
			       status);
		return TUNNEL_FAILED;
	}
	/* Whoever speaks first inside, it is not the upstream. */
	if (t->n > t->scan.size)
		return failed(why, "the proxy sends more than its answer");
	return TUNNEL_OPEN;
}

/* Looks at what has come. */
static enum tunnel_state
judge(struct tunnel *t, char why[TUNNEL_WHY])
{
	static const struct head_rules rules = {.kind = HEAD_ANSWER,
						.size = ANSWER_MAX,
						.fields = HTTP_FIELDS_MAX,
						.no_body = true};
	struct head_fault fault;
	struct http_head head;

	for (;;) {
		enum head_state state =
			head_parse(&t->scan, &rules, str_make(t->answer, t->n),
				   &head, &fault);

		if (state == HEAD_MORE && t->n < ANSWER_MAX)
			return TUNNEL_READS;
		if (state != HEAD_DONE)
			return failed(why, "the proxy's answer is malformed or "
					   "too large");
		if (head.status == 101 || head.status >= 200 ||
		    ++t->interim > INTERIM_MAX)
			return verdict(t, head.status, why);
		t->n -= t->scan.size;
		memmove(t->answer, t->answer + t->scan.size, t->n);
		t->scan = (struct head_scan){0};
	}
}

enum tunnel_state
tunnel_hear(struct tunnel *t, struct str bytes, char why[TUNNEL_WHY])
{
	if (bytes.n > ANSWER_MAX - t->n)
		return failed(why, "the proxy's answer is malformed or too "
				   "large");
	if (bytes.n > 0)
		memcpy(t->answer + t->n, bytes.p, bytes.n);
	t->n += bytes.n;
	return judge(t, why);
}

/* TUNNEL_READS: all is said. */
static enum tunnel_state
tell(struct tunnel *t, int fd, char why[TUNNEL_WHY])
{
	while (t->told < t->ask.n) {
		ssize_t took = send(fd, t->ask.p + t->told, t->ask.n - t->told,
				    MSG_NOSIGNAL);

		if (took >= 0)
			t->told += (size_t)took;
		else if (errno == EAGAIN)
			return TUNNEL_WRITES;
		else if (errno != EINTR)
			return failed(why, "the proxy hangs up");
	}
	return TUNNEL_READS;
}

enum tunnel_state
tunnel_step(struct tunnel *t, int fd, char why[TUNNEL_WHY])
{
	enum tunnel_state state = tell(t, fd, why);

	while (state == TUNNEL_READS) {
		ssize_t got = recv(fd, t->answer + t->n, ANSWER_MAX - t->n, 0);

		if (got < 0 && errno == EAGAIN)
			return TUNNEL_READS;
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return failed(why, "the proxy hangs up");
		t->n += (size_t)got;
		state = judge(t, why);
	}
	return state;
}
