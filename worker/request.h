#pragma once
/*
 * struct request: one request from its head to its entry, and the engine
 * that moves it from step to step. Private to worker/.
 *
 * The rules of its life: callbacks of http/ come in through request.c,
 * send.c and stream.c, each between request_enter() and request_leave(); a
 * client that vanishes inside such a callback is only noted and taken care
 * of at request_leave(). settle.c is the only code that ends a hold, reply.c
 * the only code that renders an error.
 */
#include <stdbool.h>
#include <stdint.h>

#include "adapters/adapter.h"
#include "base/arena.h"
#include "base/errors.h"
#include "base/id.h"
#include "base/money.h"
#include "base/wheel.h"
#include "http/client.h"
#include "http/server.h"
#include "shm/slots.h"
#include "worker/endpoints.h"
#include "worker/inside.h"
#include "worker/leg.h"
#include "worker/process.h"

enum next {
	NEXT_STEP,  /* on with the following step */
	NEXT_AGAIN, /* req->step was set by the step */
	NEXT_WAIT,  /* a callback goes on */
};

enum step {
#define STEP(name) STEP_##name,
#include "worker/steps.def"
#undef STEP
	STEP_COUNT
};

/* Longest error body of an upstream that is read. */
#define ERROR_BODY_MAX (64 * 1024)

/* Who ended it and when, for the access log. */
enum ended_by { ENDED_NORMAL, ENDED_CLIENT, ENDED_UPSTREAM, ENDED_GATEWAY };

struct request {
	struct worker *w;
	struct exchange *x;   /* NULL once it has ended */
	struct request *next; /* waiting for the commit, or spare */
	struct arena arena;
	enum step step;
	int depth; /* callbacks we are inside of */
	bool client_gone;
	bool answered;	/* the end of the answer was handed to the server */
	bool answer_ok; /* and the socket took all of it */
	bool waiting;
	bool running_taken;
	bool wants_receipt; /* receipt.c */

	/* what failed */
	enum err err;
	const char *detail;
	const char *param;
	struct upstream_error upstream;
	uint64_t retry_after_ns;

	/* the request */
	const struct endpoint *endpoint;
	const struct dialect *dialect;
	enum http_method method;
	struct request_id id;
	char id_text[REQUEST_ID_TEXT];
	struct str origin; /* CORS, n == 0 = not asked for or not allowed */
	struct str path;
	struct str query;  /* of pages */
	struct str accept; /* of pages */
	struct str peer;
	uint64_t last_mark; /* of the exchange, once it has ended */
	uint64_t bytes_in;
	uint64_t bytes_out;
	uint64_t start_ns;
	uint64_t start_wall_ns;
	struct ask ask;

	/* who */
	uint32_t key;	  /* row, SHM_NONE = nobody */
	uint32_t account; /* row */
	uint32_t parent;  /* row or SHM_NONE */
	uint32_t group;	  /* of conf->groups */
	uint32_t multiplier_ppm;
	/* rules.c */
	uint64_t header_bits; /* of conf->route_headers: those that match */
	unsigned needs;	      /* enum need, if anybody asks */
	const struct conf_route *route; /* NULL = none */
	/* affinity.h */
	uint64_t session; /* hashes; 0 = none */
	uint64_t affinity;
	uint32_t affine_row; /* the channel that knew it, SHM_NONE = none */
	/* fallback.h */
	struct fallback *fallbacks; /* those that may take over */
	unsigned n_fallbacks, next_fallback;
	struct fallback *race; /* hedge.h: the asked model and the other one */
	unsigned attempts_before; /* of the models before this one */
	uint64_t tpm_taken;

	/* money */
	struct product *asked;
	struct product *product; /* whose turn it is: `asked`, or a fallback */
	bool asked_spent;	 /* the cap of `asked` does not cover it */
	/* What the customer pays by, fixed at admission (prices.h), and the
	 * current list price, which the operator's cost goes by. */
	const struct book_row *prices, *list;
	uint32_t price_version;
	uint16_t price_row, list_row;
	struct hold hold;
	uint64_t settled_after; /* last entry committed when it settled */
	struct str receipt;
	struct idem *idem; /* idem.h; in the arena, NULL = none */
	unsigned pauses;   /* waited for the audit */
	uint32_t hold_counters;
	uint64_t input_tokens;	    /* estimate */
	uint64_t held_output;	    /* tokens the hold is good for */
	uint64_t next_extension;    /* tokens */
	struct token_counts tokens; /* as booked */
	struct money charge;
	struct money upstream_cost;
	enum usage_source usage_source;
	enum slot_reason reason;
	bool settled;
	bool needs_sent;     /* settled, and waits for SENT or NOT SENT */
	bool commit_pending; /* answered before the commit came */

	struct inside *inside; /* in the arena, once it was needed */

	/* convert.c: where client and upstream speak different dialects */
	struct conversation *talk; /* made once */
	enum err lost;		   /* why an upstream could not even be asked */

	/* attempts */
	struct leg *leg, *rival; /* leg.h; the other one, NULL = none */
	bool hedged;		 /* there were two, and one of them answers */
	struct wheel_timer late; /* hedge.h */
	struct leg first;
	unsigned attempts;
	uint64_t *tried;       /* bits by lane index; NULL = none yet */
	bool tried_all;	       /* there is no memory for them */
	struct waiter *waiter; /* queue.h; in the arena, once it has waited */
	bool reads_on;	       /* the client is gone, the answer is read on */
	bool read_enough;
	uint64_t drained_from; /* seen_bytes when it left */

	/* the answer */
	int status;
	bool streaming;	   /* the stream's head is out */
	bool begun;	   /* no other channel any more: startup.c */
	bool stream_error; /* ends with an error event */
	uint64_t last_piece_ns;
	struct wheel_timer timer; /* audit, keep-alive comments, commit */
};

static inline struct str
request_id_str(const struct request *req)
{
	return str_make(req->id_text, REQUEST_ID_TEXT - 1);
}

typedef enum next step_fn(struct request *req);
#define STEP(name) step_fn step_##name;
#include "worker/steps.def"
#undef STEP

/* ---- request.c ---- */
extern const struct exchange_ops request_exchange_ops;
/* Runs steps until one waits. The request may be gone afterwards. */
void request_run(struct request *req);
/* exchange_mark(), also after the exchange has ended. */
uint64_t request_mark(const struct request *req);
void request_enter(struct request *req);
void request_leave(struct request *req);
/* Notes why, and goes to settle: `return request_fail(req, E_...)`. */
enum next request_fail(struct request *req, enum err e);
enum next request_fail_detail(struct request *req, enum err e,
			      const char *detail);
/* Nobody will be asked again. */
void request_drop_body(struct request *req);
/* From a callback: goes on at `step`. */
void request_go(struct request *req, enum step step);
/* The doorbell rang: whose commit has come? */
void requests_committed(struct worker *w);
void requests_free_spares(struct worker *w);
void request_wait_commit(struct request *req);
void request_stop_waiting(struct request *req);

/* ---- auth.c ---- */
/* On the head: key, account, group; before the body is read. */
enum next auth_head(struct request *req, const struct http_head *head);

/* ---- rules.c ---- */
/* What its routes and models ask about, for worker.look. */
unsigned rules_look(const struct conf *c);
/* On the head: the conditions about headers. */
void rules_head(struct request *req, const struct http_head *head);
/* Is it now one of its hours and days; 0 = Sunday. A span over midnight
 * belongs to the day it begins on. */
bool rules_in_time(const struct conf_match *m, uint32_t weekday,
		   uint32_t minute);
/* May the route's requests go to this lane. */
bool rules_allow(const struct request *req, const struct lane *l);

/* ---- fallback.c ---- */
/* Another model than the asked one answers. */
static inline bool
is_substitute(const struct request *req)
{
	return req->leg->substituted || req->product != req->asked;
}

/* ---- gather.c ---- */
NODISCARD enum err gather_add(struct request *req, struct str piece,
			      uint64_t limit);
void gather_free(struct request *req);
static inline struct str
gather_str(const struct request *req)
{
	return str_make(req->leg->body.p, req->leg->body.n);
}

/* ---- count.c: what is counted costs nothing ---- */
/* No money moves: there is no hold, nothing is settled. */
static inline bool
is_free(const struct request *req)
{
	return req->endpoint && req->endpoint->kind == ASK_COUNT;
}
/* Does the upstream of this attempt have the endpoint at all. */
bool upstream_has_path(const struct request *req);
/* Does the upstream of this attempt count by itself. */
bool count_is_theirs(const struct request *req);
/* It failed, so our estimate has to do. */
bool count_is_ours(const struct request *req);
void count_reply(struct request *req);

/* ---- route.c ---- */
/* Another channel of the request's model than the one that is asked already,
 * into req->leg. False: there is none. */
NODISCARD bool route_beside(struct request *req);
/* No more channels of this model, and there is no other model. */
bool route_exhausted(const struct request *req);
/* Might it be sent there now, were there room. */
bool route_may(const struct request *req, const struct offer *o);
/* The lane is not asked again for this model. */
void route_tried(struct request *req, const struct lane *l);
/* Another key of the same channel than those of the bits `but`; false: none
 * is usable. */
NODISCARD bool route_other_key(struct request *req, uint64_t but);
/* Which of the channel's paces the request is measured by. */
static inline enum channel_pace
route_pace(const struct request *req)
{
	return req->ask.stream ? PACE_STREAM : PACE_WHOLE;
}
/* The channel of the leg took so long until now. */
void route_note_pace(const struct request *req);
/* The first of the answer's content has come. */
void route_first_byte(struct request *req);

/* ---- send.c ---- */
/* An attempt failed before anything was sent: the next one, or the error. */
void attempt_failed(struct request *req, enum err e);
/* Begins one at req->leg->offer. E_NO_CHANNEL: it was or could not be asked,
 * req->err or req->lost says why. */
NODISCARD enum err attempt_start(struct request *req);
/* Gives the running one up and books what it cost; nothing has come of it. */
void attempt_drop(struct request *req, enum err e);
/* Ends the running attempt, if any; ok: for the channel's statistics. */
void attempt_end(struct request *req, enum err e);
/* It is the one that the entry names. */
void attempt_name(struct request *req);

/* ---- startup.c: streams until their first word ---- */
/* Framed events; `content`: they bring some of the answer, before which they
 * are held back. */
void startup_send(struct request *req, const struct iovec *piece, unsigned n,
		  bool content);
/* The stream's client waits from now on: comments, after a while. */
void startup_wait(struct request *req);
/* No way back: what was held back goes out, the head before it. */
void startup_end(struct request *req);

/* ---- pass.h ---- */
static inline bool
is_service(const struct request *req)
{
	return req->ask.kind == ASK_SERVICE;
}

/* ---- stream.c ---- */
/* req->leg->answer, made if need be; NULL: out of memory. */
struct answer *stream_answer(struct request *req);
/* The first of the answer has come. */
void stream_first(struct request *req);
/* An event, framed: to the client, or kept back for the end. */
struct sse_event;
void stream_forward(struct request *req, const struct sse_event *ev,
		    const struct delta *d);
void stream_keep(struct request *req, const struct sse_event *ev);
/* The upstream waits if the client does. */
void stream_slow_down(struct request *req);
/* Events to the client, whose stream is open. */
void stream_text(struct request *req, struct str text);
void stream_head(struct request *req, const struct http_head *head);
void stream_data(struct request *req, struct str piece);
void stream_end(struct request *req);
void stream_broken(struct request *req, enum err e);
/* The socket took bytes. */
void stream_progress(struct request *req);

/* ---- meter.c ---- */
/* Price of `output` tokens and the request's input at the customer's price. */
NODISCARD bool meter_price(const struct request *req, uint64_t input,
			   uint64_t output, struct money *cost);
/* `bytes` more arrived: extends the hold if need be and stores the marks;
 * false: the hold does not cover it and cannot be extended. */
NODISCARD bool meter_arrived(struct request *req, uint64_t bytes);
/* What arrived so far costs with this multiplier. */
NODISCARD bool meter_cost(const struct request *req, uint32_t ppm,
			  struct money *cost);
void meter_store(struct request *req);

/* ---- settle.c ---- */
struct token_counts settle_counts(const struct usage *u);
/* By our own count: the input, and `bytes` of the answer's text. */
struct token_counts settle_estimate(const struct request *req, uint64_t bytes);
/* Ends the hold without an answer that anybody waits for (client gone). */
void settle_abandoned(struct request *req);
/* The answer of a hold that waits for SENT has ended. */
void settle_sent(struct request *req, bool accepted);
/* There is a settled slot for the writer. */
void request_wake_writer(struct worker *w);
/* Gives back rate-limit tokens and the running count. */
void settle_limits(struct request *req);

/* ---- drain.c: an answer is read on after its client has left ---- */
/* Does the channel say so. */
bool drain_allowed(const struct request *req);
/* May this one be; then its cost is a leg of its own from now on. */
NODISCARD bool drain_keep(struct request *req);
/* After the settlement: only the upstream is left. */
void drain_begin(struct request *req);
/* Text or a usage came; false: enough. */
NODISCARD bool drain_delta(struct request *req, const struct delta *d);
/* The answer has ended, well or not. */
void drain_answer(struct request *req);
void drain_stop(struct request *req);
/* Books its cost; the request may be freed then. */
void drain_end(struct request *req);

/* ---- reply.c ---- */
/* Header lines that every answer carries. */
void reply_fields(struct request *req, struct buf *out);
/* Those of them that say who answers, each between `before` and `after`. */
void reply_attempt(const struct request *req, struct buf *out,
		   const char *before, const char *after);
void reply_error(struct request *req);
void reply_json(struct request *req, int status, struct str body);
void reply_render_error(struct exchange *x, enum err e, const char *detail,
			struct buf *fields, struct buf *body);

/* A percent-decoded copy, NUL-terminated; what is no escape stays. */
struct str page_unescape(struct arena *a, struct str s);

/* ---- pages.c: answered in place, no money ---- */
void page_models(struct request *req);
void page_model(struct request *req);
void page_stored(struct request *req);
void page_balance(struct request *req);
void page_healthz(struct request *req);
void page_readyz(struct request *req);

/* ---- usage.c: answered by the admin process ---- */
void page_usage(struct request *req);
/* ---- receipt.c ---- */
void page_receipt_key(struct request *req);
