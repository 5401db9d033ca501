/* The fakes around a worker, and the checks that nothing is left over. */
#include "tests/unit/worker/fixture.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"
#include "conf/load.h"
#include "shm/limits.h"
#include "shm/queue.h"
#include "worker/access.h"
#include "worker/queue.h"

uint64_t __wrap_clock_mono_ns(void);
uint64_t __wrap_wheel_clock(const struct wheel *w);

static uint64_t now_ns = 1000 * NS_PER_SEC;
static const struct conf *loaded; /* once a process */
static const uint8_t pepper[SHA256_BYTES] = {1, 2, 3};

/* The linker sends every clock_mono_ns() here. */
uint64_t
__wrap_clock_mono_ns(void)
{
	return now_ns;
}

uint64_t
__wrap_wheel_clock(const struct wheel *w)
{
	(void)w;
	return now_ns;
}

uint64_t
fix_now(void)
{
	return now_ns;
}

void *
fix_need(void *p)
{
	must(p != NULL);
	return p;
}

/* What is kept too long is seen without a sanitizer, too. */
void
fix_wipe(char *p, size_t n)
{
	if (p)
		bytes_wipe(p, n);
	free(p);
}

char *
fix_copy(const char *text, size_t n)
{
	char *p = fix_need(malloc(n ? n : 1));

	if (n > 0)
		memcpy(p, text, n);
	return p;
}

/* ---- the configuration ---- */

#define OFFERS                                                   \
	"models = ( { name = \"gpt\"; upstream = \"up-gpt\"; }," \
	"  { name = \"cheap\"; upstream = \"up-cheap\"; },"      \
	"  { name = \"embed\"; upstream = \"up-embed\"; },"      \
	"  { name = \"think\"; upstream = \"up-think\"; },"      \
	"  { name = \"free\"; upstream = \"up-free\"; } ); "
#define OPENAI                                                              \
	"provider = \"openai\"; base_url = \"http://up\"; cost = \"0.5\"; " \
	"keys = ( \"sk-first-0001\", \"sk-second-02\", \"sk-third-003\", "  \
	"\"sk-fourth-04\" ); " OFFERS

static const char conf_text[] =
	"listen = ( { address = \"127.0.0.1:1\"; } );"
	"models = ("
	"  { name = \"gpt\"; input = \"2.5\"; cache_read = \"1.25\";"
	"    cache_write = \"3.125\"; output = \"10\"; reasoning = \"12\"; },"
	"  { name = \"cheap\"; input = \"0.000333\"; output = \"0.000777\";"
	"    cache_read = \"0.000111\"; },"
	"  { name = \"embed\"; input = \"0.02\"; },"
	"  { name = \"think\"; input = \"1\"; output = \"4\";"
	"    max_output = 8192; hidden_reasoning = true; },"
	"  { name = \"free\"; free = true; } );"
	"groups = ( { name = \"default\"; },"
	"  { name = \"pool\"; multiplier = \"0.7\"; } );"
	"channels = ( { name = \"a\"; priority = 1; " OPENAI " },"
	"  { name = \"b\"; priority = 2; " OPENAI " },"
	"  { name = \"demo\"; provider = \"demo\"; " OFFERS " } );"
	"limits = { response_size = \"1MiB\"; event_size = \"64KiB\";"
	"  worker_memory = \"64MiB\"; };"
	"routing = { strategy = \"failover\"; };";

/* Copies that a test may change; what they point at stays with the file's. */
static void
conf_all(struct fixture *f)
{
	CLEANUP(buf_free) struct buf error = BUF_INIT;
	struct conf *c = &f->conf;

	if (!loaded && !conf_load_text(str_of(conf_text), "fixture", NULL,
				       &loaded, &error))
		must_fail(error.p, __FILE__, __LINE__);
	*c = *loaded;
	must(c->n_models == MODELS && c->n_groups == GROUPS &&
	     c->n_channels == LANES);
	memcpy(f->model, c->models, sizeof(f->model));
	memcpy(f->group, c->groups, sizeof(f->group));
	memcpy(f->channel, c->channels, sizeof(f->channel));
	c->models = f->model;
	c->groups = f->group;
	c->channels = f->channel;
	for (unsigned i = 0; i < LANES; i++) {
		memcpy(f->offer[i], f->channel[i].models, sizeof(f->offer[i]));
		f->channel[i].models = f->offer[i];
		f->channel[i].n_keys = MIN_OF(f->channel[i].n_keys, 1u);
	}
	/* offers what a test says */
	f->channel[LANE_DEMO].n_models = 0;
}

/* ---- shared memory ---- */

void
fix_fund(struct fixture *f, uint32_t account, int64_t nano)
{
	struct counter *c = &f->region.counters[counter_of_account(account)];

	atomic_store(&c->available, nano);
	atomic_store(&c->balance, nano);
	f->opening[account] = nano;
}

void
fix_set_budget(struct fixture *f, int64_t nano)
{
	struct counter *c = &f->region.counters[counter_of_key(0)];

	atomic_store(&c->available, nano);
	atomic_store(&c->balance, nano);
	atomic_fetch_or(&f->client_key->flags, KEY_BUDGET);
	f->budget = nano;
}

static void
fill_accounts(struct fixture *f)
{
	struct region *r = &f->region;

	for (uint32_t i = 0; i < ACCOUNTS; i++) {
		atomic_store(&r->accounts[i].flags, ACCOUNT_LIVE);
		atomic_store(&r->accounts[i].parent, SHM_NONE);
		(void)str_copy(r->accounts[i].name, ACCOUNT_NAME,
			       i == ORG ? STR("org") : STR("acme"));
		fix_fund(f, i, 1000 * 1000000000ll);
	}
	f->acme = &r->accounts[ACME];
	f->client_key = &r->keys[0];
	f->client_key->account = ACME;
	hmac_sha256(pepper, sizeof(pepper), FIX_KEY, strlen(FIX_KEY),
		    f->client_key->hash);
	atomic_store(&f->client_key->flags, KEY_LIVE);
	key_publish(r, 0);
	atomic_store(&r->head->n_accounts, ACCOUNTS);
	atomic_store(&r->head->n_keys, 1);
	atomic_store(&r->head->ledger_state, LEDGER_OK);
}

static void
fill_book(struct fixture *f)
{
	struct book *b = &f->region.books[0];

	b->n = MODELS;
	for (unsigned i = 0; i < MODELS; i++) {
		const struct conf_model *m = &f->model[i];

		b->rows[i] = (struct book_row){
			.input = m->input,
			.cache_read = m->cache_read,
			.cache_write = m->cache_write,
			.output = m->output,
			.reasoning = m->reasoning,
			.per_request = m->per_request,
			.per_image = m->per_image,
			.per_second = m->per_second,
			.per_character = m->per_million_characters,
			.free_of_charge = m->free,
			.max_output = m->max_output,
			.bytes_per_token_milli = m->bytes_per_token_ppm / 1000};
		(void)str_copy(b->rows[i].name, MODEL_NAME, m->name);
	}
	atomic_store(&b->version, 7);
	atomic_store(&b->state, BOOK_STORED);
}

static void
fill_channels(struct fixture *f)
{
	for (unsigned i = 0; i < LANES; i++) {
		struct sockaddr_in in = {.sin_family = AF_INET,
					 .sin_port = htons(80)};
		struct channel_address a = {.len = sizeof(in)};

		in.sin_addr.s_addr = htonl(0x0a000001 + i);
		memcpy(a.sockaddr, &in, sizeof(in));
		f->rows[i] = channel_bind(&f->region, f->channel[i].name);
		channel_set_addresses(&f->region, f->rows[i],
				      conf_way(&f->channel[i]), &a, 1);
		must(queue_need(&f->region, f->rows[i]) == E_OK);
	}
}

/* ---- life ---- */

struct fixture *
fix_new(void)
{
	struct fixture *f = fix_need(calloc(1, sizeof(*f)));

	must(region_anonymous(&f->region, 4 * SLOT_PAGE, FIX_WORKERS) == E_OK);
	conf_all(f);
	fill_accounts(f);
	f->room = f->die_after = UINT64_MAX;
	f->access_path = "";
	f->writer_bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	for (unsigned i = 0; i < FIX_WORKERS; i++)
		f->doorbells[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	must(f->writer_bell >= 0 && f->doorbells[FIX_WORKERS - 1] >= 0);
	return f;
}

void
fix_start(struct fixture *f)
{
	struct worker *w = &f->w;

	fill_book(f);
	fill_channels(f);
	f->args = (struct worker_args){.conf = &f->conf,
				       .region = &f->region,
				       .row = 1,
				       .spawn_epoch = 9,
				       .book = 0,
				       .channel_rows = f->rows,
				       .doorbells = f->doorbells,
				       .writer_doorbell = f->writer_bell,
				       .pepper = pepper};
	w->args = &f->args;
	w->conf = &f->conf;
	w->region = &f->region;
	w->row = &f->region.workers[1];
	atomic_store(&w->row->spawn_epoch, 9);
	w->ring = &f->region.rings[1];
	w->metrics = metrics_of_worker(&f->region, 1);
	metrics_adopt(w->metrics);
	w->random = 0x9e3779b97f4a7c15;
	id_source_init(&w->ids);
	w->pool = fix_need(pool_new(f->conf.limits.worker_memory));
	w->wheel = fix_need(wheel_new(now_ns));
	w->keys = fix_need(key_cache_new(pepper));
	w->access = fix_need(access_open(str_of(f->access_path), 1));
	w->slots = fix_need(slot_owner_new(&f->region, 1, 9));
	w->client = (struct http_client *)f; /* handed to client_call() */
	must(tables_build(w));
}

struct fixture *
fix_started(void)
{
	struct fixture *f = fix_new();

	fix_start(f);
	return f;
}

/* ---- the end ---- */

static int
left(bool bad, const char *what)
{
	if (bad)
		printf("# left over: %s\n", what);
	return bad;
}

static int
gauges_left(const struct fixture *f)
{
	int bad = 0;

	for (unsigned i = 0; i < ROUTE_COUNT; i++) {
		bad |= left(fix_gauge(f, M_REQUESTS_IN_FLIGHT + i) != 0,
			    "requests_in_flight");
		bad |= left(fix_gauge(f, M_STREAMS_OPEN + i) != 0,
			    "streams_open");
	}
	return bad;
}

/* What is available is what the entries left of the opening amounts. */
static int
money_left(const struct fixture *f)
{
	int64_t spent = 0;
	bool parent = f->acme->parent != SHM_NONE;

	for (unsigned i = 0; i < f->n_entries; i++)
		if (!f->entry[i].reversed)
			spent += f->entry[i].cost;
	return left(fix_available(f, ACME) != f->opening[ACME] - spent,
		    "money of the account") |
	       left(fix_available(f, ORG) !=
			    f->opening[ORG] - (parent ? spent : 0),
		    "money of the parent") |
	       left((f->client_key->flags & KEY_BUDGET) != 0 &&
			    atomic_load(&f->region.counters[counter_of_key(0)]
						 .available) !=
				    f->budget - spent,
		    "budget of the key");
}

static int
worker_left(const struct fixture *f)
{
	const struct worker *w = &f->w;

	return left(w->running != 0, "requests") |
	       left(w->waiting != NULL, "waiting requests") |
	       left(w->waiters != NULL, "requests in a queue") |
	       left(pool_used(w->pool) != 0, "pool memory") |
	       left(slot_owner_busy(w->slots) != 0, "slots") |
	       left(f->client_key->limits.running != 0, "running of the key") |
	       left(f->acme->limits.running != 0, "running of the account") |
	       left(fix_running(f) != 0, "calls");
}

static int
all_left(const struct fixture *f)
{
	int bad = worker_left(f) | gauges_left(f) | money_left(f);

	for (unsigned i = 0; i < LANES; i++) {
		const struct queue *q = queue_of(&f->region, f->rows[i]);

		bad |= left(f->region.channels[f->rows[i]].in_flight != 0,
			    "in_flight");
		bad |= left(q && queue_length(q) != 0, "places in a queue");
	}
	for (const struct exchange *x = f->exchanges; x; x = x->next) {
		bad |= left(x->live, "an exchange");
		bad |= left(x->ends > 1, "an exchange that ended twice");
	}
	return bad;
}

static void
free_exchanges(struct fixture *f)
{
	while (f->exchanges) {
		struct exchange *x = f->exchanges;

		f->exchanges = x->next;
		free(x->body);
		free(x->piece);
		buf_free(&x->fields);
		buf_free(&x->out);
		free(x);
	}
	while (f->calls) {
		struct call *c = f->calls;

		f->calls = c->next;
		buf_free(&c->sent);
		free(c);
	}
}

bool
fix_done(struct fixture *f)
{
	struct worker *w = &f->w;
	bool bad;

	fix_settle(f);
	bad = all_left(f);
	requests_free_spares(w);
	free_exchanges(f);
	tables_free(w);
	access_close(w->access);
	key_cache_free(w->keys);
	slot_owner_free(w->slots);
	buf_free(&w->fields);
	buf_free(&w->text);
	wheel_destroy(w->wheel);
	pool_destroy(w->pool);
	region_close(&f->region);
	(void)close(f->writer_bell);
	for (unsigned i = 0; i < FIX_WORKERS; i++)
		(void)close(f->doorbells[i]);
	free(f);
	return !bad;
}
/* ---- the ledger writer ---- */

static void
commit(struct fixture *f, uint32_t slot)
{
	struct slot *s = &f->region.slots[slot];
	uint64_t w = atomic_load(&s->word);
	struct entry *e = &f->entry[f->n_entries++];

	must(f->n_entries < ARRAY_LEN(f->entry));
	*e = (struct entry){.slot = slot,
			    .gen = word_gen(w),
			    .cost = atomic_load(&s->cost),
			    .up_cost = atomic_load(&s->up_cost),
			    .meter = atomic_load(&s->meter),
			    .delivered = atomic_load(&s->delivered),
			    .reason = s->reason,
			    .sent = word_sent(w),
			    .note = f->region.notes[slot]};
	slot_durable(&f->region, slot);
}

static void
reverse(struct fixture *f, uint32_t slot)
{
	uint64_t w = atomic_load(&f->region.slots[slot].word);

	for (unsigned i = 0; i < f->n_entries; i++)
		if (f->entry[i].slot == slot && f->entry[i].gen == word_gen(w))
			f->entry[i].reversed = true;
	slot_reversed(&f->region, slot, (1u << word_k(w)) - 1);
}

static bool
visit(struct fixture *f, uint32_t slot)
{
	switch (slot_todo(&f->region, slot, false)) {
	case TODO_NOTHING: return false;
	case TODO_COMMIT: commit(f, slot); break;
	case TODO_GIVE: slot_give_all(&f->region, slot); break;
	case TODO_FREE: slot_free(&f->region, slot); break;
	case TODO_REVERSE: reverse(f, slot); break;
	}
	return true;
}

bool
fix_writer(struct fixture *f)
{
	bool any = false;

	for (uint32_t i = 0; i < f->region.head->n_slots; i++)
		while (visit(f, i))
			any = true;
	return any;
}

static bool
rung(const struct fixture *f)
{
	uint64_t n;

	return read(f->doorbells[1], &n, sizeof(n)) == (ssize_t)sizeof(n);
}

void
fix_settle(struct fixture *f)
{
	bool any;

	do {
		any = fix_writer(f);
		if (f->w.waiting) {
			requests_committed(&f->w);
			any = true;
		}
		if (rung(f)) {
			queue_serve(&f->w);
			any = true;
		}
		any |= fix_turn(f);
	} while (any);
}

void
fix_wait_ms(struct fixture *f, uint64_t ms)
{
	uint64_t until = now_ns + ms * NS_PER_MS;

	while (now_ns < until) {
		now_ns = MIN_OF(until, now_ns + 10 * NS_PER_MS);
		wheel_turn(f->w.wheel, now_ns);
	}
}

/* ---- money ---- */

__extension__ typedef __int128 wide;

int64_t
fix_price(const struct fixture *f, unsigned model, struct fix_usage u,
	  uint32_t ppm)
{
	const struct conf_model *m = &f->model[model];
	wide pico = 0, unit = 1000000000; /* ppm x pico in one nano */

	if (u.input + u.cache_read + u.cache_write + u.output + u.reasoning ==
	    0)
		return 0;
	pico += (wide)u.input * m->input.pico;
	pico += (wide)u.cache_read * m->cache_read.pico;
	pico += (wide)u.cache_write * m->cache_write.pico;
	pico += (wide)u.output * m->output.pico;
	pico += (wide)u.reasoning * m->reasoning.pico;
	pico += (wide)m->per_request.nano * 1000;
	return (int64_t)((pico * ppm + unit - 1) / unit);
}

uint64_t
fix_tokens(uint64_t bytes)
{
	return (bytes + 3) / 4;
}
