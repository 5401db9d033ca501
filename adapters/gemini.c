/*
 * Gemini as an upstream: paths, what its answers mean for the bill, and its
 * errors. What is hard: the usage stands in every event and is only final in
 * those from the finish reason on, and thoughts are counted beside the
 * output. Called by the worker; pure.
 */
#include "adapters/gemini_answer.h"

/* ---- request ---- */

/* What the client wants done: behind the last colon of its path. */
struct str
gemini_verb(struct str path)
{
	ptrdiff_t colon;

	while ((colon = str_find(path, ':')) >= 0)
		path = str_from(path, (size_t)colon + 1);
	return path;
}

struct str
gemini_action(const struct ask *ask)
{
	switch (ask->kind) {
	case ASK_CHAT:
		return ask->stream ? STR(":streamGenerateContent?alt=sse")
				   : STR(":generateContent");
	case ASK_COUNT: return STR(":countTokens");
	case ASK_EMBEDDINGS:
		return str_eq(gemini_verb(ask->path), STR("embedContent"))
			       ? STR(":embedContent")
			       : STR(":batchEmbedContents");
	case ASK_COMPLETIONS:
	case ASK_SERVICE:
	case ASK_KINDS: break;
	}
	return STR_NONE;
}

/* base_url may or may not end in the version already; a tuned model's name
 * brings its folder along. */
struct str
gemini_path(struct arena *a, const struct ask *ask, const struct target *t)
{
	struct str action = gemini_action(ask);
	bool version = str_ends(t->path, STR("/v1beta")) ||
		       str_ends(t->path, STR("/v1"));
	bool folder = str_starts(t->model, STR("models/")) ||
		      str_starts(t->model, STR("tunedModels/"));

	if (!action.p)
		return STR_NONE;
	return arena_printf(a, "%s/%s%.*s%.*s", version ? "" : "/v1beta",
			    folder ? "" : "models/", STR_ARG(t->model),
			    STR_ARG(action));
}

/* The model stands in the path: the body goes as it came. */
static enum err
gemini_patch(struct arena *a, const struct ask *ask, const struct target *t,
	     struct pieces *out)
{
	(void)a;
	(void)t;
	out->n = 0;
	out->bytes = 0;
	pieces_add(out, ask->body);
	return E_OK;
}

/* ---- usage ---- */

enum { U_PROMPT, U_CACHED, U_OUTPUT, U_THOUGHTS, U_TOOLS, U_TOTAL, COUNTS };
static const char *const counts[COUNTS] = {
	"promptTokenCount",   "cachedContentTokenCount", "candidatesTokenCount",
	"thoughtsTokenCount", "toolUsePromptTokenCount", "totalTokenCount"};

/*
 * The prompt's count includes what was read from a cache, the candidates'
 * excludes thoughts. An answer without text may lack the candidates' count:
 * then it is what the total leaves. Counts that are no counts, or more cached
 * than sent: the usage is missing, not zero.
 */
static struct usage
read_usage(struct json_value usage)
{
	struct json_value v[COUNTS];
	uint64_t n[COUNTS] = {0}, known;
	struct usage u = {0};

	json_pick(usage, counts, COUNTS, v);
	for (unsigned i = 0; i < COUNTS; i++)
		if (v[i].type != JSON_ABSENT && v[i].type != JSON_NULL &&
		    (!json_u64(v[i], &n[i]) || n[i] > UINT64_MAX / 8))
			return u;
	if (v[U_PROMPT].type == JSON_ABSENT || n[U_CACHED] > n[U_PROMPT])
		return u;
	known = n[U_PROMPT] + n[U_TOOLS] + n[U_THOUGHTS];
	if (v[U_OUTPUT].type == JSON_ABSENT && n[U_TOTAL] > known)
		n[U_OUTPUT] = n[U_TOTAL] - known;
	u.input = n[U_PROMPT] - n[U_CACHED] + n[U_TOOLS];
	u.cache_read = n[U_CACHED];
	u.output = n[U_OUTPUT];
	u.reasoning = n[U_THOUGHTS];
	u.present = true;
	return u;
}

/* ---- candidates ---- */

static uint64_t
text_bytes(struct json_value v)
{
	return v.type == JSON_STRING ? v.raw.n - 2 : 0;
}

static uint64_t
part_bytes(struct json_value part)
{
	struct json_value v[PARTS], c[CALL];
	uint64_t n;

	json_pick(part, gemini_part_names, PARTS, v);
	n = text_bytes(v[P_TEXT]);
	if (v[P_CALL].type != JSON_OBJECT)
		return n;
	json_pick(v[P_CALL], gemini_call_names, CALL, c);
	return n + text_bytes(c[C_NAME]) + c[C_ARGS].raw.n;
}

static uint64_t
content_bytes(struct json_value candidates)
{
	struct gemini_list l = gemini_list(candidates), parts;
	struct json_value candidate, part;
	uint64_t n = 0;

	while (gemini_list_next(&l, &candidate)) {
		parts = gemini_parts(candidate);
		while (gemini_list_next(&parts, &part))
			n += part_bytes(part);
	}
	return n;
}

static bool
any_finish(struct json_value candidates)
{
	struct gemini_list l = gemini_list(candidates);
	struct json_value candidate;

	while (gemini_list_next(&l, &candidate))
		if (gemini_said(json_get(candidate, "finishReason")))
			return true;
	return false;
}

/* ---- answers ---- */

static bool
has_candidate(struct json_value candidates)
{
	struct gemini_list l = gemini_list(candidates);
	struct json_value v;

	return gemini_list_next(&l, &v);
}

/* The prompt itself was refused. */
static bool
blocked(struct json_value feedback)
{
	return json_get(feedback, "blockReason").type == JSON_STRING;
}

static enum err
gemini_parse_answer(const struct ask *ask, struct str body, struct answer *out)
{
	struct json_value v[MEMBERS];
	struct json_error fault;

	uint64_t n;

	*out = (struct answer){0};
	if (!json_members(body, gemini_members, MEMBERS, v, &fault))
		return E_UP_BAD_RESPONSE;
	if (v[M_ERROR].type == JSON_OBJECT)
		return E_UP_SERVER_ERROR;
	if (ask->kind == ASK_COUNT)
		return json_u64(v[M_COUNT], &n) ? E_OK : E_UP_BAD_RESPONSE;
	if (!has_candidate(v[M_CANDIDATES]) && !blocked(v[M_FEEDBACK]))
		return E_UP_BAD_RESPONSE;
	out->usage = read_usage(v[M_USAGE]);
	out->usage_value = v[M_USAGE];
	out->model = gemini_model(v[M_MODEL]);
	/* counted only where the bill needs it */
	out->content_bytes =
		out->usage.present ? 1 : content_bytes(v[M_CANDIDATES]);
	return E_OK;
}

/* ---- events ---- */

static enum err
gemini_parse_event(struct source *s, struct str event, struct str data,
		   struct delta *out)
{
	struct gemini_source *own = s->own;
	struct json_value v[MEMBERS];
	struct json_error fault;
	bool refused;

	(void)event;
	*out = (struct delta){0};
	if (!json_members(data, gemini_members, MEMBERS, v, &fault))
		return E_UP_BAD_RESPONSE;
	if (v[M_ERROR].type != JSON_ABSENT && v[M_ERROR].type != JSON_NULL) {
		out->error = true;
		return E_OK;
	}
	out->choices = has_candidate(v[M_CANDIDATES]);
	refused = !out->choices && blocked(v[M_FEEDBACK]);
	out->content_bytes = content_bytes(v[M_CANDIDATES]);
	out->model = gemini_model(v[M_MODEL]);
	own->finished |= refused || any_finish(v[M_CANDIDATES]);
	out->last = out->whole = own->finished;
	/* what came before is not final, but better than an estimate */
	if (v[M_USAGE].type == JSON_OBJECT)
		s->part = read_usage(v[M_USAGE]);
	if (own->finished)
		out->usage = s->part;
	if (s->put)
		gemini_pieces(s, v, refused);
	return E_OK;
}

/* ---- errors ---- */

static enum err
judge_status(int status)
{
	switch (status) {
	case 401:
	case 403: return E_UP_CREDENTIALS;
	case 402: return E_UP_BILLING;
	case 408:
	case 504: return E_UP_TIMEOUT;
	case 429: return E_UP_RATE_LIMITED;
	case 503:
	case 529: return E_UP_OVERLOADED;
	default: break;
	}
	if (status >= 400 && status < 500)
		return E_UP_REQUEST;
	return E_UP_SERVER_ERROR;
}

static enum err
judge(int status, struct str word, struct str reason)
{
	static const struct {
		const char *word;
		enum err err;
	} rows[] = {
		{"UNAUTHENTICATED", E_UP_CREDENTIALS},
		{"PERMISSION_DENIED", E_UP_CREDENTIALS},
		{"RESOURCE_EXHAUSTED", E_UP_RATE_LIMITED},
		{"UNAVAILABLE", E_UP_OVERLOADED},
		{"DEADLINE_EXCEEDED", E_UP_TIMEOUT},
		{"FAILED_PRECONDITION", E_UP_BILLING},
		{"INTERNAL", E_UP_SERVER_ERROR},
		{"UNKNOWN", E_UP_SERVER_ERROR},
		{"INVALID_ARGUMENT", E_UP_REQUEST},
		{"NOT_FOUND", E_UP_REQUEST},
		{"OUT_OF_RANGE", E_UP_REQUEST},
	};

	/* a bad key is a bad argument to Google */
	if (str_starts(reason, STR("API_KEY_")) ||
	    str_eq(reason, STR("ACCESS_TOKEN_EXPIRED")))
		return E_UP_CREDENTIALS;
	if (str_eq(reason, STR("BILLING_DISABLED")))
		return E_UP_BILLING;
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
		if (str_eq(word, str_of(rows[i].word)))
			return rows[i].err;
	return judge_status(status);
}

/* "7s", "0.25s"; rounded up. */
static uint64_t
delay_ms(struct str delay)
{
	struct json_value number;
	int64_t ms = 0;
	bool exact = false;

	if (!str_ends(delay, STR("s")))
		return 0;
	delay.n--;
	for (size_t i = 0; i < delay.n; i++)
		if ((delay.p[i] < '0' || delay.p[i] > '9') && delay.p[i] != '.')
			return 0;
	if (!json_valid(delay, &number, NULL) ||
	    !json_scaled(number, 3, &ms, &exact) || ms < 0)
		return 0;
	return (uint64_t)ms + !exact;
}

/* The reason, and how long to wait, which stand in a list of anything. */
static struct str
read_details(struct json_value details, uint64_t *retry_ms)
{
	static const char *const names[] = {"@type", "reason", "retryDelay"};
	struct gemini_list l = gemini_list(details);
	struct json_value detail, v[3];
	struct str reason = STR_NONE;

	while (gemini_list_next(&l, &detail)) {
		json_pick(detail, names, 3, v);
		if (str_ends(json_inside(v[0]), STR(".RetryInfo")))
			*retry_ms = delay_ms(json_inside(v[2]));
		else if (reason.n == 0)
			reason = json_inside(v[1]);
	}
	return reason;
}

/* Where a stream was asked for the error may stand in an array. */
static struct json_value
error_of(struct str body)
{
	struct json_value root, error;
	struct json_error fault;

	if (!json_valid(body, &root, &fault))
		return (struct json_value){JSON_ABSENT, STR_NONE};
	if (root.type == JSON_ARRAY)
		root = json_at(root, 0);
	error = json_get(root, "error");
	return error.type == JSON_ABSENT ? root : error;
}

void
gemini_parse_error(int status, struct str type, struct str body,
		   struct upstream_error *out)
{
	static const char *const names[] = {"code", "message", "status",
					    "details"};
	struct json_value error = error_of(body), v[4];
	struct str reason;
	uint64_t code = 0;

	(void)type;
	*out = (struct upstream_error){.err = judge_status(status)};
	if (error.type == JSON_STRING)
		out->message = json_inside(error);
	if (error.type != JSON_OBJECT)
		return;
	json_pick(error, names, 4, v);
	if (status < 300 && json_u64(v[0], &code) && code < 600)
		status = (int)code;
	out->message = json_inside(v[1]);
	out->code = json_inside(v[2]);
	reason = read_details(v[3], &out->retry_after_ms);
	out->err = judge(status, out->code, reason);
}

const struct wire wire_gemini = {
	.name = "gemini",
	.native = &dialect_gemini,
	.framing = FRAMING_SSE,
	.path = gemini_path,
	.list = "/v1beta/models",
	.patch = gemini_patch,
	.write = gemini_write,
	.parse_answer = gemini_parse_answer,
	.parse_event = gemini_parse_event,
	.parse_error = gemini_parse_error,
	.read_answer = gemini_read_answer,
	.source_bytes = sizeof(struct gemini_source),
};
