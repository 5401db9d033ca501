/*
 * The few fields of a request that the gateway acts on, where dialects agree
 * what they may hold. Called by the dialects; pure.
 */
#include "adapters/ask.h"

#define TOKENS_MAX (1u << 30)

enum err
ask_fault(struct arena *a, const struct json_error *fault, const char **detail)
{
	struct str text;

	if (fault->fault == JSON_DUPLICATE) {
		*detail = fault->name;
		return E_DUPLICATE_FIELD;
	}
	text = arena_printf(a, "%s at byte %zu", json_fault_text(fault->fault),
			    fault->at);
	*detail = text.p ? text.p : json_fault_text(fault->fault);
	return E_BAD_JSON;
}

enum err
ask_model(struct arena *a, struct ask *ask, struct json_value v)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT;

	ask->model_value = v;
	if (ask_absent(v))
		return E_MISSING_FIELD;
	if (v.type != JSON_STRING || v.raw.n <= 2 || v.raw.n > 512)
		return E_BAD_FIELD;
	if (!memchr(v.raw.p, '\\', v.raw.n)) {
		ask->model = arena_dup(a, str_make(v.raw.p + 1, v.raw.n - 2));
	} else {
		if (!json_unescape(v, &text))
			return E_BAD_FIELD;
		ask->model = arena_dup(a, buf_str(&text));
	}
	return ask->model.p ? E_OK : E_NO_MEMORY;
}

enum err
ask_flag(struct json_value v, bool *flag)
{
	*flag = v.type == JSON_TRUE;
	return ask_absent(v) || v.type == JSON_TRUE || v.type == JSON_FALSE
		       ? E_OK
		       : E_BAD_FIELD;
}

enum err
ask_maximum(struct ask *ask, struct json_value v)
{
	if (ask_absent(v))
		return E_OK;
	if (!json_u64(v, &ask->max_output) || ask->max_output > TOKENS_MAX)
		return E_BAD_FIELD;
	ask->has_max = true;
	return E_OK;
}
