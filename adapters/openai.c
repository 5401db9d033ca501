/*
 * OpenAI as an upstream, and whoever is compatible: paths, what answers mean
 * for the bill, errors. Called by the worker; pure.
 */
#include "adapters/openai.h"

#include "adapters/service.h"
#include "base/json.h"

/* ---- paths ---- */

bool
openai_has_version(struct str path)
{
	struct str segment;

	while (path.n > 0) {
		segment = str_cut(&path, '/');
		if (segment.n >= 2 && segment.p[0] == 'v' &&
		    segment.p[1] >= '0' && segment.p[1] <= '9')
			return true;
	}
	return false;
}

struct str
openai_path(struct arena *a, const struct ask *ask, const struct target *t)
{
	bool version = openai_has_version(t->path);

	(void)a;
	switch (ask->kind) {
	case ASK_CHAT:
		return version ? STR("/chat/completions")
			       : STR("/v1/chat/completions");
	case ASK_COMPLETIONS:
		return version ? STR("/completions") : STR("/v1/completions");
	case ASK_EMBEDDINGS:
		return version ? STR("/embeddings") : STR("/v1/embeddings");
	case ASK_SERVICE: return service_path(ask->service, version);
	case ASK_COUNT:
	case ASK_KINDS: break;
	}
	return STR_NONE;
}

/* Its newer endpoint, where base_url ends in /openai/v1, is OpenAI's. */
struct str
openai_azure_path(struct arena *a, const struct ask *ask,
		  const struct target *t)
{
	struct str path = openai_path(a, ask, t);
	struct str version = arena_percent(a, t->api_version);
	struct str model = arena_percent(a, t->model);

	if (!path.p || openai_has_version(t->path))
		return path;
	if (!version.p || !model.p)
		return STR_NONE;
	if (version.n == 0)
		version = STR("2024-10-21");
	path = str_from(path, sizeof("/v1") - 1);
	return arena_printf(a, "/openai/deployments/%.*s%.*s?api-version=%.*s",
			    STR_ARG(model), STR_ARG(path), STR_ARG(version));
}

/* ---- usage ---- */

/* A count that is there; absent and null leave *out alone. */
static bool
read_count(struct json_value v, uint64_t *out)
{
	return v.type == JSON_ABSENT || v.type == JSON_NULL || json_u64(v, out);
}

/* What a usage object says, before it is taken apart. */
struct said {
	uint64_t prompt, completion, total, cached, written, reasoning;
};

enum {
	U_PROMPT,
	U_COMPLETION,
	U_PROMPT_DETAILS,
	U_COMPLETION_DETAILS,
	U_COST,
	U_TOTAL,
	U_CACHED, /* instead of the details: Moonshot */
	U_HIT,	  /* DeepSeek */
	COUNTS
};
static const char *const counts[COUNTS] = {"prompt_tokens",
					   "completion_tokens",
					   "prompt_tokens_details",
					   "completion_tokens_details",
					   "cost",
					   "total_tokens",
					   "cached_tokens",
					   "prompt_cache_hit_tokens"};

static bool
read_said(const struct json_value *v, struct said *s)
{
	static const char *const in[] = {"cached_tokens", "cache_write_tokens"};
	static const char *const out[] = {"reasoning_tokens"};
	struct json_value d[2];

	if (!json_u64(v[U_PROMPT], &s->prompt) ||
	    !read_count(v[U_COMPLETION], &s->completion) ||
	    !read_count(v[U_HIT], &s->cached) ||
	    !read_count(v[U_CACHED], &s->cached))
		return false;
	if (v[U_PROMPT_DETAILS].type == JSON_OBJECT) {
		json_pick(v[U_PROMPT_DETAILS], in, 2, d);
		if (!read_count(d[0], &s->cached) ||
		    !read_count(d[1], &s->written))
			return false;
	}
	if (v[U_COMPLETION_DETAILS].type == JSON_OBJECT) {
		json_pick(v[U_COMPLETION_DETAILS], out, 1, d);
		if (!read_count(d[0], &s->reasoning))
			return false;
	}
	/* looked at for is_beside() only: it may be anything */
	if (s->reasoning > 0 && !json_u64(v[U_TOTAL], &s->total))
		s->total = 0;
	return true;
}

/* Reasoning is not part of the completion but counted beside it. */
static bool
is_beside(const struct said *s)
{
	uint64_t sum;

	return s->reasoning > 0 &&
	       !__builtin_add_overflow(s->prompt, s->completion, &sum) &&
	       !__builtin_add_overflow(sum, s->reasoning, &sum) &&
	       sum == s->total;
}

/*
 * prompt_tokens includes what was read from and written to a cache,
 * completion_tokens includes reasoning: taken apart here. Some count reasoning
 * beside it; then their total says so. Counts that contradict each other or
 * are no counts make the usage missing, not zero.
 */
static void
read_usage(struct json_value usage, struct usage *u, struct json_value *cost)
{
	struct json_value v[COUNTS];
	struct said s = {0};

	*u = (struct usage){0};
	json_pick(usage, counts, COUNTS, v);
	*cost = v[U_COST];
	if (!read_said(v, &s))
		return;
	if (is_beside(&s))
		s.completion += s.reasoning;
	if (s.cached > s.prompt || s.written > s.prompt - s.cached ||
	    s.reasoning > s.completion)
		return;
	u->cache_read = s.cached;
	u->cache_write = s.written;
	u->reasoning = s.reasoning;
	u->input = s.prompt - s.cached - s.written;
	u->output = s.completion - s.reasoning;
	u->present = true;
}

/* ---- answers ---- */

static uint64_t
text_of(struct json_value v)
{
	return v.type == JSON_STRING ? v.raw.n - 2 : 0;
}

static uint64_t
tool_bytes(struct json_value calls)
{
	struct json_iter it;
	struct json_value call, function;
	struct str name;
	uint64_t n = 0;

	if (calls.type != JSON_ARRAY || !json_iter_init(&it, calls))
		return 0;
	while (json_iter_next(&it, &name, &call)) {
		function = json_get(call, "function");
		n += text_of(json_get(function, "name")) +
		     text_of(json_get(function, "arguments"));
	}
	return n;
}

/* Billable text of a message or a delta: one pass over its members. */
static uint64_t
message_bytes(struct json_value m)
{
	struct json_iter it;
	struct json_value v;
	struct str name;
	uint64_t n = 0;

	if (m.type != JSON_OBJECT || !json_iter_init(&it, m))
		return 0;
	while (json_iter_next(&it, &name, &v)) {
		if (str_eq(name, STR("\"tool_calls\"")))
			n += tool_bytes(v);
		else if (str_eq(name, STR("\"content\"")) ||
			 str_eq(name, STR("\"reasoning_content\"")) ||
			 str_eq(name, STR("\"reasoning\"")) ||
			 str_eq(name, STR("\"refusal\"")))
			n += v.type == JSON_STRING  ? v.raw.n - 2
			     : v.type == JSON_ARRAY ? v.raw.n
						    : 0;
	}
	return n;
}

static uint64_t
choice_bytes(struct json_value choices, bool *any)
{
	struct json_iter it, members;
	struct json_value choice, v;
	struct str name;
	uint64_t n = 0;

	*any = false;
	if (choices.type != JSON_ARRAY || !json_iter_init(&it, choices))
		return 0;
	while (json_iter_next(&it, &name, &choice)) {
		*any = true;
		if (choice.type != JSON_OBJECT ||
		    !json_iter_init(&members, choice))
			continue;
		while (json_iter_next(&members, &name, &v)) {
			if (str_eq(name, STR("\"delta\"")) ||
			    str_eq(name, STR("\"message\"")))
				n += message_bytes(v);
			else if (str_eq(name, STR("\"text\"")))
				n += text_of(v);
		}
	}
	return n;
}

static bool
any_finish(struct json_value choices)
{
	struct json_value choice;
	struct json_iter it;
	struct str name;

	if (choices.type != JSON_ARRAY || !json_iter_init(&it, choices))
		return false;
	while (json_iter_next(&it, &name, &choice))
		if (json_get(choice, "finish_reason").type == JSON_STRING)
			return true;
	return false;
}

static bool
has_element(struct json_value array)
{
	struct str inside;

	if (array.type != JSON_ARRAY)
		return false;
	inside = str_from(array.raw, 1);
	while (inside.n > 0 && strchr(" \t\r\n", inside.p[0]))
		inside = str_from(inside, 1);
	return inside.n > 1;
}

enum { M_MODEL, M_CHOICES, M_USAGE, M_ERROR, M_DATA, M_ID, MEMBERS };
static const char *const members[MEMBERS] = {"model", "choices", "usage",
					     "error", "data",	 "id"};

enum err
openai_parse_answer(const struct ask *ask, struct str body, struct answer *out)
{
	struct json_value v[MEMBERS];
	struct json_error fault;
	bool any;

	*out = (struct answer){0};
	if (!json_members(body, members, MEMBERS, v, &fault))
		return E_UP_BAD_RESPONSE;
	if (v[M_ERROR].type == JSON_OBJECT)
		return E_UP_SERVER_ERROR;
	read_usage(v[M_USAGE], &out->usage, &out->cost_value);
	any = has_element(ask->kind == ASK_EMBEDDINGS ? v[M_DATA]
						      : v[M_CHOICES]);
	if (!any)
		return E_UP_BAD_RESPONSE;
	/* counted only where the bill needs it */
	out->content_bytes = 1;
	if (!out->usage.present && ask->kind != ASK_EMBEDDINGS)
		out->content_bytes = choice_bytes(v[M_CHOICES], &any);
	out->usage_value = v[M_USAGE];
	out->model = json_inside(v[M_MODEL]);
	return E_OK;
}

static enum err
openai_parse_event(struct source *src, struct str event, struct str data,
		   struct delta *out)
{
	struct json_value v[MEMBERS];
	struct json_error fault;
	struct openai_event e;

	(void)event;
	*out = (struct delta){0};
	if (str_eq(str_trim(data), STR("[DONE]"))) {
		out->done = true;
		return E_OK;
	}
	if (!json_members(data, members, MEMBERS, v, &fault))
		return E_UP_BAD_RESPONSE;
	if (v[M_ERROR].type != JSON_ABSENT && v[M_ERROR].type != JSON_NULL) {
		out->error = true;
		return E_OK;
	}
	out->content_bytes = choice_bytes(v[M_CHOICES], &out->choices);
	read_usage(v[M_USAGE], &out->usage, &out->cost_value);
	/* some send what they counted so far with every event */
	out->whole = out->usage.present &&
		     (!out->choices || any_finish(v[M_CHOICES]));
	out->usage_value = v[M_USAGE];
	out->model = json_inside(v[M_MODEL]);
	if (!src->put)
		return E_OK;
	e = (struct openai_event){v[M_ID], v[M_MODEL], v[M_CHOICES]};
	return openai_put_pieces(src, &e);
}

/* ---- errors ---- */

static enum err
judge(int status, struct str code)
{
	if (str_eq(code, STR("content_filter")) ||
	    str_eq(code, STR("content_policy_violation")))
		return E_UP_FILTERED;
	switch (status) {
	case 401:
	case 403: return E_UP_CREDENTIALS;
	case 402: return E_UP_BILLING;
	case 408:
	case 504: return E_UP_TIMEOUT;
	case 429:
		return str_eq(code, STR("insufficient_quota"))
			       ? E_UP_BILLING
			       : E_UP_RATE_LIMITED;
	case 503:
	case 529: return E_UP_OVERLOADED;
	default: break;
	}
	if (status >= 400 && status < 500)
		return E_UP_REQUEST;
	return E_UP_SERVER_ERROR;
}

void
openai_parse_error(int status, struct str type, struct str body,
		   struct upstream_error *out)
{
	static const char *const top[] = {"error", "message"};
	struct json_value v[2];
	struct json_error fault;

	(void)type;
	*out = (struct upstream_error){.err = judge(status, STR_NONE)};
	if (!json_members(body, top, 2, v, &fault))
		return;
	if (v[0].type == JSON_STRING) {
		out->message = json_inside(v[0]);
		return;
	}
	out->message = json_inside(json_get(v[0], "message"));
	if (out->message.n == 0)
		out->message = json_inside(v[1]);
	out->type = json_inside(json_get(v[0], "type"));
	out->code = json_inside(json_get(v[0], "code"));
	out->param = json_inside(json_get(v[0], "param"));
	out->err = judge(status, out->code);
}

const struct wire wire_openai = {
	.name = "openai",
	.native = &dialect_openai,
	.framing = FRAMING_SSE,
	.path = openai_path,
	.list = "/v1/models",
	.patch = openai_patch,
	.write = openai_write,
	.parse_answer = openai_parse_answer,
	.parse_event = openai_parse_event,
	.parse_error = openai_parse_error,
	.read_answer = openai_read_answer,
	.source_bytes = sizeof(struct openai_source),
};
