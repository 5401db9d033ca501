/*
 * The money path at the end of a pipe: orders, holds, extensions, verdicts,
 * settlements, commits, deaths, in one process and one thread, with the
 * product's own functions from the hold to the LMDB transaction. One command
 * a line, one answer a line; differential.py asks, and knows what is right.
 * Nothing is synced: no power is cut here.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "billing/price.h"
#include "billing/rules.h"
#include "shm/books.h"
#include "tests/faults/disk.h"
#include "tests/unit/billing/desk.h"

#define REQUESTS 16u
#define LINE	 4096
#define ANSWERS	 (8u << 20)

struct open_request {
	struct hold h;
	uint32_t row, ppm;
};

struct bench {
	struct desk d;
	struct slot_owner *worker;
	uint32_t worker_row;
	struct open_request open[REQUESTS];
	uint32_t n_orders;
};
static struct bench bench;

/* ---- words ---- */

static const char *
word(void)
{
	const char *w = strtok(NULL, " \n");

	must(w);
	return w;
}

static int64_t
number(void)
{
	return strtoll(word(), NULL, 10);
}

static uint32_t
small(void)
{
	return (uint32_t)strtoul(word(), NULL, 10);
}

static bool
truth(void)
{
	return number() != 0;
}

static struct token_counts
counts(void)
{
	struct token_counts t;

	t.input = small();
	t.cache_read = small();
	t.cache_write = small();
	t.output = small();
	t.reasoning = small();
	t.units = 0;
	return t;
}

/* ---- books and orders ---- */

static struct book_row *
row_at(uint32_t row)
{
	must(row < BOOK_MODELS);
	return &bench.d.r->books[0].rows[row];
}

static void
do_row(void)
{
	struct book_row *r = row_at(small());

	memset(r, 0, sizeof(*r));
	(void)snprintf(r->name, sizeof(r->name), "m%u",
		       (unsigned)(r - row_at(0)));
	r->input.pico = number();
	r->cache_read.pico = number();
	r->cache_write.pico = number();
	r->output.pico = number();
	r->reasoning.pico = number();
	r->per_request.nano = number();
	r->bytes_per_token_milli = 4000;
	printf("row\n");
}

static void
do_book(void)
{
	struct book *b = &bench.d.r->books[0];

	b->n = small();
	b->state = BOOK_FILLED;
	must(books_serve(&bench.d.books) && b->state == BOOK_STORED);
	printf("book %u\n", (unsigned)b->version);
}

static void
order(struct order *o)
{
	struct order_answer a = desk_order(&bench.d, o);

	if (a.result != ORDER_DONE)
		printf("%s\n", order_result_text((enum order_result)a.result));
	else
		printf("done %u %" PRId64 "\n", a.index, a.balance.nano);
}

static void
do_account(void)
{
	struct order o = {.kind = ORDER_ACCOUNT_CREATE};
	uint32_t parent;

	(void)snprintf(o.name, sizeof(o.name), "a%u", small());
	parent = small();
	if (parent != SHM_NONE)
		(void)snprintf(o.parent, sizeof(o.parent), "a%u", parent);
	o.amount = money_nano(number());
	o.credit = money_nano(number());
	o.postpaid = o.credit.nano > 0;
	order(&o);
}

static void
do_key(void)
{
	struct order o = {.kind = ORDER_KEY_CREATE};
	uint32_t account = small();

	(void)snprintf(o.name, sizeof(o.name), "a%u", account);
	memcpy(o.key.hash, &bench.n_orders, sizeof(bench.n_orders));
	o.key.hash[31] = 1;
	bench.n_orders++;
	o.key.has_budget = 1;
	o.key.budget = money_nano(number());
	order(&o);
}

static void
do_topup(void)
{
	struct order o = {.kind = ORDER_TOPUP};

	(void)snprintf(o.name, sizeof(o.name), "a%u", small());
	o.amount = money_nano(number());
	(void)snprintf(o.idem, sizeof(o.idem), "t%u", bench.n_orders++);
	order(&o);
}

/* ---- requests ---- */

static struct open_request *
request(void)
{
	uint32_t i = small();

	must(i < REQUESTS);
	return &bench.open[i];
}

static void
describe(struct open_request *q, uint32_t account, uint32_t parent,
	 uint32_t key)
{
	struct note *n = hold_note(bench.worker, &q->h);

	memset(n, 0, sizeof(*n));
	n->account = account;
	n->parent = parent;
	n->key = key;
	n->multiplier_ppm = q->ppm;
	n->channel = UINT16_MAX;
	n->status = 200;
	n->attempts = 1;
	n->endpoint = ENDPOINT_CHAT;
}

/* begin REQUEST account parent key amount row ppm */
static void
do_begin(void)
{
	struct open_request *q = request();
	struct hold_spec s = {.price_version = 1};
	uint32_t account = small(), parent = small(), key = small();

	s.amount = money_nano(number());
	q->row = small();
	q->ppm = small();
	s.model = (uint16_t)q->row;
	if (key != SHM_NONE)
		s.ctr[s.k++] = counter_of_key(key);
	s.ctr[s.k++] = counter_of_account(account);
	if (parent != SHM_NONE)
		s.ctr[s.k++] = counter_of_account(parent);
	must(hold_claim(bench.worker, &q->h) == E_OK);
	describe(q, account, parent, key);
	if (hold_take(bench.worker, &q->h, &s) == E_OK)
		printf("held\n");
	else
		printf("refused %u\n", q->h.refused);
}

static void
do_extend(void)
{
	struct open_request *q = request();

	printf("%d\n", hold_extend(bench.worker, &q->h, money_nano(number())));
}

/* took REQUEST input output: as worker/meter.c stores it. */
static void
do_took(void)
{
	struct open_request *q = request();
	struct note *n = hold_note(bench.worker, &q->h);
	struct token_counts t = {0};
	struct money price;

	t.input = small();
	t.output = small();
	if (price_of(row_at(q->row), &t, q->ppm, &price)) {
		hold_meter(bench.worker, &q->h, price, price);
		n->delivered = (uint64_t)t.input << 32 | t.output;
	}
	printf("ok\n");
}

static struct facts
facts_of(const struct open_request *q)
{
	struct facts f = {
		.prices = row_at(q->row),
		.multiplier_ppm = q->ppm,
		.hold = hold_total(bench.worker, &q->h),
	};
	uint32_t list;

	f.cached = truth();
	f.hedged = truth();
	f.ended = truth();
	f.failed = truth();
	f.refused = truth();
	f.at_hold = truth();
	f.left = truth();
	f.reads_on = truth();
	f.delivered_any = truth();
	f.delivered_all = truth();
	f.has_usage = truth();
	f.attempts = small();
	f.usage = counts();
	f.delivered = counts();
	f.arrived = counts();
	f.failed_answer = (enum conf_failed_answer)small();
	list = small();
	f.list = list == SHM_NONE ? NULL : row_at(list);
	f.cost_ppm = small();
	return f;
}

/* As worker/settle.c does it. */
static struct verdict
judge(struct open_request *q)
{
	struct facts f = facts_of(q);
	struct verdict v = rules_judge(&f);

	if (v.price.nano <= f.hold.nano ||
	    !hold_extend(bench.worker, &q->h, v.price))
		return v;
	f.hold = v.price;
	return rules_judge(&f);
}

/* end REQUEST sent FACTS */
static void
do_end(void)
{
	struct open_request *q = request();
	bool sent = truth();
	struct verdict v = judge(q);
	struct note *n = hold_note(bench.worker, &q->h);

	n->tokens = v.tokens;
	n->rule = (uint8_t)v.rule;
	n->flags = v.flags;
	n->usage_source = (uint8_t)v.source;
	n->upstream_nano = v.upstream.nano;
	printf("R%d %d %d %u %u %u %u %u %" PRId64 " %" PRId64 " %" PRId64 "\n",
	       v.rule, v.source, v.flags, v.tokens.input, v.tokens.cache_read,
	       v.tokens.cache_write, v.tokens.output, v.tokens.reasoning,
	       v.price.nano, v.charge.nano, v.upstream.nano);
	hold_settle(bench.worker, &q->h, v.charge, v.upstream, REASON_NORMAL,
		    sent);
}

static void
do_sent(void)
{
	hold_sent(bench.worker, &request()->h);
	printf("ok\n");
}

static void
do_unsent(void)
{
	hold_not_sent(bench.worker, &request()->h);
	printf("ok\n");
}

static void
do_commit(void)
{
	must(desk_settle(&bench.d) == STORE_OK);
	printf("ok\n");
}

static void
worker_new(void)
{
	bench.worker = fix_worker(&bench.d.f, &bench.worker_row);
}

/* The worker dies with all it holds, and is reaped. */
static void
do_die(void)
{
	struct worker_row *row = &bench.d.r->workers[bench.worker_row];

	slot_owner_free(bench.worker);
	row->state = WORKER_DEAD;
	for (int i = 0; i < 10 && row->state != WORKER_UNUSED; i++) {
		(void)reap_rows(&bench.d.reaper);
		must(desk_settle(&bench.d) == STORE_OK);
	}
	must(row->state == WORKER_UNUSED);
	worker_new();
	printf("ok\n");
}

/* ---- looking ---- */

static void
look(uint32_t counter)
{
	printf("%" PRId64 " %" PRId64 "\n",
	       post_balance(&bench.d.post, counter),
	       fix_available(&bench.d.f, counter));
}

static void
do_look(void)
{
	look(counter_of_account(small()));
}

static void
do_look_key(void)
{
	look(counter_of_key(small()));
}

/* price ROW ppm TOKENS */
static void
do_price(void)
{
	const struct book_row *row = row_at(small());
	uint32_t ppm = small();
	struct token_counts t = counts();
	struct money cost;

	if (price_of(row, &t, ppm, &cost))
		printf("%" PRId64 "\n", cost.nano);
	else
		printf("too much\n");
}

static void
do_verify(void)
{
	enum verify_result r;

	desk_stop(&bench.d);
	r = fix_verify(&bench.d.f, true);
	desk_start(&bench.d);
	printf("%s\n", r == VERIFY_BALANCED ? "balanced" : "differs");
}

/* The answers so far. */
static void
do_flush(void)
{
	(void)fflush(stdout);
}

static const struct command {
	const char *name;
	void (*run)(void);
} commands[] = {
	{"begin", do_begin},	  {"extend", do_extend},
	{"took", do_took},	  {"end", do_end},
	{"commit", do_commit},	  {"sent", do_sent},
	{"unsent", do_unsent},	  {"look", do_look},
	{"lookkey", do_look_key}, {"topup", do_topup},
	{"price", do_price},	  {"die", do_die},
	{"flush", do_flush},	  {"row", do_row},
	{"book", do_book},	  {"account", do_account},
	{"key", do_key},	  {"verify", do_verify},
};

static void
obey(char *line)
{
	const char *name = strtok(line, " \n");

	for (size_t i = 0; name && i < ARRAY_LEN(commands); i++)
		if (strcmp(name, commands[i].name) == 0) {
			commands[i].run();
			return;
		}
	must(!name);
}

int
main(void)
{
	static char line[LINE], answers[ANSWERS];

	must(setvbuf(stdout, answers, _IOFBF, sizeof(answers)) == 0);
	disk_open("/tmp");
	disk->careless = 1;
	fix_open(&bench.d.f);
	desk_start(&bench.d);
	worker_new();
	while (fgets(line, sizeof(line), stdin))
		obey(line);
	slot_owner_free(bench.worker);
	desk_close(&bench.d);
	return 0;
}
