/*
 * A storm: many raw clients send good, bad and broken requests in random
 * pieces and leave at random; the user answers, streams, calls an upstream
 * (this same server, plain or TLS), pauses, cancels and aborts at random, in callbacks and
 * between them, and now and then destroys all. Whatever happens: one on_end
 * for each on_head, one end for each call, and no memory left. Same seed,
 * same actions.
 */
#include "http/server.h"
#include "http/tls.h"
#include "tests/unit/http/certs.h"
#include "tests/unit/http/lab.h"

#define CLIENTS 12
#define JOBS	256
#define STEPS	1500
#define SEEDS	12

/* One exchange of the user, and perhaps its call. */
struct job {
	struct exchange *x;
	struct call *call;
	bool begun;
	bool streaming;
	bool paused;
	char request[256];
	struct iovec iov;
};

static uint64_t seed;
static struct job jobs[JOBS];
static struct peer_end peers[CLIENTS];
static int heads, ends, calls, call_ends;
static bool over; /* the server or the client was destroyed */
static struct tls_tickets tickets;
static struct tls_server *tls_server;
static struct tls_client *tls_client;
static int tls_listening;
static uint16_t tls_port;

static unsigned
dice(unsigned n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % n;
}

static struct job *
free_job(void)
{
	for (int i = 0; i < JOBS; i++)
		if (!jobs[i].x)
			return &jobs[i];
	return NULL;
}

static void act(struct job *j);

static void
up_head(struct call *c, const struct http_head *h)
{
	struct job *j = call_user(c);

	must(j->call == c && h->status >= 200);
	act(j);
}

static void
up_data(struct call *c, struct str piece)
{
	struct job *j = call_user(c);
	struct iovec iov = {(void *)(uintptr_t)piece.p, piece.n};

	must(j->call == c && piece.n > 0);
	if (j->streaming && dice(2))
		exchange_stream_send(j->x, &iov, 1, dice(1000));
	else
		act(j);
}

static void
up_done(struct call *c)
{
	struct job *j = call_user(c);

	must(j->call == c);
	j->call = NULL;
	call_ends++;
	if (j->x)
		act(j);
}

static void
up_fail(struct call *c, enum call_fault f)
{
	(void)f;
	up_done(c);
}

static const struct call_ops storm_calls = {.on_head = up_head,
					    .on_data = up_data,
					    .on_end = up_done,
					    .on_fail = up_fail};

static void
start_call(struct job *j)
{
	static const struct call_timeouts t = {1000, 5000, 5000};
	struct call_target to = {.pool_key = dice(3), .fd = -1};
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_port = htons(lab.port)};

	if (over || j->call)
		return;
	if (dice(2)) {
		to.tls = tls_client;
		in.sin_port = htons(tls_port);
	}
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	memcpy(&to.addr, &in, sizeof(in));
	to.addr_len = sizeof(in);
	to.host = STR("gateway.test");
	j->iov.iov_base = j->request;
	j->iov.iov_len = (size_t)snprintf(
		j->request, sizeof(j->request),
		"POST /leaf%u HTTP/1.1\r\nHost: a\r\nContent-Length: "
		"3\r\n\r\nabc",
		dice(5));
	j->call = client_call(lab.client, &to, &j->iov, 1, &t, &storm_calls, j);
	if (j->call) {
		calls++;
		j->paused = false;
	}
}

static void
answer(struct job *j)
{
	static char large[150000];

	if (dice(3) == 0) {
		j->begun = j->streaming = true;
		exchange_stream_begin(j->x, 200, STR("a: b\r\n"));
		return;
	}
	j->begun = true;
	exchange_reply(
		j->x, dice(9) ? 200 : 204, STR("a: b\r\n"),
		str_make(large, dice(4) ? dice(99) : dice(sizeof(large))),
		dice(50));
}

static void
go_on_streaming(struct job *j)
{
	static char bytes[40000];
	struct iovec piece[2] = {{bytes, dice(100)},
				 {bytes, dice(3) ? 1 : dice(sizeof(bytes))}};

	if (dice(5)) {
		exchange_stream_send(j->x, piece, dice(3), dice(1000));
		return;
	}
	j->streaming = false;
	exchange_stream_end(j->x);
}

static void
handle_call(struct job *j)
{
	switch (dice(4)) {
	case 0:
		call_cancel(j->call);
		j->call = NULL;
		call_ends++;
		return;
	case 1:
		call_pause(j->call);
		j->paused = true;
		return;
	default: call_resume(j->call); j->paused = false;
	}
}

/* Anything that the interface allows, at random. */
static void
act(struct job *j)
{
	switch (dice(8)) {
	case 0:
	case 1: start_call(j); break;
	case 2:
	case 3:
		if (!j->begun)
			answer(j);
		break;
	case 4:
	case 5:
		if (j->streaming)
			go_on_streaming(j);
		break;
	case 6:
		if (j->call)
			handle_call(j);
		break;
	default:
		if (dice(4) == 0)
			exchange_abort(j->x);
	}
	if (j->x) {
		(void)exchange_mark(j->x);
		(void)exchange_peer(j->x);
	}
}

static void
storm_head(struct exchange *x, const struct http_head *h)
{
	struct job *j = free_job();

	heads++;
	exchange_set_user(x, NULL);
	if (!j || (h->path.n > 5 && memcmp(h->path.p, "/leaf", 5) == 0)) {
		if (h->path.p[h->path.n - 1] == '1')
			exchange_abort(x);
		else if (h->path.p[h->path.n - 1] != '2') /* never answered */
			exchange_reply(x, 200, STR(""), STR("leaf"), 1);
		return;
	}
	*j = (struct job){.x = x};
	exchange_set_user(x, j);
	if (dice(2))
		exchange_read_body(x);
	else
		act(j);
	/* still readable, whatever was done */
	for (unsigned i = 0; i < h->n_fields; i++)
		must(memchr(h->fields[i].value.p, '\r', h->fields[i].value.n) ==
		     NULL);
}

static void
storm_body(struct exchange *x, struct str body)
{
	struct job *j = exchange_user(x);
	unsigned sum = 0;

	for (size_t i = 0; i < body.n; i++)
		sum += (unsigned char)body.p[i];
	must(sum == 0 || body.n > 0);
	if (dice(2))
		exchange_drop_body(x);
	act(j);
}

static void
storm_progress(struct exchange *x)
{
	struct job *j = exchange_user(x);

	if (j)
		act(j);
}

static void
storm_end(struct exchange *x, enum err why)
{
	struct job *j = exchange_user(x);

	(void)why;
	ends++;
	if (!j)
		return;
	must(j->x == x);
	if (j->call) {
		call_cancel(j->call);
		call_ends++;
	}
	*j = (struct job){.x = NULL};
	if (!over && dice(400) == 0) {
		over = true;
		http_server_destroy(lab.server);
		lab.server = NULL;
	}
}

static const struct exchange_ops storm_ops = {.on_head = storm_head,
					      .on_body = storm_body,
					      .on_progress = storm_progress,
					      .on_end = storm_end,
					      .render_error = lab_render};

static const char *const requests[] = {
	"GET /a HTTP/1.1\r\nHost: a\r\n\r\n",
	"HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /a HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
	"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
	"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	"5\r\nhello\r\n0\r\n\r\n",
	"POST /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
	"Content-Length: 5\r\n\r\nhello",
	"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\nhello",
	"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nz",
	"BAD\r\n\r\n",
	"GET /a HTTP/1.1\r\nHost: a\r\nX: ",
};

static void
client_step(struct peer_end *p)
{
	const struct linger hard = {1, 0};

	if (p->fd < 0) {
		*p = peer_connect(lab.port);
		return;
	}
	switch (dice(12)) {
	case 0:
		if (dice(2))
			(void)setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &hard,
					 sizeof(hard));
		peer_close(p);
		return;
	case 1:
		if (dice(4) == 0)
			(void)shutdown(p->fd, SHUT_WR);
		return;
	case 2:
	case 3:
	case 4:
		peer_read(p);
		p->n = 0;
		if (p->ended || p->reset)
			peer_close(p);
		return;
	default: break;
	}
	const char *text = requests[dice(ARRAY_LEN(requests))];
	size_t n = strlen(text);

	if (dice(4) == 0)
		n = dice((unsigned)n + 1);
	(void)send(p->fd, text, n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void
storm_open(void)
{
	struct http_server_args args;

	lab_open();
	args = (struct http_server_args){.base = lab.base,
					 .pool = lab.pool,
					 .wheel = lab.wheel,
					 .limits = lab.limits,
					 .ops = &storm_ops};
	http_server_destroy(lab.server);
	lab.server = http_server_new(&args);
	must(lab.server);
	must(http_server_listen(lab.server, lab.listening, NULL) == E_OK);
	tls_listening = lab_socket(&tls_port);
	must(http_server_listen(lab.server, tls_listening, tls_server) == E_OK);
	memset(jobs, 0, sizeof(jobs));
	heads = ends = calls = call_ends = 0;
	over = false;
	for (int i = 0; i < CLIENTS; i++)
		peers[i] = (struct peer_end){.fd = -1};
}

static void
storm_close(void)
{
	for (int i = 0; i < CLIENTS; i++)
		peer_close(&peers[i]);
	over = true;
	if (dice(2)) {
		http_client_destroy(lab.client);
		lab.client = NULL;
		for (int i = 0; i < JOBS; i++) {
			if (jobs[i].call)
				call_ends++; /* without a word */
			jobs[i].call = NULL;
		}
	}
	http_server_destroy(lab.server);
	lab.server = NULL;
	lab_turn();
	CHECK_INT(ends, heads);
	CHECK_INT(call_ends, calls);
	CHECK(heads > 0);
	(void)close(tls_listening);
	lab_close();
}

TEST(whatever_happens_every_exchange_ends_once_and_nothing_leaks)
{
	int all_heads = 0, all_calls = 0;

	for (unsigned s = 1; s <= SEEDS; s++) {
		seed = s;
		storm_open();
		for (int i = 0; i < STEPS && !over; i++) {
			client_step(&peers[dice(CLIENTS)]);
			if (dice(3) == 0) {
				struct job *j = &jobs[dice(24)];

				if (j->x)
					act(j);
			}
			if (dice(60) == 0)
				lab_skip(dice(8000));
			(void)event_base_loop(lab.base,
					      EVLOOP_ONCE | EVLOOP_NONBLOCK);
		}
		all_heads += heads;
		all_calls += calls;
		storm_close();
	}
	printf("# %d exchanges, %d calls\n", all_heads, all_calls);
}

static void
make_contexts(void)
{
	char path[] = "/tmp/tollgate-storm-XXXXXX";
	char why[TLS_WHY];
	int fd = mkstemp(path);

	must(fd >= 0 &&
	     write(fd, ca_pem, strlen(ca_pem)) == (ssize_t)strlen(ca_pem));
	(void)close(fd);
	tls_tickets_rotate(&tickets);
	tls_server = tls_server_new(str_of(leaf_pem), str_of(leaf_key),
				    &tickets, why);
	tls_client = tls_client_new(path, why);
	must(tls_server && tls_client);
	(void)unlink(path);
}

int
main(void)
{
	make_contexts();
	RUN(whatever_happens_every_exchange_ends_once_and_nothing_leaks);
	tls_client_free(tls_client);
	tls_server_free(tls_server);
	return tap_done();
}
