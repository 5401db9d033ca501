/* Figures, heads and plain bodies of answers; see answer.h. */
#include "tests/mock/answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BODY_MAX = 64 * 1024 * 1024, DEEP = 20000 };

static void
put(char to[24], int64_t v)
{
	char digits[24];
	uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
	size_t i = sizeof(digits);

	digits[--i] = '\0';
	do {
		digits[--i] = (char)('0' + u % 10);
		u /= 10;
	} while (u);
	if (v < 0)
		digits[--i] = '-';
	memcpy(to, digits + i, sizeof(digits) - i);
}

static void
put_text(char to[24], int64_t *v, const char *text, size_t n)
{
	if (n > 23)
		n = 23;
	memcpy(to, text, n);
	to[n] = '\0';
	*v = strtoll(to, NULL, 10);
}

/* "P,C[,cached[,reasoning]]"; an empty part keeps what was computed. */
static void
take_tokens(struct figures *f, const char *tokens)
{
	char *text[4] = {f->text_prompt, f->text_completion, f->text_cached,
			 f->text_reasoning};
	int64_t *value[4] = {&f->prompt, &f->completion, &f->cached,
			     &f->reasoning};
	int i;

	for (i = 0; i < 4 && *tokens; i++) {
		size_t n = strcspn(tokens, ",");

		if (n)
			put_text(text[i], value[i], tokens, n);
		tokens += n + (tokens[n] == ',');
	}
}

static void
same_figures(struct figures *f, const char *text)
{
	put_text(f->text_prompt, &f->prompt, text, strlen(text));
	put_text(f->text_completion, &f->completion, text, strlen(text));
}

static void
bend_figures(struct figures *f, int64_t kind)
{
	switch (kind) {
	case USAGE_ZERO: same_figures(f, "0"); break;
	case USAGE_HUGE: same_figures(f, "1000000000000"); break;
	case USAGE_NEGATIVE: same_figures(f, "-5"); break;
	case USAGE_2_63: same_figures(f, "9223372036854775808"); break;
	case USAGE_FLOAT: same_figures(f, "12.5"); break;
	default: break;
	}
}

static void
total(struct figures *f, int64_t kind)
{
	int64_t sum;

	if (__builtin_add_overflow(f->prompt, f->completion, &sum)) {
		(void)snprintf(f->text_total, sizeof(f->text_total), "%s",
			       "18446744073709551616");
		return;
	}
	put(f->text_total, kind == USAGE_SUM ? sum + 7 : sum);
}

static void
count_tokens(struct answer *a)
{
	struct figures *f = &a->figures;
	const struct plan *p = &a->plan;

	memset(f, 0, sizeof(*f));
	f->prompt = 8 + a->facts.prompt_span / 4;
	if (a->facts.endpoint != EP_EMBEDDINGS)
		f->completion = a->deltas * a->facts.n;
	f->reasoning = a->think * a->facts.n;
	put(f->text_prompt, f->prompt);
	put(f->text_completion, f->completion);
	if (f->reasoning)
		put(f->text_reasoning, f->reasoning);
	if (*p->tokens)
		take_tokens(f, p->tokens);
	if (*p->cached)
		put_text(f->text_cached, &f->cached, p->cached,
			 strlen(p->cached));
	if (*p->reasoning)
		put_text(f->text_reasoning, &f->reasoning, p->reasoning,
			 strlen(p->reasoning));
	bend_figures(f, p->usage);
	total(f, p->usage);
}

static void
shape(struct answer *a)
{
	struct plan *p = &a->plan;
	int64_t tools = p->tools ? p->tools : a->facts.wants_tool ? 1 : 0;
	int64_t max = a->facts.max_tokens;
	static const char *const finish[] = {"stop", "stop", "length",
					     "content_filter", "tool_calls"};

	if (a->facts.json_mode && p->text == TEXT_ASCII)
		p->text = TEXT_JSON;
	if (p->chunks < 0)
		p->chunks = tools ? 0 : 8;
	a->think = p->think;
	a->content = p->chunks;
	a->fragments = tools * TOOL_UNITS;
	if (a->facts.endpoint != EP_CHAT)
		a->think = a->fragments = tools = 0;
	a->finish = tools ? "tool_calls" : "stop";
	if (max > 0 && !p->nolimit && !tools && a->think + a->content > max) {
		a->content = max > a->think ? max - a->think : 0;
		a->think = max - a->content;
		a->finish = "length";
	}
	if (p->finish != FINISH_AUTO && p->finish != FINISH_NONE)
		a->finish = finish[p->finish];
	a->deltas = a->think + a->content + a->fragments;
}

bool
answer_streams(const struct answer *a)
{
	return a->facts.stream && a->facts.endpoint != EP_EMBEDDINGS &&
	       a->plan.status < 300;
}

const char *
answer_prepare(struct answer *a)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME_COARSE, &now);
	a->created = now.tv_sec;
	shape(a);
	count_tokens(a);
	if (*a->plan.model)
		memcpy(a->facts.model, a->plan.model, sizeof(a->plan.model));
	if (!answer_streams(a) &&
	    a->content * a->plan.size * a->facts.n > BODY_MAX)
		return "mock: chunks times size is too much";
	if (a->facts.inputs > 2048)
		return "mock: too many inputs";
	a->chunked = a->plan.framing == FRAMING_CHUNKED ||
		     (a->plan.framing == FRAMING_AUTO && answer_streams(a));
	if (a->plan.http10)
		a->chunked = false;
	if (a->plan.close || a->plan.http10 ||
	    a->plan.framing == FRAMING_CLOSE ||
	    (answer_streams(a) && !a->chunked))
		a->keep_alive = false;
	return NULL;
}

static void
open_body(const struct answer *a, const char *prefix, const char *object,
	  struct buf *to)
{
	buf_str(to, "{\"id\":\"");
	buf_str(to, prefix);
	buf_str(to, "mock");
	buf_hex(to, a->seq);
	buf_str(to, "\",\"object\":\"");
	buf_str(to, object);
	buf_str(to, "\",\"created\":");
	buf_int(to, a->created);
	buf_str(to, ",\"model\":");
	buf_json(to, a->facts.model);
}

static int64_t
all_content(const struct answer *a, struct buf *to)
{
	int64_t bytes = 0;
	int64_t i;

	buf_str(to, "\"");
	for (i = 0; i < a->content; i++)
		bytes += content_piece(a, i, to);
	buf_str(to, "\"");
	return bytes;
}

static int64_t
all_thoughts(const struct answer *a, struct buf *to)
{
	int64_t bytes = 0;
	int64_t i;

	buf_str(to, ",\"reasoning_content\":\"");
	for (i = 0; i < a->think; i++)
		bytes += think_piece(i, to);
	buf_str(to, "\"");
	return bytes;
}

static int64_t
all_tools(const struct answer *a, struct buf *to)
{
	const char *name = *a->facts.tool ? a->facts.tool : "get_weather";
	int64_t bytes = 0;
	int64_t i;
	int64_t part;

	buf_str(to, ",\"tool_calls\":[");
	for (i = 0; i < a->fragments / TOOL_UNITS; i++) {
		buf_fmt(to,
			"%s{\"id\":\"call_mock%llx_%lld\",\"type\":\"function\""
			",\"function\":{\"name\":\"%s\",\"arguments\":\"",
			i ? "," : "", (unsigned long long)a->seq, (long long)i,
			name);
		for (part = 0; part < TOOL_UNITS - 1; part++)
			bytes += tool_piece(part, to);
		buf_str(to, "\"}}");
	}
	buf_str(to, "]");
	return bytes;
}

static int64_t
chat_message(const struct answer *a, struct buf *to)
{
	int64_t bytes = 0;

	buf_str(to, "\"message\":{\"role\":\"assistant\",\"content\":");
	if (a->content || !a->fragments)
		bytes += all_content(a, to);
	else
		buf_str(to, "null");
	buf_str(to, ",\"refusal\":null");
	if (a->think)
		bytes += all_thoughts(a, to);
	if (a->fragments)
		bytes += all_tools(a, to);
	buf_str(to, "}");
	return bytes;
}

static void
finish_reason(const struct answer *a, struct buf *to)
{
	buf_str(to, "\"");
	buf_str(to, a->finish);
	buf_str(to, "\"}");
}

static int64_t
choices(const struct answer *a, struct buf *to)
{
	int64_t bytes = 0;
	int64_t i;

	buf_str(to, ",\"choices\":[");
	for (i = 0; i < a->facts.n; i++) {
		buf_str(to, i ? ",{\"index\":" : "{\"index\":");
		buf_int(to, i);
		buf_str(to, ",");
		if (a->facts.endpoint == EP_CHAT) {
			bytes += chat_message(a, to);
		} else {
			buf_str(to, "\"text\":");
			bytes += all_content(a, to);
		}
		buf_str(to, ",\"logprobs\":null,\"finish_reason\":");
		if (a->plan.finish == FINISH_NONE)
			buf_str(to, "null}");
		else
			finish_reason(a, to);
	}
	buf_str(to, "]");
	return bytes;
}

static void
bend_body(const struct answer *a, size_t at, struct buf *to)
{
	size_t n = to->n - at;

	switch (a->plan.badjson) {
	case JSON_TRUNCATE: to->n = at + n / 2; break;
	case JSON_TRAILING: buf_str(to, "{\"more\":1}"); break;
	case JSON_DUP:
		to->n--;
		buf_str(to, ",\"usage\":{\"prompt_tokens\":1,"
			    "\"completion_tokens\":1,"
			    "\"total_tokens\":2}}");
		break;
	case JSON_GARBAGE:
		to->n = at;
		buf_str(to, "\x01\x02not json");
		break;
	case JSON_HTML:
		to->n = at;
		buf_str(to, "<html><h1>502 Bad Gateway</h1></html>");
		break;
	case JSON_EMPTY: to->n = at; break;
	case JSON_DEEP:
		to->n = at;
		buf_fill(to, '[', DEEP);
		break;
	case JSON_ARRAY:
		to->n = at;
		buf_str(to, "[1,2]");
		break;
	default: break;
	}
}

int64_t
answer_body(const struct answer *a, struct buf *to)
{
	size_t at = to->n;
	int64_t bytes = 0;

	if (a->facts.endpoint == EP_EMBEDDINGS) {
		buf_str(to, "{\"object\":\"list\",\"data\":[");
		embeddings_list(a, to);
		bytes = (int64_t)(to->n - at);
		buf_str(to, "],\"model\":");
		buf_json(to, a->facts.model);
	} else {
		bool chat = a->facts.endpoint == EP_CHAT;

		open_body(a, chat ? "chatcmpl-" : "cmpl-",
			  chat ? "chat.completion" : "text_completion", to);
		bytes = choices(a, to);
	}
	usage_member(a, 0, to);
	if (a->plan.usage == USAGE_TWO)
		usage_member(a, 1, to);
	buf_str(to, "}");
	bend_body(a, at, to);
	return bytes;
}

struct status_row {
	int status;
	const char *type, *code, *message;
};

static const struct status_row status_rows[] = {
	{400, "invalid_request_error", NULL, "bad request"},
	{401, "authentication_error", "invalid_api_key", "bad key"},
	{403, "permission_error", NULL, "not allowed"},
	{404, "invalid_request_error", "model_not_found", "no such model"},
	{408, "timeout_error", NULL, "too slow"},
	{413, "invalid_request_error", "request_too_large", "too large"},
	{422, "invalid_request_error", NULL, "cannot process"},
	{429, "rate_limit_error", "rate_limit_exceeded", "slow down"},
	{503, "overloaded_error", NULL, "overloaded"},
	{529, "overloaded_error", NULL, "overloaded"},
	{500, "server_error", NULL, "the server had an error"},
};

static void
error_object(const struct answer *a, const char *message, struct buf *to)
{
	const struct status_row *row = status_rows;
	const char *code;

	while (row->status != a->plan.status && row->status != 500)
		row++;
	code = *a->plan.code ? a->plan.code : row->code;
	buf_str(to, "{\"error\":{\"message\":");
	buf_json(to, message		? message
		     : *a->plan.message ? a->plan.message
					: row->message);
	buf_fmt(to, ",\"type\":\"%s\",\"param\":null,\"code\":", row->type);
	if (code)
		buf_json(to, code);
	else
		buf_str(to, "null");
	buf_str(to, "}}");
}

void
answer_error(const struct answer *a, const char *message, struct buf *to)
{
	size_t at = to->n;

	error_object(a, message, to);
	bend_body(a, at, to);
}

void
answer_stream_error(const struct answer *a, struct buf *to)
{
	struct answer error = {.plan.status = 500};

	memcpy(error.plan.code, a->plan.code, sizeof(error.plan.code));
	memcpy(error.plan.message, a->plan.message, sizeof(error.plan.message));
	error_object(&error, NULL, to);
}

void
answer_models(struct buf *to, struct span id)
{
	static const char *const names[] = {"gpt-4o", "gpt-4o-mini",
					    "text-embedding-3-small"};
	char one[96];
	size_t i;

	if (id.n) {
		(void)snprintf(one, sizeof(one), "%.*s", (int)id.n, id.p);
		buf_str(to, "{\"id\":");
		buf_json(to, one);
		buf_str(to, ",\"object\":\"model\",\"created\":1,"
			    "\"owned_by\":\"mock\"}");
		return;
	}
	buf_str(to, "{\"object\":\"list\",\"data\":[");
	for (i = 0; i < 3; i++)
		buf_fmt(to,
			"%s{\"id\":\"%s\",\"object\":\"model\",\"created\":1,"
			"\"owned_by\":\"mock\"}",
			i ? "," : "", names[i]);
	buf_str(to, "]}");
}
