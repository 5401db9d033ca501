#pragma once
/*
 * The plan of one answer, made from directives ("@@name=value ..."). The
 * table is plan.def, the meaning of each row stands in README.md.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct plan {
#define NUM(name, def, least, most) int64_t name;
#define WORD(name, ...)		    int64_t name;
#define TEXT(name, room)	    char name[room];
#include "tests/mock/plan.def"
#undef NUM
#undef WORD
#undef TEXT
};

/* The words of plan.def, in its order. */
enum {
	TEXT_ASCII,
	TEXT_SURROGATE,
	TEXT_NUL,
	TEXT_UTF8,
	TEXT_BADUTF8,
	TEXT_ESCAPE,
	TEXT_JSON
};
enum {
	FINISH_AUTO,
	FINISH_STOP,
	FINISH_LENGTH,
	FINISH_FILTER,
	FINISH_TOOLS,
	FINISH_NONE
};
enum {
	USAGE_NORMAL,
	USAGE_MISSING,
	USAGE_ZERO,
	USAGE_HUGE,
	USAGE_NEGATIVE,
	USAGE_2_63,
	USAGE_TWO,
	USAGE_NULL,
	USAGE_STRING,
	USAGE_FLOAT,
	USAGE_EMPTY,
	USAGE_PARTIAL,
	USAGE_SUM,
	USAGE_EACH,
	USAGE_EARLY
};
enum { EOL_LF, EOL_CRLF, EOL_CR };
enum { FRAMING_AUTO, FRAMING_CHUNKED, FRAMING_LENGTH, FRAMING_CLOSE };
enum {
	HEAD_GOOD,
	HEAD_GARBAGE,
	HEAD_STATUS,
	HEAD_VERSION,
	HEAD_COLON,
	HEAD_SPACE,
	HEAD_TWOLEN,
	HEAD_LENTE,
	HEAD_FOLD,
	HEAD_NUL,
	HEAD_BARELF,
	HEAD_HUGE,
	HEAD_MANY,
	HEAD_NEGLEN,
	HEAD_PLUSLEN,
	HEAD_CODING,
	HEAD_CHUNKSIZE,
	HEAD_CHUNKHUGE,
	HEAD_CHUNKCRLF,
	HEAD_CHUNKEXT
};
enum {
	JSON_GOOD,
	JSON_TRUNCATE,
	JSON_GARBAGE,
	JSON_TRAILING,
	JSON_HTML,
	JSON_EMPTY,
	JSON_DUP,
	JSON_DEEP,
	JSON_ARRAY
};

/* The plan of an untroubled answer. */
void plan_init(struct plan *plan);

/*
 * Applies each "@@name[=value]" of the text; anything else is skipped. False
 * with the reason in `why` when a directive is unknown or out of range.
 */
bool plan_read(struct plan *plan, const char *text, size_t n, char *why,
	       size_t room);
