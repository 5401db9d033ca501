/*
 * Cohere as an upstream: paths, what its answers mean for the bill, and its
 * errors. What is hard: a failure of the model is a finish reason, inside of
 * a 200. Called by the worker; pure.
 */
#include "adapters/cohere.h"

#include "adapters/service.h"

static struct str
cohere_path(struct arena *a, const struct ask *ask, const struct target *t)
{
	(void)a;
	if (ask->kind == ASK_SERVICE && ask->service->counts == COUNTS_SEARCHES)
		return service_path(ask->service,
				    str_ends(t->path, STR("/v1")) ||
					    str_ends(t->path, STR("/v2")));
	if (ask->kind != ASK_CHAT)
		return STR_NONE;
	return str_ends(t->path, STR("/v2")) ? STR("/chat") : STR("/v2/chat");
}

/* ---- usage ---- */

enum { U_TOKENS, U_BILLED, U_CACHED, USAGE };
static const char *const usage_names[USAGE] = {"tokens", "billed_units",
					       "cached_tokens"};
enum { T_INPUT, T_OUTPUT, TOKENS };
static const char *const token_names[TOKENS] = {"input_tokens",
						"output_tokens"};

/* Cached tokens are input as well. Counts that are none, or contradict each
 * other, make the usage missing, not zero. */
static struct usage
read_usage(struct json_value usage)
{
	struct json_value v[USAGE], t[TOKENS];
	uint64_t input = 0, output = 0, cached = 0;

	json_pick(usage, usage_names, USAGE, v);
	json_pick(v[U_TOKENS].type == JSON_OBJECT ? v[U_TOKENS] : v[U_BILLED],
		  token_names, TOKENS, t);
	if (t[T_INPUT].type != JSON_NUMBER || !wire_count(t[T_INPUT], &input) ||
	    !wire_count(t[T_OUTPUT], &output) ||
	    !wire_count(v[U_CACHED], &cached) || cached > input)
		return (struct usage){0};
	return (struct usage){.present = true,
			      .input = input - cached,
			      .cache_read = cached,
			      .output = output};
}

/* ---- messages ---- */

enum { M_CONTENT, M_CALLS, M_PLAN, MESSAGE };
static const char *const message_names[MESSAGE] = {"content", "tool_calls",
						   "tool_plan"};
enum { P_TEXT, P_THINKING, PART };
static const char *const part_names[PART] = {"text", "thinking"};
enum { C_ID, C_FUNCTION, CALL };
static const char *const call_names[CALL] = {"id", "function"};
enum { F_NAME, F_ARGUMENTS, FUNCTION };
static const char *const function_names[FUNCTION] = {"name", "arguments"};

struct call {
	struct str id, name, args; /* raw */
};

static struct call
call_of(struct json_value v)
{
	struct json_value c[CALL], f[FUNCTION];

	json_pick(v, call_names, CALL, c);
	json_pick(c[C_FUNCTION], function_names, FUNCTION, f);
	return (struct call){json_inside(c[C_ID]), json_inside(f[F_NAME]),
			     json_inside(f[F_ARGUMENTS])};
}

/* One that is no list is a list of one; an absent one is empty. */
struct list {
	struct json_iter it;
	struct json_value one;
	bool many;
};

static struct list
list_of(struct json_value v)
{
	struct list l = {.many = v.type == JSON_ARRAY};

	if (l.many)
		(void)json_iter_init(&l.it, v);
	else if (v.type != JSON_NULL)
		l.one = v;
	return l;
}

static bool
list_next(struct list *l, struct json_value *v)
{
	struct str name;

	if (l->many)
		return json_iter_next(&l->it, &name, v);
	*v = l->one;
	l->one = (struct json_value){JSON_ABSENT, STR_NONE};
	return v->type != JSON_ABSENT;
}

/* Billable text of a message, whole or a piece of one. */
static uint64_t
message_bytes(const struct json_value *m)
{
	struct list parts = list_of(m[M_CONTENT]), calls = list_of(m[M_CALLS]);
	struct json_value v, p[PART];
	uint64_t n = wire_bytes(m[M_PLAN]);

	while (list_next(&parts, &v)) {
		json_pick(v, part_names, PART, p);
		n += wire_bytes(v) + wire_bytes(p[P_TEXT]) +
		     wire_bytes(p[P_THINKING]);
	}
	while (list_next(&calls, &v)) {
		struct call c = call_of(v);

		n += c.name.n + c.args.n;
	}
	return n;
}

static enum finish
finish_of(struct json_value reason)
{
	static const struct {
		const char *reason;
		enum finish finish;
	} rows[] = {{"COMPLETE", FINISH_STOP},
		    {"STOP_SEQUENCE", FINISH_SEQUENCE},
		    {"MAX_TOKENS", FINISH_LENGTH},
		    {"TOOL_CALL", FINISH_CALLS},
		    {"ERROR_TOXIC", FINISH_FILTER},
		    {"ERROR_LIMIT", FINISH_LENGTH},
		    {"ERROR", FINISH_ERROR},
		    {"TIMEOUT", FINISH_ERROR}};

	for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
		if (json_str_eq(reason.raw, str_of(rows[i].reason)))
			return rows[i].finish;
	return FINISH_STOP;
}

/* A failure that says why, or has nothing to show for it. */
static bool
is_failure(struct json_value reason, struct json_value error, uint64_t bytes)
{
	return finish_of(reason) == FINISH_ERROR &&
	       (wire_bytes(error) > 0 || bytes == 0);
}

/* ---- answers ---- */

enum { A_ID, A_MESSAGE, A_REASON, A_USAGE, A_ERROR, ANSWER };
static const char *const answer_names[ANSWER] = {
	"id", "message", "finish_reason", "usage", "error"};

static enum err
cohere_parse_answer(const struct ask *ask, struct str body, struct answer *out)
{
	struct json_value v[ANSWER], m[MESSAGE];
	struct json_error fault;
	uint64_t bytes;

	(void)ask;
	*out = (struct answer){0};
	if (!json_members(body, answer_names, ANSWER, v, &fault))
		return E_UP_BAD_RESPONSE;
	json_pick(v[A_MESSAGE], message_names, MESSAGE, m);
	bytes = message_bytes(m);
	if (v[A_ERROR].type == JSON_OBJECT ||
	    is_failure(v[A_REASON], v[A_ERROR], bytes))
		return E_UP_SERVER_ERROR;
	if (v[A_MESSAGE].type != JSON_OBJECT)
		return E_UP_BAD_RESPONSE;
	out->usage = read_usage(v[A_USAGE]);
	out->usage_value = v[A_USAGE];
	/* counted only where the bill needs it */
	out->content_bytes = out->usage.present ? 1 : bytes;
	return E_OK;
}

static bool
add_content(struct arena *a, struct reply_choice *c, struct json_value content)
{
	struct list l = list_of(content);
	struct json_value v, p[PART];

	while (list_next(&l, &v)) {
		json_pick(v, part_names, PART, p);
		if (!wire_add_text(a, c, PART_THINKING, p[P_THINKING]) ||
		    !wire_add_text(a, c, PART_TEXT, p[P_TEXT]) ||
		    !wire_add_text(a, c, PART_TEXT, v))
			return false;
	}
	return true;
}

static bool
add_calls(struct arena *a, const struct ask *ask, struct reply_choice *c,
	  struct json_value calls)
{
	struct list l = list_of(calls);
	struct json_value v;

	while (list_next(&l, &v)) {
		struct call call = call_of(v);
		struct part *p = reply_part(a, c, PART_CALL);

		if (!p || !part_args(a, p, call.args))
			return false;
		p->id = call.id;
		p->name = name_original(a, &cohere_names, ask->talk, call.name);
		if (call.args.n == 0)
			p->args = STR("{}");
	}
	return true;
}

/* What it means to do with the tools is said before it does. */
static enum err
cohere_read_answer(struct arena *a, const struct ask *ask, struct str body,
		   struct reply *out)
{
	struct json_value v[ANSWER], m[MESSAGE];
	struct json_error fault;
	struct reply_choice *c = reply_choice(a, out);

	if (!c)
		return E_NO_MEMORY;
	if (!json_members(body, answer_names, ANSWER, v, &fault))
		return E_UP_BAD_RESPONSE;
	json_pick(v[A_MESSAGE], message_names, MESSAGE, m);
	if (!add_content(a, c, m[M_CONTENT]) ||
	    !wire_add_text(a, c, PART_TEXT, m[M_PLAN]) ||
	    !add_calls(a, ask, c, m[M_CALLS]))
		return E_NO_MEMORY;
	out->id = json_inside(v[A_ID]);
	c->finish = finish_of(v[A_REASON]);
	return E_OK;
}

/* ---- streams ---- */

struct stream {
	struct wire_calls calls;
	uint64_t args; /* bytes of the running call's arguments */
	uint64_t bytes;
};

enum { V_TYPE, V_ID, V_INDEX, V_DELTA, V_ERROR, V_MESSAGE, EVENT };
static const char *const event_names[EVENT] = {"type",	"id",	 "index",
					       "delta", "error", "message"};
enum { D_MESSAGE, D_REASON, D_USAGE, D_ERROR, DELTA };
static const char *const delta_names[DELTA] = {"message", "finish_reason",
					       "usage", "error"};

static void
put_args(const struct source *s, struct stream *own, uint32_t call,
	 struct str args)
{
	struct piece p = {.kind = PIECE_ARGS, .call = call, .text = args};

	if (args.n == 0)
		return;
	own->args += args.n;
	source_put(s, &p);
}

static void
put_call(const struct source *s, uint64_t block, struct json_value calls)
{
	struct stream *own = s->own;
	struct list l = list_of(calls);
	struct json_value v;
	struct call c;
	struct piece p = {.kind = PIECE_CALL};

	if (!list_next(&l, &v))
		return;
	c = call_of(v);
	p.call = wire_call_begin(&own->calls, block);
	p.id = c.id;
	p.name = name_original(s->a, &cohere_names, s->ask->talk, c.name);
	source_put(s, &p);
	own->args = 0;
	put_args(s, own, p.call, c.args);
}

static void
put_more_args(const struct source *s, uint64_t block, struct json_value calls)
{
	struct stream *own = s->own;
	struct list l = list_of(calls);
	struct json_value v;
	uint32_t call;

	if (list_next(&l, &v) && wire_call_find(&own->calls, block, &call))
		put_args(s, own, call, call_of(v).args);
}

/* A call of no arguments is one of an empty object. */
static void
put_call_end(const struct source *s, uint64_t block)
{
	struct stream *own = s->own;
	uint32_t call;

	if (own->args == 0 && wire_call_find(&own->calls, block, &call))
		put_args(s, own, call, STR("{}"));
}

static void
put_end(const struct source *s, struct json_value reason)
{
	struct piece p = {.kind = PIECE_FINISH, .finish = finish_of(reason)};

	source_put(s, &p);
}

static void
put_pieces(const struct source *s, const struct json_value *v,
	   const struct json_value *m, struct json_value reason)
{
	struct piece begin = {.kind = PIECE_BEGIN, .id = json_inside(v[V_ID])};
	struct json_value p[PART];
	uint64_t block = 0;

	(void)wire_count(v[V_INDEX], &block);
	json_pick(m[M_CONTENT], part_names, PART, p);
	if (json_str_eq(v[V_TYPE].raw, STR("message-start")))
		source_put(s, &begin);
	else if (json_str_eq(v[V_TYPE].raw, STR("tool-call-start")))
		put_call(s, block, m[M_CALLS]);
	else if (json_str_eq(v[V_TYPE].raw, STR("tool-call-delta")))
		put_more_args(s, block, m[M_CALLS]);
	else if (json_str_eq(v[V_TYPE].raw, STR("tool-call-end")))
		put_call_end(s, block);
	else if (json_str_eq(v[V_TYPE].raw, STR("message-end")))
		put_end(s, reason);
	source_put_text(s, PIECE_TEXT, m[M_PLAN]);
	source_put_text(s, PIECE_THINKING, p[P_THINKING]);
	source_put_text(s, PIECE_TEXT, p[P_TEXT]);
}

static enum err
cohere_parse_event(struct source *s, struct str event, struct str data,
		   struct delta *out)
{
	struct stream *own = s->own;
	struct json_value v[EVENT], d[DELTA], m[MESSAGE];
	struct json_error fault;

	(void)event;
	*out = (struct delta){0};
	if (!json_members(data, event_names, EVENT, v, &fault))
		return E_UP_BAD_RESPONSE;
	json_pick(v[V_DELTA], delta_names, DELTA, d);
	json_pick(d[D_MESSAGE], message_names, MESSAGE, m);
	out->done = out->last = json_str_eq(v[V_TYPE].raw, STR("message-end"));
	out->content_bytes = message_bytes(m);
	out->choices = d[D_MESSAGE].type == JSON_OBJECT;
	own->bytes += out->content_bytes;
	if (wire_bytes(v[V_TYPE]) == 0 ||
	    (out->done && is_failure(d[D_REASON], d[D_ERROR], own->bytes))) {
		*out = (struct delta){.error = true};
		return E_OK;
	}
	out->usage_value = d[D_USAGE];
	if (out->done)
		out->usage = read_usage(d[D_USAGE]);
	if (s->put)
		put_pieces(s, v, m, d[D_REASON]);
	return E_OK;
}

/* ---- errors ---- */

/* In a stream the error stands in the last event; what is no event at all is
 * an error as it would be without one. */
static void
cohere_parse_error(int status, struct str type, struct str body,
		   struct upstream_error *out)
{
	static const char *const names[] = {"delta", "finish_reason"};
	struct json_value v[2], d[DELTA], reason;
	struct json_error fault;

	(void)type;
	wire_read_error(status, body, out);
	if (status == 498) /* a token that is blocked */
		out->err = E_UP_CREDENTIALS;
	if (status != 200 || !json_members(body, names, 2, v, &fault))
		return;
	json_pick(v[0], delta_names, DELTA, d);
	reason = v[0].type == JSON_OBJECT ? d[D_REASON] : v[1];
	if (wire_bytes(d[D_ERROR]) > 0)
		out->message = json_inside(d[D_ERROR]);
	if (json_str_eq(reason.raw, STR("TIMEOUT")))
		out->err = E_UP_TIMEOUT;
}

const struct wire wire_cohere = {
	.name = "cohere",
	.framing = FRAMING_SSE,
	.path = cohere_path,
	.list = "/v1/models",
	.write = cohere_write,
	.parse_answer = cohere_parse_answer,
	.parse_event = cohere_parse_event,
	.parse_error = cohere_parse_error,
	.read_answer = cohere_read_answer,
	.source_bytes = sizeof(struct stream),
};
