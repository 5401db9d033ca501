/*
 * The writer's role: one loop that looks at hints, commits, gives back,
 * reaps, obeys. It sleeps only when there is nothing to do, so a settled
 * request is committed at once when the server is idle; while a commit runs
 * the others queue up and share the next one.
 *
 * The store decides how it goes on: no room (READONLY) holds the same group
 * until there is; anything else that fails (FAILED) ends the process, because
 * nobody can tell what a failed sync has left on the disk. The next writer
 * reads it anew.
 */
#include "billing/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/exits.h"
#include "base/log.h"
#include "base/zone.h"
#include "billing/audit.h"
#include "billing/books.h"
#include "billing/group.h"
#include "billing/ledger.h"
#include "billing/orders.h"
#include "billing/plans.h"
#include "billing/post.h"
#include "billing/reap.h"
#include "billing/recover.h"
#include "billing/windows.h"
#include "conf/conf.h"
#include "shm/crash.h"
#include "shm/workers.h"

#define SCAN_NS	   (100 * NS_PER_MS)
#define SECOND_NS  NS_PER_SEC
#define SWEEP_NS   (10 * NS_PER_SEC)
#define AUDIT_NS   (60 * NS_PER_SEC)
#define ORPHAN_NS  (20 * NS_PER_SEC)
#define LOCK_NS	   (10 * NS_PER_SEC)
#define RELAXED_NS (50 * NS_PER_MS)
/* From so many entries in a commit on there is load: the next one waits for
 * a fuller group, which spares more CPU than it costs time. */
#define BUSY_GROUP   16u
#define BUSY_EACH_NS (40 * NS_PER_MS / 1000)
#define BUSY_MOST_NS (3 * NS_PER_MS)
/* What a commit may need beyond what is in use. */
#define COMMIT_ROOM (8ull << 20)
#define ORDERS_MAX  64

struct writer {
	const struct writer_args *args;
	struct region *r;
	struct ledger *ledger;
	struct post post;
	struct group group;
	struct books books;
	struct audit audit;
	struct reaper reaper;
	struct orders orders;
	struct windows windows;
	struct plans plans;
	int lock;
	int signals;
	int exit_code;
	bool stopping;
	bool hurry; /* do not wait for the workers' rows */
	bool orphan;
	bool deaf; /* nobody is left who could give orders */
	bool over;
	bool auditing;
	uint64_t scan_at, second_at, sweep_at, audit_at, retry_at;
	uint64_t commit_at; /* no group before */
	uint64_t orphan_until;
};

static void
set_state(struct writer *w, enum ledger_state state)
{
	static const char *const name[] = {
		[LEDGER_RECOVERING] = "recovering",
		[LEDGER_OK] = "ok",
		[LEDGER_READONLY] = "readonly",
		[LEDGER_FAILED] = "failed",
	};
	uint32_t before = atomic_exchange(&w->r->head->ledger_state, state);

	if (before != (uint32_t)state)
		LOG_INFO("ledger state", F_CSTR("state", name[state]));
}

/* ---- the store ---- */

/* After a transaction: does the store still take some? */
static void
look_at_store(struct writer *w, uint64_t now)
{
	switch (w->post.trouble) {
	case STORE_OK:
	case STORE_NONE:
	case STORE_EXISTS: return;
	case STORE_FULL:
		if (w->r->head->ledger_state != LEDGER_READONLY)
			LOG_ERROR("the ledger has no room; no new requests "
				  "until there is",
				  F_CSTR("why", ledger_trouble(w->ledger)));
		set_state(w, LEDGER_READONLY);
		w->retry_at = now + SECOND_NS;
		w->post.trouble = STORE_OK;
		return;
	case STORE_FAILED:
	case STORE_DAMAGED: break;
	}
	LOG_ERROR("the ledger failed; the writer ends",
		  F_CSTR("why", ledger_trouble(w->ledger)));
	w->r->head->store_failures++;
	w->r->head->store_failures_of = w->r->head->master_pid;
	set_state(w, LEDGER_FAILED);
	w->exit_code =
		w->post.trouble == STORE_DAMAGED ? EXIT_DAMAGED : EXIT_RUNTIME;
	w->over = true;
}

/* Room for the next commit; when little is left no new requests come in, but
 * what runs can still be committed. */
static bool
store_has_room(struct writer *w, uint64_t now)
{
	enum store s = ledger_allocate(w->ledger);
	struct ledger_room room = ledger_room(w->ledger);
	bool tight = s == STORE_FULL || room.used > room.map - room.map / 20;

	w->r->head->map_used_bytes = room.used;
	w->r->head->map_size_bytes = room.map;
	if (s != STORE_OK && s != STORE_FULL) {
		w->post.trouble = s;
		look_at_store(w, now);
		return false;
	}
	if (tight) {
		w->post.trouble = STORE_FULL;
		look_at_store(w, now);
	} else if (w->r->head->ledger_state == LEDGER_READONLY &&
		   now >= w->retry_at && w->group.n_items == 0) {
		/* And the group that found no room is committed. */
		set_state(w, LEDGER_OK);
	}
	return s == STORE_OK || room.allocated >= room.used + COMMIT_ROOM;
}

/* A commit costs the same whatever is in it, so the more there was, the more
 * the next one waits for; but at least as long again as this one took: at
 * most half of the time goes into commits, however slow the disk. */
static uint64_t
busy_until(uint64_t began, uint32_t n)
{
	uint64_t now = clock_mono_ns();
	uint64_t pause = MIN_OF(n * BUSY_EACH_NS, BUSY_MOST_NS);

	return now + MAX_OF(pause, now - began);
}

static void
commit(struct writer *w, uint64_t now)
{
	bool relaxed = w->args->conf->ledger.durability == DURABILITY_RELAXED;
	bool readonly = w->r->head->ledger_state == LEDGER_READONLY;
	uint32_t n = group_gather(&w->group);

	if (n == 0 || now < w->commit_at || (readonly && now < w->retry_at))
		return;
	if (!store_has_room(w, now))
		return;
	if (group_commit(&w->group) != STORE_OK) {
		look_at_store(w, now);
		return;
	}
	w->commit_at = relaxed		 ? now + RELAXED_NS
		       : n >= BUSY_GROUP ? busy_until(now, n)
					 : 0;
	/* Their money goes back now, not in the next turn. */
	(void)group_gather(&w->group);
}

/* ---- duties ---- */

static bool
take_hints(struct writer *w)
{
	bool any = false;
	uint32_t slot;

	for (uint32_t i = 0; i < w->r->head->n_workers; i++) {
		struct hint_ring *ring = &w->r->rings[i];

		if (w->r->workers[i].state == WORKER_UNUSED)
			continue;
		for (int n = 0; n < (int)RING_SIZE && ring_pop(ring, &slot);
		     n++) {
			group_note(&w->group, slot);
			any = true;
		}
		if (ring->scan_me && atomic_exchange(&ring->scan_me, 0)) {
			group_scan(&w->group);
			any = true;
		}
	}
	return any;
}

static void
every_second(struct writer *w, uint64_t now)
{
	if (now < w->second_at)
		return;
	w->second_at = now + (w->orphan ? SCAN_NS : SECOND_NS);
	reap_look_for_dead(&w->reaper);
	if (!store_has_room(w, now))
		return;
	if (post_seal(&w->post) != STORE_OK) {
		look_at_store(w, now);
		return;
	}
	if (now >= w->sweep_at) {
		w->sweep_at = now + SWEEP_NS;
		ledger_sweep_readers(w->ledger);
	}
	if (now >= w->audit_at && !w->auditing) {
		w->audit_at = now + AUDIT_NS;
		w->auditing = true;
		audit_start(&w->audit);
	}
}

/* Also before a generation may accept: its caps. */
static void
begin_windows(struct writer *w, uint64_t now)
{
	if (w->r->head->ledger_state == LEDGER_OK &&
	    (!windows_step(&w->windows, clock_wall_ns() / NS_PER_MS) ||
	     !plans_step(&w->plans, now)))
		look_at_store(w, now);
}

static void
duties(struct writer *w, uint64_t now)
{
	/* Looked at once: a book that comes later has caps of its own. */
	bool book = books_waiting(&w->books);

	w->r->head->writer_heartbeat_ns = now;
	(void)take_hints(w);
	if (now >= w->scan_at || book)
		begin_windows(w, now);
	if (now >= w->scan_at) {
		w->scan_at = now + SCAN_NS;
		group_scan(&w->group);
		reap_heal(&w->reaper);
	}
	every_second(w, now);
	if (reap_rows(&w->reaper))
		doorbell_ring(w->args->master_doorbell);
	if (w->auditing && audit_step(&w->audit))
		w->auditing = false;
	if (book && books_serve(&w->books)) {
		doorbell_ring(w->args->master_doorbell);
		look_at_store(w, now);
	}
	if (!w->over)
		commit(w, now);
}

/* ---- orders, signals, the master ---- */

static void
obey(struct writer *w, const struct order *order)
{
	struct order_answer out = {.id = order->id, .result = ORDER_NO_LEDGER};

	if (w->r->head->ledger_state == LEDGER_OK)
		orders_obey(&w->orders, order, &out);
	look_at_store(w, clock_mono_ns());
	/* A lost answer: the order comes again and is known. */
	(void)send(w->args->orders, &out, sizeof(out),
		   MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void
take_orders(struct writer *w)
{
	struct order order;

	for (int i = 0; i < ORDERS_MAX && !w->over; i++) {
		ssize_t n = recv(w->args->orders, &order, sizeof(order),
				 MSG_DONTWAIT | MSG_TRUNC);

		if (n <= 0)
			return;
		if (n == sizeof(order))
			obey(w, &order);
	}
}

static void
take_signals(struct writer *w)
{
	struct signalfd_siginfo info;

	while (read(w->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGUSR1) {
			log_reopen();
			continue;
		}
		w->hurry = info.ssi_signo == SIGINT || w->stopping;
		w->stopping = true;
	}
}

static void
master_gone(struct writer *w)
{
	if (w->orphan)
		return;
	LOG_WARN("the master is gone; ending after the workers",
		 F_U64("committed", w->r->head->committed_seq));
	w->orphan = true;
	w->stopping = true;
	w->second_at = 0;
	w->orphan_until = clock_mono_ns() + ORPHAN_NS;
}

enum { POLL_DOORBELL, POLL_ORDERS, POLL_SIGNALS, POLL_ALIVE, POLLS };

static void
sleep_until(struct writer *w, uint64_t now, uint64_t until, bool hints)
{
	struct pollfd p[POLLS] = {
		[POLL_DOORBELL] = {hints ? w->args->doorbell : -1, POLLIN, 0},
		[POLL_ORDERS] = {w->deaf ? -1 : w->args->orders, POLLIN, 0},
		[POLL_SIGNALS] = {w->signals, POLLIN, 0},
		[POLL_ALIVE] = {w->orphan ? -1 : w->args->alive, POLLIN, 0},
	};
	uint64_t ns = until > now ? until - now : 0;
	struct timespec ts = {(time_t)(ns / NS_PER_SEC),
			      (long)(ns % NS_PER_SEC)};

	if (ppoll(p, POLLS, &ts, NULL) <= 0)
		return;
	if (p[POLL_DOORBELL].revents)
		doorbell_clear(w->args->doorbell);
	if (p[POLL_ORDERS].revents)
		take_orders(w);
	if (p[POLL_ORDERS].revents & POLLHUP)
		w->deaf = true;
	if (p[POLL_SIGNALS].revents)
		take_signals(w);
	if (p[POLL_ALIVE].revents)
		master_gone(w);
}

/* Nothing to do now. Says that it sleeps, then looks once more: a hint that
 * was pushed before the worker saw that is found here, a later one rings. */
static void
rest(struct writer *w)
{
	uint64_t now = clock_mono_ns();
	uint64_t until = MIN_OF(w->scan_at, w->second_at);

	if (w->over || w->auditing)
		until = 0;
	if (now < w->commit_at) {
		sleep_until(w, now, MIN_OF(until, w->commit_at), false);
		return;
	}
	writer_sleeps(w->r, true);
	if (!take_hints(w) && (group_idle(&w->group) ||
			       w->r->head->ledger_state == LEDGER_READONLY))
		sleep_until(w, now, until, true);
	else
		sleep_until(w, now, 0, true);
	writer_sleeps(w->r, false);
}

/* ---- start and end ---- */

static bool
take_lock(struct writer *w)
{
	char path[PATH_MAX];
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	uint64_t until = clock_mono_ns() + LOCK_NS;
	const struct timespec pause = {0, 5 * 1000 * 1000};

	if (snprintf(path, sizeof(path), "%s/writer.lock",
		     w->args->conf->state_dir.p) >= (int)sizeof(path))
		return false;
	w->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (w->lock < 0) {
		LOG_ERROR("writer.lock cannot be opened",
			  F_CSTR("why", strerror(errno)));
		return false;
	}
	while (fcntl(w->lock, F_OFD_SETLK, &lock) < 0) {
		if (clock_mono_ns() > until) {
			LOG_ERROR("another writer has the ledger",
				  F_CSTR("lock", path));
			return false;
		}
		(void)nanosleep(&pause, NULL);
	}
	return true;
}

static bool
take_signal_descriptor(struct writer *w)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGUSR1);
	(void)signal(SIGPIPE, SIG_IGN);
	/* A limit of the file size is a full disk. */
	(void)signal(SIGXFSZ, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return false;
	w->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return w->signals >= 0;
}

/* After a failed sync the pages in memory may say more than the disk. */
static void
drop_cache(const char *state_dir)
{
	char path[PATH_MAX];
	int fd;

	if (snprintf(path, sizeof(path), "%s/" LEDGER_DIR "/data.mdb",
		     state_dir) >= (int)sizeof(path))
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	(void)close(fd);
}

static enum store
open_store(struct writer *w, struct buf *why)
{
	const struct conf *conf = w->args->conf;
	uint32_t n_slots = w->r->head->n_slots + SHM_OWN_SLOTS;
	bool cold;
	enum store s;

	if (w->r->head->store_failures)
		drop_cache(conf->state_dir.p);
	s = ledger_open(&w->ledger, conf->state_dir.p, LEDGER_WRITE,
			conf->ledger.map_size, why);
	if (s == STORE_OK)
		s = post_load(&w->post, w->ledger, n_slots, why);
	if (s == STORE_OK)
		s = recover_check_tail(&w->post, why);
	if (s == STORE_OK && !w->post.meta.clean)
		LOG_WARN("the last writer did not end in order",
			 F_U64("entries", w->post.meta.next_seq - 1));
	w->post.meta.clean = 0;
	if (s == STORE_OK)
		s = recover_is_cold(w->r, &w->post, &cold, why);
	if (s == STORE_OK && cold)
		s = recover_raise_epoch(&w->post, why);
	if (s == STORE_OK)
		s = books_load(&w->books, w->r, &w->post, conf, why);
	if (s == STORE_OK)
		s = windows_load(&w->windows, w->r, &w->post, &w->group, why);
	if (s == STORE_OK && cold)
		recover_claim(w->r, &w->post);
	return s;
}

static bool
open_memory(struct writer *w)
{
	if (!group_init(&w->group, w->r, &w->post, w->args->worker_doorbells) ||
	    !audit_init(&w->audit, w->r, &w->post) ||
	    !reaper_init(&w->reaper, w->r, &w->group)) {
		LOG_ERROR("out of memory", F_CSTR("role", "writer"));
		return false;
	}
	w->orders = (struct orders){w->r,      &w->post,  &w->books,
				    &w->group, &w->audit, &w->windows};
	w->plans = (struct plans){.orders = &w->orders};
	return true;
}

/* One full pass over what was left, then the audit, then traffic. */
static void
open_for_traffic(struct writer *w)
{
	enum store s = STORE_OK;

	reap_own(&w->reaper);
	reap_look_for_dead(&w->reaper);
	(void)reap_rows(&w->reaper);
	group_scan(&w->group);
	while (s == STORE_OK && group_gather(&w->group) > 0)
		s = group_commit(&w->group);
	look_at_store(w, clock_mono_ns());
	if (w->over)
		return;
	if (!audit_run(&w->audit))
		LOG_ERROR("the audit at the start found differences",
			  F_U64("counters", w->audit.differing));
	w->audit_at = clock_mono_ns() + AUDIT_NS;
	if (s == STORE_OK)
		set_state(w, LEDGER_OK);
	LOG_INFO("ledger open", F_U64("entries", w->post.meta.next_seq - 1),
		 F_U64("accounts", w->post.meta.n_accounts),
		 F_U64("keys", w->post.meta.n_keys),
		 F_U64("epoch", w->post.meta.epoch));
}

static bool
start(struct writer *w)
{
	CLEANUP(buf_free) struct buf why = BUF_INIT;
	enum store s;

	if (!take_signal_descriptor(w) || !take_lock(w))
		return false;
	w->r->head->writer_pid = (uint32_t)getpid();
	if (w->r->head->ledger_state == LEDGER_FAILED &&
	    w->r->head->store_failures < 2)
		set_state(w, LEDGER_RECOVERING);
	if (!zone_set(w->args->conf->time_zone))
		LOG_ERROR("the time zone is gone; days are those of UTC",
			  F_STR("zone", w->args->conf->time_zone));
	s = open_store(w, &why);
	if (s != STORE_OK) {
		LOG_ERROR("the ledger cannot be used",
			  F_STR("why", buf_str(&why)));
		w->exit_code = s == STORE_DAMAGED ? EXIT_DAMAGED : EXIT_RUNTIME;
		return false;
	}
	if (!open_memory(w))
		return false;
	open_for_traffic(w);
	return !w->over;
}

/* The second failed sync: only an operator's restart helps. */
static void
stay_failed(struct writer *w)
{
	LOG_ERROR("the ledger failed twice; check the disk, then restart",
		  F_U64("failures", w->r->head->store_failures));
	set_state(w, LEDGER_FAILED);
	w->exit_code = EXIT_RUNTIME;
	if (!take_signal_descriptor(w))
		return;
	while (!w->stopping) {
		uint64_t now = clock_mono_ns();

		w->r->head->writer_heartbeat_ns = now;
		sleep_until(w, now, now + SCAN_NS, true);
	}
}

static bool
may_end(struct writer *w)
{
	if (!w->stopping)
		return false;
	if (w->orphan && clock_mono_ns() > w->orphan_until)
		return true;
	return w->hurry || reap_all_gone(&w->reaper);
}

/* What is settled is committed; the ledger says that it ended in order. */
static void
end(struct writer *w)
{
	enum store s = STORE_OK;

	group_scan(&w->group);
	while (s == STORE_OK && group_gather(&w->group) > 0)
		s = group_commit(&w->group);
	if (s == STORE_OK && (s = post_begin(&w->post)) == STORE_OK) {
		w->post.meta.clean = 1;
		s = post_commit(&w->post);
	}
	if (s == STORE_OK)
		return;
	LOG_ERROR("the last entries could not be committed; they are in "
		  "shared memory until the next start",
		  F_CSTR("why", ledger_trouble(w->ledger)));
	w->exit_code = EXIT_RUNTIME;
}

static void
run(struct writer *w)
{
	while (!w->over && !may_end(w)) {
		duties(w, clock_mono_ns());
		rest(w);
	}
	if (!w->over)
		end(w);
}

static void
close_all(struct writer *w)
{
	reaper_free(&w->reaper);
	audit_free(&w->audit);
	group_free(&w->group);
	books_free(&w->books);
	post_free(&w->post);
	ledger_close(w->ledger);
	if (w->signals >= 0)
		(void)close(w->signals);
	if (w->lock >= 0)
		(void)close(w->lock);
}

int
writer_run(const struct writer_args *args)
{
	struct writer w = {
		.args = args,
		.r = args->region,
		.lock = -1,
		.signals = -1,
		.exit_code = EXIT_RUNTIME,
	};

	CRASH_ROLE("writer");
	/* Of a server that was stopped since: an operator has had a look. */
	if (w.r->head->store_failures_of != w.r->head->master_pid)
		w.r->head->store_failures = 0;
	if (w.r->head->store_failures >= 2) {
		stay_failed(&w);
	} else if (start(&w)) {
		w.exit_code = EXIT_FINE;
		run(&w);
	}
	close_all(&w);
	return w.exit_code;
}
