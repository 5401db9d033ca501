/*
 * OpenAI as an upstream: request bytes out of the client's own (spans copied
 * and patched, nothing re-serialised), and what its answers mean for the
 * bill. Called by the worker; pure.
 */
#include "adapters/adapter.h"
#include "base/json.h"

/* ---- request ---- */

/* A replacement of body bytes: [at, at + cut) becomes `with`. */
struct patch {
	const char *at;
	size_t cut;
	struct str with;
};

static void
add_usage_patch(const struct ask *ask, struct patch *p, unsigned *n)
{
	struct json_value options = ask->stream_options;

	if (options.type == JSON_ABSENT) {
		/* the body is an object with a model: never empty */
		p[(*n)++] = (struct patch){
			ask->body.p + str_find(ask->body, '{') + 1, 0,
			STR("\"stream_options\":{\"include_usage\":true},")};
	} else if (options.type == JSON_NULL) {
		p[(*n)++] = (struct patch){options.raw.p, options.raw.n,
					   STR("{\"include_usage\":true}")};
	} else if (ask->include_usage_value.type != JSON_ABSENT) {
		p[(*n)++] = (struct patch){ask->include_usage_value.raw.p,
					   ask->include_usage_value.raw.n,
					   STR("true")};
	} else {
		struct json_iter it;
		struct json_value v;
		struct str name;
		bool empty = !json_iter_init(&it, options) ||
			     !json_iter_next(&it, &name, &v);

		p[(*n)++] =
			(struct patch){options.raw.p + 1, 0,
				       empty ? STR("\"include_usage\":true")
					     : STR("\"include_usage\":true,")};
	}
}

static void
sort_patches(struct patch *p, unsigned n)
{
	for (unsigned i = 1; i < n; i++)
		for (unsigned j = i; j > 0 && p[j].at < p[j - 1].at; j--) {
			struct patch t = p[j];

			p[j] = p[j - 1];
			p[j - 1] = t;
		}
}

static enum err
openai_patch(struct arena *a, const struct ask *ask, const struct target *t,
	     struct pieces *out)
{
	struct patch p[2];
	unsigned n = 0;
	const char *at = ask->body.p;

	(void)a;
	out->n = 0;
	out->bytes = 0;
	p[n++] = (struct patch){ask->model_value.raw.p, ask->model_value.raw.n,
				t->model_json};
	if (ask->stream && !ask->include_usage)
		add_usage_patch(ask, p, &n);
	sort_patches(p, n);
	for (unsigned i = 0; i < n; i++) {
		pieces_add(out, str_make(at, (size_t)(p[i].at - at)));
		pieces_add(out, p[i].with);
		at = p[i].at + p[i].cut;
	}
	pieces_add(out, str_make(at, (size_t)(ask->body.p + ask->body.n - at)));
	return E_OK;
}

/* base_url may or may not end in the version already. */
static struct str
openai_path(struct arena *a, const struct ask *ask, const struct target *t)
{
	bool version = str_ends(t->path, STR("/v1"));

	(void)a;
	switch (ask->kind) {
	case ASK_CHAT:
		return version ? STR("/chat/completions")
			       : STR("/v1/chat/completions");
	case ASK_COMPLETIONS:
		return version ? STR("/completions") : STR("/v1/completions");
	case ASK_EMBEDDINGS:
		return version ? STR("/embeddings") : STR("/v1/embeddings");
	case ASK_COUNT:
	case ASK_KINDS: break;
	}
	return STR_NONE;
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
	uint64_t prompt, completion, cached, written, reasoning;
};

enum {
	U_PROMPT,
	U_COMPLETION,
	U_PROMPT_DETAILS,
	U_COMPLETION_DETAILS,
	U_COST,
	COUNTS
};
static const char *const counts[COUNTS] = {"prompt_tokens", "completion_tokens",
					   "prompt_tokens_details",
					   "completion_tokens_details", "cost"};

static bool
read_said(const struct json_value *v, struct said *s)
{
	static const char *const in[] = {"cached_tokens", "cache_write_tokens"};
	static const char *const out[] = {"reasoning_tokens"};
	struct json_value d[2];

	if (!json_u64(v[U_PROMPT], &s->prompt) ||
	    !read_count(v[U_COMPLETION], &s->completion))
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
	return true;
}

/*
 * prompt_tokens includes what was read from and written to a cache,
 * completion_tokens includes reasoning: taken apart here. Counts that
 * contradict each other or are no counts make the usage missing, not zero.
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

static struct str
inside_quotes(struct json_value v)
{
	if (v.type != JSON_STRING)
		return STR_NONE;
	return str_make(v.raw.p + 1, v.raw.n - 2);
}

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

enum { M_MODEL, M_CHOICES, M_USAGE, M_ERROR, M_DATA, MEMBERS };
static const char *const members[MEMBERS] = {"model", "choices", "usage",
					     "error", "data"};

static enum err
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
	out->model = inside_quotes(v[M_MODEL]);
	return E_OK;
}

static enum err
openai_parse_event(struct source *src, struct str event, struct str data,
		   struct delta *out)
{
	struct json_value v[MEMBERS];
	struct json_error fault;

	(void)src;
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
	out->usage_value = v[M_USAGE];
	out->model = inside_quotes(v[M_MODEL]);
	return E_OK;
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

static void
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
		out->message = inside_quotes(v[0]);
		return;
	}
	out->message = inside_quotes(json_get(v[0], "message"));
	if (out->message.n == 0)
		out->message = inside_quotes(v[1]);
	out->type = inside_quotes(json_get(v[0], "type"));
	out->code = inside_quotes(json_get(v[0], "code"));
	out->param = inside_quotes(json_get(v[0], "param"));
	out->err = judge(status, out->code);
}

const struct wire wire_openai = {
	.name = "openai",
	.native = &dialect_openai,
	.framing = FRAMING_SSE,
	.path = openai_path,
	.patch = openai_patch,
	.parse_answer = openai_parse_answer,
	.parse_event = openai_parse_event,
	.parse_error = openai_parse_error,
};
