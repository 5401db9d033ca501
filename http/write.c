/*
 * Owns the bytes of heads that leave the server. Called once per answer and
 * once per piece of a stream, so without printf.
 */
#include "http/write.h"

#include "base/digits.h"
#include "base/must.h"

struct cursor {
	char *at;
	const char *end;
};

static void
put(struct cursor *c, const char *p, size_t n)
{
	must((size_t)(c->end - c->at) >= n);
	memcpy(c->at, p, n);
	c->at += n;
}

static void
put_str(struct cursor *c, struct str s)
{
	put(c, s.p, s.n);
}

static void
put_number(struct cursor *c, uint64_t v)
{
	must((size_t)(c->end - c->at) >= DIGITS_MAX);
	c->at += digits_write(c->at, v);
}

static void
put_date(struct cursor *c, struct date_line *d)
{
	time_t now = time(NULL);

	if (UNLIKELY(d->at != now)) {
		(void)time_http((uint64_t)now * NS_PER_SEC, d->text);
		d->at = now;
	}
	put_str(c, STR("date: "));
	put(c, d->text, strlen(d->text));
	put_str(c, STR("\r\n"));
}

const char *
status_reason(int status)
{
	switch (status) {
	case 100: return "Continue";
	case 200: return "OK";
	case 201: return "Created";
	case 202: return "Accepted";
	case 204: return "No Content";
	case 206: return "Partial Content";
	case 301: return "Moved Permanently";
	case 302: return "Found";
	case 303: return "See Other";
	case 304: return "Not Modified";
	case 307: return "Temporary Redirect";
	case 308: return "Permanent Redirect";
	case 400: return "Bad Request";
	case 401: return "Unauthorized";
	case 402: return "Payment Required";
	case 403: return "Forbidden";
	case 404: return "Not Found";
	case 405: return "Method Not Allowed";
	case 406: return "Not Acceptable";
	case 408: return "Request Timeout";
	case 409: return "Conflict";
	case 410: return "Gone";
	case 411: return "Length Required";
	case 412: return "Precondition Failed";
	case 413: return "Content Too Large";
	case 415: return "Unsupported Media Type";
	case 416: return "Range Not Satisfiable";
	case 417: return "Expectation Failed";
	case 421: return "Misdirected Request";
	case 422: return "Unprocessable Content";
	case 424: return "Failed Dependency";
	case 426: return "Upgrade Required";
	case 429: return "Too Many Requests";
	case 431: return "Request Header Fields Too Large";
	case 451: return "Unavailable For Legal Reasons";
	case 500: return "Internal Server Error";
	case 501: return "Not Implemented";
	case 502: return "Bad Gateway";
	case 503: return "Service Unavailable";
	case 504: return "Gateway Timeout";
	case 505: return "HTTP Version Not Supported";
	case 529: return "Overloaded";
	default: return "Status";
	}
}

bool
status_has_body(int status)
{
	return status >= 200 && status != 204 && status != 304;
}

size_t
answer_write(char out[ANSWER_MAX], const struct answer *a,
	     struct date_line *date)
{
	struct cursor c = {out, out + ANSWER_MAX};

	must(a->status >= 100 && a->status <= 999);
	put_str(&c, STR("HTTP/1.1 "));
	put_number(&c, (uint64_t)a->status);
	put_str(&c, STR(" "));
	put_str(&c, str_of(status_reason(a->status)));
	put_str(&c, STR("\r\n"));
	put_date(&c, date);
	if (a->body == ANSWER_LENGTH) {
		put_str(&c, STR("content-length: "));
		put_number(&c, a->length);
		put_str(&c, STR("\r\n"));
	} else if (a->body == ANSWER_CHUNKED) {
		put_str(&c, STR("transfer-encoding: chunked\r\n"));
	}
	if (a->connection == ANSWER_SAYS_CLOSE)
		put_str(&c, STR("connection: close\r\n"));
	else if (a->connection == ANSWER_SAYS_KEEP_ALIVE)
		put_str(&c, STR("connection: keep-alive\r\n"));
	return (size_t)(c.at - out);
}

size_t
chunk_write(char out[CHUNK_MAX], uint64_t size)
{
	static const char hex[] = "0123456789abcdef";
	char digits[16];
	size_t n = sizeof(digits);
	struct cursor c = {out, out + CHUNK_MAX};

	do {
		digits[--n] = hex[size & 15];
		size >>= 4;
	} while (size > 0);
	put(&c, digits + n, sizeof(digits) - n);
	put_str(&c, STR("\r\n"));
	return (size_t)(c.at - out);
}
