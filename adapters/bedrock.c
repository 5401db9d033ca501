/*
 * Bedrock's Converse as an upstream: paths, what its answers mean for the
 * bill, and its errors. What is hard: events and errors are named outside of
 * their JSON. Called by the worker; pure.
 */
#include "adapters/bedrock.h"

/* ---- the path ---- */

static struct str
bedrock_path(struct arena *a, const struct ask *ask, const struct target *t)
{
	struct str model;

	if (ask->kind != ASK_CHAT)
		return STR_NONE;
	model = arena_percent(a, t->model);
	if (!model.p)
		return STR_NONE;
	return arena_printf(a, "/model/%.*s/%s", STR_ARG(model),
			    ask->stream ? "converse-stream" : "converse");
}

/* ---- usage ---- */

enum { U_INPUT, U_OUTPUT, U_READ, U_WRITE, U_TOTAL, USAGE };
static const char *const usage_names[USAGE] = {
	"inputTokens", "outputTokens", "cacheReadInputTokens",
	"cacheWriteInputTokens", "totalTokens"};

/* The input is without what was read from or written to a cache. Counts that
 * are none, or contradict each other, make the usage missing, not zero. */
static struct usage
read_usage(struct json_value usage)
{
	struct json_value v[USAGE];
	struct usage u = {0};
	uint64_t total = UINT64_MAX;

	json_pick(usage, usage_names, USAGE, v);
	if (v[U_INPUT].type != JSON_NUMBER ||
	    !wire_count(v[U_INPUT], &u.input) ||
	    !wire_count(v[U_OUTPUT], &u.output) ||
	    !wire_count(v[U_READ], &u.cache_read) ||
	    !wire_count(v[U_WRITE], &u.cache_write) ||
	    !wire_count(v[U_TOTAL], &total) || total < u.input + u.output)
		return (struct usage){0};
	u.present = true;
	return u;
}

/* ---- content ---- */

enum { B_TEXT, B_CALL, B_THOUGHT, B_CITED, BLOCK };
static const char *const block_names[BLOCK] = {
	"text", "toolUse", "reasoningContent", "citationsContent"};
enum { C_ID, C_NAME, C_INPUT, CALL };
static const char *const call_names[CALL] = {"toolUseId", "name", "input"};
enum { T_TEXT, T_SIGNATURE, T_REDACTED, T_WHOLE, THOUGHT };
/* the first two in a stream, and inside of the last one */
static const char *const thought_names[THOUGHT] = {
	"text", "signature", "redactedContent", "reasoningText"};

/* Iterates over a list; what is none is empty. */
static bool
list_init(struct json_iter *it, struct json_value v)
{
	return v.type == JSON_ARRAY && json_iter_init(it, v);
}

static void
pick_thought(struct json_value thought, struct json_value *t)
{
	struct json_value whole;

	json_pick(thought, thought_names, THOUGHT, t);
	whole = t[T_WHOLE];
	if (whole.type != JSON_OBJECT)
		return;
	json_pick(whole, thought_names, 2, t);
}

/* Billable text of a block, whole or a piece of one. */
static uint64_t
block_bytes(struct json_value block)
{
	struct json_value b[BLOCK], c[CALL], t[THOUGHT], v;
	struct json_iter it;
	struct str name;
	uint64_t n;

	json_pick(block, block_names, BLOCK, b);
	json_pick(b[B_CALL], call_names, CALL, c);
	pick_thought(b[B_THOUGHT], t);
	n = wire_bytes(b[B_TEXT]) + wire_bytes(t[T_TEXT]) +
	    wire_bytes(c[C_NAME]);
	n += c[C_INPUT].type == JSON_OBJECT ? c[C_INPUT].raw.n
					    : wire_bytes(c[C_INPUT]);
	if (list_init(&it, json_get(b[B_CITED], "content")))
		while (json_iter_next(&it, &name, &v))
			n += wire_bytes(json_get(v, "text"));
	return n;
}

static enum finish
finish_of(struct json_value reason)
{
	static const struct {
		const char *reason;
		enum finish finish;
	} rows[] = {
		{"end_turn", FINISH_STOP},
		{"stop_sequence", FINISH_SEQUENCE},
		{"max_tokens", FINISH_LENGTH},
		{"model_context_window_exceeded", FINISH_LENGTH},
		{"tool_use", FINISH_CALLS},
		{"guardrail_intervened", FINISH_FILTER},
		{"content_filtered", FINISH_FILTER},
		{"malformed_model_output", FINISH_ERROR},
		{"malformed_tool_use", FINISH_ERROR},
	};

	for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
		if (json_str_eq(reason.raw, str_of(rows[i].reason)))
			return rows[i].finish;
	return FINISH_STOP;
}

/* ---- answers ---- */

enum { A_OUTPUT, A_REASON, A_USAGE, ANSWER };
static const char *const answer_names[ANSWER] = {"output", "stopReason",
						 "usage"};

static struct json_value
content_of(const struct json_value *answer)
{
	return json_get(json_get(answer[A_OUTPUT], "message"), "content");
}

static enum err
bedrock_parse_answer(const struct ask *ask, struct str body, struct answer *out)
{
	struct json_value v[ANSWER], block;
	struct json_error fault;
	struct json_iter it;
	struct str name;
	uint64_t bytes = 0;

	(void)ask;
	*out = (struct answer){0};
	if (!json_members(body, answer_names, ANSWER, v, &fault) ||
	    !list_init(&it, content_of(v)))
		return E_UP_BAD_RESPONSE;
	out->usage = read_usage(v[A_USAGE]);
	out->usage_value = v[A_USAGE];
	/* counted only where the bill needs it */
	while (!out->usage.present && json_iter_next(&it, &name, &block))
		bytes += block_bytes(block);
	out->content_bytes = out->usage.present ? 1 : bytes;
	return E_OK;
}

static struct part *
add_text(struct arena *a, struct reply_choice *c, struct json_value text)
{
	struct part *p = reply_part(a, c, PART_TEXT);

	if (p)
		p->text = json_inside(text);
	return p;
}

static bool
add_cited(struct arena *a, struct reply_choice *c, struct json_value cited)
{
	struct json_iter it;
	struct json_value v;
	struct str name;

	if (!list_init(&it, json_get(cited, "content")))
		return true;
	while (json_iter_next(&it, &name, &v))
		if (!add_text(a, c, json_get(v, "text")))
			return false;
	return true;
}

static bool
add_call(struct arena *a, const struct ask *ask, struct reply_choice *c,
	 struct json_value call)
{
	struct part *p = reply_part(a, c, PART_CALL);
	struct json_value v[CALL];

	if (!p)
		return false;
	json_pick(call, call_names, CALL, v);
	p->id = json_inside(v[C_ID]);
	p->name = name_original(a, &bedrock_names, ask->talk,
				json_inside(v[C_NAME]));
	p->args = v[C_INPUT].type == JSON_OBJECT ? v[C_INPUT].raw : STR("{}");
	return true;
}

static bool
add_thought(struct arena *a, struct reply_choice *c, struct json_value thought)
{
	struct json_value t[THOUGHT];
	struct part *p;

	pick_thought(thought, t);
	p = reply_part(a, c,
		       t[T_REDACTED].type == JSON_STRING ? PART_REDACTED
							 : PART_THINKING);
	if (!p)
		return false;
	p->text = json_inside(t[T_TEXT]);
	p->signature = json_inside(t[T_SIGNATURE]);
	p->data = json_plain(a, json_inside(t[T_REDACTED]));
	return true;
}

static bool
add_block(struct arena *a, const struct ask *ask, struct reply_choice *c,
	  struct json_value block)
{
	struct json_value b[BLOCK];

	json_pick(block, block_names, BLOCK, b);
	if (b[B_CALL].type == JSON_OBJECT)
		return add_call(a, ask, c, b[B_CALL]);
	if (b[B_THOUGHT].type == JSON_OBJECT)
		return add_thought(a, c, b[B_THOUGHT]);
	if (b[B_TEXT].type == JSON_STRING)
		return add_text(a, c, b[B_TEXT]) != NULL;
	return add_cited(a, c, b[B_CITED]);
}

static enum err
bedrock_read_answer(struct arena *a, const struct ask *ask, struct str body,
		    struct reply *out)
{
	struct json_value v[ANSWER], block;
	struct json_error fault;
	struct json_iter it;
	struct str name;
	struct reply_choice *c = reply_choice(a, out);

	if (!c)
		return E_NO_MEMORY;
	if (!json_members(body, answer_names, ANSWER, v, &fault) ||
	    !list_init(&it, content_of(v)))
		return E_UP_BAD_RESPONSE;
	while (json_iter_next(&it, &name, &block))
		if (!add_block(a, ask, c, block))
			return E_NO_MEMORY;
	c->finish = finish_of(v[A_REASON]);
	return E_OK;
}

/* ---- streams ---- */

struct stream {
	struct wire_calls calls;
	uint64_t args; /* bytes of the running call's arguments */
};

enum { V_BLOCK, V_START, V_DELTA, V_REASON, V_USAGE, EVENT };
static const char *const event_names[EVENT] = {"contentBlockIndex", "start",
					       "delta", "stopReason", "usage"};

static void
put_args(const struct source *s, uint32_t call, struct str args)
{
	struct stream *own = s->own;
	struct piece p = {.kind = PIECE_ARGS, .call = call, .text = args};

	own->args += args.n;
	if (args.n > 0)
		source_put(s, &p);
}

static void
put_start(const struct source *s, uint64_t block, struct json_value start)
{
	struct stream *own = s->own;
	struct json_value call = json_get(start, "toolUse"), v[CALL];
	struct piece p = {.kind = PIECE_CALL};

	own->args = 1; /* of a block that is no call */
	if (call.type != JSON_OBJECT)
		return;
	json_pick(call, call_names, CALL, v);
	own->args = 0;
	p.call = wire_call_begin(&own->calls, block);
	p.id = json_inside(v[C_ID]);
	p.name = name_original(s->a, &bedrock_names, s->ask->talk,
			       json_inside(v[C_NAME]));
	source_put(s, &p);
}

static void
put_delta(const struct source *s, uint64_t block, struct json_value delta)
{
	struct stream *own = s->own;
	struct json_value b[BLOCK], t[THOUGHT], input;
	uint32_t call;

	json_pick(delta, block_names, BLOCK, b);
	input = json_get(b[B_CALL], "input");
	pick_thought(b[B_THOUGHT], t);
	source_put_text(s, PIECE_TEXT, b[B_TEXT]);
	source_put_text(s, PIECE_THINKING, t[T_TEXT]);
	source_put_text(s, PIECE_SIGNATURE, t[T_SIGNATURE]);
	source_put_text(s, PIECE_REDACTED, t[T_REDACTED]);
	if (wire_bytes(input) > 0 && wire_call_find(&own->calls, block, &call))
		put_args(s, call, json_inside(input));
}

/* A call of no arguments is one of an empty object. */
static void
put_stop(const struct source *s, uint64_t block)
{
	struct stream *own = s->own;
	uint32_t call;

	if (own->args == 0 && wire_call_find(&own->calls, block, &call))
		put_args(s, call, STR("{}"));
}

static void
put_pieces(const struct source *s, struct str event, const struct json_value *v)
{
	struct piece begin = {.kind = PIECE_BEGIN};
	struct piece end = {.kind = PIECE_FINISH,
			    .finish = finish_of(v[V_REASON])};
	uint64_t block = 0;

	(void)wire_count(v[V_BLOCK], &block);
	if (str_eq(event, STR("messageStart")))
		source_put(s, &begin);
	else if (str_eq(event, STR("contentBlockStart")))
		put_start(s, block, v[V_START]);
	else if (str_eq(event, STR("contentBlockDelta")))
		put_delta(s, block, v[V_DELTA]);
	else if (str_eq(event, STR("contentBlockStop")))
		put_stop(s, block);
	else if (str_eq(event, STR("messageStop")))
		source_put(s, &end);
}

/* Usage comes last, behind the stop. */
static enum err
bedrock_parse_event(struct source *s, struct str event, struct str data,
		    struct delta *out)
{
	struct json_value v[EVENT];
	struct json_error fault;

	*out = (struct delta){0};
	out->error = str_starts(event, STR("exception:")) ||
		     str_starts(event, STR("error:"));
	if (out->error)
		return E_OK;
	if (!json_members(data, event_names, EVENT, v, &fault))
		return E_UP_BAD_RESPONSE;
	out->choices = v[V_BLOCK].type != JSON_ABSENT;
	out->content_bytes = block_bytes(v[V_START]) + block_bytes(v[V_DELTA]);
	out->last = out->whole = str_eq(event, STR("messageStop"));
	if (str_eq(event, STR("metadata"))) {
		out->done = out->last = true;
		out->usage = read_usage(v[V_USAGE]);
		out->usage_value = v[V_USAGE];
	}
	if (s->put)
		put_pieces(s, event, v);
	return E_OK;
}

/* ---- errors ---- */

static const struct {
	const char *type;
	enum err err;
} errors[] = {
	{"ThrottlingException", E_UP_RATE_LIMITED},
	{"TooManyRequestsException", E_UP_RATE_LIMITED},
	{"ServiceQuotaExceededException", E_UP_BILLING},
	{"AccessDeniedException", E_UP_CREDENTIALS},
	{"UnrecognizedClientException", E_UP_CREDENTIALS},
	{"InvalidSignatureException", E_UP_CREDENTIALS},
	{"SignatureDoesNotMatch", E_UP_CREDENTIALS},
	{"IncompleteSignatureException", E_UP_CREDENTIALS},
	{"IncompleteSignature", E_UP_CREDENTIALS},
	{"MissingAuthenticationTokenException", E_UP_CREDENTIALS},
	{"MissingAuthenticationToken", E_UP_CREDENTIALS},
	{"InvalidClientTokenId", E_UP_CREDENTIALS},
	{"ExpiredTokenException", E_UP_CREDENTIALS},
	{"ExpiredToken", E_UP_CREDENTIALS},
	{"OptInRequired", E_UP_CREDENTIALS},
	{"ValidationException", E_UP_REQUEST},
	{"ConflictException", E_UP_REQUEST},
	{"ResourceNotFoundException", E_UP_REQUEST},
	{"ModelTimeoutException", E_UP_TIMEOUT},
	{"ModelErrorException", E_UP_SERVER_ERROR},
	{"ModelStreamErrorException", E_UP_SERVER_ERROR},
	{"InternalServerException", E_UP_SERVER_ERROR},
	{"InternalFailure", E_UP_SERVER_ERROR},
	{"ModelNotReadyException", E_UP_OVERLOADED},
	{"ServiceUnavailableException", E_UP_OVERLOADED},
	{"ServiceUnavailable", E_UP_OVERLOADED},
};

/* "exception:throttlingException", "ThrottlingException:http://...", and
 * "com.amazon.x#ThrottlingException" in a body. */
static struct str
bare(struct str type)
{
	static const struct {
		const char *prefix;
	} prefixes[] = {{"exception:"}, {"error:"}};
	ptrdiff_t at;

	for (unsigned i = 0; i < ARRAY_LEN(prefixes); i++)
		if (str_starts(type, str_of(prefixes[i].prefix)))
			type = str_from(type, strlen(prefixes[i].prefix));
	at = str_find(type, '#');
	if (at >= 0)
		type = str_from(type, (size_t)at + 1);
	at = str_find(type, ':');
	return at < 0 ? type : str_make(type.p, (size_t)at);
}

/* A failure of the model itself is no fault of the request's. */
static enum err
judge(int status)
{
	return status == 424 ? E_UP_SERVER_ERROR : wire_judge(status);
}

static void
bedrock_parse_error(int status, struct str type, struct str body,
		    struct upstream_error *out)
{
	static const char *const names[] = {"__type"};
	struct json_value v;
	struct json_error fault;

	wire_read_error(status, body, out);
	out->err = judge(status);
	type = bare(type);
	if (type.n == 0 && json_members(body, names, 1, &v, &fault))
		type = bare(json_inside(v));
	for (unsigned i = 0; i < ARRAY_LEN(errors); i++) {
		if (!str_ieq(type, str_of(errors[i].type)))
			continue;
		out->type = str_of(errors[i].type);
		out->err = errors[i].err;
	}
}

const struct wire wire_bedrock = {
	.name = "bedrock",
	.framing = FRAMING_AWS,
	.path = bedrock_path,
	.write = bedrock_write,
	.parse_answer = bedrock_parse_answer,
	.parse_event = bedrock_parse_event,
	.parse_error = bedrock_parse_error,
	.read_answer = bedrock_read_answer,
	.source_bytes = sizeof(struct stream),
};
