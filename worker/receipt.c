/*
 * The step between the commit and the end of the answer: the admin process
 * signs a receipt of the entry. An answer that asked for none does not come
 * by here; one whose receipt cannot be had is sent without it, because it is
 * paid for.
 */
#include "worker/receipt.h"

#include "billing/receipt.h"

void
receipt_head(struct request *req, const struct http_head *head)
{
	struct str asked = http_get(head, "x-tollgate-receipt");

	req->wants_receipt =
		str_eq(asked, STR("1")) || str_ieq(asked, STR("true"));
}

/* It goes into a header line: what signs is trusted, but not with lines. */
static bool
is_receipt(struct str text)
{
	if (text.n == 0 || text.n > RECEIPT_MAX)
		return false;
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] <= ' ' || text.p[i] > '~')
			return false;
	return true;
}

static void
signed_receipt(struct request *req, int status, struct str text)
{
	if (status == 200 && is_receipt(text))
		req->receipt = arena_dup(&req->arena, text);
	req->step = STEP_reply;
	request_run(req);
}

enum next
step_receipt(struct request *req)
{
	struct str path;

	if (!req->wants_receipt || !req->settled ||
	    (req->err != E_OK && !req->streaming))
		return NEXT_STEP;
	req->receipt = STR("unavailable");
	if (req->commit_pending)
		return NEXT_STEP;
	path = arena_printf(&req->arena, "receipt?slot=%u&gen=%u&after=%llu",
			    req->hold.slot, req->hold.gen,
			    (unsigned long long)req->settled_after);
	if (!path.p || !inside_ask(req, path, signed_receipt))
		return NEXT_STEP;
	return NEXT_WAIT;
}

void
page_receipt_key(struct request *req)
{
	struct shm_head *head = req->w->region->head;
	struct buf *text = &req->w->text;

	if (!atomic_load(&head->has_receipt_key)) {
		req->err = E_HISTORY;
		reply_error(req);
		return;
	}
	buf_reset(text);
	receipt_key_page(text, head->receipt_key);
	reply_json(req, 200, buf_str(text));
}
