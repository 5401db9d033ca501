/*
 * The admin role: sets up the loop, serves until it is told to end or the
 * master is gone. Holds nothing that another process needs.
 */
#include "admin/admin.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "admin/control.h"
#include "admin/endpoints.h"
#include "admin/history.h"
#include "admin/orders.h"
#include "admin/process.h"
#include "admin/receipt.h"
#include "admin/webhook.h"
#include "base/clock.h"
#include "base/exits.h"
#include "base/log.h"
#include "base/must.h"
#include "base/pool.h"
#include "base/wheel.h"
#include "conf/conf.h"
#include "http/server.h"

#define MEMORY_BYTES (32 * 1024 * 1024)
#define BODY_BYTES   (256 * 1024)
#define CONNECTIONS  512u
#define TICK_MS	     20
/* How long answers may take to leave once we are told to end. */
#define DRAIN_NS (2 * NS_PER_SEC)

static void
on_term(evutil_socket_t sig, short what, void *user)
{
	struct admin *a = user;

	(void)sig;
	(void)what;
	if (a->draining)
		return;
	a->draining = true;
	a->drain_until_ns = clock_mono_ns() + DRAIN_NS;
	http_server_drain(a->server);
}

static void
on_usr1(evutil_socket_t sig, short what, void *user)
{
	(void)sig;
	(void)what;
	(void)user;
	log_reopen();
}

/* Nothing is ever written to it: readable means that the master is gone. */
static void
on_alive(evutil_socket_t fd, short what, void *user)
{
	struct admin *a = user;

	(void)fd;
	(void)what;
	(void)event_base_loopbreak(a->base);
}

static void
on_orders(evutil_socket_t fd, short what, void *user)
{
	struct admin *a = user;

	(void)fd;
	(void)what;
	orders_read(a->orders);
}

static void
on_control(evutil_socket_t fd, short what, void *user)
{
	struct admin *a = user;

	(void)fd;
	(void)what;
	admin_control_read(a->control);
}

static void
on_tick(evutil_socket_t fd, short what, void *user)
{
	struct admin *a = user;
	uint64_t now = clock_mono_ns();

	(void)fd;
	(void)what;
	atomic_store(&a->args->region->head->admin_heartbeat_ns, now);
	wheel_turn(a->wheel, now);
	orders_tick(a->orders, now);
	admin_control_tick(a->control, now);
	history_tick(a->history,
		     atomic_load(&a->args->region->head->committed_seq));
	if (a->webhook && !a->draining)
		webhook_tick(a->webhook, now);
	if (a->draining && (http_server_connections(a->server) == 0 ||
			    now >= a->drain_until_ns))
		(void)event_base_loopbreak(a->base);
}

static bool
watch(struct admin *a, int fd, short what, event_callback_fn fn,
      const struct timeval *every)
{
	struct event *e = event_new(a->base, fd, what, fn, a);

	must(a->n_events < ARRAY_LEN(a->events));
	if (!e)
		return false;
	a->events[a->n_events++] = e;
	return event_add(e, every) == 0;
}

static bool
watch_all(struct admin *a)
{
	static const struct timeval every = {0, TICK_MS * 1000};
	const struct admin_args *args = a->args;
	const short in = EV_READ | EV_PERSIST, sig = EV_SIGNAL | EV_PERSIST;

	return watch(a, SIGTERM, sig, on_term, NULL) &&
	       watch(a, SIGINT, sig, on_term, NULL) &&
	       watch(a, SIGUSR1, sig, on_usr1, NULL) &&
	       watch(a, args->alive, in, on_alive, NULL) &&
	       watch(a, args->orders, in, on_orders, NULL) &&
	       watch(a, args->control, in, on_control, NULL) &&
	       watch(a, -1, EV_PERSIST, on_tick, &every);
}

static struct http_server *
server_new(struct admin *a)
{
	const struct conf_limits *l = &a->args->conf->limits;

	return http_server_new(&(struct http_server_args){
		.base = a->base,
		.pool = a->pool,
		.wheel = a->wheel,
		.limits =
			{
				.header_size = (uint32_t)l->header_size,
				.header_fields = MIN_OF(l->header_fields,
							HTTP_FIELDS_MAX),
				.header_timeout_ms = l->header_timeout_ms,
				.body_size = BODY_BYTES,
				.body_min_rate = (uint32_t)l->body_min_rate,
				.idle_timeout_ms = l->idle_timeout_ms,
				.write_timeout_ms = l->write_timeout_ms,
				.connections = CONNECTIONS,
				.connections_per_source = 0,
			},
		.ops = &admin_exchange_ops,
		.user = a,
	});
}

static bool
admin_open(struct admin *a)
{
	const struct admin_args *args = a->args;
	bool fine;

	a->base = event_base_new();
	a->pool = pool_new(MEMORY_BYTES);
	a->wheel = wheel_new(clock_mono_ns());
	a->orders = orders_new(args->region, args->orders);
	a->control = admin_control_new(args->control);
	if (!a->base || !a->pool || !a->wheel || !a->orders || !a->control)
		return false;
	a->history = history_new(args->conf);
	a->signer = signer_new(args->conf, args->region);
	a->webhook = webhook_new(a, &fine);
	a->server = server_new(a);
	return fine && a->server && watch_all(a) &&
	       http_server_listen(a->server, args->socket, NULL) == E_OK &&
	       (args->listen < 0 ||
		http_server_listen(a->server, args->listen, NULL) == E_OK);
}

static void
admin_close(struct admin *a)
{
	if (a->server)
		http_server_destroy(a->server);
	signer_free(a->signer);
	history_free(a->history);
	webhook_free(a->webhook);
	orders_free(a->orders);
	admin_control_free(a->control);
	for (unsigned i = 0; i < a->n_events; i++)
		event_free(a->events[i]);
	if (a->wheel)
		wheel_destroy(a->wheel);
	if (a->pool)
		pool_destroy(a->pool);
	if (a->base)
		event_base_free(a->base);
}

int
admin_run(const struct admin_args *args)
{
	struct admin a;
	int code = EXIT_FINE;

	memset(&a, 0, sizeof(a));
	a.args = args;
	if (admin_open(&a)) {
		(void)event_base_dispatch(a.base);
	} else {
		LOG_ERROR("the admin process cannot start",
			  F_CSTR("reason", "out of memory or descriptors"));
		code = EXIT_RUNTIME;
	}
	admin_close(&a);
	return code;
}
