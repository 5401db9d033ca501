/*
 * Owns the grammar of request and answer heads. Called by the server and by
 * the client for each arrival of bytes.
 *
 * Hard: strictness without looking twice at a byte that trickles in. So a
 * head is taken in two steps: find_end() looks at new bytes only and refuses
 * what no head can hold; once the blank line is there, the lines are parsed
 * in one go, with no state to keep in between.
 */
#include "http/parse.h"

#include <string.h>

#define METHOD_MAX 24
#define ONES	   (~(uint64_t)0 / 255)

/* What framing needs of the fields, collected as they pass. */
struct framing {
	struct str host;
	bool has_host;
	bool has_length;
	bool has_chunked;
	bool close;
	bool keep_alive;
};

struct reader {
	const struct head_rules *rules;
	struct http_head *head;
	struct head_fault *fault;
	struct framing framing;
};

/* What a byte may stand in. */
enum {
	T = 1,	   /* a token, RFC 9110, 5.6.2 */
	H = 2,	   /* a host name or address with an optional port */
	B = T | H, /* both */
};

static const unsigned char sets[256] = {
	['!'] = B, ['#'] = T, ['$'] = B, ['%'] = B, ['&'] = B, ['\''] = B,
	['('] = H, [')'] = H, ['*'] = B, ['+'] = B, ['-'] = B, ['.'] = B,
	['0'] = B, ['1'] = B, ['2'] = B, ['3'] = B, ['4'] = B, ['5'] = B,
	['6'] = B, ['7'] = B, ['8'] = B, ['9'] = B, [':'] = H, [';'] = H,
	['='] = H, ['A'] = B, ['B'] = B, ['C'] = B, ['D'] = B, ['E'] = B,
	['F'] = B, ['G'] = B, ['H'] = B, ['I'] = B, ['J'] = B, ['K'] = B,
	['L'] = B, ['M'] = B, ['N'] = B, ['O'] = B, ['P'] = B, ['Q'] = B,
	['R'] = B, ['S'] = B, ['T'] = B, ['U'] = B, ['V'] = B, ['W'] = B,
	['X'] = B, ['Y'] = B, ['Z'] = B, ['['] = H, [']'] = H, ['^'] = T,
	['_'] = B, ['`'] = T, ['a'] = B, ['b'] = B, ['c'] = B, ['d'] = B,
	['e'] = B, ['f'] = B, ['g'] = B, ['h'] = B, ['i'] = B, ['j'] = B,
	['k'] = B, ['l'] = B, ['m'] = B, ['n'] = B, ['o'] = B, ['p'] = B,
	['q'] = B, ['r'] = B, ['s'] = B, ['t'] = B, ['u'] = B, ['v'] = B,
	['w'] = B, ['x'] = B, ['y'] = B, ['z'] = B, ['|'] = T, ['~'] = B,
};

static const struct {
	struct str text;
	enum http_method method;
} methods[] = {
	{{"POST", 4}, HTTP_POST},     {{"GET", 3}, HTTP_GET},
	{{"HEAD", 4}, HTTP_HEAD},     {{"OPTIONS", 7}, HTTP_OPTIONS},
	{{"PUT", 3}, HTTP_PUT},	      {{"PATCH", 5}, HTTP_PATCH},
	{{"DELETE", 6}, HTTP_DELETE},
};

static bool
refuse(struct reader *r, enum err e, const char *detail)
{
	*r->fault = (struct head_fault){e, detail};
	return false;
}

static bool
bad(struct reader *r, const char *detail)
{
	return refuse(r, E_BAD_HTTP, detail);
}

/* Eight bytes without control bytes, tabs too. */
static inline bool
text8(const char *p)
{
	uint64_t v, del;

	memcpy(&v, p, 8);
	del = v ^ (ONES * 0x7f);
	return ((((v - ONES * 0x20) & ~v) | ((del - ONES) & ~del)) &
		(ONES * 0x80)) == 0;
}

/* No control bytes but the tab. */
static bool
text_ok(const char *p, size_t n)
{
	size_t i = 0;

	while (n - i >= 8 && text8(p + i))
		i += 8;
	/* the rest is the end of the last eight */
	if (n >= 8 && n - i < 8 && text8(p + n - 8))
		return true;
	for (; i < n; i++) {
		unsigned char c = (unsigned char)p[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

static inline bool
is_in(unsigned set, char c)
{
	return sets[(unsigned char)c] & set;
}

static bool
all_in(unsigned set, struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_in(set, s.p[i]))
			return false;
	return s.n > 0;
}

static bool
all_digits(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	return s.n > 0;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct str
trim(struct str s)
{
	while (s.n > 0 && is_blank(s.p[0]))
		s = str_make(s.p + 1, s.n - 1);
	while (s.n > 0 && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

/* `lower` is lower case, without '_', and of `s`'s length. In text without
 * control bytes setting one bit makes no other byte equal than a capital. */
static inline bool
same_word(struct str s, const char *lower)
{
	for (size_t i = 0; i < s.n; i++)
		if ((s.p[i] | 0x20) != lower[i])
			return false;
	return true;
}

static bool
is_word(struct str s, const char *lower)
{
	return s.n == strlen(lower) && same_word(s, lower);
}

/* "HTTP/1.0" and "HTTP/1.1" only; other well-formed versions are told so. */
static bool
read_version(struct reader *r, struct str s)
{
	const struct str start = STR("HTTP/");

	if (s.n == 8 && memcmp(s.p, "HTTP/1.", 7) == 0 &&
	    (s.p[7] == '0' || s.p[7] == '1')) {
		r->head->minor = s.p[7] - '0';
		return true;
	}
	if (s.n <= start.n || memcmp(s.p, start.p, start.n) != 0)
		return bad(r, "the first line is not one of HTTP/1.1");
	for (size_t i = start.n; i < s.n; i++)
		if ((s.p[i] < '0' || s.p[i] > '9') && s.p[i] != '.')
			return bad(r, "the version is malformed");
	return refuse(r, E_HTTP_VERSION, "version");
}

static enum http_method
method_of(struct str s)
{
	for (size_t i = 0; i < ARRAY_LEN(methods); i++)
		if (s.n == methods[i].text.n &&
		    memcmp(s.p, methods[i].text.p, s.n) == 0)
			return methods[i].method;
	return HTTP_OTHER;
}

static bool
read_request_line(struct reader *r, struct str line)
{
	struct http_head *h = r->head;
	const char *end = line.p + line.n;
	const char *sp = memchr(line.p, ' ', line.n);
	const char *sp2;

	if (!sp)
		return bad(r, "the request line has no target");
	h->method_text = str_make(line.p, (size_t)(sp - line.p));
	if (!all_in(T, h->method_text) || h->method_text.n > METHOD_MAX)
		return bad(r, "the method is malformed");
	h->method = method_of(h->method_text);
	sp++;
	sp2 = memchr(sp, ' ', (size_t)(end - sp));
	if (!sp2)
		return bad(r, "the request line has no version");
	h->target = str_make(sp, (size_t)(sp2 - sp));
	if (h->target.n == 0)
		return bad(r, "the request target is empty");
	for (size_t i = 0; i < h->target.n; i++) {
		unsigned char c = (unsigned char)h->target.p[i];

		if (c <= 0x20 || c >= 0x7f || c == '#')
			return bad(r, "the request target holds a byte that "
				      "must be percent-encoded");
	}
	sp2++;
	return read_version(r, str_make(sp2, (size_t)(end - sp2)));
}

static bool
read_status_line(struct reader *r, struct str line)
{
	struct http_head *h = r->head;
	struct str code;

	if (line.n < 12 || line.p[8] != ' ')
		return bad(r, "the status line is malformed");
	if (!read_version(r, str_make(line.p, 8)))
		return false;
	code = str_make(line.p + 9, 3);
	if (!all_digits(code) || (line.n > 12 && line.p[12] != ' '))
		return bad(r, "the status is malformed");
	h->status = (code.p[0] - '0') * 100 + (code.p[1] - '0') * 10 +
		    (code.p[2] - '0');
	if (h->status < 100 || h->status > 599)
		return bad(r, "the status is out of range");
	if (!text_ok(line.p + 12, line.n - 12))
		return bad(r, "the reason phrase holds a control byte");
	return true;
}

static bool
read_length(struct reader *r, struct str value)
{
	if (r->framing.has_length)
		return bad(r, "more than one Content-Length");
	r->framing.has_length = true;
	if (!all_digits(value) || value.n > 18)
		return bad(r, "Content-Length is not a number");
	r->head->length = 0;
	for (size_t i = 0; i < value.n; i++)
		r->head->length =
			r->head->length * 10 + (uint64_t)(value.p[i] - '0');
	return true;
}

static bool
read_coding(struct reader *r, struct str value)
{
	if (r->framing.has_chunked)
		return bad(r, "more than one Transfer-Encoding");
	r->framing.has_chunked = true;
	if (!is_word(value, "chunked"))
		return bad(r, "Transfer-Encoding is not 'chunked'");
	return true;
}

static bool
read_host(struct reader *r, struct str value)
{
	if (r->framing.has_host)
		return bad(r, "more than one Host");
	r->framing.has_host = true;
	r->framing.host = value;
	if (!all_in(H, value))
		return bad(r, "Host is malformed");
	return true;
}

static void
read_connection(struct reader *r, struct str value)
{
	while (value.n > 0) {
		const char *comma = memchr(value.p, ',', value.n);
		size_t n = comma ? (size_t)(comma - value.p) : value.n;
		struct str word = trim(str_make(value.p, n));

		if (is_word(word, "close"))
			r->framing.close = true;
		else if (is_word(word, "keep-alive"))
			r->framing.keep_alive = true;
		if (!comma)
			return;
		value = str_make(comma + 1, value.n - n - 1);
	}
}

static bool
read_expect(struct reader *r, struct str value)
{
	if (r->head->minor == 0)
		return true; /* RFC 9110, 10.1.1: ignored from a 1.0 client */
	if (!is_word(value, "100-continue"))
		return refuse(r, E_EXPECT, "Expect");
	r->head->expect_continue = true;
	return true;
}

/* The fields that say where a message ends; all others are the user's. */
static bool
read_known(struct reader *r, struct str name, struct str value)
{
	bool request = r->rules->kind == HEAD_REQUEST;

	switch (name.n) {
	case 4:
		if (request && same_word(name, "host"))
			return read_host(r, value);
		return true;
	case 6:
		if (request && same_word(name, "expect"))
			return read_expect(r, value);
		return true;
	case 10:
		if (same_word(name, "connection"))
			read_connection(r, value);
		return true;
	case 14:
		if (same_word(name, "content-length"))
			return read_length(r, value);
		return true;
	case 17:
		if (same_word(name, "transfer-encoding"))
			return read_coding(r, value);
		return true;
	default: return true;
	}
}

static bool
read_field(struct reader *r, struct str line)
{
	struct http_head *h = r->head;
	struct http_field *f;
	size_t n = 0;

	while (n < line.n && is_in(T, line.p[n]))
		n++;
	if (n == line.n || line.p[n] != ':')
		return bad(r, n == 0 && is_blank(line.p[0])
				      ? "a header line is folded"
				      : "a field name is malformed");
	if (n == 0)
		return bad(r, "a field name is empty");
	if (h->n_fields == r->rules->fields)
		return refuse(r, E_HEAD_TOO_LARGE, "fields");
	f = &h->fields[h->n_fields++];
	f->name = str_make(line.p, n);
	f->value = trim(str_make(line.p + n + 1, line.n - n - 1));
	if (!text_ok(f->value.p, f->value.n))
		return bad(r, "a field value holds a control byte");
	return read_known(r, f->name, f->value);
}

/* Splits the target; an absolute one must name the host of the Host field. */
static bool
read_target(struct reader *r)
{
	struct http_head *h = r->head;
	struct str rest = h->target;
	const char *mark;

	if (rest.p[0] != '/') {
		struct str scheme = STR("http://");
		size_t n = 0;

		if (rest.n == 1 && rest.p[0] == '*' &&
		    h->method == HTTP_OPTIONS) {
			h->path = rest;
			return true;
		}
		if (rest.n > 8 && is_word(str_make(rest.p, 8), "https://"))
			scheme = STR("https://");
		else if (rest.n <= 7 ||
			 !is_word(str_make(rest.p, 7), "http://"))
			return bad(r, "the request target is not a path");
		rest = str_make(rest.p + scheme.n, rest.n - scheme.n);
		while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?')
			n++;
		if (!str_ieq(str_make(rest.p, n), r->framing.host))
			return bad(r, "the request target names another host "
				      "than Host");
		rest = str_make(rest.p + n, rest.n - n);
	}
	mark = rest.n ? memchr(rest.p, '?', rest.n) : NULL;
	h->path = mark ? str_make(rest.p, (size_t)(mark - rest.p)) : rest;
	if (mark)
		h->query = str_make(mark + 1, rest.n - h->path.n - 1);
	if (h->path.n == 0)
		h->path = STR("/");
	return true;
}

static bool
finish_request(struct reader *r)
{
	struct http_head *h = r->head;
	const struct framing *f = &r->framing;

	if (!f->has_host && h->minor == 1)
		return bad(r, "Host is missing");
	if (f->has_chunked && h->minor == 0)
		return bad(r, "Transfer-Encoding in HTTP/1.0");
	if (f->has_chunked)
		h->body = HTTP_BODY_CHUNKED;
	else if (f->has_length)
		h->body = HTTP_BODY_LENGTH;
	return read_target(r);
}

static bool
finish_answer(struct reader *r)
{
	struct http_head *h = r->head;
	const struct framing *f = &r->framing;
	bool framed = f->has_chunked || (f->has_length && h->length > 0);
	bool bodiless = h->status < 200 || h->status == 204;

	if (f->has_chunked && h->minor == 0)
		return bad(r, "Transfer-Encoding in HTTP/1.0");
	if (bodiless && framed)
		return bad(r, "a body where the status allows none");
	if (bodiless || h->status == 304 || r->rules->no_body)
		return true;
	if (f->has_chunked) {
		h->body = HTTP_BODY_CHUNKED;
	} else if (f->has_length) {
		h->body = HTTP_BODY_LENGTH;
	} else {
		h->body = HTTP_BODY_CLOSE;
		h->keep_alive = false;
	}
	return true;
}

static bool
read_head(struct reader *r, struct str text)
{
	struct http_head *h = r->head;
	const struct framing *f = &r->framing;
	bool first = true;

	memset(h, 0, offsetof(struct http_head, fields));
	while (text.n > 2) { /* the blank line remains */
		const char *lf = memchr(text.p, '\n', text.n);
		size_t n = (size_t)(lf - text.p);
		struct str line = str_make(text.p, n - 1);
		bool ok;

		if (!first)
			ok = read_field(r, line);
		else if (r->rules->kind == HEAD_REQUEST)
			ok = read_request_line(r, line);
		else
			ok = read_status_line(r, line);
		if (!ok)
			return false;
		first = false;
		text = str_make(lf + 1, text.n - n - 1);
	}
	if (f->has_chunked && f->has_length)
		return bad(r, "Content-Length beside Transfer-Encoding");
	h->keep_alive = !f->close && (h->minor == 1 || f->keep_alive);
	return r->rules->kind == HEAD_REQUEST ? finish_request(r)
					      : finish_answer(r);
}

/* A part of a line: no control byte, no CR but at the very end. */
static bool
partial_ok(const char *p, size_t n)
{
	if (n > 0 && p[n - 1] == '\r')
		n--;
	return text_ok(p, n);
}

/* Looks for the blank line in the bytes that are new. */
static enum head_state
find_end(struct head_scan *s, struct reader *r, struct str in)
{
	while (s->seen < in.n) {
		const char *lf = memchr(in.p + s->seen, '\n', in.n - s->seen);
		uint32_t at;

		if (!lf) {
			if (!partial_ok(in.p + s->seen, in.n - s->seen) &&
			    !bad(r, "a control byte in the head"))
				return HEAD_BAD;
			s->seen = (uint32_t)in.n;
			break;
		}
		at = (uint32_t)(lf - in.p);
		if (at == s->line || in.p[at - 1] != '\r') {
			(void)bad(r, "a line ends without CR");
			return HEAD_BAD;
		}
		s->seen = at + 1;
		if (at - s->line > 1) {
			s->line = s->seen;
		} else if (s->line > s->start) {
			s->size = s->seen;
			return HEAD_DONE;
		} else if (s->start == 0 && r->rules->kind == HEAD_REQUEST) {
			/* RFC 9112, 2.2: one empty line before a request is
			 * the tail of an old client's body */
			s->start = s->line = s->seen;
		} else {
			(void)bad(r, "an empty first line");
			return HEAD_BAD;
		}
	}
	return HEAD_MORE;
}

enum head_state
head_parse(struct head_scan *scan, const struct head_rules *rules,
	   struct str bytes, struct http_head *head, struct head_fault *fault)
{
	struct reader r = {.rules = rules, .head = head, .fault = fault};
	struct str in = bytes;
	enum head_state state;

	/* What lies beyond the limit is not looked at. */
	in.n = MIN_OF(in.n, rules->size);
	state = find_end(scan, &r, in);
	if (state == HEAD_MORE && in.n == rules->size) {
		(void)refuse(&r, E_HEAD_TOO_LARGE, "bytes");
		return HEAD_BAD;
	}
	if (state != HEAD_DONE)
		return state;
	in = str_make(in.p + scan->start, scan->size - scan->start);
	return read_head(&r, in) ? HEAD_DONE : HEAD_BAD;
}

struct str
http_get(const struct http_head *h, const char *name)
{
	size_t n = strlen(name);

	for (unsigned i = 0; i < h->n_fields; i++)
		if (h->fields[i].name.n == n &&
		    same_word(h->fields[i].name, name))
			return h->fields[i].value;
	return STR_NONE;
}
