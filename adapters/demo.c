/*
 * What the embedded provider says. Pure: the same request always gets the
 * same words and the same counts, so tests and the first run can be checked
 * by hand. Tokens are words.
 */
#include "adapters/demo.h"

#include <inttypes.h>
#include <stdio.h>

#include "adapters/vectors.h"
#include "base/json.h"

#define WORDS_DEFAULT 9u
#define WORDS_MAX     4096u

static const char *const words[] = {
	"This",	   " answer",  " comes",  " from",   " the",	  " demo",
	" model;", " nothing", " leaves", " this",   " machine.", " Every",
	" word",   " is",      " one",	  " token,", " and",	  " every",
	" token",  " is",      " billed", " to",     " the",	  " nano.",
};

/* Words of the input: runs of letters and digits in its string values. */
static uint64_t
count_words(struct str raw)
{
	uint64_t n = 0;
	bool inside = false;

	for (size_t i = 0; i < raw.n; i++) {
		unsigned char c = (unsigned char)raw.p[i];
		bool letter = c >= 0x80 || (c >= '0' && c <= '9') ||
			      ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');

		n += letter && !inside;
		inside = letter;
	}
	return n;
}

void
demo_plan(const struct ask *ask, uint64_t id, struct demo_reply *out)
{
	uint64_t n = WORDS_DEFAULT;

	if (ask->has_max)
		n = MIN_OF(ask->max_output, WORDS_MAX);
	else if (ask->stream)
		n = 40;
	out->ask = ask;
	out->id = id;
	out->prompt_tokens = count_words(ask->input.raw);
	out->words = ask->kind == ASK_EMBEDDINGS ? 0 : (uint32_t)n;
}

static const char *
word_at(uint32_t i)
{
	return words[i % ARRAY_LEN(words)];
}

static void
put_usage(const struct demo_reply *r, struct buf *out)
{
	buf_printf(out,
		   "\"usage\":{\"prompt_tokens\":%" PRIu64
		   ",\"completion_tokens\":%" PRIu32
		   ",\"total_tokens\":%" PRIu64 "}",
		   r->prompt_tokens, r->words, r->prompt_tokens + r->words);
}

/* A text, or a list of token ids, is one input. */
static unsigned
inputs_of(const struct ask *ask)
{
	enum json_type first = json_at(ask->input, 0).type;

	return first == JSON_STRING || first == JSON_ARRAY
		       ? json_count(ask->input)
		       : 1;
}

static bool
wants_base64(const struct ask *ask)
{
	static const char *const names[] = {"encoding_format"};
	struct json_value v;
	struct json_error fault;

	return json_members(ask->body, names, 1, &v, &fault) &&
	       v.type == JSON_STRING && json_str_eq(v.raw, STR("base64"));
}

/* The same one for each. */
static void
put_embeddings(const struct demo_reply *r, struct buf *out)
{
	const char *vector = wants_base64(r->ask)
				     ? "\"AACAPgAAAL8AAAA+AACAPw==\""
				     : "[0.25,-0.5,0.125,1]";
	unsigned n = MIN_OF(inputs_of(r->ask), VECTORS_MAX);

	buf_add_cstr(out, "{\"object\":\"list\",\"data\":[");
	for (unsigned i = 0; i < n; i++)
		buf_printf(out,
			   "%s{\"object\":\"embedding\",\"index\":%u,"
			   "\"embedding\":%s}",
			   i > 0 ? "," : "", i, vector);
	buf_printf(out, "],\"model\":%.*s,", STR_ARG(r->ask->model_value.raw));
	put_usage(r, out);
	buf_add_char(out, '}');
}

void
demo_answer(const struct demo_reply *r, struct buf *out)
{
	bool chat = r->ask->kind == ASK_CHAT;

	if (r->ask->kind == ASK_EMBEDDINGS) {
		put_embeddings(r, out);
		return;
	}
	buf_printf(out,
		   "{\"id\":\"demo-%" PRIu64 "\",\"object\":\"%s\","
		   "\"created\":0,\"model\":%.*s,\"choices\":[{\"index\":0,%s",
		   r->id, chat ? "chat.completion" : "text_completion",
		   STR_ARG(r->ask->model_value.raw),
		   chat ? "\"message\":{\"role\":\"assistant\",\"content\":\""
			: "\"text\":\"");
	for (uint32_t i = 0; i < r->words; i++)
		buf_add_cstr(out, word_at(i));
	buf_printf(out, "\"%s,\"logprobs\":null,\"finish_reason\":\"stop\"}],",
		   chat ? "}" : "");
	put_usage(r, out);
	buf_add_char(out, '}');
}

static void
put_chunk(const struct demo_reply *r, struct buf *out, const char *inside)
{
	bool chat = r->ask->kind == ASK_CHAT;

	buf_printf(out,
		   "data: {\"id\":\"demo-%" PRIu64 "\",\"object\":\"%s\","
		   "\"created\":0,\"model\":%.*s,\"choices\":[%s]",
		   r->id, chat ? "chat.completion.chunk" : "text_completion",
		   STR_ARG(r->ask->model_value.raw), inside);
}

static void
put_word(const struct demo_reply *r, uint32_t i, struct buf *out)
{
	char inside[160];

	(void)snprintf(inside, sizeof(inside),
		       r->ask->kind == ASK_CHAT
			       ? "{\"index\":0,\"delta\":{\"content\":\"%s\"},"
				 "\"finish_reason\":null}"
			       : "{\"index\":0,\"text\":\"%s\","
				 "\"finish_reason\":null}",
		       word_at(i));
	put_chunk(r, out, inside);
	buf_add_cstr(out, "}\n\n");
}

bool
demo_event(const struct demo_reply *r, uint32_t i, struct buf *out)
{
	bool chat = r->ask->kind == ASK_CHAT;

	if (i == 0) {
		put_chunk(r, out,
			  chat ? "{\"index\":0,\"delta\":{\"role\":"
				 "\"assistant\",\"content\":\"\"},"
				 "\"finish_reason\":null}"
			       : "{\"index\":0,\"text\":\"\","
				 "\"finish_reason\":null}");
		buf_add_cstr(out, "}\n\n");
	} else if (i <= r->words) {
		put_word(r, i - 1, out);
	} else if (i == r->words + 1) {
		put_chunk(r, out,
			  chat ? "{\"index\":0,\"delta\":{},"
				 "\"finish_reason\":\"stop\"}"
			       : "{\"index\":0,\"text\":\"\","
				 "\"finish_reason\":\"stop\"}");
		buf_add_cstr(out, "}\n\n");
	} else if (i == r->words + 2 && r->ask->include_usage) {
		put_chunk(r, out, "");
		buf_add_char(out, ',');
		put_usage(r, out);
		buf_add_cstr(out, "}\n\n");
	} else if (i == r->words + 2 + r->ask->include_usage) {
		buf_add_cstr(out, "data: [DONE]\n\n");
	} else {
		return false;
	}
	return true;
}

void
demo_error(int status, struct buf *out)
{
	buf_printf(out,
		   "{\"error\":{\"message\":\"%s\",\"type\":\"%s\","
		   "\"param\":null,\"code\":null}}",
		   status == 429 ? "The demo model is at its limit."
				 : "The demo model failed on purpose.",
		   status == 429 ? "rate_limit_error" : "server_error");
}
