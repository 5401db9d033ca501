#pragma once
/*
 * A worker on a table: the real steps of worker/, a segment in anonymous
 * memory, a configuration that a test may change, and fakes for what surrounds them.
 * The fakes are the client's socket (exchange_*), the upstream's (call_*),
 * the clock, and the ledger writer.
 *
 * Everything a callback gets (heads, bodies, pieces) lives in heap memory
 * that is freed as early as the real http/ may, so that the sanitizers see
 * what is kept too long. The fakes abort on what http/ forbids: two answers,
 * a piece before the head, a cancelled call that is used.
 *
 *	struct fixture *f = fix_new();
 *	f->conf.routing.attempts = 2;           (before fix_start)
 *	fix_start(f);
 *	x = fix_post(f, "/v1/chat/completions", "{...}");
 *	fix_answer(f, 200, "{...}");             (the upstream's)
 *	fix_settle(f);                           (writer and loop, until at rest)
 *	CHECK_INT(f->entry[0].cost, 1234);
 *	CHECK(fix_done(f));                      (nothing is left over)
 */
#include <stdbool.h>
#include <stdint.h>

#include "tests/tap.h"
#include "worker/auth.h"
#include "worker/process.h"
#include "worker/request.h"

#define FIX_KEY "tg_testkey_0123456789"

enum { MODEL_GPT, MODEL_CHEAP, MODEL_EMBED, MODEL_THINK, MODEL_FREE, MODELS };
/* a and b speak openai (b comes second), demo is the embedded one. */
enum { LANE_A, LANE_B, LANE_DEMO, LANES };
enum { GROUP_DEFAULT, GROUP_POOL, GROUPS };
/* Rows: the key's account has no parent unless a test gives it ORG. */
enum { ORG, ACME, ACCOUNTS };

#define FIX_WORKERS 4
#define PIECE_ROWS  2048
struct fake_piece {
	uint64_t at; /* of its first byte */
	uint64_t mark;
};

/* The client's side. */
struct exchange {
	struct fixture *f;
	const struct exchange_ops *ops;
	void *server_user;
	void *user;
	char *body;
	size_t body_n;
	struct sockaddr_storage peer;
	uint64_t start_ns;
	bool live; /* saw on_head, not on_end */
	bool wants_body;
	bool head_only;
	/* what was sent */
	int status;
	struct buf fields;
	struct buf out; /* content, without framing */
	bool begun, answered, streamed, aborted;
	struct fake_piece *piece;
	unsigned n_pieces;
	/* the socket */
	uint64_t room;	    /* bytes it will still take */
	uint64_t die_after; /* breaks once it has taken so many */
	uint64_t taken;
	uint64_t mark;
	bool dead;
	enum err why;
	/* how it ended */
	unsigned ends;
	enum err end;
	struct exchange *next;
};

enum call_end {
	CALL_RUNS,
	CALL_ENDED,
	CALL_FAILED,
	CALL_CANCELLED,
	CALL_RELEASED
};

/* The upstream's side. */
struct call {
	struct fixture *f;
	const struct call_ops *ops;
	void *user;
	struct call_target target;
	struct call_timeouts timeouts;
	const struct iovec *iov;
	unsigned n_iov;
	struct buf sent; /* the request */
	enum call_end end;
	bool heard;
	bool paused;
	unsigned pauses;
	struct call *next; /* the one before */
};

/* What the ledger got. */
struct entry {
	uint32_t slot, gen;
	int64_t cost, up_cost;
	int64_t meter, delivered;
	uint16_t reason;
	bool sent; /* as settled */
	bool reversed;
	struct note note;
};

struct fixture {
	struct worker w;
	struct worker_args args;
	struct region region;
	struct conf conf;
	struct conf_model model[MODELS];
	struct conf_group group[GROUPS];
	struct conf_channel channel[LANES];
	struct conf_channel_model offer[LANES][MODELS];
	uint32_t rows[LANES];
	struct key_row *client_key;
	struct account_row *acme;
	int64_t opening[ACCOUNTS];
	int64_t budget; /* of the key */
	int writer_bell;
	int doorbells[FIX_WORKERS]; /* the worker is that of row 1 */
	struct exchange *exchanges;
	unsigned n_exchanges;
	struct call *calls; /* newest first */
	uint64_t waited_ns; /* of the requests to come: see admit.h */
	unsigned n_calls;
	struct entry entry[256];
	unsigned n_entries;
	bool at_once;	    /* on_end comes from within the call that ends it */
	uint64_t room;	    /* of the sockets to come */
	uint64_t die_after; /* of the sockets to come */
	bool no_calls;	    /* client_call() fails */
	const char *access_path;
};

/* ---- life ---- */
struct fixture *fix_new(void);
void fix_start(struct fixture *f);
/* A new one that has started as it is. */
struct fixture *fix_started(void);
/* Settles, looks for whatever is left over, and frees; false with TAP
 * comments that say what. */
bool fix_done(struct fixture *f);
/* Money of an account, before fix_start or while nothing runs. */
void fix_fund(struct fixture *f, uint32_t account, int64_t nano);
void fix_set_budget(struct fixture *f, int64_t nano);

/* ---- the client ---- */
/* `fields` as on the wire ("name: value\r\n"...), the key is added unless it
 * is NULL. The body follows by fix_body(). */
struct exchange *fix_open(struct fixture *f, const char *method,
			  const char *target, const char *key,
			  const char *fields);
void fix_body(struct exchange *x, const char *body);
struct exchange *fix_post(struct fixture *f, const char *path,
			  const char *body);
struct exchange *fix_get(struct fixture *f, const char *path);
/* The same at the server that demo_server_new() made: no key is added. */
struct exchange *fix_demo(struct fixture *f, const char *target,
			  const char *host, const char *body);
/* The socket takes so many bytes more, and the worker hears of it. */
void fix_take(struct exchange *x, uint64_t n);
void fix_gone(struct exchange *x, enum err why);
/* The server does not take the body: it answers by itself. */
void fix_refuse(struct exchange *x, enum err why, const char *detail);
/* One turn of the loop: ends of exchanges. True: something happened. */
bool fix_turn(struct fixture *f);

/* ---- the upstream; all act on the newest call ---- */
void fix_up_head(struct fixture *f, int status, const char *fields);
void fix_up_data(struct fixture *f, const char *text, size_t n);
void fix_up_text(struct fixture *f, const char *text);
void fix_up_end(struct fixture *f);
void fix_up_fail(struct fixture *f, enum call_fault fault);
/* Head, body, end. */
void fix_answer(struct fixture *f, int status, const char *body);
/* Server-sent events, as OpenAI has them; the model is "up-gpt". */
void fix_up_stream(struct fixture *f);
/* A chat whose stream has begun upstream; `more` as in fix_chat(). */
struct exchange *fix_streaming(struct fixture *f, const char *more);
void fix_up_chunk(struct fixture *f, const char *content);
void fix_up_usage(struct fixture *f, uint64_t prompt, uint64_t completion);
void fix_up_done(struct fixture *f);
bool fix_call_runs(const struct fixture *f);
/* Running calls. */
unsigned fix_running(const struct fixture *f);

/* ---- writer, clock ---- */
/* One pass over all slots; true: something was done. */
bool fix_writer(struct fixture *f);
/* Writer, doorbell, loop: until nothing moves. */
void fix_settle(struct fixture *f);
/* Time goes on, timers fire. */
void fix_wait_ms(struct fixture *f, uint64_t ms);
uint64_t fix_now(void);

/* ---- looking ---- */
const char *fix_out(struct exchange *x);
/* The value of a header line of the answer; "" = absent. */
const char *fix_field(struct exchange *x, const char *name);
bool fix_says(struct exchange *x, const char *needle);
/* A text of the worker's answer: the value of "name": up to , or }. */
const char *fix_json(struct exchange *x, const char *name);
int64_t fix_available(const struct fixture *f, uint32_t account);
int64_t fix_gauge(const struct fixture *f, uint32_t cell);

/* ---- money, counted once more ---- */
struct fix_usage {
	uint64_t input, cache_read, cache_write, output, reasoning;
};
/* In nano-USD, rounded up once. */
int64_t fix_price(const struct fixture *f, unsigned model, struct fix_usage u,
		  uint32_t ppm);
/* What `bytes` of text count. */
uint64_t fix_tokens(uint64_t bytes);

/* ---- texts; one static buffer each ---- */
/* A chat request with 11 bytes of text; `more`: ",\"stream\":true" */
const char *fix_chat(const char *model, const char *more);
/* The estimate of its input. */
#define FIX_CHAT_TOKENS 11
#define STREAMED	",\"stream\":true"
#define STREAMED_USAGE \
	",\"stream\":true,\"stream_options\":{\"include_usage\":true}"
/* A whole answer of "up-gpt"; `usage`: a JSON object, or NULL. */
const char *fix_whole(const char *content, const char *usage);
#define FIX_CHATS "/v1/chat/completions"

/* ---- inside of the fixture ---- */
void *fix_need(void *p);
char *fix_copy(const char *text, size_t n);
/* Frees it, and what is kept too long is seen without a sanitizer, too. */
void fix_wipe(char *p, size_t n);
void fix_read_fields(struct http_head *h, struct str lines);
