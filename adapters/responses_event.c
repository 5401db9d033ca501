/*
 * Events of a Responses stream, for the bill and as pieces. The hard part:
 * fragments of a call name its item by place, and what a server does not say
 * in fragments it says at the item's end.
 */
#include "adapters/responses.h"

enum event {
	EVENT_OTHER,
	EVENT_CREATED,
	EVENT_ITEM,
	EVENT_TEXT,
	EVENT_REFUSAL,
	EVENT_THOUGHT,
	EVENT_ARGS,
	EVENT_MORE, /* billable, and nothing other dialects know */
	EVENT_TEXT_DONE,
	EVENT_SUMMARY_PART,
	EVENT_ARGS_DONE,
	EVENT_ITEM_DONE,
	EVENT_END,
	EVENT_ERROR
};

static const struct {
	const char *type;
	enum event event;
} events[] = {
	{"response.output_text.delta", EVENT_TEXT},
	{"response.function_call_arguments.delta", EVENT_ARGS},
	{"response.reasoning_summary_text.delta", EVENT_THOUGHT},
	{"response.reasoning_text.delta", EVENT_THOUGHT},
	{"response.refusal.delta", EVENT_REFUSAL},
	{"response.custom_tool_call_input.delta", EVENT_MORE},
	{"response.code_interpreter_call_code.delta", EVENT_MORE},
	{"response.mcp_call_arguments.delta", EVENT_MORE},
	{"response.output_item.added", EVENT_ITEM},
	{"response.output_item.done", EVENT_ITEM_DONE},
	{"response.output_text.done", EVENT_TEXT_DONE},
	{"response.reasoning_summary_part.added", EVENT_SUMMARY_PART},
	{"response.function_call_arguments.done", EVENT_ARGS_DONE},
	{"response.created", EVENT_CREATED},
	{"response.in_progress", EVENT_CREATED},
	{"response.queued", EVENT_CREATED},
	{"response.completed", EVENT_END},
	{"response.incomplete", EVENT_END},
	{"response.failed", EVENT_ERROR},
	{"error", EVENT_ERROR},
};

static enum event
event_of(struct json_value type)
{
	for (unsigned i = 0; i < ARRAY_LEN(events); i++)
		if (responses_is(type, events[i].type))
			return events[i].event;
	return EVENT_OTHER;
}

enum {
	E_TYPE,
	E_RESPONSE,
	E_DELTA,
	E_ITEM,
	E_OUTPUT_INDEX,
	E_CONTENT_INDEX,
	E_SUMMARY_INDEX,
	E_ARGUMENTS,
	E_TEXT,
	E_LOGPROBS,
	E_SEQUENCE,
	EVENT_MEMBERS
};
static const char *const event_members[EVENT_MEMBERS] = {
	"type",		"response",	 "delta",	   "item",
	"output_index", "content_index", "summary_index",  "arguments",
	"text",		"logprobs",	 "sequence_number"};

static uint64_t
number_of(struct json_value v)
{
	uint64_t n = 0;

	return json_u64(v, &n) ? n : 0;
}

/* Of the text of a part; never 0. */
static uint64_t
place_of(const struct json_value *v)
{
	return (number_of(v[E_OUTPUT_INDEX]) << 16) +
	       (number_of(v[E_CONTENT_INDEX]) & 0xffff) + 1;
}

static void
put_text(struct source *s, enum piece_kind kind, struct str text)
{
	struct piece p = {.kind = kind, .text = text};

	if (text.n > 0)
		source_put(s, &p);
}

static void
put_args(struct source *s, struct responses_call *call, struct str text)
{
	struct piece p = {.kind = PIECE_ARGS, .text = text};

	if (!call || text.n == 0)
		return;
	p.call = call->number;
	call->args = true;
	source_put(s, &p);
}

static struct responses_call *
find_call(const struct responses_reading *r, uint64_t place)
{
	for (struct responses_call *c = r->calls; c; c = c->next)
		if (c->place == place)
			return c;
	return NULL;
}

static struct responses_call *
begin_call(struct source *s, uint64_t place, const struct json_value *item)
{
	struct responses_reading *r = s->own;
	struct responses_call *c = arena_zalloc(s->a, sizeof(*c));
	struct piece p = {.kind = PIECE_CALL,
			  .call = r->n_calls,
			  .id = json_inside(item[ITEM_CALL_ID]),
			  .name = name_original(s->a, &responses_tool_names,
						s->ask->talk,
						json_inside(item[ITEM_NAME]))};

	if (!c)
		return NULL;
	c->place = place;
	c->number = r->n_calls++;
	c->next = r->calls;
	r->calls = c;
	source_put(s, &p);
	return c;
}

/* What was not said in fragments is said at the item's end. */
static void
put_item(struct source *s, const struct json_value *v, bool done)
{
	struct json_value item[ITEM_MEMBERS];
	uint64_t place = number_of(v[E_OUTPUT_INDEX]);
	struct responses_call *c;

	json_pick(v[E_ITEM], responses_item, ITEM_MEMBERS, item);
	if (responses_is(item[ITEM_TYPE], "function_call")) {
		c = find_call(s->own, place);
		if (!c)
			c = begin_call(s, place, item);
		if (done && c && !c->args)
			put_args(s, c, json_inside(item[ITEM_ARGUMENTS]));
	} else if (done && responses_is(item[ITEM_TYPE], "reasoning")) {
		put_text(s, PIECE_SIGNATURE, responses_signature(s->a, item));
	}
}

static void
put_begin(struct source *s, const struct json_value *v)
{
	struct responses_reading *r = s->own;
	struct piece p = {
		.kind = PIECE_BEGIN,
		.id = json_inside(json_get(v[E_RESPONSE], "id")),
		.model = json_inside(json_get(v[E_RESPONSE], "model"))};

	if (r->begun)
		return;
	r->begun = true;
	source_put(s, &p);
}

static void
put_said(struct source *s, const struct json_value *v)
{
	struct responses_reading *r = s->own;
	struct piece p = {.kind = PIECE_LOGPROBS};

	r->spoken = place_of(v);
	put_text(s, PIECE_TEXT, json_inside(v[E_DELTA]));
	p.json = responses_chat_logprobs(s->a, v[E_LOGPROBS]).raw;
	if (p.json.n > 0)
		source_put(s, &p);
}

static void
put_finish(struct source *s, const struct json_value *v)
{
	const struct responses_reading *r = s->own;
	struct piece p = {.kind = PIECE_FINISH};

	p.finish =
		responses_finish(json_get(v[E_RESPONSE], "status"),
				 json_get(v[E_RESPONSE], "incomplete_details"));
	if (p.finish == FINISH_NONE)
		p.finish = r->n_calls > 0 ? FINISH_CALLS : FINISH_STOP;
	source_put(s, &p);
}

static void
put_event(struct source *s, enum event event, const struct json_value *v)
{
	const struct responses_reading *r = s->own;
	struct responses_call *call =
		find_call(r, number_of(v[E_OUTPUT_INDEX]));

	if (event != EVENT_OTHER)
		put_begin(s, v);
	switch (event) {
	case EVENT_TEXT: put_said(s, v); break;
	case EVENT_REFUSAL:
		put_text(s, PIECE_REFUSAL, json_inside(v[E_DELTA]));
		break;
	case EVENT_THOUGHT:
		put_text(s, PIECE_THINKING, json_inside(v[E_DELTA]));
		break;
	case EVENT_SUMMARY_PART:
		if (number_of(v[E_SUMMARY_INDEX]) > 0)
			put_text(s, PIECE_THINKING, STR("\\n\\n"));
		break;
	case EVENT_ARGS: put_args(s, call, json_inside(v[E_DELTA])); break;
	case EVENT_ARGS_DONE:
		if (call && !call->args)
			put_args(s, call, json_inside(v[E_ARGUMENTS]));
		break;
	case EVENT_TEXT_DONE:
		if (r->spoken != place_of(v))
			put_text(s, PIECE_TEXT, json_inside(v[E_TEXT]));
		break;
	case EVENT_ITEM: put_item(s, v, false); break;
	case EVENT_ITEM_DONE: put_item(s, v, true); break;
	case EVENT_END: put_finish(s, v); break;
	case EVENT_CREATED:
	case EVENT_MORE:
	case EVENT_ERROR:
	case EVENT_OTHER: break;
	}
}

/* Billable text of an event. */
static uint64_t
event_bytes(enum event event, const struct json_value *v)
{
	switch (event) {
	case EVENT_TEXT:
	case EVENT_REFUSAL:
	case EVENT_THOUGHT:
	case EVENT_ARGS:
	case EVENT_MORE: return json_inside(v[E_DELTA]).n;
	case EVENT_ITEM: return json_inside(json_get(v[E_ITEM], "name")).n;
	case EVENT_OTHER:
	case EVENT_CREATED:
	case EVENT_TEXT_DONE:
	case EVENT_SUMMARY_PART:
	case EVENT_ARGS_DONE:
	case EVENT_ITEM_DONE:
	case EVENT_END:
	case EVENT_ERROR: break;
	}
	return 0;
}

enum err
responses_parse_event(struct source *s, struct str event, struct str data,
		      struct delta *out)
{
	struct json_value v[EVENT_MEMBERS];
	struct json_error fault;
	enum event kind;

	(void)event;
	*out = (struct delta){0};
	/* some servers end every stream so */
	if (str_eq(str_trim(data), STR("[DONE]"))) {
		out->done = true;
		return E_OK;
	}
	if (!json_members(data, event_members, EVENT_MEMBERS, v, &fault))
		return E_UP_BAD_RESPONSE;
	kind = event_of(v[E_TYPE]);
	out->error = kind == EVENT_ERROR;
	if (out->error) /* ours takes its place, and its number */
		return E_OK;
	if (json_u64(v[E_SEQUENCE], &s->sequence))
		s->sequence++;
	out->content_bytes = event_bytes(kind, v);
	out->choices = out->content_bytes > 0;
	if (kind == EVENT_CREATED || kind == EVENT_END)
		out->model = json_inside(json_get(v[E_RESPONSE], "model"));
	if (kind == EVENT_END) {
		out->last = out->whole = true;
		out->usage_value = json_get(v[E_RESPONSE], "usage");
		responses_usage(out->usage_value, &out->usage,
				&out->cost_value);
	}
	if (s->put)
		put_event(s, kind, v);
	return E_OK;
}
