#pragma once
/*
 * The internal way: what only the admin process knows (the ledger's history)
 * is asked over run_dir/admin.sock, as an upstream would be. Bounded in time
 * and number; never blocks. The admin process may be dead or busy: then
 * there is no answer, and the caller says 503. Private to worker/.
 */
#include <stdbool.h>

#include "base/attrs.h"
#include "base/buf.h"
#include "base/str.h"

struct call;
struct request;

/* Questions of one worker under way at once. */
#define INSIDE_MAX 64u

/* The answer: its HTTP status, 0 = none came. Called once, between
 * request_enter() and request_leave(). */
typedef void inside_done(struct request *req, int status, struct str text);

/* Of a request; zeroed = none under way. */
struct inside {
	struct call *call;
	inside_done *done;
	int status;
	struct buf text;
	struct str type; /* content-type of the answer */
	struct str next; /* x-tollgate-next, "" = none */
};

/* GET /internal/v1/PATH for the request's key. False: too many are under
 * way, or out of memory; then `done` is not called. */
NODISCARD bool inside_ask(struct request *req, struct str path,
			  inside_done *done);
/* Gives it up, if one is under way, and the memory of the last answer. */
void inside_end(struct request *req);
