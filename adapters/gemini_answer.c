/*
 * An answer of Gemini as parts and pieces. What is hard: a call of a function
 * ends with STOP like any other answer, and comes whole. Called by gemini.c;
 * pure.
 */
#include "adapters/gemini_answer.h"

const char *const gemini_members[MEMBERS] = {
	"candidates", "promptFeedback", "usageMetadata", "modelVersion",
	"responseId", "error",		"totalTokens"};
const char *const gemini_part_names[PARTS] = {
	"text", "thought", "thoughtSignature", "functionCall", "inlineData"};
const char *const gemini_call_names[CALL] = {"id", "name", "args"};

struct gemini_list
gemini_parts(struct json_value candidate)
{
	return gemini_list(json_get(json_get(candidate, "content"), "parts"));
}

bool
gemini_said(struct json_value v)
{
	return v.type == JSON_STRING && v.raw.n > 2 &&
	       !json_str_eq(v.raw, STR("FINISH_REASON_UNSPECIFIED"));
}

struct str
gemini_model(struct json_value version)
{
	struct str model = json_inside(version);

	if (str_starts(model, STR("models/")))
		return str_from(model, sizeof("models/") - 1);
	return model;
}

static enum finish
finish_of(struct json_value reason, bool calls)
{
	static const struct {
		const char *reason;
		enum finish finish;
	} rows[] = {
		{"STOP", FINISH_STOP},
		{"MAX_TOKENS", FINISH_LENGTH},
		{"SAFETY", FINISH_FILTER},
		{"RECITATION", FINISH_FILTER},
		{"LANGUAGE", FINISH_FILTER},
		{"BLOCKLIST", FINISH_FILTER},
		{"PROHIBITED_CONTENT", FINISH_FILTER},
		{"SPII", FINISH_FILTER},
		{"IMAGE_SAFETY", FINISH_FILTER},
		{"IMAGE_PROHIBITED_CONTENT", FINISH_FILTER},
		{"IMAGE_RECITATION", FINISH_FILTER},
		{"MODEL_ARMOR", FINISH_FILTER},
		{"MALFORMED_FUNCTION_CALL", FINISH_ERROR},
		{"UNEXPECTED_TOOL_CALL", FINISH_ERROR},
		{"TOO_MANY_TOOL_CALLS", FINISH_ERROR},
		{"MALFORMED_RESPONSE", FINISH_ERROR},
		{"MISSING_THOUGHT_SIGNATURE", FINISH_ERROR},
		{"NO_IMAGE", FINISH_ERROR},
	};

	if (!gemini_said(reason))
		return FINISH_NONE;
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		if (!json_str_eq(reason.raw, str_of(rows[i].reason)))
			continue;
		return calls && rows[i].finish == FINISH_STOP ? FINISH_CALLS
							      : rows[i].finish;
	}
	return calls ? FINISH_CALLS : FINISH_STOP;
}

static uint32_t
index_of(struct json_value candidate)
{
	uint64_t n = 0;

	if (!json_u64(json_get(candidate, "index"), &n) || n > 1000)
		return 0;
	return (uint32_t)n;
}

/* ---- logprobs ---- */

enum { L_TOKEN, L_PROBABILITY, LOGPROB };
static const char *const logprob_names[LOGPROB] = {"token", "logProbability"};

/* "token", "logprob", "bytes" of a candidate token; the object stays open. */
static void
open_token(struct json_out *o, struct json_value token)
{
	struct json_value v[LOGPROB];

	json_pick(token, logprob_names, LOGPROB, v);
	json_open(o, '{');
	json_name(o, "token");
	json_put_inside(o, json_inside(v[L_TOKEN]));
	json_name(o, "logprob");
	json_put_raw(o, v[L_PROBABILITY].type == JSON_NUMBER
				? v[L_PROBABILITY].raw
				: STR("0"));
	json_name(o, "bytes");
	json_put_null(o);
}

/* Chosen tokens, and of each the likeliest, as OpenAI has them. */
static void
put_logprobs(struct json_out *o, struct json_value result)
{
	struct gemini_list chosen =
		gemini_list(json_get(result, "chosenCandidates"));
	struct gemini_list tops =
		gemini_list(json_get(result, "topCandidates"));
	struct json_value token, top, one;

	json_open(o, '{');
	json_name(o, "content");
	json_open(o, '[');
	while (gemini_list_next(&chosen, &token)) {
		open_token(o, token);
		json_name(o, "top_logprobs");
		json_open(o, '[');
		if (gemini_list_next(&tops, &top)) {
			struct gemini_list l =
				gemini_list(json_get(top, "candidates"));

			while (gemini_list_next(&l, &one)) {
				open_token(o, one);
				json_close(o, '}');
			}
		}
		json_close(o, ']');
		json_close(o, '}');
	}
	json_close(o, ']');
	json_close(o, '}');
}

/* JSON_ABSENT: there are none, or no memory. */
static struct json_value
logprobs_of(struct arena *a, struct json_value candidate)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT;
	struct json_value result = json_get(candidate, "logprobsResult");
	struct json_value made = {JSON_ABSENT, STR_NONE};
	struct json_out o;

	if (result.type != JSON_OBJECT)
		return made;
	json_out_init(&o, &out);
	put_logprobs(&o, result);
	if (out.failed)
		return made;
	made.raw = arena_dup(a, buf_str(&out));
	if (made.raw.p)
		made.type = JSON_OBJECT;
	return made;
}

/* ---- whole answers ---- */

/* Whole: a part of Gemini's as one of ours. */
static bool
read_part(struct arena *a, const struct ask *ask, struct reply_choice *c,
	  struct json_value part)
{
	struct json_value v[PARTS], m[CALL];
	struct part *p;

	json_pick(part, gemini_part_names, PARTS, v);
	if (v[P_CALL].type == JSON_OBJECT) {
		p = reply_part(a, c, PART_CALL);
		if (!p)
			return false;
		json_pick(v[P_CALL], gemini_call_names, CALL, m);
		p->id = json_inside(m[C_ID]);
		p->name = name_original(a, &gemini_names, ask->talk,
					json_inside(m[C_NAME]));
		p->args = m[C_ARGS].type == JSON_OBJECT ? m[C_ARGS].raw
							: STR("{}");
		p->signature = json_inside(v[P_SIGNATURE]);
		return true;
	}
	if (v[P_INLINE].type == JSON_OBJECT) {
		p = reply_part(a, c, PART_FILE);
		if (!p)
			return false;
		p->mime = json_inside(json_get(v[P_INLINE], "mimeType"));
		p->data = json_inside(json_get(v[P_INLINE], "data"));
		return true;
	}
	if (v[P_TEXT].type != JSON_STRING || v[P_TEXT].raw.n == 2)
		return true;
	p = reply_part(a, c,
		       v[P_THOUGHT].type == JSON_TRUE ? PART_THINKING
						      : PART_TEXT);
	if (!p)
		return false;
	p->text = json_inside(v[P_TEXT]);
	if (p->kind == PART_THINKING)
		p->signature = json_inside(v[P_SIGNATURE]);
	return true;
}

static enum err
read_candidate(struct arena *a, const struct ask *ask, struct reply *r,
	       struct json_value candidate)
{
	struct reply_choice *c = reply_choice(a, r);
	struct gemini_list parts = gemini_parts(candidate);
	struct json_value part;
	bool calls = false;

	if (!c)
		return E_NO_MEMORY;
	c->index = index_of(candidate);
	while (gemini_list_next(&parts, &part))
		if (!read_part(a, ask, c, part))
			return E_NO_MEMORY;
	for (const struct part *p = c->parts; p; p = p->next)
		calls |= p->kind == PART_CALL;
	c->finish = finish_of(json_get(candidate, "finishReason"), calls);
	c->logprobs = logprobs_of(a, candidate);
	return E_OK;
}

enum err
gemini_read_answer(struct arena *a, const struct ask *ask, struct str body,
		   struct reply *out)
{
	struct json_value v[MEMBERS], candidate;
	struct json_error fault;
	struct gemini_list l;
	struct reply_choice *c;
	enum err e = E_OK;

	if (!json_members(body, gemini_members, MEMBERS, v, &fault))
		return E_UP_BAD_RESPONSE;
	out->id = json_inside(v[M_ID]);
	out->model = gemini_model(v[M_MODEL]);
	l = gemini_list(v[M_CANDIDATES]);
	while (e == E_OK && gemini_list_next(&l, &candidate))
		e = read_candidate(a, ask, out, candidate);
	if (e != E_OK || out->choices)
		return e;
	c = reply_choice(a, out);
	if (!c)
		return E_NO_MEMORY;
	c->finish = FINISH_FILTER;
	return E_OK;
}

/* ---- events ---- */

static void
put_begin(struct source *s, struct json_value id, struct json_value model)
{
	struct gemini_source *own = s->own;
	struct piece p = {.kind = PIECE_BEGIN,
			  .id = json_inside(id),
			  .model = gemini_model(model)};

	if (own->begun)
		return;
	own->begun = true;
	source_put(s, &p);
}

static void
put_call(struct source *s, uint32_t choice, struct json_value call,
	 struct json_value signature)
{
	struct gemini_source *own = s->own;
	CLEANUP(buf_free) struct buf text = BUF_INIT;
	struct json_value v[CALL];
	struct json_out o;
	struct piece p = {.kind = PIECE_CALL, .choice = choice};

	json_pick(call, gemini_call_names, CALL, v);
	p.call = own->calls[choice]++;
	p.id = json_inside(v[C_ID]);
	p.name =
		name_original(s->a, &gemini_names, s->ask ? s->ask->talk : NULL,
			      json_inside(v[C_NAME]));
	source_put(s, &p);
	json_out_init(&o, &text);
	json_put_str(&o,
		     v[C_ARGS].type == JSON_OBJECT ? v[C_ARGS].raw : STR("{}"));
	p = (struct piece){
		.kind = PIECE_ARGS, .choice = choice, .call = p.call};
	if (!text.failed)
		p.text = str_make(text.p + 1, text.n - 2);
	source_put(s, &p);
	p.kind = PIECE_SIGNATURE;
	p.text = json_inside(signature);
	if (p.text.n > 0)
		source_put(s, &p);
}

static void
put_part(struct source *s, uint32_t choice, struct json_value part)
{
	struct json_value v[PARTS];
	struct piece p = {.kind = PIECE_TEXT, .choice = choice};

	json_pick(part, gemini_part_names, PARTS, v);
	if (v[P_CALL].type == JSON_OBJECT) {
		put_call(s, choice, v[P_CALL], v[P_SIGNATURE]);
		return;
	}
	if (v[P_INLINE].type == JSON_OBJECT) {
		p.kind = PIECE_MEDIA;
		p.mime = json_inside(json_get(v[P_INLINE], "mimeType"));
		p.text = json_inside(json_get(v[P_INLINE], "data"));
		source_put(s, &p);
		return;
	}
	if (v[P_THOUGHT].type == JSON_TRUE)
		p.kind = PIECE_THINKING;
	p.text = json_inside(v[P_TEXT]);
	if (p.text.n > 0)
		source_put(s, &p);
	if (p.kind != PIECE_THINKING || v[P_SIGNATURE].type != JSON_STRING)
		return;
	p.kind = PIECE_SIGNATURE;
	p.text = json_inside(v[P_SIGNATURE]);
	source_put(s, &p);
}

static void
put_candidate(struct source *s, struct json_value candidate)
{
	struct gemini_source *own = s->own;
	struct gemini_list parts = gemini_parts(candidate);
	struct piece p = {.choice = index_of(candidate)};
	struct json_value part;

	if (p.choice >= CANDIDATES_MAX)
		return;
	while (gemini_list_next(&parts, &part))
		put_part(s, p.choice, part);
	p.kind = PIECE_LOGPROBS;
	if (s->put &&
	    json_get(candidate, "logprobsResult").type == JSON_OBJECT) {
		struct json_value logprobs = logprobs_of(s->a, candidate);

		p.json = logprobs.raw;
		if (p.json.p)
			source_put(s, &p);
	}
	p = (struct piece){.kind = PIECE_FINISH, .choice = p.choice};
	p.finish = finish_of(json_get(candidate, "finishReason"),
			     own->calls[p.choice] > 0);
	if (p.finish == FINISH_NONE || own->ended[p.choice])
		return;
	own->ended[p.choice] = true;
	source_put(s, &p);
}

void
gemini_pieces(struct source *s, const struct json_value *v, bool refused)
{
	struct gemini_list l = gemini_list(v[M_CANDIDATES]);
	struct piece p = {.kind = PIECE_FINISH, .finish = FINISH_FILTER};
	struct json_value candidate;

	put_begin(s, v[M_ID], v[M_MODEL]);
	while (gemini_list_next(&l, &candidate))
		put_candidate(s, candidate);
	if (refused)
		source_put(s, &p);
}
