/* The access log. One write() a block: lines of several workers never mix. */
#include "worker/access.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "billing/usage.h"
#include "worker/queue.h"
#include "worker/request.h"

#define FLUSH_AT (32 * 1024)

struct access_log {
	char *path;
	int fd; /* -1 = off */
	unsigned worker;
	bool complained;
	struct buf lines;
	uint64_t second; /* of `stamp` */
	char stamp[TIME_TEXT];
};

static int
open_file(const char *path)
{
	if (strcmp(path, "-") == 0)
		return dup(STDOUT_FILENO);
	return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
}

struct access_log *
access_open(struct str path, unsigned worker)
{
	struct access_log *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->fd = -1;
	a->worker = worker;
	a->path = strdup(path.n > 0 ? path.p : "");
	if (a->path && a->path[0])
		a->fd = open_file(a->path);
	if (a->path && (a->fd >= 0 || !a->path[0]))
		return a;
	LOG_ERROR("cannot open the access log", F_STR("path", path),
		  F_I64("errno", errno));
	access_close(a);
	return NULL;
}

/* A full disk must not stop requests: said once, lines are dropped. */
void
access_flush(struct access_log *a)
{
	ssize_t n;

	if (a->fd < 0 || a->lines.n == 0)
		return;
	n = write(a->fd, a->lines.p, a->lines.n);
	if (n != (ssize_t)a->lines.n && !a->complained) {
		a->complained = true;
		LOG_ERROR("the access log takes no lines",
			  F_CSTR("path", a->path), F_I64("errno", errno));
	} else if (n == (ssize_t)a->lines.n) {
		a->complained = false;
	}
	buf_reset(&a->lines);
}

void
access_close(struct access_log *a)
{
	if (!a)
		return;
	access_flush(a);
	if (a->fd >= 0)
		(void)close(a->fd);
	buf_free(&a->lines);
	free(a->path);
	free(a);
}

void
access_reopen(struct access_log *a)
{
	int fd;

	access_flush(a);
	if (a->fd < 0 || strcmp(a->path, "-") == 0)
		return;
	fd = open_file(a->path);
	if (fd < 0) {
		LOG_ERROR("cannot reopen the access log",
			  F_CSTR("path", a->path), F_I64("errno", errno));
		return;
	}
	(void)close(a->fd);
	a->fd = fd;
}

/* ---- a line ---- */

static void
put_time(struct access_log *a, struct buf *b, uint64_t wall_ns)
{
	uint64_t us = wall_ns / 1000 % 1000000;
	char digits[8];

	if (wall_ns / NS_PER_SEC != a->second) {
		a->second = wall_ns / NS_PER_SEC;
		(void)time_text(wall_ns, 0, a->stamp);
	}
	for (int i = 5; i >= 0; i--, us /= 10)
		digits[i] = (char)('0' + us % 10);
	buf_add(b, a->stamp, 19);
	buf_add_char(b, '.');
	buf_add(b, digits, 6);
	buf_add_char(b, 'Z');
}

/* Inlined, so that the names' lengths are known where they are copied: this
 * line is written for every request. Names from the configuration and our own
 * words need no escapes. */
INLINE void
put_word(struct buf *b, struct str name, struct str value)
{
	buf_add_str(b, name);
	buf_add_char(b, '"');
	buf_add_str(b, value);
	buf_add_char(b, '"');
}

static void
put_text(struct buf *b, struct str name, struct str value)
{
	struct json_out o;

	buf_add_str(b, name);
	json_out_init(&o, b);
	json_put_str(&o, value);
}

INLINE void
put_u64(struct buf *b, struct str name, uint64_t value)
{
	buf_add_str(b, name);
	buf_add_u64(b, value);
}

static void
put_who(struct buf *b, const struct request *req)
{
	const struct region *r = req->w->region;

	if (req->key != SHM_NONE) {
		put_u64(b, STR(",\"key_id\":"), req->key);
		put_text(b, STR(",\"account\":"),
			 str_of(req->account != SHM_NONE
					? r->accounts[req->account].name
					: ""));
	}
	if (req->asked)
		put_text(b, STR(",\"model\":"), req->asked->conf->name);
	if (req->route)
		put_word(b, STR(",\"routed_by\":"), req->route->name);
	if (req->leg->offer && req->attempts > 0) {
		put_text(b, STR(",\"model_served\":"),
			 req->leg->served.n ? req->leg->served
					    : req->leg->offer->model->upstream);
		put_text(b, STR(",\"channel\":"),
			 req->leg->offer->lane->conf->name);
		put_word(b, STR(",\"provider\":"),
			 str_of(req->leg->offer->lane->adapter->name));
		put_u64(b, STR(",\"attempt\":"), req->attempts);
		if (req->hedged)
			put_word(b, STR(",\"hedge\":"),
				 req->leg->second ? STR("won") : STR("lost"));
		if (is_substitute(req))
			buf_add_cstr(b, ",\"substituted\":true");
	}
}

/* Who ended it, C client, U upstream, G gateway; and in which phase, Q: while
 * it waited for a place at a channel. */
static void
put_term(struct buf *b, const struct request *req)
{
	static const char phases[] = {[PHASE_REQUEST] = 'R',
				      [PHASE_CONNECT] = 'C',
				      [PHASE_HEAD] = 'H',
				      [PHASE_BODY] = 'D'};
	const char *vocab = err_row(req->err)->vocab;
	char term[3] = "--";

	if (req->client_gone)
		term[0] = 'C';
	else if (req->err != E_OK)
		term[0] = strncmp(vocab, "provider", 8) == 0 ? 'U' : 'G';
	if (term[0] != '-')
		term[1] = queue_in_vain(req) ? 'Q' : phases[req->leg->phase];
	put_word(b, STR(",\"error_type\":"), str_of(vocab));
	put_word(b, STR(",\"term\":"), str_make(term, 2));
}

static void
put_money(struct buf *b, const struct request *req)
{
	static const char *const sources[] = {"", "upstream", "counted",
					      "estimated"};
	const struct token_counts *t = &req->tokens;

	if (!req->settled)
		return;
	put_u64(b, STR(",\"in_tok\":"), t->input);
	put_u64(b, STR(",\"cached_tok\":"), t->cache_read);
	put_u64(b, STR(",\"cache_write_tok\":"), t->cache_write);
	put_u64(b, STR(",\"out_tok\":"), t->output);
	put_u64(b, STR(",\"reason_tok\":"), t->reasoning);
	if (t->units) {
		put_u64(b, STR(",\"units\":"), units_count(t->units));
		put_word(b, STR(",\"unit\":"),
			 str_of(entry_unit_name(t->units)));
	}
	put_word(b, STR(",\"usage_source\":"),
		 str_of(sources[req->usage_source]));
	put_u64(b, STR(",\"price_id\":"), req->price_version);
	buf_add_cstr(b, ",\"charge_nusd\":");
	buf_add_i64(b, req->charge.nano);
	buf_add_cstr(b, ",\"cost_nusd\":");
	buf_add_i64(b, req->upstream_cost.nano);
}

static void
put_times(struct buf *b, const struct request *req, uint64_t now)
{
	if (req->waiter)
		put_u64(b, STR(",\"t_queue_us\":"),
			queue_waited_ns(req) / 1000);
	put_u64(b, STR(",\"t_connect_us\":"), req->leg->connect_ns / 1000);
	if (req->leg->first_byte_ns)
		put_u64(b, STR(",\"t_ttft_us\":"),
			(req->leg->first_byte_ns - req->start_ns) / 1000);
	put_u64(b, STR(",\"t_total_us\":"), (now - req->start_ns) / 1000);
	put_u64(b, STR(",\"bytes_in\":"), req->bytes_in);
	put_u64(b, STR(",\"bytes_out\":"), req->bytes_out);
}

void
access_write(struct access_log *a, const struct request *req)
{
	struct buf *b = &a->lines;

	if (a->fd < 0)
		return;
	buf_add_cstr(b, "{\"ts\":\"");
	put_time(a, b, req->start_wall_ns);
	put_word(b, STR("\",\"req_id\":"), request_id_str(req));
	put_u64(b, STR(",\"worker\":"), a->worker);
	put_word(b, STR(",\"client\":"), req->peer);
	put_text(b, STR(",\"route\":"), req->path);
	put_who(b, req);
	buf_add_cstr(b, req->ask.stream ? ",\"stream\":true"
					: ",\"stream\":false");
	put_u64(b, STR(",\"status\":"), (uint64_t)req->status);
	put_term(b, req);
	put_money(b, req);
	put_times(b, req, req->w->now_ns);
	buf_add_cstr(b, "}\n");
	if (b->failed) {
		buf_free(b);
		*b = BUF_INIT;
	} else if (b->n >= FLUSH_AT) {
		access_flush(a);
	}
}
