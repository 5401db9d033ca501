/*
 * loadgen: a load client for HTTP answers and SSE streams. One thread, bare
 * libevent, a closed loop: each connection asks again as soon as it has its
 * answer. Says "begin" and "end" around the measured time, so that others
 * can take their own figures for the same time, lets what is under way end,
 * and prints one JSON object.
 */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "tests/bench/histogram.h"
#include "tests/bench/options.h"

enum { ROOM = 64 * 1024, HEAD_ROOM = 16 * 1024, SILENCE_S = 10, DRAIN_S = 20 };

struct figures {
	uint64_t requests, errors, bad_status, refused, unhinted, chunks, bytes;
	struct histogram latency, first_byte, gap, refusal;
};

enum place { AT_HEAD, AT_SIZE, AT_CHUNK, AT_CHUNK_END, AT_TRAILER, AT_LENGTH };

struct load;

struct conn {
	struct load *load;
	int fd;
	struct event io, retry;
	size_t written;
	uint64_t asked_us, last_us, chunk_us;
	bool got_byte, busy;
	/* The answer. */
	enum place place;
	char head[HEAD_ROOM];
	size_t head_len;
	int status;
	uint64_t left; /* of the body or chunk */
	char line[32];
	size_t line_len;
	bool after_newline; /* the last byte of the body was one */
	bool close;
};

struct load {
	struct options options;
	struct event_base *base;
	struct sockaddr_in to;
	char *request;
	size_t request_len;
	struct conn *conns;
	struct figures *figures;
	struct event tick, begin, end, late;
	bool ending;
	int busy;
	uint64_t begin_us, end_us;
	char room[ROOM];
};

/* -- figures ------------------------------------------------------------- */

/* What counts in the measured time only. */
static bool
measured(const struct load *l)
{
	return l->begin_us && !l->end_us;
}

/* -- connections --------------------------------------------------------- */

static void on_io(evutil_socket_t fd, short what, void *arg);

static void
start_answer(struct conn *c)
{
	c->place = AT_HEAD;
	c->head_len = c->line_len = 0;
	c->status = 0;
	c->left = 0;
	c->got_byte = c->after_newline = c->close = false;
	c->chunk_us = 0;
}

static void
disconnect(struct conn *c)
{
	if (c->fd < 0)
		return;
	(void)event_del(&c->io);
	(void)close(c->fd);
	c->fd = -1;
}

static bool
connect_to(struct conn *c)
{
	const int one = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return false;
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(c->fd, (const struct sockaddr *)&c->load->to,
		    sizeof(c->load->to)) != 0 &&
	    errno != EINPROGRESS) {
		(void)close(c->fd);
		c->fd = -1;
		return false;
	}
	return event_assign(&c->io, c->load->base, c->fd,
			    EV_READ | EV_WRITE | EV_ET | EV_PERSIST, on_io,
			    c) == 0 &&
	       event_add(&c->io, NULL) == 0;
}

/* Ends the exchange under way; the last one ends the program. */
static void
rest(struct conn *c)
{
	struct load *l = c->load;

	if (!c->busy)
		return;
	c->busy = false;
	if (--l->busy == 0 && l->ending)
		(void)event_base_loopbreak(l->base);
}

static void
fail(struct conn *c)
{
	const struct timeval soon = {.tv_usec = 10000};

	c->load->figures->errors++;
	disconnect(c);
	rest(c);
	if (!c->load->ending)
		(void)evtimer_add(&c->retry, &soon);
}

/* False: the connection failed. */
static bool
write_some(struct conn *c)
{
	struct load *l = c->load;

	while (c->written < l->request_len) {
		ssize_t n = send(c->fd, l->request + c->written,
				 l->request_len - c->written, MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN || errno == ENOTCONN;
		c->written += (size_t)n;
	}
	return true;
}

static bool
ask(struct conn *c)
{
	struct load *l = c->load;

	start_answer(c);
	if (c->fd < 0 && !connect_to(c))
		return false;
	if (!c->busy) {
		c->busy = true;
		l->busy++;
	}
	c->written = 0;
	c->asked_us = c->last_us = now_us();
	return write_some(c);
}

static void
on_retry(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd;
	(void)what;
	if (!c->load->ending && !ask(c))
		fail(c);
}

/* -- answers ------------------------------------------------------------- */

static const char *
field(const char *head, const char *name)
{
	const char *p = strcasestr(head, name);

	return p ? p + strlen(name) : NULL;
}

/* The whole head is there: where the body begins, or false. */
static bool
take_head(struct conn *c)
{
	const char *length;

	if (sscanf(c->head, "HTTP/1.%*1d %3d", &c->status) != 1)
		return false;
	length = field(c->head, "\r\ncontent-length:");
	c->close = field(c->head, "\r\nconnection: close") != NULL;
	if (field(c->head, "\r\ntransfer-encoding: chunked")) {
		c->place = AT_SIZE;
		return true;
	}
	if (!length)
		return false;
	c->left = strtoull(length, NULL, 10);
	c->place = AT_LENGTH;
	return true;
}

/* Bytes of the head; how many of `n` belong to it, or -1. */
static ssize_t
head_bytes(struct conn *c, const char *p, size_t n)
{
	size_t had = c->head_len;
	size_t take = n < HEAD_ROOM - 1 - had ? n : HEAD_ROOM - 1 - had;
	const char *end;

	memcpy(c->head + had, p, take);
	c->head[had + take] = '\0';
	end = strstr(c->head, "\r\n\r\n");
	if (!end) {
		c->head_len += take;
		return take == n ? (ssize_t)n : -1;
	}
	c->head_len = (size_t)(end + 4 - c->head);
	c->head[c->head_len] = '\0';
	if (!take_head(c))
		return -1;
	return (ssize_t)(c->head_len - had);
}

/* Body bytes of a stream: an empty line ends an event. */
static uint64_t
count_events(struct conn *c, const char *p, size_t n)
{
	const char *end = p + n;
	uint64_t events = 0;

	while (p < end) {
		const char *line = memchr(p, '\n', (size_t)(end - p));

		if (line == p && c->after_newline)
			events++;
		c->after_newline = line != NULL;
		if (!line)
			break;
		p = line + 1;
	}
	return events;
}

static void
body_bytes(struct conn *c, const char *p, size_t n)
{
	struct figures *f = c->load->figures;
	uint64_t events;

	if (measured(c->load))
		f->bytes += n;
	if (!c->load->options.stream)
		return;
	events = count_events(c, p, n);
	if (events == 0)
		return;
	if (measured(c->load)) {
		f->chunks += events;
		if (c->chunk_us)
			histogram_add(&f->gap, c->last_us - c->chunk_us);
	}
	c->chunk_us = c->last_us;
}

/* A line of the chunked framing; how many of `n`, or -1. */
static ssize_t
line_bytes(struct conn *c, const char *p, size_t n)
{
	const char *end = memchr(p, '\n', n);
	size_t take = end ? (size_t)(end - p) + 1 : n;

	if (c->line_len + take >= sizeof(c->line))
		return -1;
	memcpy(c->line + c->line_len, p, take);
	c->line_len += take;
	c->line[c->line_len] = '\0';
	if (!end)
		return (ssize_t)take;
	if (c->place == AT_SIZE) {
		char *rest_of_line;

		c->left = strtoull(c->line, &rest_of_line, 16);
		if (rest_of_line == c->line)
			return -1;
		c->place = c->left ? AT_CHUNK : AT_TRAILER;
	} else if (c->place == AT_CHUNK_END) {
		c->place = AT_SIZE;
	} else if (c->line_len == 2) {
		c->left = 0;
		c->place = AT_LENGTH; /* all is there */
	}
	c->line_len = 0;
	return (ssize_t)take;
}

static ssize_t
some_bytes(struct conn *c, const char *p, size_t n)
{
	switch (c->place) {
	case AT_HEAD: return head_bytes(c, p, n);
	case AT_SIZE:
	case AT_CHUNK_END:
	case AT_TRAILER: return line_bytes(c, p, n);
	case AT_CHUNK:
	case AT_LENGTH:
	default: break;
	}
	if (n > c->left)
		n = (size_t)c->left;
	body_bytes(c, p, n);
	c->left -= n;
	if (c->left == 0 && c->place == AT_CHUNK)
		c->place = AT_CHUNK_END;
	return (ssize_t)n;
}

static bool
is_refusal(const struct conn *c)
{
	return c->load->options.pause_ms >= 0 &&
	       (c->status == 429 || c->status == 503);
}

static void
note_refusal(struct conn *c)
{
	struct figures *f = c->load->figures;

	if (!measured(c->load))
		return;
	f->refused++;
	if (!field(c->head, "\r\nretry-after:"))
		f->unhinted++;
	histogram_add(&f->refusal, c->last_us - c->asked_us);
}

static struct timeval
pause_of(const struct conn *c)
{
	const struct options *o = &c->load->options;
	const char *seconds = field(c->head, "\r\nretry-after:");
	const char *exact = field(c->head, "\r\nretry-after-ms:");
	long ms = o->pause_ms;

	if (o->obey && exact)
		ms = strtol(exact, NULL, 10);
	else if (o->obey && seconds)
		ms = strtol(seconds, NULL, 10) * 1000;
	return (struct timeval){ms / 1000, ms % 1000 * 1000};
}

static void
note_answer(struct conn *c)
{
	struct figures *f = c->load->figures;

	if (is_refusal(c)) {
		note_refusal(c);
		return;
	}
	if (c->status < 200 || c->status > 299) {
		f->bad_status++;
		return;
	}
	if (!measured(c->load))
		return;
	f->requests++;
	histogram_add(&f->latency, c->last_us - c->asked_us);
}

/* The answer is whole: the next request. */
static bool
finish(struct conn *c)
{
	const struct options *o = &c->load->options;
	const struct timeval pause = pause_of(c);

	note_answer(c);
	if (c->close || o->fresh)
		disconnect(c);
	if (c->load->ending) {
		rest(c);
		return true;
	}
	if (is_refusal(c)) {
		rest(c);
		return evtimer_add(&c->retry, &pause) == 0;
	}
	return ask(c);
}

/* False: the connection failed. */
static bool
take(struct conn *c, const char *p, size_t n)
{
	c->last_us = now_us();
	if (!c->got_byte) {
		c->got_byte = true;
		if (measured(c->load))
			histogram_add(&c->load->figures->first_byte,
				      c->last_us - c->asked_us);
	}
	while (n) {
		ssize_t got = some_bytes(c, p, n);

		if (got < 0)
			return false;
		p += got;
		n -= (size_t)got;
		if (c->place == AT_LENGTH && c->left == 0)
			return n == 0 && finish(c);
	}
	return true;
}

static bool
read_some(struct conn *c)
{
	struct load *l = c->load;

	while (c->fd >= 0) {
		ssize_t n = recv(c->fd, l->room, sizeof(l->room), 0);

		if (n < 0)
			return errno == EAGAIN;
		if (n == 0 && !c->busy) {
			disconnect(c);
			return true;
		}
		if (n == 0 || !c->busy || !take(c, l->room, (size_t)n))
			return false;
		if ((size_t)n < sizeof(l->room))
			return true;
	}
	return true;
}

static void
on_io(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd;
	if (c->busy && c->written < c->load->request_len && !write_some(c)) {
		fail(c);
		return;
	}
	if ((what & EV_READ) && !read_some(c))
		fail(c);
}

/* -- the run ------------------------------------------------------------- */

static void
say(const char *word)
{
	(void)printf("%s\n", word);
	(void)fflush(stdout);
}

static void
on_begin(evutil_socket_t fd, short what, void *arg)
{
	struct load *l = arg;

	(void)fd;
	(void)what;
	say("begin");
	l->begin_us = now_us();
}

static void
on_end(evutil_socket_t fd, short what, void *arg)
{
	struct load *l = arg;
	const struct timeval late = {.tv_sec = DRAIN_S};

	(void)fd;
	(void)what;
	l->end_us = now_us();
	say("end");
	l->ending = true;
	if (l->busy == 0)
		(void)event_base_loopbreak(l->base);
	else
		(void)evtimer_add(&l->late, &late);
}

static void
on_late(evutil_socket_t fd, short what, void *arg)
{
	struct load *l = arg;

	(void)fd;
	(void)what;
	l->figures->errors += (uint64_t)l->busy;
	(void)event_base_loopbreak(l->base);
}

/* An answer that went silent is an error. */
static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct load *l = arg;
	uint64_t now = now_us();
	int i;

	(void)fd;
	(void)what;
	for (i = 0; i < l->options.connections; i++) {
		struct conn *c = &l->conns[i];

		if (c->busy && now > c->last_us + SILENCE_S * 1000000ULL)
			fail(c);
	}
}

static struct timeval
seconds(double s)
{
	long whole = (long)s;

	return (struct timeval){whole, (long)((s - (double)whole) * 1e6)};
}

static bool
arm(struct load *l)
{
	struct timeval begin = seconds(l->options.warm_up);
	struct timeval end = seconds(l->options.warm_up + l->options.seconds);
	const struct timeval tick = {.tv_sec = 1};

	(void)evtimer_assign(&l->begin, l->base, on_begin, l);
	(void)evtimer_assign(&l->end, l->base, on_end, l);
	(void)evtimer_assign(&l->late, l->base, on_late, l);
	(void)event_assign(&l->tick, l->base, -1, EV_PERSIST, on_tick, l);
	return evtimer_add(&l->begin, &begin) == 0 &&
	       evtimer_add(&l->end, &end) == 0 &&
	       event_add(&l->tick, &tick) == 0;
}

static int
run(struct load *l)
{
	int i;

	l->base = event_base_new();
	l->conns = calloc((size_t)l->options.connections, sizeof(*l->conns));
	l->figures = calloc(1, sizeof(*l->figures));
	l->request = options_request(&l->options, &l->request_len);
	if (!l->base || !l->conns || !l->figures || !l->request || !arm(l))
		return 1;
	l->to = (struct sockaddr_in){.sin_family = AF_INET,
				     .sin_port =
					     htons((uint16_t)l->options.port),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	for (i = 0; i < l->options.connections; i++) {
		struct conn *c = &l->conns[i];

		c->load = l;
		c->fd = -1;
		(void)evtimer_assign(&c->retry, l->base, on_retry, c);
		if (!ask(c))
			fail(c);
	}
	return event_base_dispatch(l->base) < 0 ? 1 : 0;
}

static void
print(const struct load *l)
{
	const struct figures *f = l->figures;
	double took = (double)(l->end_us - l->begin_us) / 1e6;

	(void)printf("{\"requests\":%" PRIu64 ",\"errors\":%" PRIu64
		     ",\"bad_status\":%" PRIu64 ",\"refused\":%" PRIu64
		     ",\"without_retry_after\":%" PRIu64 ",\"chunks\":%" PRIu64
		     ",\"body_bytes\":%" PRIu64 ",\"seconds\":%.6f"
		     ",\"requests_per_s\":%.1f",
		     f->requests, f->errors, f->bad_status, f->refused,
		     f->unhinted, f->chunks, f->bytes, took,
		     (double)f->requests / took);
	histogram_print("latency_us", &f->latency);
	histogram_print("first_byte_us", &f->first_byte);
	histogram_print("chunk_gap_us", &f->gap);
	histogram_print("refusal_us", &f->refusal);
	(void)printf("}\n");
}

int
main(int argc, char **argv)
{
	struct load *l = calloc(1, sizeof(*l));
	struct rlimit files;
	int status;

	if (!l)
		return 1;
	if (!options_read(&l->options, argc, argv)) {
		free(l);
		return 2;
	}
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	status = run(l);
	if (status == 0)
		print(l);
	return status;
}
