#pragma once
/*
 * Writing heads of answers and of chunks into the caller's memory. The lines
 * written here are the server's own: status, date, length or coding, and
 * connection; all others are the user's and follow.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/attrs.h"
#include "base/clock.h"
#include "base/str.h"

/* The longest head of answer_write() and of chunk_write(). */
#define ANSWER_MAX 256
#define CHUNK_MAX  20

enum answer_body {
	ANSWER_LENGTH, /* content-length: length */
	ANSWER_CHUNKED,
	ANSWER_CLOSE, /* ends with the connection */
	ANSWER_NONE   /* the status allows no body: no length line */
};

enum answer_connection {
	ANSWER_SILENT, /* no line: HTTP/1.1 stays open */
	ANSWER_SAYS_CLOSE,
	ANSWER_SAYS_KEEP_ALIVE /* to HTTP/1.0 */
};

struct answer {
	int status;
	enum answer_body body;
	enum answer_connection connection;
	uint64_t length;
};

/* The Date header, made once a second. Zeroed = not made yet. */
struct date_line {
	time_t at;
	char text[TIME_TEXT];
};

/* Status line and the server's own fields; the user's fields and the blank
 * line are the caller's to add. Returns the bytes written. */
size_t answer_write(char out[ANSWER_MAX], const struct answer *a,
		    struct date_line *date);
/* "1a\r\n" */
size_t chunk_write(char out[CHUNK_MAX], uint64_t size);
/* 1xx, 204 and 304 have no body. */
bool status_has_body(int status);
const char *status_reason(int status);
