/*
 * One request over the admin socket, blocking, one connection each. The
 * server's answers have a Content-Length and are at most a few hundred KiB.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/exits.h"
#include "tools/ctl.h"

#define TIMEOUT_S  90
#define READ_BYTES 65536u
#define ANSWER_MAX (64u << 20)

void
ctl_answer_free(struct ctl_answer *a)
{
	buf_free(&a->raw);
}

void
ctl_escape(struct buf *out, const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-._~";

	for (; *text; text++) {
		if (strchr(plain, *text))
			buf_add_char(out, *text);
		else
			buf_printf(out, "%%%02X", (unsigned char)*text);
	}
}

static int
unreachable(const struct ctl *c, const char *why)
{
	(void)fprintf(stderr,
		      "tollgatectl: no server answers at %s: %s\n"
		      "Is tollgate running? Name its socket with -s, or its "
		      "prefix with -p.\n",
		      c->socket, why);
	return EXIT_UNREACHABLE;
}

static int
dial(const struct ctl *c)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	const struct timeval limit = {TIMEOUT_S, 0};
	const void *any = &sa;
	int fd;

	if (!str_copy(sa.sun_path, sizeof(sa.sun_path), str_of(c->socket))) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, any, sizeof(sa)) == 0)
		return fd;
	{
		int saved = errno;

		(void)close(fd);
		errno = saved;
	}
	return -1;
}

static bool
send_all(int fd, struct str s)
{
	while (s.n > 0) {
		ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		s = str_from(s, (size_t)n);
	}
	return true;
}

static bool
send_request(int fd, const struct ctl_ask *ask)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;

	buf_printf(&out,
		   "%s %s HTTP/1.1\r\nhost: localhost\r\n"
		   "user-agent: tollgatectl/" TOLLGATE_VERSION "\r\n"
		   "connection: close\r\n",
		   ask->method, ask->path);
	if (ask->idem)
		buf_printf(&out, "idempotency-key: %s\r\n", ask->idem);
	if (ask->body.n > 0)
		buf_add_cstr(&out, "content-type: application/json\r\n");
	if (strcmp(ask->method, "POST") == 0)
		buf_printf(&out, "content-length: %zu\r\n", ask->body.n);
	buf_add_cstr(&out, "\r\n");
	buf_add_str(&out, ask->body);
	return !out.failed && send_all(fd, buf_str(&out));
}

/* Until the server closes. */
static bool
read_all(int fd, struct buf *raw)
{
	for (;;) {
		char *at = buf_reserve(raw, READ_BYTES);
		ssize_t n = at ? read(fd, at, READ_BYTES) : -1;

		if (n < 0 && at && errno == EINTR)
			continue;
		if (n <= 0 || raw->n > ANSWER_MAX)
			return n == 0;
		raw->n += (size_t)n;
	}
}

/* "HTTP/1.1 200 OK", fields, an empty line, the body. */
static bool
split(struct ctl_answer *a, struct str *body)
{
	struct str all = buf_str(&a->raw);
	ptrdiff_t end = all.p ? str_search(all, STR("\r\n\r\n")) : -1;
	uint64_t status;

	if (end < 0 || !str_starts(all, STR("HTTP/1.")) || all.n < 12 ||
	    !str_to_u64(str_make(all.p + 9, 3), &status))
		return false;
	a->status = (int)status;
	*body = str_from(all, (size_t)end + 4);
	return true;
}

static int
complain(const struct ctl_answer *a)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;
	struct json_value e = a->root.type == JSON_OBJECT
				      ? json_get(a->root, "error")
				      : a->root;

	if (e.type == JSON_OBJECT)
		e = json_get(e, "message");
	if (e.type == JSON_STRING && json_unescape(e, &text) && text.n > 0)
		(void)fprintf(stderr, "tollgatectl: %.*s\n", (int)text.n,
			      text.p);
	else
		(void)fprintf(stderr,
			      "tollgatectl: the server answered with %d\n",
			      a->status);
	return EXIT_RUNTIME;
}

int
ctl_request(const struct ctl *c, const struct ctl_ask *ask,
	    struct ctl_answer *answer)
{
	struct json_error error;
	struct str body = STR_NONE;
	bool whole;
	int fd = dial(c);

	memset(answer, 0, sizeof(*answer));
	if (fd < 0)
		return unreachable(c, strerror(errno));
	whole = send_request(fd, ask) && read_all(fd, &answer->raw);
	(void)close(fd);
	if (!whole || !split(answer, &body))
		return unreachable(c, "the connection broke off");
	if (!json_valid(body, &answer->root, &error))
		answer->root.type = JSON_ABSENT;
	if (answer->status / 100 != 2)
		return complain(answer);
	if (answer->root.type == JSON_OBJECT)
		return EXIT_FINE;
	(void)fprintf(stderr, "tollgatectl: the answer is no JSON object\n");
	return EXIT_RUNTIME;
}
