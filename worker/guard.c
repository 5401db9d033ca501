/* Body rules that need to know the model: what can never be answered. */
#include "worker/request.h"

/* A hold could not be computed for more. */
#define OUTPUT_MAX (1u << 30)

enum next
step_guard(struct request *req)
{
	const struct ask *ask = &req->ask;
	uint64_t out =
		ask->has_max ? ask->max_output : req->product->conf->max_output;

	if (is_service(req))
		return NEXT_STEP;
	if (ask->kind == ASK_EMBEDDINGS && ask->stream) {
		req->param = "stream";
		return request_fail_detail(req, E_BAD_FIELD, "stream");
	}
	if (out * ask->choices > OUTPUT_MAX) {
		req->param = "n";
		return request_fail_detail(req, E_BAD_FIELD, "n");
	}
	return NEXT_STEP;
}
