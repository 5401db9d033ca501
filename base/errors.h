#pragma once
/*
 * enum err: what a function that can fail returns, and what a client is
 * told. The rows are in errors.def. Start-up and tools use the same type
 * (E_INTERNAL and a log line); E_OK is 0.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/str.h"

enum err {
#define ERR(name, status, type, code, vocab, retry, text) name,
#include "base/errors.def"
#undef ERR
	E_COUNT
};

struct err_row {
	const char *name;   /* "E_BAD_JSON" */
	int status;	    /* HTTP */
	const char *type;   /* OpenAI error.type */
	const char *code;   /* OpenAI error.code */
	const char *vocab;  /* error_type of logs, metrics, ledger */
	bool other_channel; /* another channel may succeed */
	const char *text;   /* may hold one %s: the detail */
};

const struct err_row *err_row(enum err e);
/* A provider refuses one of its keys: others of the channel may do. */
static inline bool
err_is_key_fault(enum err e)
{
	return e == E_UP_CREDENTIALS || e == E_UP_BILLING ||
	       e == E_UP_RATE_LIMITED;
}
/* Index of the row's vocabulary word, 0 = none; stable within a release's
 * ledger format: stored in entries as u8. */
uint8_t err_vocab_id(enum err e);
const char *err_vocab_name(uint8_t id);
