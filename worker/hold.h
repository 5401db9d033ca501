#pragma once
/* The size of holds; private to worker/. */
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/errors.h"
#include "base/money.h"

struct conf_model;
struct request;

/* Output tokens to hold for at first, if this model answers. */
uint64_t hold_first_output(const struct request *req,
			   const struct conf_model *m);

/* A free slot with the first part of its note. */
NODISCARD enum err hold_begin(struct request *req);

/* The estimate of an input with the margin it is held with. */
uint32_t hold_input(uint64_t tokens);
/* What the request's input (with a margin) and `output` tokens cost at most:
 * each class at its dearest price. */
NODISCARD bool hold_worst_price(const struct request *req, uint64_t output,
				struct money *cost);
/* The same at what the operator owes the channel of the attempt. */
NODISCARD bool hold_cost_price(const struct request *req, uint64_t output,
			       struct money *cost);
