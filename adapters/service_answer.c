/* What answers of services say for the bill. */
#include "adapters/service.h"
#include "adapters/talk.h"

/* ---- counts ---- */

static uint64_t
elements(struct json_value array)
{
	struct json_iter it;
	struct json_value v;
	struct str name;
	uint64_t n = 0;

	if (array.type == JSON_ARRAY && json_iter_init(&it, array))
		while (json_iter_next(&it, &name, &v))
			n++;
	return n;
}

/* Seconds with a fraction, as a number or as one in a string. 0: not said. */
static uint64_t
milliseconds(struct json_value v)
{
	int64_t ms = 0;
	bool exact;

	if (v.type == JSON_STRING) {
		struct json_error fault;

		if (!json_valid(json_inside(v), &v, &fault))
			return 0;
	}
	if (v.type != JSON_NUMBER || !json_scaled(v, 3, &ms, &exact) || ms < 0)
		return 0;
	return (uint64_t)ms;
}

enum {
	T_INPUT,
	T_PROMPT,
	T_OUTPUT,
	T_COMPLETION,
	T_TOTAL,
	T_DETAILS,
	T_SECONDS,
	TOKENS
};
static const char *const token_names[TOKENS] = {
	"input_tokens",	 "prompt_tokens",
	"output_tokens", "completion_tokens",
	"total_tokens",	 "input_tokens_details",
	"seconds"};

/* The first that is there; false: none, or no count. */
static bool
first_count(struct json_value a, struct json_value b, uint64_t *n)
{
	return json_u64(a.type == JSON_NUMBER ? a : b, n);
}

/* A total alone is input: nothing is put out. */
static void
read_tokens(const struct json_value *v, struct usage *u)
{
	uint64_t in, out = 0, cached = 0;

	if (!first_count(v[T_INPUT], v[T_PROMPT], &in) &&
	    !json_u64(v[T_TOTAL], &in))
		return;
	if (!first_count(v[T_OUTPUT], v[T_COMPLETION], &out))
		out = 0;
	if (!json_u64(json_get(v[T_DETAILS], "cached_tokens"), &cached))
		cached = 0;
	if (cached > in || in > UINT32_MAX || out > UINT32_MAX)
		return;
	u->input = in - cached;
	u->cache_read = cached;
	u->output = out;
	u->present = true;
}

static void
read_usage(const struct ask *ask, struct json_value usage, struct usage *u)
{
	struct json_value v[TOKENS];

	if (usage.type != JSON_OBJECT)
		return;
	json_pick(usage, token_names, TOKENS, v);
	read_tokens(v, u);
	if (ask->service->counts == COUNTS_SOUND)
		u->units =
			units_of(UNIT_MILLISECOND, milliseconds(v[T_SECONDS]));
}

/* ---- answers ---- */

enum { M_MODEL, M_ERROR, M_USAGE, M_DATA, M_DURATION, M_META, MEMBERS };
static const char *const members[MEMBERS] = {"model", "error",	  "usage",
					     "data",  "duration", "meta"};

static uint32_t
searches(struct json_value meta)
{
	uint64_t n = 0;

	if (!json_u64(json_get(json_get(meta, "billed_units"), "search_units"),
		      &n))
		return 0;
	return units_of(UNIT_SEARCH, n);
}

static enum err
count_answer(const struct ask *ask, const struct json_value *v,
	     struct answer *out)
{
	struct usage *u = &out->usage;

	switch (ask->service->counts) {
	case COUNTS_IMAGES:
		u->units = units_of(UNIT_IMAGE, elements(v[M_DATA]));
		return u->units ? E_OK : E_UP_BAD_RESPONSE;
	case COUNTS_SOUND:
		if (u->units == 0)
			u->units = units_of(UNIT_MILLISECOND,
					    milliseconds(v[M_DURATION]));
		break;
	case COUNTS_CHARACTERS: u->units = ask->units_likely; break;
	case COUNTS_SEARCHES: u->units = searches(v[M_META]); break;
	case COUNTS_NOTHING: break;
	}
	return E_OK;
}

enum err
service_answer(const struct ask *ask, struct str body, struct answer *out)
{
	struct json_value v[MEMBERS];
	struct json_error fault;

	*out = (struct answer){.content_bytes = 1};
	if (!json_members(body, members, MEMBERS, v, &fault))
		return ask->plain && body.n > 0 ? E_OK : E_UP_BAD_RESPONSE;
	if (v[M_ERROR].type != JSON_ABSENT && v[M_ERROR].type != JSON_NULL)
		return E_UP_SERVER_ERROR;
	read_usage(ask, v[M_USAGE], &out->usage);
	out->model = json_inside(v[M_MODEL]);
	return count_answer(ask, v, out);
}

/* ---- events ---- */

enum { V_TYPE, V_USAGE, V_ERROR, EVENT };
static const char *const event_names[EVENT] = {"type", "usage", "error"};

enum err
service_event(const struct ask *ask, struct str data, struct delta *out)
{
	struct json_value v[EVENT];
	struct json_error fault;
	struct str type;

	*out = (struct delta){.content_bytes = data.n};
	if (str_eq(str_trim(data), STR("[DONE]"))) {
		out->done = true;
		return E_OK;
	}
	if (!json_members(data, event_names, EVENT, v, &fault))
		return E_UP_BAD_RESPONSE;
	type = json_inside(v[V_TYPE]);
	out->error =
		str_eq(type, STR("error")) || (v[V_ERROR].type != JSON_ABSENT &&
					       v[V_ERROR].type != JSON_NULL);
	out->last = str_ends(type, STR(".completed")) ||
		    str_ends(type, STR(".done"));
	if (!out->last)
		return E_OK;
	read_usage(ask, v[V_USAGE], &out->usage);
	if (ask->service->counts == COUNTS_IMAGES)
		out->usage.units = units_of(UNIT_IMAGE, 1);
	else if (ask->service->counts == COUNTS_CHARACTERS)
		out->usage.units = ask->units_likely;
	return E_OK;
}
