/*
 * What a running answer costs so far. Until the provider's usage comes, by
 * estimate: the input's tokens and the text that arrived, divided by the
 * model's bytes per token. `delivered` is the part the client's socket took.
 */
#include "adapters/tokens.h"
#include "billing/price.h"
#include "worker/attempt.h"
#include "worker/hold.h"
#include "worker/request.h"

/* Fewer tokens than this left in the hold: extend. */
#define EXTEND_BELOW  256u
#define EXTENSION_MIN 64u
#define EXTENSION_MAX 16384u

bool
meter_price(const struct request *req, uint64_t input, uint64_t output,
	    struct money *cost)
{
	struct token_counts t = {.input = tokens_clamp(input),
				 .output = tokens_clamp(output)};

	return price_of(req->prices, &t, req->multiplier_ppm, cost);
}

static uint64_t
output_of(const struct request *req, uint64_t bytes)
{
	return tokens_of_bytes(bytes, req->prices->bytes_per_token_milli);
}

bool
meter_cost(const struct request *req, uint32_t ppm, struct money *cost)
{
	struct token_counts t = {
		.input = tokens_clamp(req->input_tokens),
		.output = tokens_clamp(output_of(req, req->leg->seen_bytes)),
	};

	return price_of(req->list, &t, ppm, cost);
}

/* For the writer, should we die: it charges exactly these tokens. */
static void
store_delivered(const struct request *req, uint64_t mark)
{
	struct note *n = hold_note(req->w->slots, &req->hold);
	uint64_t input = tokens_clamp(req->input_tokens);

	if (mark > 0)
		atomic_store_explicit(
			&n->delivered,
			input << 32 | tokens_clamp(output_of(req, mark)),
			memory_order_relaxed);
}

/* And books that the operator owes so much for what arrived. */
static void
store_cost(struct request *req)
{
	struct money cost;

	if (!req->leg->offer ||
	    !meter_cost(req, req->leg->offer->lane->conf->cost_ppm, &cost))
		return;
	hold_note(req->w->slots, &req->hold)->upstream_nano = cost.nano;
	attempt_meter(req, cost);
}

void
meter_store(struct request *req)
{
	struct money arrived, delivered = {0};
	uint64_t mark = req->streaming ? request_mark(req) : 0;

	if (req->settled || req->hold.slot == SHM_NONE || is_service(req))
		return;
	if (!meter_price(req, req->input_tokens,
			 output_of(req, req->leg->seen_bytes), &arrived))
		return;
	if (mark == req->leg->seen_bytes)
		delivered = arrived;
	else if (mark > 0 && !meter_price(req, req->input_tokens,
					  output_of(req, mark), &delivered))
		return;
	if (mark == 0)
		delivered = money_nano(0);
	hold_meter(req->w->slots, &req->hold, arrived, delivered);
	store_delivered(req, mark);
	store_cost(req);
}

static bool
extend_by(struct request *req, uint64_t needed, uint64_t more)
{
	uint64_t output = MAX_OF(req->held_output, needed) + more;
	struct money total;

	if (!hold_worst_price(req, output, &total) ||
	    !hold_extend(req->w->slots, &req->hold, total))
		return false;
	req->held_output = output;
	attempt_extend(req);
	return true;
}

/* A hold for more than `needed` tokens. The steps double so that a long
 * answer needs few, and are halved to use what is left of the money. */
static void
extend(struct request *req, uint64_t needed)
{
	while (!extend_by(req, needed, req->next_extension)) {
		if (req->next_extension <= EXTENSION_MIN)
			return;
		req->next_extension /= 2;
	}
	req->next_extension = MIN_OF(req->next_extension * 2, EXTENSION_MAX);
}

bool
meter_arrived(struct request *req, uint64_t bytes)
{
	uint64_t output = output_of(req, req->leg->seen_bytes + bytes);
	struct money cost;

	if (!meter_price(req, req->input_tokens, output, &cost))
		return false;
	if (output + EXTEND_BELOW > req->held_output)
		extend(req, output);
	if (cost.nano > hold_total(req->w->slots, &req->hold).nano)
		return false;
	req->leg->seen_bytes += bytes;
	return true;
}
