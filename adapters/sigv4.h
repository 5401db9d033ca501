#pragma once
/*
 * AWS Signature Version 4: the header fields that sign a request. Pure: the
 * time is an argument.
 */
#include <stdbool.h>
#include <stdint.h>

#include "adapters/chat.h"
#include "base/arena.h"
#include "base/attrs.h"
#include "base/str.h"

/* Who signs, for what, when. */
struct sigv4_scope {
	struct str key_id;
	struct str secret;
	struct str region;
	struct str service;
	uint64_t now_s; /* wall clock */
};

/* A header field that is signed. */
struct sigv4_field {
	struct str name; /* lower case */
	struct str value;
};

struct sigv4_request {
	struct str method;
	/* As in the request line, escapes and all: they are escaped once more,
	 * as all services but S3 want it. With its query, if it has one: names
	 * and values in it must be escaped already. */
	struct str target;
	const struct sigv4_field *fields; /* sorted by name */
	unsigned n_fields;
	struct str body_hash; /* SHA-256, hex digits */
};

#define SIGV4_TIME 16 /* 20150830T123600Z */
void sigv4_time(uint64_t now_s, char out[SIGV4_TIME + 1]);

/* The value of the field "authorization"; {NULL, 0}: out of memory. */
struct str sigv4_authorization(struct arena *a, const struct sigv4_scope *s,
			       const struct sigv4_request *r);
/* The lines, each with its end, of a POST with this body: x-amz-date,
 * x-amz-content-sha256, x-amz-security-token where `session` is not empty,
 * and authorization, which signs them and the host. */
struct str sigv4_lines(struct arena *a, const struct sigv4_scope *s,
		       struct str session, struct str host, struct str target,
		       const struct pieces *body);
