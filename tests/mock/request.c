/*
 * Reads requests. As a witness of what the gateway sends it is strict: what
 * a careful server would refuse is refused here.
 */
#include "tests/mock/request.h"

#include <string.h>
#include <strings.h>

enum { HEAD_MAX = 64 * 1024, BODY_MAX = 64 * 1024 * 1024 };

static bool
same(struct span s, const char *text)
{
	return s.n == strlen(text) && strncasecmp(s.p, text, s.n) == 0;
}

static struct span
trim(struct span s)
{
	while (s.n && (*s.p == ' ' || *s.p == '\t')) {
		s.p++;
		s.n--;
	}
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

/* Cuts the text before `c`; an empty span without p when there is none. */
static struct span
cut(struct span *rest, char c)
{
	struct span part = {NULL, 0};
	const char *p = rest->n ? memchr(rest->p, c, rest->n) : NULL;

	if (!p)
		return part;
	part = (struct span){rest->p, (size_t)(p - rest->p)};
	rest->n -= part.n + 1;
	rest->p = p + 1;
	return part;
}

static const char *
take_line(struct request *r, struct span line)
{
	r->method = cut(&line, ' ');
	r->target = cut(&line, ' ');
	if (!r->method.p || r->target.n == 0)
		return "request line";
	if (span_is(line, "HTTP/1.0"))
		r->http10 = true;
	else if (!span_is(line, "HTTP/1.1"))
		return "version";
	r->keep_alive = !r->http10;
	return NULL;
}

static const char *
take_length(struct request *r, struct span v)
{
	int64_t n = json_int(v, -1);

	if (n < 0 || n > BODY_MAX)
		return "content-length";
	if (r->length >= 0)
		return "two content-length";
	r->length = n;
	return NULL;
}

static const char *
take_connection(struct request *r, struct span v)
{
	if (same(v, "close"))
		r->keep_alive = false;
	else if (same(v, "keep-alive"))
		r->keep_alive = true;
	return NULL;
}

static const char *
take_field(struct request *r, struct span name, struct span v)
{
	if (same(name, "content-length"))
		return take_length(r, v);
	if (same(name, "connection"))
		return take_connection(r, v);
	if (same(name, "transfer-encoding")) {
		if (!same(v, "chunked") || r->chunked)
			return "transfer-encoding";
		r->chunked = true;
	} else if (same(name, "expect")) {
		r->expects = same(v, "100-continue");
	} else if (same(name, "authorization")) {
		if (r->authorization.p)
			return "two authorization";
		r->authorization = v;
	} else if (same(name, "host")) {
		if (r->host.p)
			return "two host";
		r->host = v;
	}
	return NULL;
}

static const char *
take_head(struct request *r)
{
	struct span rest = {r->head.p, r->head.n - 2};
	struct span line = cut(&rest, '\n');
	const char *bad;

	if (memchr(r->head.p, '\0', r->head.n))
		return "NUL in the head";
	bad = line.n ? take_line(r, (struct span){line.p, line.n - 1})
		     : "request line";
	while (!bad && rest.n) {
		struct span name;

		line = cut(&rest, '\n');
		if (line.n == 0 || line.p[line.n - 1] != '\r')
			return "bare line feed";
		line.n--;
		name = cut(&line, ':');
		if (name.n == 0 || memchr(name.p, ' ', name.n) ||
		    memchr(name.p, '\t', name.n))
			return "header name";
		bad = take_field(r, name, trim(line));
	}
	if (!bad && r->chunked && r->length >= 0)
		return "both framings";
	if (!bad && !r->host.p && !r->http10)
		return "no host";
	return bad;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A chunk's size line at `*at`; moves past it. */
static enum parse
chunk_size(struct span all, size_t *at, size_t *size)
{
	const char *from = all.p + *at;
	const char *p = memchr(from, '\n', all.n - *at);
	const char *q = from;

	if (!p)
		return all.n - *at > 64 ? PARSE_BAD : PARSE_MORE;
	*size = 0;
	for (; hex_digit(*q) >= 0 && q - from < 8; q++)
		*size = *size * 16 + (size_t)hex_digit(*q);
	if (q == from || q + 1 != p || *q != '\r' || *size > BODY_MAX)
		return PARSE_BAD;
	*at = (size_t)(p + 1 - all.p);
	return PARSE_DONE;
}

/* Whole chunks without trailers, from `all`; `*at` ends behind the last. */
static enum parse
unwrap(struct span all, size_t *at, struct buf *to)
{
	buf_clear(to);
	for (;;) {
		size_t size;
		enum parse got = chunk_size(all, at, &size);

		if (got != PARSE_DONE)
			return got;
		if (all.n - *at < size + 2)
			return PARSE_MORE;
		buf_add(to, all.p + *at, size);
		*at += size;
		if (memcmp(all.p + *at, "\r\n", 2) != 0)
			return PARSE_BAD;
		*at += 2;
		if (size == 0)
			return PARSE_DONE;
	}
}

static enum parse
bad(struct request *r, const char *why)
{
	r->why = why;
	return PARSE_BAD;
}

/* Where the last field ends: at the CRLF before the empty line. */
static const char *
head_end(const char *p, size_t n)
{
	const char *end = p + n;

	while (p && end - p >= 4) {
		p = memchr(p, '\r', (size_t)(end - p) - 3);
		if (p && memcmp(p, "\r\n\r\n", 4) == 0)
			return p;
		if (p)
			p++;
	}
	return NULL;
}

enum parse
request_parse(struct request *r, const struct buf *in, struct buf *unwrapped)
{
	const char *p = buf_at(in);
	size_t n = buf_len(in);
	const char *end;
	struct span rest;
	size_t at = 0;
	enum parse got;

	*r = (struct request){.length = -1};
	end = head_end(p, n);
	if (!end)
		return n > HEAD_MAX ? bad(r, "head too large") : PARSE_MORE;
	r->head = (struct span){p, (size_t)(end - p) + 4};
	r->why = take_head(r);
	if (r->why)
		return PARSE_BAD;
	rest = (struct span){end + 4, n - r->head.n};
	if (r->chunked) {
		got = unwrap(rest, &at, unwrapped);
		r->body = (struct span){rest.p, at};
		r->text = (struct span){buf_at(unwrapped), buf_len(unwrapped)};
		return got == PARSE_BAD ? bad(r, "chunked body") : got;
	}
	if (r->length < 0)
		r->length = 0;
	if (rest.n < (size_t)r->length)
		return PARSE_MORE;
	r->body = r->text = (struct span){rest.p, (size_t)r->length};
	return PARSE_DONE;
}

enum endpoint
request_endpoint(const struct request *r)
{
	struct span path = r->target;
	const char *query = memchr(path.p, '?', path.n);

	if (query)
		path.n = (size_t)(query - path.p);
	if (span_is(path, "/v1/chat/completions"))
		return EP_CHAT;
	if (span_is(path, "/v1/completions"))
		return EP_COMPLETIONS;
	if (span_is(path, "/v1/embeddings"))
		return EP_EMBEDDINGS;
	if (path.n >= 10 && memcmp(path.p, "/v1/models", 10) == 0)
		return EP_MODELS;
	return EP_OTHER;
}

/* The text of a content: a string, or the text parts of a list. */
static struct span
content_text(struct span content)
{
	struct span found = {NULL, 0};
	struct span key;
	struct span part;
	const char *at = NULL;

	if (json_is_string(content))
		return json_inside(content);
	if (content.n == 0 || *content.p != '[')
		return found;
	while (json_next(content, &at, &key, &part)) {
		struct span text = json_inside(json_member(part, "text"));

		if (text.n)
			found = text;
	}
	return found;
}

static void
read_messages(struct facts *f, struct span messages)
{
	struct span key;
	struct span message;
	const char *at = NULL;
	bool result = false;

	while (json_next(messages, &at, &key, &message)) {
		struct span role = json_inside(json_member(message, "role"));

		result = span_is(role, "tool");
		if (span_is(role, "user"))
			f->user = content_text(json_member(message, "content"));
	}
	if (result)
		f->wants_tool = false;
}

static void
count_inputs(struct facts *f, struct span input)
{
	struct span key;
	struct span value;
	const char *at = NULL;
	int64_t n = 0;

	f->inputs = 1;
	if (input.n == 0 || *input.p != '[')
		return;
	while (json_next(input, &at, &key, &value)) {
		if (*value.p != '"' && *value.p != '[')
			return; /* a list of tokens is one input */
		n++;
	}
	f->inputs = n;
}

enum member {
	M_model,
	M_stream,
	M_stream_options,
	M_messages,
	M_prompt,
	M_input,
	M_n,
	M_max_tokens,
	M_max_completion_tokens,
	M_dimensions,
	M_encoding_format,
	M_response_format,
	M_tools,
	M_tool_choice,
	M_COUNT
};

static const char *const member_names[] = {
	"model",      "stream",		 "stream_options",
	"messages",   "prompt",		 "input",
	"n",	      "max_tokens",	 "max_completion_tokens",
	"dimensions", "encoding_format", "response_format",
	"tools",      "tool_choice"};

/* The members the mock reads; a doubled one is a fault of the sender. */
static const char *
read_members(struct span body, struct span m[M_COUNT])
{
	struct span key;
	struct span value;
	const char *at = NULL;
	int i;

	memset(m, 0, sizeof(struct span) * M_COUNT);
	if (!json_valid(body) || !memchr(body.p, '{', body.n))
		return "the body is not valid JSON";
	while (json_next(body, &at, &key, &value)) {
		for (i = 0; i < M_COUNT && !span_is(key, member_names[i]); i++)
			;
		if (i < M_COUNT && m[i].p)
			return "a member stands twice in the body";
		if (i < M_COUNT)
			m[i] = value;
	}
	return NULL;
}

static void
read_tools(struct facts *f, const struct span m[M_COUNT])
{
	struct span key;
	struct span tool;
	const char *at = NULL;

	if (!json_next(m[M_tools], &at, &key, &tool))
		return;
	(void)json_copy(json_member(json_member(tool, "function"), "name"),
			f->tool, sizeof(f->tool));
	f->wants_tool = span_is(m[M_tool_choice], "\"required\"");
}

const char *
request_facts(const struct request *r, struct facts *f)
{
	struct span m[M_COUNT];
	const char *why;
	struct span input;

	why = read_members(r->text, m);
	if (why)
		return why;
	if (!json_copy(m[M_model], f->model, sizeof(f->model)))
		return "no model";
	f->stream = span_is(m[M_stream], "true");
	f->include_usage = span_is(
		json_member(m[M_stream_options], "include_usage"), "true");
	f->n = json_int(m[M_n], 1);
	f->max_tokens = json_int(m[M_max_tokens], -1);
	f->max_tokens = json_int(m[M_max_completion_tokens], f->max_tokens);
	f->dimensions = json_int(m[M_dimensions], 16);
	f->base64 = span_is(m[M_encoding_format], "\"base64\"");
	f->json_mode = m[M_response_format].n &&
		       memmem(m[M_response_format].p, m[M_response_format].n,
			      "json", 4);
	read_tools(f, m);
	input = f->endpoint == EP_CHAT	       ? m[M_messages]
		: f->endpoint == EP_EMBEDDINGS ? m[M_input]
					       : m[M_prompt];
	if (input.n == 0)
		return "no messages, prompt or input";
	f->prompt_span = (int64_t)input.n;
	f->user = input;
	if (f->endpoint == EP_CHAT)
		read_messages(f, input);
	if (f->endpoint == EP_EMBEDDINGS)
		count_inputs(f, input);
	if (f->n < 1 || f->n > 16 || f->dimensions < 1 || f->dimensions > 4096)
		return "n or dimensions out of range";
	return NULL;
}
