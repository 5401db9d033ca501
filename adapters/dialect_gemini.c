/*
 * Gemini as a client dialect: the model and what is wanted stand in the path,
 * errors in Google's envelope. Called by the worker; pure.
 */
#include <ctype.h>

#include "adapters/ask.h"
#include "adapters/gemini.h"
#include "adapters/vectors.h"

/* ---- request ---- */

#define CANDIDATES_MAX 128u
#define MODEL_MAX      256u

/* "MODEL:ACTION" of the path; the worker has chosen the kind by the action. */
static enum err
read_path(struct arena *a, struct ask *ask, const char **detail)
{
	struct str model = ask->path, action, quoted;
	ptrdiff_t colon = -1;

	for (size_t i = model.n; i > 0 && colon < 0; i--)
		if (model.p[i - 1] == ':')
			colon = (ptrdiff_t)i - 1;
	*detail = "model";
	if (colon < 0)
		return E_MISSING_FIELD;
	action = str_from(model, (size_t)colon + 1);
	model.n = (size_t)colon;
	if (model.n == 0)
		return E_MISSING_FIELD;
	if (model.n > MODEL_MAX)
		return E_BAD_FIELD;
	ask->stream = ask->kind == ASK_CHAT &&
		      str_eq(action, STR("streamGenerateContent"));
	ask->model = arena_dup(a, model);
	quoted = gemini_quoted(a, model);
	if (quoted.p)
		quoted = arena_printf(a, "\"%.*s\"", STR_ARG(quoted));
	if (!quoted.p || !ask->model.p)
		return E_NO_MEMORY;
	ask->model_value = (struct json_value){JSON_STRING, quoted};
	return E_OK;
}

/* Without "alt=sse" a stream is one JSON array. */
static bool
wants_array(const struct ask *ask)
{
	struct str rest = ask->query;

	while (rest.p)
		if (str_eq(str_cut(&rest, '&'), STR("alt=sse")))
			return false;
	return ask->stream;
}

static enum err
read_config(struct arena *a, struct ask *ask, struct json_value config,
	    const char **detail)
{
	static const char *const names[] = {"maxOutputTokens",
					    "candidateCount"};
	struct json_value v[2];
	struct str odd;
	uint64_t n = 1;

	*detail = "generationConfig";
	if (!ask_absent(config) && config.type != JSON_OBJECT)
		return E_BAD_FIELD;
	/* what is said twice could be read once so and once so */
	if (!gemini_pick(config, names, 2, v, &odd)) {
		odd = arena_printf(a, "generationConfig.%.*s", STR_ARG(odd));
		*detail = odd.p ? odd.p : *detail;
		return E_DUPLICATE_FIELD;
	}
	*detail = "generationConfig.candidateCount";
	if (!ask_absent(v[1]) &&
	    (!json_u64(v[1], &n) || n < 1 || n > CANDIDATES_MAX))
		return E_BAD_FIELD;
	ask->choices = (uint32_t)n;
	*detail = "generationConfig.maxOutputTokens";
	return ask_maximum(ask, v[0]);
}

/* Fields that the gateway reads, in both spellings. */
enum {
	F_CONTENTS,
	F_CONFIG,
	F_CONFIG_SNAKE,
	F_SYSTEM,
	F_SYSTEM_SNAKE,
	F_TOOLS,
	F_INNER,
	F_INNER_SNAKE,
	F_LABELS,
	FIELDS
};
static const char *const fields[FIELDS] = {"contents",
					   "generationConfig",
					   "generation_config",
					   "systemInstruction",
					   "system_instruction",
					   "tools",
					   "generateContentRequest",
					   "generate_content_request",
					   "labels"};

/* The one of two spellings that is there. */
static enum err
either(const struct json_value *v, unsigned i, struct json_value *out,
       const char **detail)
{
	*detail = fields[i];
	*out = ask_absent(v[i]) ? v[i + 1] : v[i];
	return ask_absent(v[i]) || ask_absent(v[i + 1]) ? E_OK
							: E_DUPLICATE_FIELD;
}

static enum err
read_chat(struct arena *a, struct ask *ask, const struct json_value *v,
	  const char **detail)
{
	struct json_value config;
	enum err e = either(v, F_CONFIG, &config, detail);

	if (e == E_OK)
		e = either(v, F_SYSTEM, &ask->more[0], detail);
	if (e != E_OK)
		return e;
	ask->more[1] = v[F_TOOLS];
	ask->metadata = v[F_LABELS];
	ask->input = v[F_CONTENTS];
	*detail = "contents";
	if (ask_absent(ask->input))
		return E_MISSING_FIELD;
	if (ask->input.type != JSON_ARRAY && ask->input.type != JSON_OBJECT)
		return E_BAD_FIELD;
	return read_config(a, ask, config, detail);
}

/* Contents, or a whole request that holds them. */
static enum err
read_count(struct arena *a, struct ask *ask, const struct json_value *v,
	   const char **detail)
{
	struct json_value inner;
	enum err e = either(v, F_INNER, &inner, detail);

	if (e != E_OK)
		return e;
	if (ask_absent(inner))
		return read_chat(a, ask, v, detail);
	if (inner.type != JSON_OBJECT)
		return E_BAD_FIELD;
	ask->input = inner;
	return E_OK;
}

static enum err
gemini_parse(struct arena *a, struct ask *ask, const char **detail)
{
	struct json_value v[FIELDS];
	struct json_error fault;
	enum err e;

	ask->choices = 1;
	e = read_path(a, ask, detail);
	if (e != E_OK)
		return e;
	if (ask->kind == ASK_EMBEDDINGS)
		return gemini_parse_vectors(a, ask, detail);
	ask->array = wants_array(ask);
	if (!json_members(ask->body, fields, FIELDS, v, &fault))
		return ask_fault(a, &fault, detail);
	if (ask->kind == ASK_COUNT)
		return read_count(a, ask, v, detail);
	return read_chat(a, ask, v, detail);
}

/* ---- errors ---- */

static const char *
status_name(int status)
{
	switch (status) {
	case 401: return "UNAUTHENTICATED";
	case 402:
	case 429: return "RESOURCE_EXHAUSTED";
	case 403: return "PERMISSION_DENIED";
	case 404: return "NOT_FOUND";
	case 409: return "ABORTED";
	case 499: return "CANCELLED";
	case 503: return "UNAVAILABLE";
	case 504: return "DEADLINE_EXCEEDED";
	case 505: return "INVALID_ARGUMENT";
	default: break;
	}
	return status >= 500 ? "INTERNAL" : "INVALID_ARGUMENT";
}

/* Google's own word for it, if the upstream was Google. */
static bool
is_status_name(struct str code)
{
	static const char *const names[] = {
		"INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE",
		"NOT_FOUND",	    "ALREADY_EXISTS",	   "UNIMPLEMENTED"};

	for (unsigned i = 0; i < ARRAY_LEN(names); i++)
		if (str_eq(code, str_of(names[i])))
			return true;
	return false;
}

static void
open_detail(struct json_out *o, const char *type)
{
	json_open(o, '{');
	json_name(o, "@type");
	json_put_str(o, str_of(type));
}

/* What a program can act on: which rule, which field, how long to wait. */
static void
put_details(struct json_out *o, const struct complaint *c)
{
	CLEANUP(buf_free) struct buf reason = BUF_INIT;
	const char *code = err_row(c->err)->code;

	for (; *code; code++)
		buf_add_char(&reason, (char)toupper((unsigned char)*code));
	json_name(o, "details");
	json_open(o, '[');
	open_detail(o, "type.googleapis.com/google.rpc.ErrorInfo");
	json_name(o, "reason");
	json_put_str(o, buf_str(&reason));
	json_name(o, "domain");
	json_put_str(o, STR("tollgate"));
	json_close(o, '}');
	if (c->param) {
		open_detail(o, "type.googleapis.com/google.rpc.BadRequest");
		json_name(o, "fieldViolations");
		json_open(o, '[');
		json_open(o, '{');
		json_name(o, "field");
		json_put_str(o, str_of(c->param));
		json_close(o, '}');
		json_close(o, ']');
		json_close(o, '}');
	}
	if (c->retry_after_s > 0) {
		open_detail(o, "type.googleapis.com/google.rpc.RetryInfo");
		json_name(o, "retryDelay");
		json_put_raw(o, STR("\""));
		buf_add_u64(o->buf, c->retry_after_s);
		buf_add_cstr(o->buf, "s\"");
		json_close(o, '}');
	}
	json_close(o, ']');
}

static void
gemini_error(struct buf *out, const struct complaint *c)
{
	static const struct upstream_error none;
	const struct upstream_error *u = c->upstream ? c->upstream : &none;
	int status = c->status ? c->status : err_row(c->err)->status;
	struct json_out o;

	json_out_init(&o, out);
	json_open(&o, '{');
	json_name(&o, "error");
	json_open(&o, '{');
	json_name(&o, "code");
	json_put_i64(&o, status);
	json_name(&o, "message");
	if (u->message.n > 0)
		json_put_inside(&o, u->message);
	else
		complaint_put_text(&o, c);
	json_name(&o, "status");
	json_put_str(&o, is_status_name(u->code) ? u->code
						 : str_of(status_name(status)));
	put_details(&o, c);
	json_close(&o, '}');
	json_close(&o, '}');
}

static void
gemini_error_event(struct buf *out, const struct complaint *c, struct sink *s)
{
	(void)s;
	buf_add_cstr(out, "data: ");
	gemini_error(out, c);
	buf_add_cstr(out, "\n\n");
}

static void
gemini_write_count(struct buf *out, uint64_t tokens)
{
	struct json_out o;

	json_out_init(&o, out);
	json_open(&o, '{');
	json_name(&o, "totalTokens");
	json_put_u64(&o, tokens);
	json_close(&o, '}');
}

const struct dialect dialect_gemini = {
	.name = "gemini",
	.media = "",
	.tells_failure = true,
	.stream_end = {"", 0},
	.parse = gemini_parse,
	.read = gemini_read,
	.write_count = gemini_write_count,
	.error = gemini_error,
	.error_event = gemini_error_event,
	.write_answer = gemini_write_answer,
	.put = gemini_put,
	.end = gemini_end,
	.sink_bytes = GEMINI_SINK_BYTES,
};
