/*
 * The worker process: what it is made of, its loop, its signals, its end.
 */
#include "worker/worker.h"

#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/zone.h"
#include "http/tls.h"
#include "worker/access.h"
#include "worker/auth.h"
#include "worker/demo.h"
#include "worker/queue.h"
#include "worker/request.h"

#define TICK_MS 10
/* Listeners, logs, doorbells and such; clients that are refused come on top. */
#define OWN_DESCRIPTORS 48u
#define FLUSH_TICKS	20
/* After the master's death. */
#define ORPHAN_NS (10 * NS_PER_SEC)

/* The process: what worker.c alone has to do with. */
struct process {
	struct worker w;
	struct event *tick, *bell, *alive, *term, *interrupt, *usr1;
	struct tls_server **tls; /* one per listener, NULL = plain */
	unsigned ticks;
	uint64_t next_tick_ns;
	uint64_t orphan_until_ns; /* 0 = the master lives */
};

/* ---- the tick ---- */

static void
publish(struct worker *w, uint64_t now)
{
	atomic_store(&w->row->heartbeat_ns, now);
	atomic_store(&w->row->connections, http_server_connections(w->server));
	atomic_store(&w->row->requests, w->running);
}

static bool
drained(const struct worker *w)
{
	return w->draining && w->running == 0 &&
	       http_server_connections(w->server) == 0;
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct process *p = arg;
	struct worker *w = &p->w;
	uint64_t now = clock_mono_ns();
	uint64_t lag = p->next_tick_ns && now > p->next_tick_ns
			       ? now - p->next_tick_ns
			       : 0;

	(void)fd;
	(void)what;
	if (lag > 0)
		metric_observe(w->metrics, M_LOOP_LAG, lag / 1000);
	p->next_tick_ns = now + TICK_MS * NS_PER_MS;
	w->now_ns = now;
	admit_tick(w, lag);
	wheel_turn(w->wheel, now);
	if (w->waiting)
		requests_committed(w);
	publish(w, now);
	if (++p->ticks % FLUSH_TICKS == 0)
		access_flush(w->access);
	if (drained(w) || (p->orphan_until_ns && now > p->orphan_until_ns))
		event_base_loopbreak(w->base);
}

/* ---- what wakes us ---- */

static void
on_bell(evutil_socket_t fd, short what, void *arg)
{
	struct process *p = arg;

	(void)what;
	doorbell_clear(fd);
	wheel_touch(p->w.wheel);
	p->w.now_ns = wheel_clock(p->w.wheel);
	requests_committed(&p->w);
	queue_serve(&p->w);
}

static void
drain(struct worker *w)
{
	if (w->draining)
		return;
	w->draining = true;
	http_server_drain(w->server);
	/* In a reload others hold them; else clients are to be refused now
	 * and not queued where nobody will come. */
	for (unsigned i = 0; i < w->args->n_listen; i++)
		(void)close(w->args->listen[i].fd);
	/* Who asked for the reload waits for this. */
	atomic_store(&w->row->state, WORKER_DRAINING);
	doorbell_ring(w->args->master_doorbell);
}

static void
on_term(evutil_socket_t sig, short what, void *arg)
{
	(void)sig;
	(void)what;
	drain(&((struct process *)arg)->w);
}

static void
on_interrupt(evutil_socket_t sig, short what, void *arg)
{
	(void)sig;
	(void)what;
	event_base_loopbreak(((struct process *)arg)->w.base);
}

static void
on_usr1(evutil_socket_t sig, short what, void *arg)
{
	(void)sig;
	(void)what;
	log_reopen();
	access_reopen(((struct process *)arg)->w.access);
}

/* End of file: the master is gone; so are we, soon. */
static void
on_alive(evutil_socket_t fd, short what, void *arg)
{
	struct process *p = arg;
	char byte;

	(void)what;
	if (read(fd, &byte, 1) != 0)
		return;
	LOG_WARN("the master is gone: draining");
	event_del(p->alive);
	p->orphan_until_ns = clock_mono_ns() + ORPHAN_NS;
	drain(&p->w);
}

/* ---- set-up ---- */

/* Each client may need a descriptor for an upstream, too; without one left
 * for that a client could only be refused. */
static uint32_t
connections_of(const struct conf *c)
{
	struct rlimit r;
	uint64_t own, most;

	if (getrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_cur == RLIM_INFINITY)
		return c->limits.connections;
	own = OWN_DESCRIPTORS + MIN_OF(r.rlim_cur / 8, 64u);
	most = r.rlim_cur > own + 2 ? (r.rlim_cur - own) / 2 : 1;
	if (most >= c->limits.connections)
		return c->limits.connections;
	LOG_WARN("fewer connections than limits.connections says: "
		 "descriptors (LimitNOFILE) are short",
		 F_U64("connections", most), F_U64("descriptors", r.rlim_cur));
	return (uint32_t)most;
}

static struct http_limits
limits_of(const struct conf *c)
{
	return (struct http_limits){
		.header_size = (uint32_t)c->limits.header_size,
		.header_fields = MIN_OF(c->limits.header_fields,
					(uint32_t)HTTP_FIELDS_MAX),
		.header_timeout_ms = c->limits.header_timeout_ms,
		.body_size = c->limits.body_size,
		.body_min_rate = (uint32_t)c->limits.body_min_rate,
		.body_grace_ms = c->limits.body_grace_ms,
		.idle_timeout_ms = c->limits.idle_timeout_ms,
		.write_timeout_ms = c->limits.write_timeout_ms,
		.connections = connections_of(c),
		.connections_per_source = c->limits.connections_per_source};
}

static bool
make_loop(struct worker *w)
{
	struct event_config *cfg = event_config_new();

	if (!cfg)
		return false;
	/* bare events on epoll; no locks, no cached-time tricks */
	(void)event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK |
						 EVENT_BASE_FLAG_NO_CACHE_TIME);
	w->base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	return w->base != NULL;
}

static bool
make_server(struct worker *w)
{
	struct http_server_args args = {.base = w->base,
					.pool = w->pool,
					.wheel = w->wheel,
					.limits = limits_of(w->conf),
					.ops = &request_exchange_ops,
					.user = w};

	w->server = http_server_new(&args);
	w->client = http_client_new(w->base, w->pool, w->wheel);
	return w->server && w->client;
}

static bool
needs_demo(const struct worker *w)
{
	for (unsigned i = 0; i < w->n_lanes; i++)
		if (w->lanes[i].adapter->flags & ADAPTER_EMBEDDED)
			return true;
	return false;
}

static bool
needs_tls(const struct worker *w)
{
	for (unsigned i = 0; i < w->n_lanes; i++)
		if (w->lanes[i].conf->base_url.tls)
			return true;
	return false;
}

static bool
make_worker(struct worker *w, const struct worker_args *args)
{
	w->args = args;
	w->conf = args->conf;
	w->region = args->region;
	w->row = &args->region->workers[args->row];
	w->ring = &args->region->rings[args->row];
	w->metrics = metrics_of_worker(args->region, args->row);
	metrics_adopt(w->metrics);
	random_bytes(&w->random, sizeof(w->random));
	w->random |= 1;
	id_source_init(&w->ids);
	if (!zone_set(w->conf->time_zone))
		LOG_ERROR("the time zone is gone; hours are those of UTC",
			  F_STR("zone", w->conf->time_zone));
	w->pool = pool_new(w->conf->limits.worker_memory);
	w->wheel = wheel_new(clock_mono_ns());
	w->keys = key_cache_new(args->pepper);
	w->access = access_open(w->conf->access_log, args->row);
	w->slots = slot_owner_new(args->region, args->row, args->spawn_epoch);
	return w->pool && w->wheel && w->keys && w->access && w->slots &&
	       make_loop(w) && make_server(w) && tables_build(w);
}

static bool
make_upstream(struct worker *w)
{
	char why[TLS_WHY];

	if (needs_tls(w)) {
		w->tls = tls_client_new(NULL, why);
		if (!w->tls) {
			LOG_ERROR("TLS to upstreams is not possible",
				  F_CSTR("why", why));
			return false;
		}
	}
	if (needs_demo(w)) {
		w->demo = demo_server_new(w);
		if (!w->demo)
			return false;
	}
	return true;
}

static bool
listen_on(struct process *p, unsigned i)
{
	const struct worker_args *a = p->w.args;
	const struct conf_listen *l = &a->conf->listen[a->listen[i].index];
	char why[TLS_WHY];

	if (l->certificate_pem.n > 0) {
		p->tls[i] = tls_server_new(l->certificate_pem,
					   secret_bytes(l->private_key),
					   a->tickets, why);
		if (!p->tls[i]) {
			LOG_ERROR("a certificate does not work",
				  F_STR("listen", l->address.text),
				  F_CSTR("why", why));
			return false;
		}
	}
	return http_server_listen(p->w.server, a->listen[i].fd, p->tls[i]) ==
	       E_OK;
}

static bool
listen_all(struct process *p)
{
	unsigned n = p->w.args->n_listen;

	p->tls = calloc(n ? n : 1, sizeof(struct tls_server *));
	if (!p->tls)
		return false;
	for (unsigned i = 0; i < n; i++)
		if (!listen_on(p, i))
			return false;
	return true;
}

static bool
make_events(struct process *p)
{
	const struct worker_args *a = p->w.args;
	struct event_base *base = p->w.base;
	struct timeval tick = {0, TICK_MS * 1000};

	p->tick = event_new(base, -1, EV_PERSIST, on_tick, p);
	p->bell =
		event_new(base, a->doorbell, EV_READ | EV_PERSIST, on_bell, p);
	p->alive = event_new(base, a->alive, EV_READ | EV_PERSIST, on_alive, p);
	p->term = evsignal_new(base, SIGTERM, on_term, p);
	p->interrupt = evsignal_new(base, SIGINT, on_interrupt, p);
	p->usr1 = evsignal_new(base, SIGUSR1, on_usr1, p);
	return p->tick && p->bell && p->alive && p->term && p->interrupt &&
	       p->usr1 && event_add(p->tick, &tick) == 0 &&
	       event_add(p->bell, NULL) == 0 &&
	       event_add(p->alive, NULL) == 0 &&
	       event_add(p->term, NULL) == 0 &&
	       event_add(p->interrupt, NULL) == 0 &&
	       event_add(p->usr1, NULL) == 0;
}

/* ---- end ---- */

static void
free_events(struct process *p)
{
	struct event *all[] = {p->tick, p->bell,      p->alive,
			       p->term, p->interrupt, p->usr1};

	for (unsigned i = 0; i < ARRAY_LEN(all); i++)
		if (all[i])
			event_free(all[i]);
}

static void
free_process(struct process *p)
{
	struct worker *w = &p->w;

	/* the exchanges end first: each settles its hold */
	if (w->server)
		http_server_destroy(w->server);
	if (w->client)
		http_client_destroy(w->client);
	demo_server_free(w->demo);
	for (unsigned i = 0; p->tls && i < w->args->n_listen; i++)
		tls_server_free(p->tls[i]);
	free(p->tls);
	tls_client_free(w->tls);
	free_events(p);
	requests_free_spares(w);
	tables_free(w);
	if (w->access)
		access_close(w->access);
	key_cache_free(w->keys);
	if (w->slots)
		slot_owner_free(w->slots);
	buf_free(&w->fields);
	buf_free(&w->text);
	if (w->wheel)
		wheel_destroy(w->wheel);
	if (w->pool)
		pool_destroy(w->pool);
	if (w->base)
		event_base_free(w->base);
}

/* Bodies of tens of KiB come and go all the time: giving their pages back to
 * the system and taking them again would cost a page fault for each. Large
 * ones have pages of their own, or what grows by steps would leave holes of
 * many MiB behind, beyond limits.worker_memory. */
static void
keep_memory(void)
{
	(void)mallopt(M_TRIM_THRESHOLD, 16 << 20);
	(void)mallopt(M_MMAP_THRESHOLD, 256 << 10);
}

int
worker_run(const struct worker_args *args)
{
	struct process p = {0};
	int code = 1;

	(void)signal(SIGPIPE, SIG_IGN);
	keep_memory();
	if (!make_worker(&p.w, args) || !make_upstream(&p.w) ||
	    !make_events(&p) || !listen_all(&p)) {
		LOG_ERROR("the worker cannot start");
		goto out;
	}
	publish(&p.w, clock_mono_ns());
	atomic_store(&p.w.row->state, WORKER_READY);
	doorbell_ring(args->master_doorbell);
	(void)event_base_dispatch(p.w.base);
	code = 0;
out:
	free_process(&p);
	return code;
}
