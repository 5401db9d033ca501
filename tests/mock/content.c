/* The texts, vectors and figures inside answers; see answer.h, README.md. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/mock/answer.h"

static const char *const json_parts[] = {"{\\\"name\\\":",  "\\\"Ada\\\",",
					 "\\\"age\\\":36,", "\\\"tags\\\":[",
					 "\\\"x\\\",",	    "\\\"y\\\"]}"};

enum { JSON_PARTS = sizeof(json_parts) / sizeof(json_parts[0]) };

/* "t000042 ", then the alphabet, cut at the size. */
static void
ascii_piece(const struct answer *a, int64_t i, struct buf *to)
{
	static const char more[] = "abcdefghijklmnopqrstuvwxyz-";
	char word[8];
	size_t size = (size_t)a->plan.size;
	size_t at = to->n;
	size_t k;

	word[0] = 't';
	word[7] = ' ';
	for (k = 6; k > 0; k--) {
		word[k] = (char)('0' + i % 10);
		i /= 10;
	}
	buf_reserve(to, size + sizeof(word));
	memcpy(to->p + at, word, sizeof(word));
	for (k = sizeof(word); k < size; k += sizeof(more) - 1) {
		size_t left = size - k;

		if (left > sizeof(more) - 1)
			left = sizeof(more) - 1;
		memcpy(to->p + at + k, more, left);
	}
	to->n = at + size;
}

static void
json_piece(const struct answer *a, int64_t i, struct buf *to)
{
	int64_t from = i < JSON_PARTS ? i : JSON_PARTS;
	int64_t until = i + 1 == a->content ? JSON_PARTS : from + 1;

	for (; from < until && from < JSON_PARTS; from++)
		buf_str(to, json_parts[from]);
}

int64_t
content_piece(const struct answer *a, int64_t i, struct buf *to)
{
	size_t at = to->n;

	switch (a->plan.text) {
	case TEXT_SURROGATE: buf_str(to, i & 1 ? "\\ude00" : "\\ud83d"); break;
	case TEXT_NUL: buf_str(to, "a\\u0000b "); break;
	case TEXT_UTF8: buf_str(to, "\u00e9\u4e2d\U0001f600 "); break;
	case TEXT_BADUTF8: buf_str(to, "\xff\xc3( "); break;
	case TEXT_ESCAPE: buf_str(to, "\\\"\\\\\\/\\b\\n\\t "); break;
	case TEXT_JSON: json_piece(a, i, to); break;
	default: ascii_piece(a, i, to); break;
	}
	return (int64_t)(to->n - at);
}

int64_t
think_piece(int64_t i, struct buf *to)
{
	size_t at = to->n;

	buf_str(to, "so ");
	buf_int(to, i);
	buf_str(to, " ");
	return (int64_t)(to->n - at);
}

int64_t
tool_piece(int64_t part, struct buf *to)
{
	static const char *const parts[] = {
		"{\\\"city\\\":\\\"Zürich \\\\\\\"HB",
		"\\\\\\\"\\\",\\\"unit\\\":", "\\\"celsius\\\"}"};

	buf_str(to, parts[part]);
	return (int64_t)strlen(parts[part]);
}

static void
details(const struct figures *f, struct buf *to)
{
	if (*f->text_cached)
		buf_fmt(to, ",\"prompt_tokens_details\":{\"cached_tokens\":%s}",
			f->text_cached);
	if (*f->text_reasoning)
		buf_fmt(to,
			",\"completion_tokens_details\":"
			"{\"reasoning_tokens\":%s}",
			f->text_reasoning);
}

static void
second_figures(const struct figures *f, struct buf *to)
{
	buf_str(to, "{\"prompt_tokens\":");
	buf_int(to, f->prompt + 1);
	buf_str(to, ",\"completion_tokens\":");
	buf_int(to, f->completion + 1);
	buf_str(to, ",\"total_tokens\":");
	buf_int(to, f->prompt + f->completion + 2);
	buf_str(to, "}");
}

static void
quoted(const char *figure, const char *quote, struct buf *to)
{
	buf_str(to, quote);
	buf_str(to, figure);
	buf_str(to, quote);
}

static void
usage_object(const struct answer *a, int64_t nth, struct buf *to)
{
	const struct figures *f = &a->figures;
	const char *q = a->plan.usage == USAGE_STRING ? "\"" : "";

	if (a->plan.usage == USAGE_EMPTY) {
		buf_str(to, "{}");
		return;
	}
	if (a->plan.usage == USAGE_TWO && nth > 0) {
		second_figures(f, to);
		return;
	}
	buf_str(to, "{\"prompt_tokens\":");
	quoted(f->text_prompt, q, to);
	if (a->plan.usage == USAGE_PARTIAL) {
		buf_str(to, "}");
		return;
	}
	if (a->facts.endpoint != EP_EMBEDDINGS) {
		buf_str(to, ",\"completion_tokens\":");
		quoted(f->text_completion, q, to);
	}
	buf_str(to, ",\"total_tokens\":");
	quoted(f->text_total, q, to);
	details(f, to);
	buf_str(to, "}");
}

void
usage_member(const struct answer *a, int64_t nth, struct buf *to)
{
	if (a->plan.usage == USAGE_MISSING)
		return;
	buf_str(to, ",\"usage\":");
	if (a->plan.usage == USAGE_NULL)
		buf_str(to, "null");
	else
		usage_object(a, nth, to);
}

/* Exact in binary32: a small fraction of 128. */
static float
coordinate(int64_t input, int64_t j)
{
	return (float)((input * 31 + j * 7) % 200 - 100) / 128.0F;
}

static void
base64(struct buf *to, const unsigned char *p, size_t n)
{
	static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "abcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t i;

	for (i = 0; i < n; i += 3) {
		uint32_t v = (uint32_t)p[i] << 16;
		char out[4] = {'=', '=', '=', '='};

		v |= i + 1 < n ? (uint32_t)p[i + 1] << 8 : 0;
		v |= i + 2 < n ? p[i + 2] : 0;
		out[0] = set[v >> 18];
		out[1] = set[v >> 12 & 63];
		if (i + 1 < n)
			out[2] = set[v >> 6 & 63];
		if (i + 2 < n)
			out[3] = set[v & 63];
		buf_add(to, out, 4);
	}
}

static void
vector(const struct answer *a, int64_t input, struct buf *to)
{
	float v[4096] = {0};
	int64_t dim = a->plan.dim ? a->plan.dim : a->facts.dimensions;
	int64_t j;

	for (j = 0; j < dim; j++)
		v[j] = coordinate(input, j);
	if (a->facts.base64) {
		buf_str(to, "\"");
		base64(to, (const unsigned char *)v,
		       (size_t)dim * sizeof(float));
		buf_str(to, "\"");
		return;
	}
	for (j = 0; j < dim; j++)
		buf_fmt(to, "%s%.9g", j ? "," : "[", (double)v[j]);
	buf_str(to, "]");
}

void
embeddings_list(const struct answer *a, struct buf *to)
{
	int64_t i;

	for (i = 0; i < a->facts.inputs; i++) {
		buf_fmt(to,
			"%s{\"object\":\"embedding\",\"index\":%lld,"
			"\"embedding\":",
			i ? "," : "", (long long)i);
		vector(a, i, to);
		buf_str(to, "}");
	}
}
