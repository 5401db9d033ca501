#pragma once
/* The other end of the client: a listening socket whose connections the test
 * answers by hand, and calls that note what they were told. */
#include "tests/unit/http/lab.h"

#define CALL_HEAD "POST /up HTTP/1.1\r\nhost: u\r\ncontent-length: 2\r\n\r\n"

struct note {
	char log[4096];
	char data[262144];
	size_t n;
	const char *cycle; /* set: the data repeat this, and are not kept */
	size_t cycle_n;
	int heads;
	int ended;
	int failed;
	enum call_fault fault;
	bool cancel_at_head;
	bool cancel_at_data;
	bool release_at_data;
	bool pause_at_head;
	bool pause_at_data;
	bool destroy_at_end;
	bool again_at_end;
	struct call *call;
	struct call *second;
};

static struct note note;
static int up_listening = -1;
static struct call_target up_target;
static const struct call_timeouts up_timeouts = {
	.connect_ms = 1000, .first_byte_ms = 30000, .idle_ms = 60000};
static struct iovec up_iov[2];

static struct call *up_call(void);

static void
on_head(struct call *c, const struct http_head *h)
{
	size_t n = strlen(note.log);

	note.heads++;
	(void)snprintf(note.log + n, sizeof(note.log) - n, "%d ", h->status);
	CHECK(call_user(c) == &note);
	if (note.pause_at_head)
		call_pause(c);
	if (note.cancel_at_head)
		call_cancel(c);
}

static void
on_data(struct call *c, struct str piece)
{
	if (note.cycle) {
		for (size_t i = 0; i < piece.n; i++)
			must(piece.p[i] ==
			     note.cycle[(note.n + i) % note.cycle_n]);
	} else {
		must(note.n + piece.n <= sizeof(note.data));
		memcpy(note.data + note.n, piece.p, piece.n);
	}
	note.n += piece.n;
	if (note.pause_at_data)
		call_pause(c);
	if (note.cancel_at_data)
		call_cancel(c);
	if (note.release_at_data)
		call_release(c);
}

static void
on_end(struct call *c)
{
	note.ended++;
	call_cancel(c); /* too late, and harmless */
	if (note.destroy_at_end) {
		http_client_destroy(lab.client);
		lab.client = NULL;
	}
	if (note.again_at_end) {
		note.again_at_end = false;
		note.second = up_call();
	}
}

static void
on_fail(struct call *c, enum call_fault f)
{
	(void)c;
	note.failed++;
	note.fault = f;
	if (note.destroy_at_end) {
		http_client_destroy(lab.client);
		lab.client = NULL;
	}
}

static const struct call_ops up_ops = {.on_head = on_head,
				       .on_data = on_data,
				       .on_end = on_end,
				       .on_fail = on_fail};

static struct call *
up_call(void)
{
	up_iov[0] = (struct iovec){(void *)(uintptr_t)CALL_HEAD,
				   sizeof(CALL_HEAD) - 1};
	up_iov[1] = (struct iovec){(void *)(uintptr_t) "hi", 2};
	return client_call(lab.client, &up_target, up_iov, 2, &up_timeouts,
			   &up_ops, &note);
}

static inline void
up_open(void)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	socklen_t n = sizeof(in);

	lab_open();
	memset(&note, 0, sizeof(note));
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	up_listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	must(up_listening >= 0);
	must(bind(up_listening, (struct sockaddr *)&in, n) == 0);
	must(listen(up_listening, 64) == 0);
	must(getsockname(up_listening, (struct sockaddr *)&in, &n) == 0);
	memset(&up_target, 0, sizeof(up_target));
	memcpy(&up_target.addr, &in, sizeof(in));
	up_target.addr_len = sizeof(in);
	up_target.pool_key = 7;
	up_target.host = STR("u");
	up_target.fd = -1;
}

static inline void
up_close(void)
{
	(void)close(up_listening);
	lab_close();
}

/* The next connection, once it has sent a request. */
static inline struct peer_end
up_accept(void)
{
	struct peer_end p = {.fd = -1};

	LAB_UNTIL((p.fd = accept(up_listening, NULL, NULL)) >= 0);
	p = peer_of(p.fd);
	PEER_UNTIL(&p, peer_has(&p, "\r\n\r\nhi"));
	return p;
}

/* One call, answered with `text` in pieces of `step`, then closed or not. */
static inline void
up_play(struct str text, size_t step, bool then_close)
{
	struct peer_end p;

	note.call = up_call();
	CHECK(note.call != NULL);
	p = up_accept();
	peer_send(&p, text, step);
	if (then_close) {
		(void)close(p.fd);
		p.fd = -1;
	}
	LAB_UNTIL(note.ended + note.failed == 1);
	peer_close(&p);
}
