#pragma once
/*
 * An attempt as a record of money: what the operator owes for one try at one
 * channel. It has a slot of its own, beside the request's: taken before the
 * try where the channel, its key or the model has a cap per day, else only to
 * book an attempt that was lost. No customer pays it.
 */
#include <stdbool.h>

#include "base/attrs.h"
#include "base/errors.h"
#include "base/money.h"

struct request;
struct token_counts;

/* Takes the worst cost from all of its caps, if it has any. A key whose cap
 * does not cover it gives way to another one of the channel. E_NO_CHANNEL: not
 * with this channel. */
NODISCARD enum err attempt_take(struct request *req);
/* As the request's hold grows and its stream goes on. */
void attempt_extend(struct request *req);
void attempt_meter(struct request *req, struct money cost);
/* It answered; its cost is booked with the request. */
void attempt_won(struct request *req, struct money cost);
/* Another one will answer, or none: a leg of its own. What the operator owes
 * all the same is the price of `tokens`; `estimated`: nobody said so. */
void attempt_lost(struct request *req, enum err e,
		  const struct token_counts *tokens, bool estimated);
/* The client has left and the answer is read on: from now on its cost is a
 * leg of its own, `tokens` as long as nothing better is known, should we die.
 * False: there is no slot for it. */
NODISCARD bool attempt_keep(struct request *req,
			    const struct token_counts *tokens);
