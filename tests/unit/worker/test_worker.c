/*
 * The worker process as the master sees it: a child over real sockets, with
 * the embedded provider behind it. This test is its master and its ledger
 * writer.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/must.h"
#include "conf/conf.h"
#include "conf/load.h"
#include "shm/accounts.h"
#include "shm/books.h"
#include "shm/channels.h"
#include "shm/counters.h"
#include "shm/keys.h"
#include "shm/slots.h"
#include "shm/workers.h"
#include "tests/tap.h"
#include "worker/worker.h"

#define KEY	"tg_worker_test_key_1"
#define BALANCE 1000000000000

static const uint8_t pepper[SHA256_BYTES] = {9};

struct yard {
	struct region r;
	const struct conf *conf;
	struct worker_args args;
	uint32_t rows[1];
	struct worker_listen listen;
	uint16_t port;
	int alive[2];
	pid_t pid;
	char text[65536]; /* the last answer */
};

static void
fill_region(struct yard *y)
{
	struct region *r = &y->r;
	struct book *b;
	struct counter *c;

	must(region_anonymous(r, SLOT_PAGE, 4) == E_OK);
	b = &r->books[0];
	c = &r->counters[counter_of_account(0)];
	atomic_store(&r->accounts[0].flags, ACCOUNT_LIVE);
	atomic_store(&r->accounts[0].parent, SHM_NONE);
	atomic_store(&c->available, BALANCE);
	atomic_store(&c->balance, BALANCE);
	hmac_sha256(pepper, sizeof(pepper), KEY, strlen(KEY), r->keys[0].hash);
	atomic_store(&r->keys[0].flags, KEY_LIVE);
	key_publish(r, 0);
	b->n = 1;
	b->rows[0] = (struct book_row){.input = {1000000},
				       .output = {2000000},
				       .bytes_per_token_milli = 4000};
	atomic_store(&b->version, 1);
	atomic_store(&r->head->ledger_state, LEDGER_OK);
	y->rows[0] = channel_bind(r, STR("demo"));
	atomic_store(&r->workers[0].state, WORKER_STARTING);
}

static void
open_listener(struct yard *y)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(in);

	y->listen.fd =
		socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	must(y->listen.fd >= 0);
	must(bind(y->listen.fd, (const struct sockaddr *)&in, n) == 0);
	must(listen(y->listen.fd, 16) == 0);
	must(getsockname(y->listen.fd, (struct sockaddr *)&in, &n) == 0);
	y->port = ntohs(in.sin_port);
}

static struct yard *
yard_new(const char *more)
{
	struct yard *y = calloc(1, sizeof(*y));
	CLEANUP(buf_free) struct buf text = BUF_INIT, error = BUF_INIT;

	must(y != NULL);
	buf_printf(&text,
		   "listen = ( { address = \"127.0.0.1:1\"; } );"
		   "models = ( { name = \"m\"; input = \"1\"; output = \"2\"; "
		   "} );"
		   "channels = ( { name = \"demo\"; provider = \"demo\";"
		   " models = ( { name = \"m\"; } ); %s } );",
		   more);
	if (!conf_load_text(buf_str(&text), "yard", NULL, &y->conf, &error))
		must_fail(error.p, __FILE__, __LINE__);
	fill_region(y);
	open_listener(y);
	must(pipe(y->alive) == 0);
	y->args = (struct worker_args){
		.conf = y->conf,
		.region = &y->r,
		.spawn_epoch = 3,
		.channel_rows = y->rows,
		.listen = &y->listen,
		.n_listen = 1,
		.doorbell = eventfd(0, EFD_NONBLOCK),
		.writer_doorbell = eventfd(0, EFD_NONBLOCK),
		.master_doorbell = eventfd(0, EFD_NONBLOCK),
		.alive = y->alive[0],
		.pepper = pepper};
	return y;
}

static bool
readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 10000) == 1;
}

static struct yard *
started(const char *more)
{
	struct yard *y = yard_new(more);

	(void)fflush(stdout);
	y->pid = fork();
	must(y->pid >= 0);
	if (y->pid == 0) {
		(void)close(y->alive[1]);
		exit(worker_run(&y->args));
	}
	(void)close(y->alive[0]);
	y->alive[0] = -1;
	CHECK(readable(y->args.master_doorbell));
	CHECK_INT(y->r.workers[0].state, WORKER_READY);
	return y;
}

/* The exit code of the child; -1 = by a signal. */
static int
ended(struct yard *y)
{
	int status = 0;

	must(waitpid(y->pid, &status, 0) == y->pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
yard_free(struct yard *y)
{
	int fds[] = {y->listen.fd,
		     y->alive[0],
		     y->alive[1],
		     y->args.doorbell,
		     y->args.writer_doorbell,
		     y->args.master_doorbell};

	for (unsigned i = 0; i < ARRAY_LEN(fds); i++)
		if (fds[i] >= 0)
			(void)close(fds[i]);
	region_close(&y->r);
	conf_free(y->conf);
	free(y);
}

/* ---- a client ---- */

static int
client(const struct yard *y, const char *request)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_port = htons(y->port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	must(fd >= 0);
	must(connect(fd, (const struct sockaddr *)&in, sizeof(in)) == 0);
	must(write(fd, request, strlen(request)) == (ssize_t)strlen(request));
	return fd;
}

static int
post(const struct yard *y, const char *body)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;

	buf_printf(&text,
		   "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n"
		   "authorization: Bearer " KEY "\r\ncontent-length: %zu\r\n"
		   "\r\n%s",
		   strlen(body), body);
	buf_add_char(&text, '\0');
	return client(y, text.p);
}

/* Reads until `needle` came; false at the end of the stream. */
static bool
hears(struct yard *y, int fd, const char *needle)
{
	size_t n = 0;

	while (n + 1 < sizeof(y->text)) {
		ssize_t got;

		y->text[n] = '\0';
		if (strstr(y->text, needle))
			return true;
		if (!readable(fd))
			return false;
		got = read(fd, y->text + n, sizeof(y->text) - 1 - n);
		if (got <= 0)
			return false;
		n += (size_t)got;
	}
	return false;
}

#define HEALTH "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
#define ASK                                                                  \
	"{\"model\":\"m\",\"max_tokens\":3,\"messages\":[{\"role\":\"user\"" \
	",\"content\":\"one two\"}]"

/* One pass of the writer; the number of commits. */
static unsigned
commit(struct yard *y)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < y->r.head->n_slots; i++)
		switch (slot_todo(&y->r, i, false)) {
		case TODO_COMMIT:
			slot_durable(&y->r, i);
			slot_give_all(&y->r, i);
			n++;
			break;
		case TODO_GIVE: slot_give_all(&y->r, i); break;
		case TODO_FREE: slot_free(&y->r, i); break;
		case TODO_REVERSE:
		case TODO_NOTHING: break;
		}
	return n;
}

static int64_t
spent(const struct yard *y)
{
	return BALANCE -
	       atomic_load(&y->r.counters[counter_of_account(0)].available);
}

/* ---- cases ---- */

TEST(it_serves_until_the_master_says_term)
{
	struct yard *y = started("");
	int fd = client(y, HEALTH);

	CHECK(hears(y, fd, "{\"status\":\"ok\"}"));
	CHECK(strncmp(y->text, "HTTP/1.1 200 ", 13) == 0);
	CHECK(y->r.workers[0].heartbeat_ns > 0);
	/* the idle connection is closed, and that was all */
	CHECK(kill(y->pid, SIGTERM) == 0);
	CHECK(!hears(y, fd, "anything"));
	CHECK_INT(ended(y), 0);
	CHECK_INT(y->r.workers[0].state, WORKER_DRAINING);
	(void)close(fd);
	yard_free(y);
}

TEST(an_answer_waits_for_the_doorbell_of_its_commit)
{
	struct yard *y = started("");
	int fd;

	writer_sleeps(&y->r, true);
	fd = post(y, ASK "}");
	CHECK(readable(y->args.writer_doorbell));
	CHECK_INT(commit(y), 1);
	doorbell_ring(y->args.doorbell);
	CHECK(hears(y, fd, "\"usage\""));
	/* 5 words in, 3 out */
	CHECK(strstr(y->text, "x-tollgate-charge-usd: 0.000011\r\n"));
	CHECK_INT(spent(y), 11000);
	(void)close(fd);
	CHECK(kill(y->pid, SIGTERM) == 0);
	CHECK_INT(ended(y), 0);
	CHECK_INT(y->r.channels[y->rows[0]].in_flight, 0);
	CHECK_INT(y->r.keys[0].limits.running, 0);
	yard_free(y);
}

TEST(a_running_stream_ends_before_a_drained_worker)
{
	struct yard *y = started("tokens_per_second = 30;");
	int fd = post(y, ASK ",\"stream\":true}");
	int late;

	CHECK(hears(y, fd, "data: "));
	CHECK(kill(y->pid, SIGTERM) == 0);
	/* nobody accepts it here: it waits for the next generation */
	late = client(y, HEALTH);
	while (commit(y) == 0)
		must(usleep(1000) == 0);
	doorbell_ring(y->args.doorbell);
	CHECK(hears(y, fd, "data: [DONE]\n\n"));
	CHECK_INT(ended(y), 0);
	(void)commit(y);
	CHECK_INT(spent(y), 11000);
	(void)close(late);
	(void)close(fd);
	yard_free(y);
}

/* The state of the one slot in use, and what it costs. */
static enum slot_state
settled_at(const struct yard *y, int64_t *cost, int64_t *delivered)
{
	for (uint32_t i = 0; i < y->r.head->n_slots; i++) {
		const struct slot *s = &y->r.slots[i];
		enum slot_state state = word_state(atomic_load(&s->word));

		*cost = atomic_load(&s->cost);
		*delivered = atomic_load(&s->delivered);
		if (state != SLOT_FREE)
			return state;
	}
	return SLOT_FREE;
}

TEST(int_ends_at_once_and_settles_what_was_delivered)
{
	struct yard *y = started("tokens_per_second = 2;");
	int fd = post(y, ASK ",\"stream\":true}");
	int64_t cost = 0, delivered = 0;

	CHECK(hears(y, fd, "This"));
	CHECK(kill(y->pid, SIGINT) == 0);
	CHECK_INT(ended(y), 0);
	CHECK_INT(settled_at(y, &cost, &delivered), SLOT_SETTLED);
	CHECK_INT(cost, delivered);
	CHECK(cost > 0);
	CHECK_INT(y->r.channels[y->rows[0]].in_flight, 0);
	CHECK_INT(y->r.keys[0].limits.running, 0);
	CHECK(!hears(y, fd, "[DONE]"));
	(void)close(fd);
	yard_free(y);
}

TEST(without_a_master_a_worker_ends)
{
	struct yard *y = started("");

	(void)close(y->alive[1]);
	y->alive[1] = -1;
	CHECK_INT(ended(y), 0);
	yard_free(y);
}

TEST(what_cannot_start_says_so)
{
	struct yard *y = yard_new("");

	/* a book that does not know the model */
	y->r.books[0].n = 0;
	CHECK_INT(worker_run(&y->args), 1);
	CHECK_INT(y->r.workers[0].state, WORKER_STARTING);
	yard_free(y);
	/* a row of the table that is none */
	y = yard_new("");
	y->rows[0] = SHM_CHANNELS;
	CHECK_INT(worker_run(&y->args), 1);
	yard_free(y);
}

int
main(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	RUN(it_serves_until_the_master_says_term);
	RUN(an_answer_waits_for_the_doorbell_of_its_commit);
	RUN(a_running_stream_ends_before_a_drained_worker);
	RUN(int_ends_at_once_and_settles_what_was_delivered);
	RUN(without_a_master_a_worker_ends);
	RUN(what_cannot_start_says_so);
	return tap_done();
}
