#pragma once
/* Request ids and key texts. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/str.h"

#define REQUEST_ID_BYTES 16
/* "req_" + 32 hex digits + NUL */
#define REQUEST_ID_TEXT 37
/* "tg_" + 43 base62 digits (32 random bytes) + NUL */
#define KEY_TEXT 47

struct request_id {
	uint8_t b[REQUEST_ID_BYTES];
};

/* Unique: a random 8-byte prefix of the process and a counter, mixed. */
struct id_source {
	uint64_t prefix;
	uint64_t next;
};

void id_source_init(struct id_source *s);
struct request_id id_next(struct id_source *s);
void request_id_text(struct request_id id, char out[REQUEST_ID_TEXT]);
NODISCARD bool request_id_parse(struct str text, struct request_id *out);
/* A new client key; the only copy of its text. */
void key_text_new(char out[KEY_TEXT]);
