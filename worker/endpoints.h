#pragma once
/* Method + path -> what serves it. A new endpoint is one row. */
#include "adapters/adapter.h"
#include "base/str.h"
#include "http/msg.h"
#include "shm/metrics.h"
#include "shm/slots.h"

struct request;

enum endpoint_flag {
	ENDPOINT_NO_KEY = 1, /* served without a key */
	ENDPOINT_PREFIX = 2, /* the path goes on with an id */
	ENDPOINT_ANY = 4,    /* whatever the method */
};

struct endpoint {
	const char *path; /* `*` = any run of bytes: ask.path, with the rest */
	bool post;	  /* else GET and HEAD */
	unsigned flags;
	enum metric_route route;
	/* pages */
	void (*page)(struct request *req);
	/* inference */
	const struct dialect *dialect;
	enum ask_kind kind;
	enum note_endpoint note;
	const struct service *service; /* ASK_SERVICE */
};

/* In whose words errors are told before an endpoint is known. */
const struct dialect *endpoint_dialect(const struct http_head *head);
/* NULL: no such path; else *method_ok says whether the method fits. */
const struct endpoint *endpoint_find(struct str path, enum http_method method,
				     bool *method_ok);
