/* Sockets: order of bytes, what is held, turns, deadlines, rests. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"
#include "http/conn.h"
#include "tests/tap.h"

struct owner {
	struct conn conn; /* first */
	int readies, turns, dues, rests;
	bool again;   /* ask for another turn in each turn */
	bool release; /* in the next callback */
	bool doom;
	bool readies_first; /* no turn before a socket was ready */
};

static struct event_base *base;
static struct pool *pool;
static struct wheel *wheel;
static struct conn_loop loop;
static struct owner one;
static int far_end;
static int dooms;

/* Pool memory but for the scratch area. */
static uint64_t
used(void)
{
	return pool_used(pool) - CONN_SCRATCH;
}

static void
count_doom(struct conn_loop *l)
{
	CHECK(l->depth == 0);
	dooms++;
}

static void
act(struct owner *o)
{
	if (o->release) {
		conn_close(&o->conn);
		conn_release(&o->conn);
		conn_later(&o->conn); /* too late */
	}
	if (o->doom) {
		conn_loop_doom(&loop, count_doom);
		CHECK_INT(dooms, 0);
	}
}

static void
on_ready(struct conn *c)
{
	((struct owner *)c)->readies++;
	act((struct owner *)c);
}

static void
on_turn(struct conn *c)
{
	struct owner *o = (struct owner *)c;

	o->turns++;
	CHECK(!o->readies_first || o->readies > 0);
	if (o->again)
		conn_later(c);
	act(o);
}

static void
on_due(struct conn *c)
{
	((struct owner *)c)->dues++;
	act((struct owner *)c);
}

static void
on_rested(struct conn *c)
{
	((struct owner *)c)->rests++;
}

static const struct conn_role role = {
	.ready = on_ready, .turn = on_turn, .due = on_due, .rested = on_rested};

static void
open_one(void)
{
	int pair[2];

	base = event_base_new();
	pool = pool_new(1024 * 1024);
	wheel = wheel_new(clock_mono_ns());
	must(base && pool && wheel);
	must(conn_loop_init(&loop, base, pool, wheel));
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
	memset(&one, 0, sizeof(one));
	dooms = 0;
	must(conn_open(&one.conn, &loop, pair[0], &role, &conn_plain));
	far_end = pair[1];
}

static void
close_one(void)
{
	conn_close(&one.conn);
	conn_release(&one.conn);
	conn_loop_free(&loop);
	CHECK_INT(one.rests, 1);
	CHECK_INT(pool_used(pool), 0);
	(void)close(far_end);
	event_base_free(base);
	pool_destroy(pool);
	wheel_destroy(wheel);
}

static void
turn(void)
{
	(void)event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static void
say(const char *text)
{
	must(send(far_end, text, strlen(text), 0) == (ssize_t)strlen(text));
}

TEST(a_short_read_says_that_the_socket_is_dry)
{
	open_one();
	turn();
	CHECK(one.conn.writable);
	say("hello");
	turn();
	CHECK(one.conn.readable);
	CHECK_INT(conn_fill(&one.conn, CONN_SCRATCH), 5);
	CHECK(!one.conn.readable);
	CHECK(str_eq(str_make(one.conn.bytes, one.conn.n), STR("hello")));
	CHECK_INT(used(), 0);
	close_one();
}

TEST(the_end_that_came_with_the_bytes_is_read_as_well)
{
	open_one();
	say("hello");
	(void)shutdown(far_end, SHUT_WR);
	turn();
	CHECK(one.conn.hung_up);
	CHECK_INT(conn_fill(&one.conn, CONN_SCRATCH), 5);
	CHECK(one.conn.readable);
	conn_use(&one.conn, 5);
	CHECK_INT(conn_fill(&one.conn, CONN_SCRATCH), 0);
	close_one();
}

TEST(kept_input_grows_and_moves)
{
	struct conn *c = &one.conn;
	char big[20000];

	open_one();
	memset(big, 'b', sizeof(big));
	say("abc");
	turn();
	CHECK_INT(conn_fill(c, 32768), 3);
	conn_use(c, 1);
	CHECK(conn_keep(c));
	CHECK_INT(used(), POOL_SMALL); /* a few bytes hold no block */
	must(send(far_end, big, sizeof(big), 0) == (ssize_t)sizeof(big));
	while (c->n < 2 + sizeof(big)) {
		turn();
		CHECK(conn_fill(c, 32768) > 0);
	}
	CHECK(c->n == 20002 && memcmp(c->bytes, "bcbbb", 5) == 0);
	CHECK_INT(used(), 32768);
	conn_use(c, c->n);
	CHECK(conn_keep(c));
	CHECK_INT(used(), 0);
	close_one();
}

TEST(input_beyond_the_wanted_is_not_lost)
{
	char three[3];

	open_one();
	say("abcdef");
	turn();
	CHECK_INT(conn_read(&one.conn, three, 3), 3);
	CHECK(memcmp(three, "abc", 3) == 0);
	CHECK(!one.conn.readable);
	CHECK(str_eq(str_make(one.conn.bytes, one.conn.n), STR("def")));
	CHECK(conn_keep(&one.conn));
	CHECK(str_eq(str_make(one.conn.bytes, one.conn.n), STR("def")));
	close_one();
}

/* Numbered bytes through a full socket: none lost, none twice, in order. */
TEST(the_scratch_area_can_be_taken_with_its_input)
{
	struct conn *c = &one.conn;
	size_t skip = 0;
	char *taken;

	open_one();
	CHECK(!conn_take(c, &skip));
	say("abcdef");
	turn();
	CHECK_INT(conn_fill(c, CONN_SCRATCH), 6);
	conn_use(c, 2);
	taken = conn_take(c, &skip);
	CHECK(taken && taken != loop.scratch && c->n == 0);
	CHECK(skip == 2 && memcmp(taken + skip, "cdef", 4) == 0);
	CHECK_INT(used(), CONN_SCRATCH);
	pool_free(pool, taken, CONN_SCRATCH);
	close_one();
}

TEST(what_the_socket_does_not_take_waits_in_order)
{
	struct conn *c = &one.conn;
	uint32_t next = 0, expect = 0;
	uint32_t words[1000];
	size_t part = 0;
	char in[4096 + 4];
	ssize_t n;

	open_one();
	turn();
	while (c->queued < 300000) {
		struct iovec iov[3];

		for (unsigned i = 0; i < 1000; i++)
			words[i] = next++;
		iov[0] = (struct iovec){words, 10};
		iov[1] = (struct iovec){(char *)words + 10, 0};
		iov[2] = (struct iovec){(char *)words + 10, sizeof(words) - 10};
		CHECK_INT(conn_send(c, iov, 3), E_OK);
		CHECK_INT(c->given - c->taken, c->queued);
	}
	CHECK(!c->writable);
	while (expect < next) {
		n = recv(far_end, in + part, 4096, MSG_DONTWAIT);
		turn();
		CHECK_INT(conn_flush(c), E_OK);
		if (n <= 0)
			continue;
		n += (ssize_t)part;
		for (part = 0; part + 4 <= (size_t)n; part += 4) {
			uint32_t word;

			memcpy(&word, in + part, 4);
			must(word == expect++);
		}
		memmove(in, in + part, (size_t)n - part);
		part = (size_t)n - part;
	}
	CHECK_INT(c->queued, 0);
	CHECK_INT(used(), 0);
	close_one();
}

TEST(held_bytes_go_with_the_next_piece)
{
	char in[64];
	struct iovec head = iov_of(STR("head "));
	struct iovec body = iov_of(STR("body"));

	open_one();
	turn();
	CHECK_INT(conn_hold(&one.conn, &head, 1), E_OK);
	CHECK(recv(far_end, in, sizeof(in), MSG_DONTWAIT) < 0);
	CHECK_INT(conn_send(&one.conn, &body, 1), E_OK);
	CHECK_INT(recv(far_end, in, sizeof(in), 0), 9);
	CHECK(memcmp(in, "head body", 9) == 0);
	/* and without a piece */
	CHECK_INT(conn_hold(&one.conn, &head, 1), E_OK);
	CHECK_INT(conn_send(&one.conn, NULL, 0), E_OK);
	CHECK_INT(recv(far_end, in, sizeof(in), 0), 5);
	CHECK_INT(used(), 0);
	close_one();
}

/* More is held than one call can send: the order stays. */
TEST(much_held_is_sent_first)
{
	static char held[200000];
	static char in[300000];
	struct iovec head = {held, sizeof(held)};
	struct iovec body = iov_of(STR("body"));
	size_t n = 0;

	open_one();
	turn();
	memset(held, 'h', sizeof(held));
	CHECK_INT(conn_hold(&one.conn, &head, 1), E_OK);
	CHECK_INT(conn_send(&one.conn, &body, 1), E_OK);
	while (n < sizeof(held) + 4) {
		ssize_t got =
			recv(far_end, in + n, sizeof(in) - n, MSG_DONTWAIT);

		if (got > 0)
			n += (size_t)got;
		turn();
		CHECK_INT(conn_flush(&one.conn), E_OK);
	}
	CHECK(memcmp(in + n - 5, "hbody", 5) == 0);
	close_one();
}

TEST(a_broken_socket_is_told)
{
	struct iovec iov = iov_of(STR("hello"));

	open_one();
	turn();
	(void)close(far_end);
	CHECK_INT(conn_send(&one.conn, &iov, 1), E_CLIENT_GONE);
	far_end = open("/dev/null", O_RDONLY);
	close_one();
}

TEST(turns_run_once_and_do_not_starve_the_loop)
{
	open_one();
	turn();
	one.readies = 0;
	conn_later(&one.conn);
	conn_later(&one.conn);
	CHECK_INT(one.turns, 0);
	turn();
	CHECK_INT(one.turns, 1);
	turn();
	CHECK_INT(one.turns, 1);
	/* always wants another one: one per pass, and events get through */
	one.again = true;
	conn_later(&one.conn);
	for (int i = 0; i < 10; i++)
		turn();
	CHECK(one.turns >= 9 && one.turns <= 12);
	say("x");
	turn();
	turn();
	CHECK(one.readies >= 1);
	one.again = false;
	turn();
	turn();
	close_one();
}

TEST(a_last_turn_comes_after_what_the_sockets_have)
{
	open_one();
	turn();
	one.readies = 0;
	conn_last(&one.conn);
	conn_last(&one.conn);
	conn_later(&one.conn); /* it has its turn */
	say("x");
	one.readies_first = true;
	turn();
	CHECK_INT(one.turns, 1);
	CHECK_INT(one.readies, 1);
	turn();
	CHECK_INT(one.turns, 1);
	close_one();
}

TEST(a_connection_that_is_released_before_its_last_turn_has_none)
{
	open_one();
	turn();
	one.readies = 0;
	conn_last(&one.conn);
	conn_close(&one.conn);
	conn_release(&one.conn);
	turn();
	turn();
	CHECK_INT(one.turns, 0);
	CHECK_INT(one.rests, 1);
	one.conn.released = false; /* it was given back: let close_one pass */
	one.rests = 0;
	close_one();
	/* and with the loop that ends */
	open_one();
	conn_last(&one.conn);
	close_one();
}

TEST(a_deadline_fires_once_and_may_move_both_ways)
{
	uint64_t now = clock_mono_ns();

	open_one();
	conn_deadline(&one.conn, now + 10 * NS_PER_SEC);
	conn_deadline(&one.conn, now + 60 * NS_PER_SEC);
	wheel_turn(wheel, now + 59 * NS_PER_SEC);
	CHECK_INT(one.dues, 0);
	wheel_turn(wheel, now + 61 * NS_PER_SEC);
	CHECK_INT(one.dues, 1);
	conn_deadline(&one.conn, now + 90 * NS_PER_SEC);
	conn_deadline(&one.conn, now + 70 * NS_PER_SEC);
	wheel_turn(wheel, now + 71 * NS_PER_SEC);
	CHECK_INT(one.dues, 2);
	conn_deadline(&one.conn, now + 80 * NS_PER_SEC);
	conn_deadline(&one.conn, 0);
	wheel_turn(wheel, now + 200 * NS_PER_SEC);
	CHECK_INT(one.dues, 2);
	close_one();
}

TEST(a_released_connection_rests_one_turn)
{
	open_one();
	one.release = true;
	say("x");
	CHECK_INT(one.rests, 0);
	conn_later(&one.conn);
	turn();
	CHECK(one.conn.closed && one.readies + one.turns == 1);
	turn();
	CHECK_INT(one.rests, 1);
	turn();
	CHECK_INT(one.readies + one.turns, 1);
	one.conn.released = false; /* it was given back: let close_one pass */
	one.rests = 0;
	close_one();
}

TEST(a_doomed_loop_is_destroyed_by_its_last_frame)
{
	open_one();
	one.doom = true;
	say("x");
	turn();
	CHECK_INT(dooms, 1);
	close_one();
}

TEST(without_memory_nothing_is_kept_or_queued)
{
	struct conn *c = &one.conn;
	struct iovec iov = iov_of(STR("hello"));
	void *hog;

	open_one();
	say("abc");
	turn();
	hog = pool_alloc(pool, 1024 * 1024 - CONN_SCRATCH);
	CHECK(hog != NULL);
	CHECK_INT(conn_fill(c, 100), 3);
	CHECK(!conn_keep(c));
	CHECK_INT(conn_hold(c, &iov, 1), E_OVERLOAD);
	pool_free(pool, hog, 1024 * 1024 - CONN_SCRATCH);
	close_one();
}

int
main(void)
{
	RUN(a_short_read_says_that_the_socket_is_dry);
	RUN(the_end_that_came_with_the_bytes_is_read_as_well);
	RUN(kept_input_grows_and_moves);
	RUN(input_beyond_the_wanted_is_not_lost);
	RUN(the_scratch_area_can_be_taken_with_its_input);
	RUN(what_the_socket_does_not_take_waits_in_order);
	RUN(held_bytes_go_with_the_next_piece);
	RUN(much_held_is_sent_first);
	RUN(a_broken_socket_is_told);
	RUN(turns_run_once_and_do_not_starve_the_loop);
	RUN(a_last_turn_comes_after_what_the_sockets_have);
	RUN(a_connection_that_is_released_before_its_last_turn_has_none);
	RUN(a_deadline_fires_once_and_may_move_both_ways);
	RUN(a_released_connection_rests_one_turn);
	RUN(a_doomed_loop_is_destroyed_by_its_last_frame);
	RUN(without_memory_nothing_is_kept_or_queued);
	return tap_done();
}
