#pragma once
/*
 * Services: endpoints that are passed through (adapters/service.h), metered
 * by what they are counted in. Private to worker/.
 */
#include "adapters/service.h"
#include "http/msg.h"
#include "http/sse.h"
#include "worker/request.h"

/* On the head: the kind of body that comes. */
enum next pass_head(struct request *req, const struct http_head *head);
/* The body, JSON or a form; on an error req->detail names what is wrong. */
NODISCARD enum err pass_parse(struct request *req);
/* E_NOT_PRICED: the model has no price by which this endpoint could be
 * charged; of any endpoint. */
NODISCARD enum err pass_priced(struct request *req);
/* The most it can cost, at these prices. */
NODISCARD bool pass_worst_price(const struct request *req,
				const struct book_row *prices, uint32_t ppm,
				struct money *cost);
/* What is charged of what came, where the upstream does not say. */
struct token_counts pass_estimate(const struct request *req, uint64_t bytes);

/* The upstream's head, 2xx: how its answer is read. False: not at all. */
NODISCARD bool pass_answers(struct request *req, const struct http_head *head);
/* A piece of an answer that is neither JSON nor events. */
void pass_piece(struct request *req, struct str piece);
/* An event of a stream; false: no more of them. */
bool pass_event(struct request *req, const struct sse_event *ev);
/* The answer is whole: is all known that it is charged by? */
void pass_complete(struct request *req);
