/*
 * The fake of http/server.h: the client's socket, and what a test says about
 * it and reads from it.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/must.h"
#include "tests/unit/worker/fixture.h"

static const struct http_server_args *newest_server;

static void
exchange_drop(struct exchange *x)
{
	fix_wipe(x->body, x->body_n);
	x->body = NULL;
}

static void
finish(struct exchange *x, enum err why)
{
	if (!x->live)
		return;
	x->live = false;
	x->ends++;
	x->end = why;
	x->ops->on_end(x, why);
	exchange_drop(x);
}

static uint64_t
queued(const struct exchange *x)
{
	return x->dead ? 0 : x->out.n - x->taken;
}

static bool
over(const struct exchange *x)
{
	return x->live && (x->dead || (x->answered && queued(x) == 0));
}

static void
pass_marks(struct exchange *x)
{
	while (x->n_pieces > 0 && x->piece[0].at < x->taken) {
		x->mark = x->piece[0].mark;
		memmove(x->piece, x->piece + 1,
			--x->n_pieces * sizeof(*x->piece));
	}
}

/* The socket takes what it has room for, or breaks. */
static void
push(struct exchange *x)
{
	uint64_t n = MIN_OF(x->room, queued(x));

	if (x->dead)
		return;
	if (x->die_after - x->taken < n ||
	    (x->die_after == x->taken && queued(x) > 0)) {
		x->taken = x->die_after;
		pass_marks(x);
		x->dead = true;
		x->why = E_CLIENT_GONE;
		return;
	}
	x->taken += n;
	if (x->room != UINT64_MAX)
		x->room -= n;
	pass_marks(x);
}

static void
moved(struct exchange *x)
{
	push(x);
	if (x->f->at_once && over(x))
		finish(x, x->dead ? x->why : E_OK);
}

static void
add_mark(struct exchange *x, uint64_t at, uint64_t mark)
{
	if (mark == 0)
		return;
	must(x->n_pieces < PIECE_ROWS);
	must(mark >= x->mark);
	if (x->n_pieces > 0)
		must(mark >= x->piece[x->n_pieces - 1].mark);
	x->piece[x->n_pieces++] = (struct fake_piece){at, mark};
}

/* As the real one: what comes after the socket broke goes nowhere. */
static bool
may_answer(struct exchange *x)
{
	must(x->live);
	return !x->dead && !x->answered;
}

void *
exchange_server_user(struct exchange *x)
{
	return x->server_user;
}

void
exchange_set_user(struct exchange *x, void *user)
{
	x->user = user;
}

void *
exchange_user(struct exchange *x)
{
	return x->user;
}

struct str
exchange_peer(struct exchange *x)
{
	(void)x;
	return STR("127.0.0.1");
}

const struct sockaddr *
exchange_peer_addr(struct exchange *x)
{
	return (const struct sockaddr *)&x->peer;
}

bool
exchange_peer_uid(struct exchange *x, uint32_t *uid)
{
	(void)x;
	*uid = geteuid();
	return true;
}

uint64_t
exchange_start_ns(struct exchange *x)
{
	return x->start_ns;
}

uint64_t
exchange_waited_ns(struct exchange *x)
{
	return x->f->waited_ns;
}

uint64_t
exchange_bytes_in(struct exchange *x)
{
	return x->body_n;
}

uint64_t
exchange_bytes_out(struct exchange *x)
{
	return x->taken;
}

void
exchange_read_body(struct exchange *x)
{
	must(x->live && !x->begun);
	x->wants_body = true;
}

void
exchange_drop_body(struct exchange *x)
{
	must(x->live);
	exchange_drop(x);
}

void
exchange_reply(struct exchange *x, int status, struct str fields,
	       struct str body, uint64_t mark)
{
	if (!may_answer(x))
		return;
	must(!x->begun);
	x->begun = x->answered = true;
	x->status = status;
	buf_add_str(&x->fields, fields);
	/* one byte stands for the head */
	add_mark(x, x->out.n, mark);
	buf_add_str(&x->out, x->head_only ? STR("") : body);
	if (x->out.n == 0)
		buf_add_char(&x->out, ' ');
	moved(x);
}

void
exchange_stream_begin(struct exchange *x, int status, struct str fields)
{
	if (!may_answer(x))
		return;
	must(!x->begun);
	x->begun = x->streamed = true;
	x->status = status;
	buf_add_str(&x->fields, fields);
}

void
exchange_stream_send(struct exchange *x, const struct iovec *piece, unsigned n,
		     uint64_t mark)
{
	if (!may_answer(x))
		return;
	must(x->streamed && n <= 8);
	add_mark(x, x->out.n, mark);
	for (unsigned i = 0; i < n; i++)
		buf_add(&x->out, piece[i].iov_base, piece[i].iov_len);
	moved(x);
}

void
exchange_stream_end(struct exchange *x)
{
	if (!may_answer(x))
		return;
	must(x->streamed);
	x->answered = true;
	moved(x);
}

void
exchange_abort(struct exchange *x)
{
	must(x->live);
	if (x->dead)
		return;
	x->aborted = x->dead = true;
	x->why = E_UP_CUT;
	moved(x);
}

size_t
exchange_queued(const struct exchange *x)
{
	return queued(x);
}

uint64_t
exchange_mark(const struct exchange *x)
{
	return x->mark;
}

void
fix_refuse(struct exchange *x, enum err why, const char *detail)
{
	must(x->live && x->wants_body && !x->begun);
	x->begun = x->answered = true;
	x->ops->render_error(x, why, detail, &x->fields, &x->out);
	x->status = err_row(why)->status;
	finish(x, why);
}

/* Only the embedded provider makes one. */
struct http_server *
http_server_new(const struct http_server_args *args)
{
	struct http_server_args *kept = fix_need(malloc(sizeof(*kept)));

	*kept = *args;
	newest_server = kept;
	return (struct http_server *)kept;
}

enum err
http_server_listen(struct http_server *s, int fd, struct tls_server *tls)
{
	(void)s;
	return fd >= 0 && !tls ? E_OK : E_INTERNAL;
}

void
http_server_ration(struct http_server *s, uint64_t late_ns, unsigned n,
		   unsigned most)
{
	(void)s;
	(void)late_ns;
	(void)n;
	(void)most;
}

unsigned
http_server_deferred(const struct http_server *s)
{
	(void)s;
	return 0;
}

bool
http_server_crowded(const struct http_server *s)
{
	(void)s;
	return true;
}

void
http_server_destroy(struct http_server *s)
{
	free(s);
}

/* ---- the client ---- */

static enum http_method
method_of(struct str text)
{
	static const struct {
		const char *text;
		enum http_method method;
	} all[] = {{"GET", HTTP_GET},	     {"HEAD", HTTP_HEAD},
		   {"POST", HTTP_POST},	     {"PUT", HTTP_PUT},
		   {"DELETE", HTTP_DELETE},  {"PATCH", HTTP_PATCH},
		   {"OPTIONS", HTTP_OPTIONS}};

	for (unsigned i = 0; i < ARRAY_LEN(all); i++)
		if (str_eq(text, str_of(all[i].text)))
			return all[i].method;
	return HTTP_OTHER;
}

void
fix_read_fields(struct http_head *h, struct str text)
{
	while (text.n > 0) {
		struct str line = str_cut(&text, '\n');
		struct str name;

		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		if (line.n == 0)
			continue;
		must(h->n_fields < HTTP_FIELDS_MAX);
		name = str_cut(&line, ':');
		h->fields[h->n_fields++] =
			(struct http_field){name, str_trim(line)};
	}
}

static struct exchange *
new_exchange(struct fixture *f, const struct exchange_ops *ops, void *user)
{
	struct exchange *x = fix_need(calloc(1, sizeof(*x)));
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	x->f = f;
	x->ops = ops;
	x->server_user = user;
	memcpy(&x->peer, &in, sizeof(in));
	x->start_ns = fix_now();
	x->piece = fix_need(calloc(PIECE_ROWS, sizeof(*x->piece)));
	x->room = f->room;
	x->die_after = f->die_after;
	x->live = true;
	x->next = f->exchanges;
	f->exchanges = x;
	f->n_exchanges++;
	return x;
}

static struct exchange *
open_with(struct exchange *x, struct str head_text, const char *method,
	  const char *target)
{
	struct http_head *h = fix_need(calloc(1, sizeof(*h)));
	char *bytes = fix_copy(head_text.p, head_text.n);
	char *where = fix_copy(target, strlen(target));
	struct str rest;

	h->method_text = str_of(method);
	h->method = method_of(h->method_text);
	h->target = rest = str_make(where, strlen(target));
	h->path = str_cut(&rest, '?');
	h->query = rest;
	h->minor = 1;
	h->keep_alive = true;
	fix_read_fields(h, str_make(bytes, head_text.n));
	x->head_only = h->method == HTTP_HEAD;
	x->ops->on_head(x, h);
	free(h);
	fix_wipe(bytes, head_text.n);
	fix_wipe(where, strlen(target));
	return x;
}

struct exchange *
fix_open(struct fixture *f, const char *method, const char *target,
	 const char *key, const char *fields)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;

	buf_add_cstr(&text, "host: here\r\n");
	if (key)
		buf_printf(&text, "Authorization: Bearer %s\r\n", key);
	buf_add_cstr(&text, fields);
	return open_with(new_exchange(f, &request_exchange_ops, &f->w),
			 buf_str(&text), method, target);
}

void
fix_body(struct exchange *x, const char *body)
{
	must(x->live && x->wants_body && !x->body);
	x->wants_body = false;
	x->body_n = strlen(body);
	x->body = fix_copy(body, x->body_n);
	x->ops->on_body(x, str_make(x->body, x->body_n));
}

struct exchange *
fix_post(struct fixture *f, const char *path, const char *body)
{
	struct exchange *x = fix_open(f, "POST", path, FIX_KEY, "");

	if (x->live && x->wants_body)
		fix_body(x, body);
	return x;
}

struct exchange *
fix_get(struct fixture *f, const char *path)
{
	return fix_open(f, "GET", path, FIX_KEY, "");
}

struct exchange *
fix_demo(struct fixture *f, const char *target, const char *host,
	 const char *body)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;
	struct exchange *x =
		new_exchange(f, newest_server->ops, newest_server->user);

	buf_printf(&text, "host: %s\r\n", host);
	(void)open_with(x, buf_str(&text), "POST", target);
	if (x->live && x->wants_body)
		fix_body(x, body);
	return x;
}

void
fix_take(struct exchange *x, uint64_t n)
{
	uint64_t before = x->taken;

	x->room = n;
	push(x);
	if (x->live && x->taken > before)
		x->ops->on_progress(x);
	if (x->f->at_once && over(x))
		finish(x, x->dead ? x->why : E_OK);
}

void
fix_gone(struct exchange *x, enum err why)
{
	x->dead = true;
	x->why = why;
	finish(x, why);
}

bool
fix_turn(struct fixture *f)
{
	bool any = false;

	for (struct exchange *x = f->exchanges; x; x = x->next) {
		if (!over(x))
			continue;
		finish(x, x->dead ? x->why : E_OK);
		any = true;
	}
	return any;
}
/* ---- looking ---- */

const char *
fix_out(struct exchange *x)
{
	buf_add_char(&x->out, '\0');
	x->out.n--;
	return x->out.p;
}

const char *
fix_field(struct exchange *x, const char *name)
{
	static char value[512];
	struct str text = buf_str(&x->fields);

	value[0] = '\0';
	while (text.n > 0) {
		struct str line = str_cut(&text, '\n');
		struct str field = str_cut(&line, ':');

		if (!str_eq(field, str_of(name)))
			continue;
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		(void)str_copy(value, sizeof(value), str_trim(line));
		break;
	}
	return value;
}

bool
fix_says(struct exchange *x, const char *needle)
{
	return strstr(fix_out(x), needle) != NULL;
}

const char *
fix_json(struct exchange *x, const char *name)
{
	static char value[256];
	char quoted[64];
	const char *at;
	size_t n;

	(void)snprintf(quoted, sizeof(quoted), "\"%s\":", name);
	at = strstr(fix_out(x), quoted);
	if (!at)
		return "";
	at += strlen(quoted);
	n = at[0] == '"' ? 1 + strcspn(at + 1, "\"") + 1 : strcspn(at, ",}");
	(void)str_copy(value, sizeof(value), str_make(at, n));
	return value;
}

int64_t
fix_available(const struct fixture *f, uint32_t account)
{
	return atomic_load(
		&f->region.counters[counter_of_account(account)].available);
}

int64_t
fix_gauge(const struct fixture *f, uint32_t cell)
{
	return (int64_t)atomic_load(&f->w.metrics->cell[cell]);
}
