/* A bill as pages of OpenAI's usage and costs. */
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "billing/bill_parts.h"

static bool
wrong(struct buf *error, const char *what)
{
	buf_add_cstr(error, what);
	return false;
}

/* A member that is left out or null is "". */
static bool
text_of(struct bill *b, struct json_value v, struct str *out)
{
	struct buf room = BUF_INIT;
	bool ok;

	*out = STR_NONE;
	if (v.type == JSON_ABSENT || v.type == JSON_NULL)
		return true;
	if (v.type != JSON_STRING)
		return false;
	ok = json_unescape(v, &room) && !room.failed;
	if (ok && room.n) {
		/* Never longer than it was written. */
		memcpy(b->texts + b->texts_n, room.p, room.n);
		*out = str_make(b->texts + b->texts_n, room.n);
		b->texts_n += room.n;
	}
	buf_free(&room);
	return ok;
}

static bool
tokens_of(struct json_value result, struct bill_line *line)
{
	static const char *const names[BILL_CLASSES] = {
		"input_tokens",
		"input_cached_tokens",
		"input_cache_write_tokens",
		"output_tokens",
	};
	struct json_value v;

	for (unsigned i = 0; i < BILL_CLASSES; i++) {
		v = json_get(result, names[i]);
		if (v.type == JSON_ABSENT || v.type == JSON_NULL)
			continue;
		if (!json_u64(v, &line->tokens[i]))
			return false;
		line->has |= (uint8_t)(1u << i);
	}
	v = json_get(result, "num_model_requests");
	return v.type == JSON_ABSENT || v.type == JSON_NULL ||
	       json_u64(v, &line->requests);
}

static bool
read_usage(struct bill *b, struct json_value result, struct bill_line *line,
	   struct buf *error)
{
	if (!tokens_of(result, line))
		return wrong(error, "a count is not a whole number");
	if (!text_of(b, json_get(result, "model"), &line->model))
		return wrong(error, "a model is not a text");
	return true;
}

/* "gpt-4o-2024-11-20, input" is of that model. */
static struct str
model_of(struct str item)
{
	ptrdiff_t comma = str_search(item, STR(", "));

	return comma < 0 ? item : str_make(item.p, (size_t)comma);
}

static bool
read_cost(struct bill *b, struct json_value result, struct bill_line *line,
	  struct buf *error)
{
	struct json_value amount = json_get(result, "amount");
	struct json_value value = json_get(amount, "value");
	struct str text = value.raw, currency, item;

	if (value.type == JSON_STRING && text.n >= 2)
		text = str_make(text.p + 1, text.n - 2);
	if ((value.type != JSON_NUMBER && value.type != JSON_STRING) ||
	    !bill_money(text, &line->cost_nano))
		return wrong(error, "an amount has no value");
	if (!text_of(b, json_get(amount, "currency"), &currency) ||
	    (currency.n && !str_ieq(currency, STR("usd"))))
		return wrong(error, "an amount is not in USD");
	if (!text_of(b, json_get(result, "line_item"), &item))
		return wrong(error, "a line item is not a text");
	line->model = model_of(item);
	line->has |= BILL_HAS_COST;
	return true;
}

static bool
read_result(struct bill *b, struct json_value result, uint64_t ms,
	    struct buf *error)
{
	struct bill_line *line = bill_add(b);
	bool cost = json_get(result, "amount").type == JSON_OBJECT;

	if (!line)
		return false;
	line->ms = ms;
	if (!(cost ? read_cost(b, result, line, error)
		   : read_usage(b, result, line, error)))
		return false;
	if (line->has == 0)
		return wrong(error, "a result has neither tokens nor an "
				    "amount");
	bill_done(b, line);
	return true;
}

static bool
read_bucket(struct bill *b, struct json_value bucket, struct buf *error)
{
	struct json_value results = json_get(bucket, "results"), one;
	struct json_iter it;
	uint64_t start;

	if (results.type == JSON_ABSENT)
		results = json_get(bucket, "result");
	if (!json_u64(json_get(bucket, "start_time"), &start) || start == 0 ||
	    start > UINT32_MAX)
		return wrong(error, "a bucket has no start_time");
	if (results.type != JSON_ARRAY || !json_iter_init(&it, results))
		return wrong(error, "a bucket has no results");
	while (json_iter_next(&it, NULL, &one))
		if (!read_result(b, one, start * 1000, error))
			return false;
	return true;
}

static bool
read_page(struct bill *b, struct json_value page, struct buf *error)
{
	struct json_value data = json_get(page, "data"), bucket;
	struct json_iter it;

	if (page.type != JSON_OBJECT || data.type != JSON_ARRAY ||
	    !json_iter_init(&it, data))
		return wrong(error, "it has no data: not a page of usage or "
				    "costs");
	while (json_iter_next(&it, NULL, &bucket))
		if (!read_bucket(b, bucket, error))
			return false;
	return true;
}

/* Only the last page has nothing behind it. */
static bool
is_last(struct json_value page, struct buf *error)
{
	return json_get(page, "has_more").type != JSON_TRUE ||
	       wrong(error, "it is not whole: its last page says has_more");
}

bool
bill_read_json(struct bill *b, struct str text, struct buf *error)
{
	struct json_value root, page = {JSON_ABSENT, STR_NONE};
	struct json_error e;
	struct json_iter it;

	if (!json_valid(text, &root, &e)) {
		buf_printf(error, "%s at byte %zu", json_fault_text(e.fault),
			   e.at);
		return false;
	}
	if (!bill_room(b, text.n))
		return false;
	if (root.type != JSON_ARRAY)
		return read_page(b, root, error) && is_last(root, error);
	if (!json_iter_init(&it, root))
		return false;
	while (json_iter_next(&it, NULL, &page))
		if (!read_page(b, page, error))
			return false;
	return is_last(page, error);
}
