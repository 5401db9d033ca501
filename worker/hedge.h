#pragma once
/*
 * Two attempts of one request side by side, before the first word of either:
 * the second one begins when the first is late (a hedge: another channel of
 * the same model), or at once (a race: another model). Whose first word comes
 * first answers; the other one is given up and booked as an attempt that was
 * lost. One that fails leaves the request to the other. Only routes that say
 * so, never services. Private to worker/.
 */
#include <stdbool.h>

struct call;
struct request;

/* The first attempt is under way. */
void hedge_begin(struct request *req);
/* From a callback of `c`: its attempt is the request's leg from now on. */
void hedge_enter(struct request *req, const struct call *c);
/* The callback is over: an attempt that has failed in it is forgotten. */
void hedge_leave(struct request *req);
/* The leg has failed and is booked: is there another one under way? */
bool hedge_goes_on(struct request *req);
/* The first word of the leg's answer, or its end: it answers. */
void hedge_won(struct request *req);
/* Nobody waits for an answer any more: the attempt beside the leg is given
 * up. */
void hedge_end(struct request *req);
