#pragma once
/*
 * A parsed HTTP/1.1 head: spans into the connection's read buffer, valid
 * only as long as the callback that got it (copy what must live longer).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/str.h"

#define HTTP_FIELDS_MAX 64

struct http_field {
	struct str name;  /* as sent; compare with str_ieq() */
	struct str value; /* trimmed */
};

enum http_method {
	HTTP_GET,
	HTTP_HEAD,
	HTTP_POST,
	HTTP_PUT,
	HTTP_PATCH,
	HTTP_DELETE,
	HTTP_OPTIONS,
	HTTP_OTHER,
};

enum http_body_kind {
	HTTP_BODY_NONE,
	HTTP_BODY_LENGTH,
	HTTP_BODY_CHUNKED,
	HTTP_BODY_CLOSE
};

struct http_head {
	/* request */
	enum http_method method;
	struct str method_text;
	struct str target; /* whole request target */
	struct str path;   /* without the query */
	struct str query;  /* without the '?', p == NULL when there is none */
	/* response */
	int status;
	/* both */
	int minor; /* HTTP/1.minor, 0 or 1 */
	enum http_body_kind body;
	uint64_t length; /* HTTP_BODY_LENGTH */
	bool keep_alive; /* what the peer allows */
	bool expect_continue;
	unsigned n_fields;
	struct http_field fields[HTTP_FIELDS_MAX];
};

/* The value of the first field `name` (lower case); p == NULL when absent. */
struct str http_get(const struct http_head *h, const char *name);
