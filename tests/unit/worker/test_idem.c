/* Idempotency-Key of clients. */
#include <stdlib.h>

#include "base/clock.h"
#include "shm/claims.h"
#include "shm/workers.h"
#include "tests/unit/worker/fixture.h"
#include "worker/idem.h"

/* The fixture's worker is not in the table of processes by itself. */
static struct fixture *
started(void)
{
	struct fixture *f = fix_started();
	struct worker_row *row = &f->region.workers[f->args.row];

	row->spawn_epoch = f->args.spawn_epoch;
	row->state = WORKER_READY;
	return f;
}

static struct exchange *
ask(struct fixture *f, const char *fields)
{
	struct exchange *x = fix_open(f, "POST", FIX_CHATS, FIX_KEY, fields);

	if (x->wants_body)
		fix_body(x, fix_chat("gpt", ""));
	return x;
}

/* What the admin process says to the newest question. */
static void
say(struct fixture *f, const char *text)
{
	CHECK(strstr(f->calls->sent.p, "GET /internal/v1/idem?key="));
	fix_answer(f, 200, text);
}

TEST(the_ledger_is_asked_before_anything_is_held)
{
	struct fixture *f = started();
	int64_t before = fix_available(f, ACME);
	struct exchange *x = ask(f, "idempotency-key: k-1\r\n");

	CHECK_INT(f->n_calls, 1);
	CHECK_INT(fix_available(f, ACME), before);
	say(f, "new");
	CHECK_INT(f->n_calls, 2);
	CHECK(fix_available(f, ACME) < before);
	fix_answer(f, 200, fix_whole("hi", NULL));
	fix_settle(f);
	CHECK_INT(x->status, 200);
	CHECK_INT(f->n_entries, 1);
	CHECK(f->entry[0].note.idem[0] != 0 && f->entry[0].note.idem_body != 0);
	CHECK(fix_done(f));
}

TEST(a_settled_key_gets_what_it_came_to_and_nothing_upstream)
{
	struct fixture *f = started();
	struct exchange *x = ask(f, "idempotency-key: k-1\r\n");

	say(f, "settled 12 1.2.3 0.25 req_x");
	CHECK_INT(x->status, 409);
	CHECK_STR(fix_json(x, "code"), "\"idempotency_already_settled\"");
	CHECK(fix_says(x, "request req_x, ledger entry 12, charge 0.25 USD"));
	CHECK_STR(fix_field(x, "x-tollgate-entry"), "12");
	CHECK_STR(fix_field(x, "x-tollgate-txn"), "1.2.3");
	CHECK_STR(fix_field(x, "x-tollgate-charge-usd"), "0.25");
	CHECK_STR(fix_field(x, "x-should-retry"), "false");
	x = ask(f, "idempotency-key: k-1\r\n");
	say(f, "other");
	CHECK_INT(x->status, 422);
	CHECK_INT(f->n_calls, 2);
	fix_settle(f);
	CHECK_INT(f->n_entries, 0);
	CHECK(fix_done(f));
}

TEST(while_one_runs_the_others_are_told_so)
{
	struct fixture *f = started();
	struct exchange *x = ask(f, "idempotency-key: k-1\r\n");
	struct exchange *y = ask(f, "idempotency-key: k-1\r\n");
	struct exchange *z;

	CHECK_INT(y->status, 409);
	CHECK_STR(fix_json(y, "code"), "\"idempotency_in_progress\"");
	CHECK_STR(fix_field(y, "retry-after"), "1");
	say(f, "new");
	CHECK_INT(ask(f, "idempotency-key: k-1\r\n")->status, 409);
	fix_answer(f, 200, fix_whole("hi", NULL));
	fix_settle(f);
	CHECK_INT(x->status, 200);
	/* The slot is free: the ledger is asked again. */
	z = ask(f, "idempotency-key: k-1\r\n");
	say(f, "settled 1 1.2.3 0.25 req_x");
	CHECK_INT(z->status, 409);
	CHECK(fix_done(f));
}

TEST(whatever_ends_it_early_lets_the_claim_go)
{
	struct fixture *f = started();
	struct exchange *x = ask(f, "idempotency-key: k-1\r\n");

	/* the client, while the ledger is asked */
	fix_gone(x, E_CLIENT_GONE);
	fix_settle(f);
	/* nobody answers */
	x = ask(f, "idempotency-key: k-1\r\n");
	fix_up_fail(f, CALL_HEAD_TIMEOUT);
	CHECK_INT(x->status, 503);
	/* nonsense */
	x = ask(f, "idempotency-key: k-1\r\n");
	say(f, "perhaps");
	CHECK_INT(x->status, 503);
	/* nobody can be asked */
	f->no_calls = true;
	CHECK_INT(ask(f, "idempotency-key: k-1\r\n")->status, 503);
	f->no_calls = false;
	/* no money */
	fix_settle(f);
	fix_fund(f, ACME, 10);
	x = ask(f, "idempotency-key: k-1\r\n");
	say(f, "new");
	CHECK_INT(x->status, 402);
	fix_settle(f);
	fix_fund(f, ACME, 10000000000);
	x = ask(f, "idempotency-key: k-1\r\n");
	say(f, "new");
	fix_answer(f, 200, fix_whole("hi", NULL));
	fix_settle(f);
	CHECK_INT(x->status, 200);
	for (uint32_t i = 0; i < slot_owner_busy(f->w.slots); i++)
		CHECK(false);
	CHECK(fix_done(f));
}

/* What the ledger is asked about the body, of a request by this path. */
static uint64_t
body_hash(struct fixture *f, const char *path)
{
	struct exchange *x =
		fix_open(f, "POST", path, FIX_KEY, "idempotency-key: k-1\r\n");
	const char *at;
	unsigned long long hash = 0;

	fix_body(x, "{\"contents\":[{\"parts\":[{\"text\":\"hi\"}]}]}");
	at = strstr(f->calls->sent.p, "&body=");
	CHECK(at != NULL);
	if (at)
		hash = strtoull(at + 6, NULL, 16);
	say(f, "other");
	CHECK_INT(x->status, 422);
	fix_settle(f);
	return hash;
}

TEST(a_model_in_the_path_belongs_to_what_was_asked)
{
	struct fixture *f = started();
	uint64_t one = body_hash(f, "/v1beta/models/gpt:generateContent");

	CHECK(body_hash(f, "/v1beta/models/gpt:generateContent") == one);
	CHECK(body_hash(f, "/v1beta/models/g%70t:generateContent") == one);
	CHECK(body_hash(f, "/v1beta/models/cheap:generateContent") != one);
	CHECK(fix_done(f));
}

TEST(keys_are_one_header_of_printable_text)
{
	struct fixture *f = started();
	char long_one[320] = "idempotency-key: ";

	CHECK_INT(ask(f, "idempotency-key: \r\n")->status, 400);
	CHECK_INT(ask(f, "idempotency-key: a\tb\r\n")->status, 400);
	CHECK_INT(ask(f, "idempotency-key: caf\xc3\xa9\r\n")->status, 400);
	CHECK_INT(
		ask(f, "idempotency-key: a\r\nIdempotency-Key: a\r\n")->status,
		400);
	memset(long_one + 17, 'x', IDEM_KEY_MAX + 1);
	(void)strcpy(long_one + 17 + IDEM_KEY_MAX + 1, "\r\n");
	CHECK_INT(ask(f, long_one)->status, 400);
	CHECK_INT(f->n_calls, 0);
	CHECK(fix_done(f));
}

TEST(keys_and_bodies_have_their_own_hashes)
{
	struct fixture *f = started();
	struct exchange *x = ask(f, "idempotency-key: k-1\r\n");
	char first[128], second[128];

	(void)str_copy(first, sizeof(first), str_of(f->calls->sent.p));
	fix_gone(x, E_CLIENT_GONE);
	fix_settle(f);
	x = ask(f, "idempotency-key: k-2\r\n");
	(void)str_copy(second, sizeof(second), str_of(f->calls->sent.p));
	fix_gone(x, E_CLIENT_GONE);
	fix_settle(f);
	/* GET /internal/v1/idem?key=32&body=16 */
	CHECK(memcmp(first + 26, second + 26, 32) != 0);
	CHECK(memcmp(first + 58, second + 58, 22) == 0);
	x = fix_open(f, "POST", FIX_CHATS, FIX_KEY, "idempotency-key: k-2\r\n");
	fix_body(x, fix_chat("gpt", ",\"user\":\"u\""));
	CHECK(strncmp(f->calls->sent.p, second, 58) == 0);
	CHECK(strncmp(f->calls->sent.p + 58, second + 58, 22) != 0);
	fix_gone(x, E_CLIENT_GONE);
	CHECK(fix_done(f));
}

int
main(void)
{
	RUN(the_ledger_is_asked_before_anything_is_held);
	RUN(a_settled_key_gets_what_it_came_to_and_nothing_upstream);
	RUN(while_one_runs_the_others_are_told_so);
	RUN(whatever_ends_it_early_lets_the_claim_go);
	RUN(a_model_in_the_path_belongs_to_what_was_asked);
	RUN(keys_are_one_header_of_printable_text);
	RUN(keys_and_bodies_have_their_own_hashes);
	return tap_done();
}
