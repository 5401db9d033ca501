/* From one configuration to the next, in steps. */
#include "master/reload.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "adapters/adapter.h"
#include "base/clock.h"
#include "base/exits.h"
#include "base/log.h"
#include "base/must.h"
#include "conf/conf.h"
#include "conf/fixed.h"
#include "conf/load.h"
#include "http/tls.h"
#include "master/caps.h"
#include "master/children.h"
#include "master/control.h"
#include "master/count.h"
#include "master/grants.h"
#include "master/notify.h"
#include "master/probe.h"
#include "master/takeover.h"
#include "master/upgrade.h"
#include "shm/books.h"
#include "shm/channels.h"
#include "shm/workers.h"

#define BOOK_NS	 (10 * NS_PER_SEC)
#define READY_NS (10 * NS_PER_SEC)
#define START_NS (30 * NS_PER_SEC)
/* Old workers stop taking clients at once. */
#define LEAVE_NS (2 * NS_PER_SEC)

static bool
check_channel(const struct conf_channel *c, struct buf *error)
{
	const struct adapter *a;

	if (adapter_find(c->provider)) {
		if (c->n_keys <= CHANNEL_KEYS)
			return true;
		buf_printf(error, "%s:%u: channels.keys: at most %u",
			   c->where.file, c->where.line, CHANNEL_KEYS);
		return false;
	}
	buf_printf(error,
		   "%s:%u: channels.provider: \"%.*s\" is not known; "
		   "there are:",
		   c->where.file, c->where.line, STR_ARG(c->provider));
	for (unsigned i = 0; (a = adapter_at(i)) != NULL; i++)
		buf_printf(error, " %s", a->name);
	return false;
}

static bool
check_account(const struct conf_channel *c, struct buf *error)
{
	CLEANUP(buf_free) struct buf reason = BUF_INIT;

	if (!secret_is_set(c->service_account) || grants_check(c, &reason))
		return true;
	buf_printf(error, "%s:%u: channels.service_account: %.*s",
		   c->where.file, c->where.line, STR_ARG(buf_str(&reason)));
	return false;
}

/* By what the providers are. */
static bool
check_probe(const struct conf_channel *c, struct buf *error)
{
	const struct adapter *a = adapter_find(c->provider);

	if (c->probe.by != PROBE_BY_REQUEST || !a)
		return true;
	if (a->auth == AUTH_AWS || c->auth == CONF_AUTH_AWS) {
		buf_printf(error,
			   "%s:%u: channels.probe: not by a request where they "
			   "are signed for AWS",
			   c->where.file, c->where.line);
		return false;
	}
	if (c->probe.path.n > 0 || adapter_has_list(a))
		return true;
	buf_printf(error,
		   "%s:%u: channels.probe.path: is required, %s has no list of "
		   "models",
		   c->where.file, c->where.line, a->name);
	return false;
}

/* Chain and key must fit together; nobody sees these tickets. */
static bool
check_listen(const struct conf_listen *l, struct buf *error)
{
	struct tls_tickets tickets;
	struct tls_server *tls;
	char why[TLS_WHY] = "";

	if (l->certificate_pem.n == 0)
		return true;
	memset(&tickets, 0, sizeof(tickets));
	tls = tls_server_new(l->certificate_pem, secret_bytes(l->private_key),
			     &tickets, why);
	if (!tls) {
		buf_printf(error, "%s:%u: listen.certificate: %s",
			   l->where.file, l->where.line, why);
		return false;
	}
	tls_server_free(tls);
	return true;
}

bool
reload_check(const struct conf *c, struct buf *error)
{
	for (uint32_t i = 0; i < c->n_listen; i++)
		if (!check_listen(&c->listen[i], error))
			return false;
	for (uint32_t i = 0; i < c->n_channels; i++)
		if (!check_channel(&c->channels[i], error) ||
		    !check_account(&c->channels[i], error) ||
		    !check_probe(&c->channels[i], error))
			return false;
	return true;
}

static void
tiers_fill(struct book_row *row, const struct conf_model *m)
{
	row->n_tiers = (uint8_t)MIN_OF(m->n_tiers, BOOK_TIERS);
	for (unsigned i = 0; i < row->n_tiers; i++) {
		const struct conf_tier *t = &m->tiers[i];

		row->tiers[i] = (struct book_tier){
			.above = t->above,
			.input = t->input,
			.cache_read = t->cache_read,
			.cache_write = t->cache_write,
			.output = t->output,
			.reasoning = t->reasoning,
		};
	}
}

/* Where the price of a name changes with time. */
static void
chain_fill(struct book *b, const struct conf *c, uint32_t i)
{
	for (uint32_t k = i; k-- > 0;)
		if (str_eq(c->models[k].name, c->models[i].name)) {
			b->rows[k].next = (uint16_t)(i + 1);
			return;
		}
}

static void
book_fill(struct book *b, const struct conf *c)
{
	b->n = c->n_models;
	for (uint32_t i = 0; i < c->n_models; i++) {
		const struct conf_model *m = &c->models[i];
		struct book_row *row = &b->rows[i];

		memset(row, 0, sizeof(*row));
		(void)str_copy(row->name, sizeof(row->name), m->name);
		row->input = m->input;
		row->cache_read = m->cache_read;
		row->cache_write = m->cache_write;
		row->output = m->output;
		row->reasoning = m->reasoning;
		row->per_request = m->per_request;
		row->per_image = m->per_image;
		row->per_second = m->per_second;
		row->per_character = m->per_million_characters;
		row->max_output = m->max_output;
		row->bytes_per_token_milli = m->bytes_per_token_ppm / 1000;
		row->free_of_charge = m->free;
		row->effective_ms = m->effective_ms;
		tiers_fill(row, m);
		chain_fill(b, c, i);
	}
}

/* The generation of `conf` and its price book; the writer is asked to store
 * that. False with a reason, `conf` is the caller's still. */
static bool
reload_prepare(struct master *m, const struct conf *conf, struct buf *error)
{
	struct generation *g = generation_new(m, conf, error);

	if (!g)
		return false;
	m->reload.next = g;
	g->book = book_new(&m->region, g->number);
	if (g->book == SHM_NONE) {
		buf_add_cstr(error, "no room for another price book");
		return false;
	}
	book_fill(&m->region.books[g->book], conf);
	atomic_store(&m->region.books[g->book].state, BOOK_FILLED);
	doorbell_ring(m->writer_bell);
	probes_take(m->probes, g);
	grants_prepare(m->grants, g);
	m->reload.step = RELOAD_BOOK;
	return true;
}

bool
reload_first(struct master *m, struct buf *error)
{
	m->reload.deadline_ns = 0; /* recovery takes as long as it takes */
	return reload_prepare(m, m->conf, error);
}

/* Back to the configuration in force, or, at the start, the end. */
static void
reload_refuse(struct master *m, struct str reason)
{
	CLEANUP(buf_free) struct buf ignored = BUF_INIT;
	struct reload *r = &m->reload;
	struct generation *g = r->next;

	r->step = RELOAD_IDLE;
	r->next = NULL;
	probes_leave(m->probes);
	if (m->serving && m->serving->conf)
		probes_take(m->probes, m->serving);
	if (g)
		generation_drain(g, clock_mono_ns());
	if (!m->serving) {
		LOG_ERROR("cannot start", F_STR("reason", reason));
		master_fail(m, EXIT_RUNTIME);
		return;
	}
	LOG_ERROR("configuration refused, nothing has changed",
		  F_STR("reason", reason));
	/* All of them were there before. */
	must(caps_publish(&m->region, m->conf, &ignored));
	count_reload(m, false);
	control_answer(m, r->asked_id, false, reason);
	notify_send("READY=1");
	takeover_refused(m, reason);
}

/* The new configuration if all is well with it; else NULL with a reason. */
static const struct conf *
reload_load(const struct master *m, struct buf *error)
{
	const struct conf *next = NULL;

	if (!conf_load(m->options->config, m->options->prefix, &next, error))
		return NULL;
	if (conf_reload_allowed(m->conf, next, error) &&
	    reload_check(next, error))
		return next;
	conf_free(next);
	return NULL;
}

static void
reload_begin(struct master *m)
{
	CLEANUP(buf_free) struct buf error = BUF_INIT;
	const struct conf *next;

	m->reload.again = false;
	m->reload.asked_id = m->reload.again_id;
	m->reload.next = NULL;
	m->reload.deadline_ns = clock_mono_ns() + BOOK_NS;
	notify_reloading();
	next = reload_load(m, &error);
	if (next && reload_prepare(m, next, &error)) {
		for (uint32_t i = 0; i < next->n_warnings; i++)
			LOG_WARN("configuration",
				 F_STR("warning", next->warnings[i]));
		return;
	}
	if (!m->reload.next)
		conf_free(next);
	reload_refuse(m, buf_str(&error));
}

void
reload_takeover(struct master *m)
{
	CLEANUP(buf_free) struct buf error = BUF_INIT;

	m->reload.next = NULL;
	m->reload.deadline_ns = clock_mono_ns() + BOOK_NS;
	if (!reload_prepare(m, m->conf, &error))
		reload_refuse(m, buf_str(&error));
}

void
reload_ask(struct master *m, uint64_t id)
{
	struct reload *r = &m->reload;

	if (m->stop.step != STOP_NONE) {
		control_answer(m, id, false, STR("the server is stopping"));
		return;
	}
	r->again = true;
	r->again_id = MAX_OF(r->again_id, id);
	master_advance(m);
}

static const struct conf_channel *
channel_named(const struct conf *c, struct str name)
{
	for (uint32_t i = 0; i < c->n_channels; i++)
		if (str_eq(c->channels[i].name, name))
			return &c->channels[i];
	return NULL;
}

static bool
same_credential(const struct conf_channel *a, const struct conf_channel *b,
		uint32_t i)
{
	const struct conf_credential *x = &a->keys[i], *y = &b->keys[i];

	if (i == 0 && a->n_keys == 0 && b->n_keys == 0)
		return secret_eq(a->service_account, b->service_account);
	return i < a->n_keys && i < b->n_keys && secret_eq(x->key, y->key) &&
	       secret_eq(x->access_key_id, y->access_key_id) &&
	       secret_eq(x->secret_access_key, y->secret_access_key) &&
	       secret_eq(x->session_token, y->session_token);
}

/* What was refused or limited was the credential before. */
static void
release_new_keys(const struct master *m, const struct generation *g)
{
	for (uint32_t i = 0; i < g->conf->n_channels; i++) {
		const struct conf_channel *c = &g->conf->channels[i];
		const struct conf_channel *was =
			m->serving ? channel_named(m->conf, c->name) : NULL;
		struct channel_row *row =
			&m->region.channels[g->channel_rows[i]];

		/* After a start nobody knows what they were: those that were
		 * refused are tried. */
		for (uint32_t k = 0; k < CHANNEL_KEYS; k++)
			if (was ? !same_credential(was, c, k)
				: atomic_load(&row->key_out_s[k]) != 0)
				channel_key_reset(row, k);
	}
}

/* All new workers are ready: the old ones may go. */
static void
reload_serve(struct master *m, uint64_t now_ns)
{
	struct generation *g = m->reload.next;
	bool first = !m->serving;

	m->reload.step = RELOAD_LEAVING;
	m->reload.deadline_ns = now_ns + LEAVE_NS;
	m->reload.next = NULL;
	if (!first)
		generation_drain(m->serving,
				 now_ns +
					 g->conf->drain_timeout_ms * NS_PER_MS);
	release_new_keys(m, g);
	m->serving = g;
	m->conf = g->conf;
	atomic_store(&m->region.head->generation, g->number);
	log_open("master", m->conf->error_log.p,
		 (enum log_level)m->conf->log_level);
	grants_serve(m->grants, g);
	count_reload(m, true);
	LOG_INFO("serving", F_U64("generation", g->number),
		 F_U64("workers", g->n_workers));
	takeover_served(m);
	m->admin.wanted = true;
	if (m->admin.pid == 0) {
		child_start(&m->admin);
	} else {
		m->admin.told = true; /* its successor knows the new one */
		child_signal(&m->admin, SIGTERM);
	}
	notify_send("READY=1");
}

/* From the answer on everything new is served by the new configuration: no
 * old worker takes another client. One that hangs is not waited for long. */
static void
reload_wait_leaving(struct master *m, uint64_t now_ns)
{
	if (generations_accept(m) && now_ns < m->reload.deadline_ns)
		return;
	m->reload.step = RELOAD_IDLE;
	control_answer(m, m->reload.asked_id, true, STR_NONE);
}

static void
reload_wait_book(struct master *m, uint64_t now_ns)
{
	const struct book *b = &m->region.books[m->reload.next->book];
	uint32_t state = atomic_load(&b->state);

	if (state == BOOK_REFUSED) {
		reload_refuse(m, STR("the ledger could not store the prices"));
		return;
	}
	if (state != BOOK_STORED || !probes_ready(m->probes, now_ns) ||
	    atomic_load(&m->region.head->ledger_state) == LEDGER_RECOVERING)
		return;
	m->reload.step = RELOAD_WORKERS;
	m->reload.deadline_ns = now_ns + (m->serving ? READY_NS : START_NS);
	generation_start(m->reload.next);
}

void
reload_advance(struct master *m, uint64_t now_ns)
{
	struct reload *r = &m->reload;

	if (r->step == RELOAD_IDLE && r->again && m->serving &&
	    m->takeover.step != TAKEOVER_WRITER && !upgrade_busy(m) &&
	    !generations_full(m))
		reload_begin(m);
	if (r->step == RELOAD_BOOK)
		reload_wait_book(m, now_ns);
	if (r->step == RELOAD_WORKERS && generation_ready(r->next))
		reload_serve(m, now_ns);
	if (r->step == RELOAD_LEAVING)
		reload_wait_leaving(m, now_ns);
	if (r->step != RELOAD_IDLE && r->deadline_ns != 0 &&
	    now_ns >= r->deadline_ns)
		reload_refuse(m, r->step == RELOAD_BOOK
					 ? STR("the ledger did not store the "
					       "prices in time")
					 : STR("the new workers were not "
					       "ready in time"));
}

void
reload_give_up(struct master *m)
{
	struct reload *r = &m->reload;

	if (r->step == RELOAD_LEAVING)
		control_answer(m, r->asked_id, true, STR_NONE);
	else if (r->step != RELOAD_IDLE)
		control_answer(m, r->asked_id, false,
			       STR("the server is stopping"));
	if (r->again)
		control_answer(m, MAX_OF(r->asked_id, r->again_id), false,
			       STR("the server is stopping"));
	if (r->next)
		probes_leave(m->probes);
	r->step = RELOAD_IDLE;
	r->again = false;
	r->next = NULL;
}

/* A new worker that cannot start will not start the next time either; one
 * that was killed is simply replaced. */
void
reload_child_ended(const struct child *c, int status)
{
	struct master *m = c->m;

	if (m->reload.step != RELOAD_WORKERS || c->gen != m->reload.next ||
	    !WIFEXITED(status))
		return;
	reload_refuse(m, STR("a new worker could not start, see its lines "
			     "above"));
}
