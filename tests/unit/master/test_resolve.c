/* Names to addresses, with name servers of our own on loopback. */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/dns.h>
#include <event2/dns_struct.h>
#include <event2/event.h>

#include "base/must.h"
#include "master/resolve.h"
#include "tests/tap.h"

struct server {
	struct evdns_server_port *port;
	int fd;
	unsigned number;
	uint8_t address[4];
	unsigned asked;
};

static struct event_base *base;
static char conf[64];
static unsigned answers;
static struct channel_address last;
static unsigned last_n;
static const char *last_why;

static void
on_question(struct evdns_server_request *req, void *user)
{
	struct server *s = user;

	s->asked++;
	for (int i = 0; i < req->nquestions; i++) {
		const struct evdns_server_question *q = req->questions[i];

		if (q->type == EVDNS_TYPE_A)
			(void)evdns_server_request_add_a_reply(req, q->name, 1,
							       s->address, 7);
	}
	(void)evdns_server_request_respond(req, 0);
}

static void
server_open(struct server *s, uint8_t digit)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	socklen_t n = sizeof(in);
	void *any = &in;

	*s = (struct server){.address = {10, 0, 0, digit}};
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	must(bind(s->fd, any, n) == 0 && getsockname(s->fd, any, &n) == 0);
	s->number = ntohs(in.sin_port);
	s->port =
		evdns_add_server_port_with_base(base, s->fd, 0, on_question, s);
	must(s->port);
}

static void
server_close(struct server *s)
{
	evdns_close_server_port(s->port);
	(void)close(s->fd);
}

static void
use(const struct server *s)
{
	FILE *f = fopen(conf, "we");

	must(f && fprintf(f, "nameserver 127.0.0.1:%u\n", s->number) > 0);
	must(fclose(f) == 0);
}

static void
on_answer(void *user, const struct resolved *found)
{
	(void)user;
	answers++;
	last_n = found->n;
	last_why = found->why;
	if (found->n > 0)
		last = found->address[0];
}

static uint8_t
last_digit(void)
{
	const struct sockaddr_in *in = (const void *)last.sockaddr;

	return (uint8_t)(ntohl(in->sin_addr.s_addr) & 255u);
}

static void
ask(struct resolver *r, const char *name)
{
	unsigned before = answers;

	(void)resolver_ask(r, str_of(name), on_answer, NULL);
	for (int i = 0; i < 10000 && answers == before; i++)
		(void)event_base_loop(base, EVLOOP_ONCE);
	CHECK_INT(answers, before + 1);
}

TEST(a_reload_reads_the_name_servers_again)
{
	struct server a, b;
	struct resolver *r;
	int fd;

	base = event_base_new();
	(void)snprintf(conf, sizeof(conf), "/tmp/tollgate-resolv-XXXXXX");
	fd = mkstemp(conf);
	must(base && fd >= 0 && close(fd) == 0);
	server_open(&a, 1);
	server_open(&b, 2);
	use(&a);
	r = resolver_new(base, conf);
	resolver_reload(r); /* nothing to do yet */
	ask(r, "one.upstream.test");
	CHECK_INT(last_n, 1);
	CHECK_INT(last_digit(), 1);
	use(&b);
	ask(r, "two.upstream.test");
	CHECK_INT(last_digit(), 1);
	resolver_reload(r);
	ask(r, "three.upstream.test");
	CHECK_INT(last_digit(), 2);
	CHECK(b.asked > 0);
	resolver_free(r);
	server_close(&a);
	server_close(&b);
	event_base_free(base);
	(void)unlink(conf);
}

int
main(void)
{
	RUN(a_reload_reads_the_name_servers_again);
	return tap_done();
}
