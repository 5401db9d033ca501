/* Counters, records, script and last request; see tally.h. */
#include "tests/mock/tally.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

const char *const endpoint_names[] = {"chat", "completions", "embeddings",
				      "models", "other"};

static const char *const counter_names[] = {
#define C(name) #name,
	TALLY_COUNTERS(C)
#undef C
};

static const char *const gauge_names[] = {
#define C(name) #name,
	TALLY_GAUGES(C)
#undef C
};

static const char *const end_names[] = {"running", "answered", "aborted",
					"broken"};

int64_t
now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

struct shared *
shared_create(void)
{
	pthread_mutexattr_t attr;
	struct shared *sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (sh == MAP_FAILED)
		return NULL;
	(void)pthread_mutexattr_init(&attr);
	(void)pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	(void)pthread_mutex_init(&sh->lock, &attr);
	return sh;
}

static bool
row_is(const struct row *row, const char *kind, size_t len, const char *name)
{
	return memcmp(row->name, kind, len) == 0 &&
	       strcmp(row->name + len, name) == 0;
}

struct row *
tally_row(struct worker_tally *t, const char *kind, const char *name)
{
	uint32_t rows = atomic_load_explicit(&t->rows, memory_order_relaxed);
	size_t len = strlen(kind);
	uint32_t i;

	for (i = 0; i < rows; i++)
		if (row_is(&t->row[i], kind, len, name))
			return &t->row[i];
	if (rows == ROWS)
		return &t->row[ROWS - 1];
	if (rows == ROWS - 1) {
		kind = "model ";
		name = "(others)";
	}
	(void)snprintf(t->row[rows].name, NAME, "%s%s", kind, name);
	atomic_store_explicit(&t->rows, rows + 1, memory_order_release);
	return &t->row[rows];
}

struct record *
record_begin(struct shared *sh)
{
	uint64_t seq =
		atomic_fetch_add_explicit(&sh->seq, 1, memory_order_relaxed) +
		1;
	struct record *r = &sh->record[seq % RECORDS];
	int64_t running, most;

	memset(r, 0, sizeof(*r));
	r->seq = seq;
	r->start_us = now_us();
	running = atomic_fetch_add(&sh->running, 1) + 1;
	most = atomic_load(&sh->most_running);
	while (most < running &&
	       !atomic_compare_exchange_weak(&sh->most_running, &most, running))
		;
	return r;
}

void
record_end(struct shared *sh, struct record *r, enum end end)
{
	r->end = (uint8_t)end;
	r->end_us = now_us();
	(void)atomic_fetch_sub(&sh->running, 1);
}

void
last_keep(struct shared *sh, struct span head, struct span body)
{
	if (head.n + body.n > LAST_ROOM)
		return;
	(void)pthread_mutex_lock(&sh->lock);
	memcpy(sh->last, head.p, head.n);
	if (body.n)
		memcpy(sh->last + head.n, body.p, body.n);
	sh->last_len = head.n + body.n;
	(void)pthread_mutex_unlock(&sh->lock);
}

static bool
rule_takes(struct rule *r, const char *model, const char *endpoint,
	   const char *key, bool reused)
{
	if (!r->on || r->count == 0 || (r->reused && !reused))
		return false;
	if (*r->model && strcmp(r->model, model) != 0)
		return false;
	if (*r->endpoint && strcmp(r->endpoint, endpoint) != 0)
		return false;
	if (*r->key && strcmp(r->key, key) != 0)
		return false;
	if (++r->seen % r->every != 0)
		return false;
	if (r->count > 0)
		r->count--;
	return true;
}

bool
script_take(struct shared *sh, const char *model, const char *endpoint,
	    const char *key, bool reused, char to[1024])
{
	bool taken = false;
	int i;

	if (atomic_load_explicit(&sh->rule_count, memory_order_acquire) == 0)
		return false;
	(void)pthread_mutex_lock(&sh->lock);
	for (i = 0; i < RULES && !taken; i++) {
		taken = rule_takes(&sh->rule[i], model, endpoint, key, reused);
		if (taken)
			memcpy(to, sh->rule[i].directives,
			       sizeof(sh->rule[i].directives));
	}
	(void)pthread_mutex_unlock(&sh->lock);
	return taken;
}

static bool
text_member(struct span object, const char *name, char *to, size_t room)
{
	struct span v = json_member(object, name);

	return v.n == 0 || json_copy(v, to, room);
}

static bool
rule_read(struct rule *r, struct span object)
{
	memset(r, 0, sizeof(*r));
	r->on = true;
	r->count = json_int(json_member(object, "count"), -1);
	r->every = json_int(json_member(object, "every"), 1);
	if (r->every < 1)
		return false;
	r->reused = span_is(json_member(object, "reused"), "true");
	return text_member(object, "model", r->model, sizeof(r->model)) &&
	       text_member(object, "endpoint", r->endpoint,
			   sizeof(r->endpoint)) &&
	       text_member(object, "key", r->key, sizeof(r->key)) &&
	       text_member(object, "do", r->directives, sizeof(r->directives));
}

static int
rules_read(struct rule *to, struct span body)
{
	struct span list = json_member(body, "rules");
	struct span key;
	struct span value;
	const char *at = NULL;
	int n = 0;

	if (list.n == 0) {
		if (json_member(body, "do").n == 0)
			return 0;
		return rule_read(to, body) ? 1 : -1;
	}
	while (json_next(list, &at, &key, &value))
		if (n == RULES || !rule_read(&to[n++], value))
			return -1;
	return n;
}

bool
script_set(struct shared *sh, struct span body, char *why, size_t room)
{
	struct rule rules[RULES] = {0};
	int n = 0;

	if (body.n && !json_valid(body))
		n = -1;
	else if (body.n)
		n = rules_read(rules, body);
	if (n < 0) {
		(void)snprintf(why, room, "mock: bad script");
		return false;
	}
	(void)pthread_mutex_lock(&sh->lock);
	memcpy(sh->rule, rules, sizeof(rules));
	atomic_store(&sh->rule_count, (uint32_t)n);
	(void)pthread_mutex_unlock(&sh->lock);
	return true;
}

void
script_unhold(struct shared *sh)
{
	int i;

	(void)pthread_mutex_lock(&sh->lock);
	for (i = 0; i < RULES; i++)
		if (strstr(sh->rule[i].directives, "@@hold"))
			sh->rule[i].on = false;
	(void)pthread_mutex_unlock(&sh->lock);
}

void
tally_reset(struct shared *sh)
{
	struct span none = {NULL, 0};
	char why[8];
	int w;
	uint32_t r;
	int c;

	for (w = 0; w < MAX_WORKERS; w++) {
		for (r = 0; r < ROWS; r++)
			for (c = 0; c < C_COUNT; c++)
				atomic_store(&sh->worker[w].row[r].n[c], 0);
		atomic_store(&sh->worker[w].g[G_reused], 0);
		atomic_store(&sh->worker[w].g[G_http_errors], 0);
		atomic_store(&sh->worker[w].g[G_tls_errors], 0);
	}
	for (w = 0; w < RECORDS; w++)
		sh->record[w].seq = 0;
	sh->last_len = 0;
	atomic_store(&sh->most_running, atomic_load(&sh->running));
	(void)script_set(sh, none, why, sizeof(why));
}

static void
print_counters(struct buf *to, const uint64_t n[C_COUNT])
{
	int c;

	for (c = 0; c < C_COUNT; c++) {
		buf_fmt(to, "%s\"%s\":", c ? "," : "", counter_names[c]);
		buf_int(to, (int64_t)n[c]);
	}
}

static void
add_row(uint64_t sum[C_COUNT], struct row *row)
{
	int c;

	for (c = 0; c < C_COUNT; c++)
		sum[c] +=
			atomic_load_explicit(&row->n[c], memory_order_relaxed);
}

/* The first worker's row of this name leads; later ones are added to it. */
static bool
is_first(struct shared *sh, int w, const char *name)
{
	int v;
	uint32_t r;

	for (v = 0; v < w; v++)
		for (r = 0; r < atomic_load(&sh->worker[v].rows); r++)
			if (strcmp(sh->worker[v].row[r].name, name) == 0)
				return false;
	return true;
}

static void
sum_name(struct shared *sh, const char *name, size_t n, uint64_t sum[C_COUNT])
{
	int w;
	uint32_t r;

	memset(sum, 0, sizeof(uint64_t) * C_COUNT);
	for (w = 0; w < MAX_WORKERS; w++)
		for (r = 0; r < atomic_load(&sh->worker[w].rows); r++)
			if (strncmp(sh->worker[w].row[r].name, name, n) == 0)
				add_row(sum, &sh->worker[w].row[r]);
}

/* All rows of one kind as an object, named without the kind. */
static void
print_kind(struct shared *sh, struct buf *to, const char *kind)
{
	uint64_t sum[C_COUNT];
	size_t len = strlen(kind);
	const char *comma = "";
	int w;
	uint32_t r;

	for (w = 0; w < MAX_WORKERS; w++) {
		for (r = 0; r < atomic_load(&sh->worker[w].rows); r++) {
			const char *name = sh->worker[w].row[r].name;

			if (strncmp(name, kind, len) != 0 ||
			    !is_first(sh, w, name))
				continue;
			sum_name(sh, name, NAME, sum);
			buf_str(to, comma);
			buf_json(to, name + len);
			buf_str(to, ":{");
			print_counters(to, sum);
			buf_str(to, "}");
			comma = ",\n  ";
		}
	}
}

static void
print_gauges(struct shared *sh, struct buf *to)
{
	uint64_t sum[G_COUNT] = {0};
	int w;
	int g;

	for (w = 0; w < MAX_WORKERS; w++)
		for (g = 0; g < G_COUNT; g++)
			sum[g] += atomic_load(&sh->worker[w].g[g]);
	for (g = 0; g < G_COUNT; g++) {
		buf_fmt(to, ",\"%s\":", gauge_names[g]);
		buf_int(to, (int64_t)sum[g]);
	}
	buf_fmt(to, ",\"open\":%lld,\"holding\":%lld",
		(long long)(sum[G_accepted] - sum[G_closed]),
		(long long)(sum[G_held] - sum[G_unheld]));
	buf_fmt(to, ",\"running\":%lld,\"most_running\":%lld",
		(long long)atomic_load(&sh->running),
		(long long)atomic_load(&sh->most_running));
}

static void
print_record(struct buf *to, const struct record *r)
{
	buf_fmt(to, "{\"id\":\"mock%08llx\",\"seq\":%llu,\"tag\":",
		(unsigned long long)r->seq, (unsigned long long)r->seq);
	buf_json(to, r->tag);
	buf_str(to, ",\"model\":");
	buf_json(to, r->model);
	buf_fmt(to,
		",\"endpoint\":\"%s\",\"stream\":%s,\"status\":%u,"
		"\"end\":\"%s\",\"usage_sent\":%s,\"prompt_tokens\":%lld,"
		"\"completion_tokens\":%lld,\"cached_tokens\":%lld,"
		"\"reasoning_tokens\":%lld,",
		endpoint_names[r->endpoint], r->stream ? "true" : "false",
		r->status, end_names[r->end], r->usage_sent ? "true" : "false",
		(long long)r->prompt, (long long)r->completion,
		(long long)r->cached, (long long)r->reasoning);
	buf_fmt(to,
		"\"chunks\":%llu,\"content_bytes\":%llu,\"body_bytes\":%llu,"
		"\"request_bytes\":%llu,\"conn\":%llu,\"worker\":%u,"
		"\"start_us\":%lld,\"first_us\":%lld,\"end_us\":%lld}",
		(unsigned long long)r->chunks,
		(unsigned long long)r->content_bytes,
		(unsigned long long)r->body_bytes,
		(unsigned long long)r->request_bytes,
		(unsigned long long)r->conn, r->worker, (long long)r->start_us,
		(long long)r->first_us, (long long)r->end_us);
}

static void
print_records(struct shared *sh, struct buf *to, uint64_t last, const char *tag)
{
	uint64_t seq = atomic_load(&sh->seq);
	const char *comma = "";
	uint64_t i;

	for (i = 0; i < RECORDS && last > 0 && i < seq; i++) {
		const struct record *r = &sh->record[(seq - i) % RECORDS];

		if (r->seq != seq - i || (*tag && strcmp(tag, r->tag) != 0))
			continue;
		buf_str(to, comma);
		print_record(to, r);
		comma = ",\n  ";
		last--;
	}
}

void
tally_print(struct shared *sh, struct buf *to, uint64_t last, const char *tag)
{
	uint64_t sum[C_COUNT];

	sum_name(sh, "endpoint ", strlen("endpoint "), sum);
	buf_str(to, "{");
	print_counters(to, sum);
	print_gauges(sh, to);
	buf_str(to, ",\n \"endpoints\":{");
	print_kind(sh, to, "endpoint ");
	buf_str(to, "},\n \"models\":{");
	print_kind(sh, to, "model ");
	buf_str(to, "},\n \"keys\":{");
	print_kind(sh, to, "key ");
	buf_str(to, "},\n \"last\":[");
	print_records(sh, to, last, tag);
	buf_str(to, "]}\n");
}
